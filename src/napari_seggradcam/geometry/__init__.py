"""Where things lie: grids in world coordinates, and masks made on them.

Knows numpy arrays, affine transforms and units of length. Knows nothing of
napari layers (see ``viewer.placement``), of networks, or of files.
"""
