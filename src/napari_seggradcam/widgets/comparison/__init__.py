"""The second dock widget: regions, places and network layers compared by what the network uses.

It asks about the image and the network of the main dock, in ``widgets.dock``. Plots need
napari-matplotlib (extra ``plots``) and are imported when there is something to draw.
"""
