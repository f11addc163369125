"""Regions M: the pixels that a question is about, on the image and on the network's output."""
