"""Training U-Nets on generated scenes, folders of images and masks, and Cityscapes.

What the trained networks are worth is measured in the room ``evaluate``.
"""
