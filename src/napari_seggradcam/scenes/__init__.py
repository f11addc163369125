"""Synthetic images whose evidence is known, and the sample data.

Two kinds of scene are generated, fluorescence nuclei (`nuclei`) and street scenes
(`streets`); both are a pure function of kind, seed and size. `samples` opens what is
shown first: one real image and one generated street.

Nothing here trains or runs a network.
"""
