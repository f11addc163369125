"""How good a segmentation is, and what its explanations show: metrics, checks, reports.

Nothing here trains a network or draws into a viewer.
"""
