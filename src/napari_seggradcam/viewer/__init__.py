"""napari without Qt: layers in (images, regions) and layers out (results).

Everything here works on a ``napari.components.ViewerModel`` and through the
proxy that napari hands to plugins. Buttons, threads and timers are in
``widgets``.
"""
