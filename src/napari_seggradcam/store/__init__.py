"""Arrays with their placement and a record on disk, and figures of them.

This room knows arrays, where they lie on the image, and files; it knows neither
networks nor torch, and not how a heatmap came about.
"""
