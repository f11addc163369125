"""Generated street scenes with the seven class groups of Cityscapes."""

from __future__ import annotations

import numpy as np

from napari_seggradcam.scenes.scene import Scene, check_size

CLASSES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
COLOURS = ("#804080", "#464646", "#dcdc00", "#6b8e23", "#4682b4", "#dc143c", "#00008e")
SIZE = (256, 512)
SMALLEST = 64


def generate(seed: int, size: tuple[int, int] = SIZE) -> Scene:
    """Return the generated street scene of this seed."""
    size = check_size(size, SMALLEST)
    rng = np.random.default_rng(seed)
    labels = np.full(size, CLASSES.index("sky"), np.uint8)
    labels[int(rng.uniform(0.3, 0.6) * size[0]) :] = CLASSES.index("flat")
    instances = np.zeros(size, np.int32)
    for number in range(1, 6):
        y, x = int(rng.uniform(0.4, 0.7) * size[0]), int(rng.uniform(0, 0.8) * size[1])
        window = np.s_[y : y + size[0] // 6, x : x + size[1] // 8]
        labels[window] = rng.integers(1, 7)
        instances[window] = number
    image = rng.integers(0, 60, (*size, 3)) + labels[..., None] * 25
    return Scene(image.astype(np.uint8), labels, instances, "YXC", CLASSES, COLOURS, seed, {})
