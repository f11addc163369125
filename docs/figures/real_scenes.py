"""Images in the domain of two published networks, generated with fixed seeds.

Neither network comes with an image. These look as their authors say that images look: the eye of
a mouse under infrared light, and a Sentinel-2 scene in reflectance.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
# Reflectance in these bands at the top of the atmosphere, roughly, as textbooks show it.
GROUND = {
    "field": (0.11, 0.10, 0.08, 0.33, 0.20, 0.11),
    "soil": (0.13, 0.13, 0.15, 0.24, 0.29, 0.23),
    "forest": (0.09, 0.07, 0.05, 0.24, 0.12, 0.06),
    "water": (0.10, 0.07, 0.05, 0.03, 0.01, 0.01),
}
# Of neighbouring pixels, relative to their brightness. At 0.12 the network takes most for clouds.
TEXTURE = 0.01
CLOUD = (0.62, 0.61, 0.63, 0.68, 0.52, 0.42)


def eye(size: int = 148) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """An eye in grey fur: the image (Y, X), and where its pupil is."""
    generator = np.random.default_rng(3)
    y, x = np.mgrid[:size, :size].astype(float)
    centre_y, centre_x = 0.50 * size, 0.52 * size
    fur = 118 + 26 * noise(generator, size, 2.0) + 30 * noise(generator, size, 22.0)
    ball = np.hypot((y - centre_y) / (0.31 * size), (x - centre_x) / (0.40 * size)) < 1
    iris = 78 + 7 * noise(generator, size, 3.0) + 14 * (centre_y - y) / size
    image = np.where(smooth(ball, 2.0) > 0.5, iris, fur)
    rim = smooth(ball, 1.0) - smooth(ball, 4.0)
    image -= 45 * np.abs(rim)
    pupil = np.hypot((y - centre_y) / (0.135 * size), (x - centre_x) / (0.15 * size)) < 1
    covered = smooth(pupil, 1.2)
    image = image * (1 - covered) + 24 * covered
    glint = np.hypot(y - centre_y + 0.075 * size, x - centre_x - 0.05 * size) < 0.022 * size
    image += 190 * smooth(glint, 0.8)
    image = gaussian_filter(image, 0.8) + generator.normal(0, 3.0, image.shape)
    return image.clip(0, 255).round().astype(np.uint8), pupil


def scene(size: int = 256) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Clouds over farmland: reflectances (6, Y, X), and 0 clear, 1 cloud, 2 shadow."""
    generator = np.random.default_rng(11)
    kinds = list(GROUND)
    kind = fields(generator, size)
    ground = np.stack([np.array(GROUND[name]) for name in kinds])[kind].transpose(2, 0, 1)
    texture = 1 + TEXTURE * noise(generator, size, 1.0) + 0.03 * noise(generator, size, 12.0)
    thickness = ((noise(generator, size, 18.0) + 0.35 * noise(generator, size, 5.0)) - 1.0).clip(0)
    opacity = 1 - np.exp(-4.0 * thickness)
    shade = gaussian_filter(shift(opacity, (22, 26), order=1), 1.5)
    surface = ground * texture * (1 - 0.68 * shade)
    bright = np.array(CLOUD)[:, None, None] * (0.9 + 0.06 * noise(generator, size, 4.0))
    image = surface * (1 - opacity) + bright * opacity
    image += generator.normal(0, 0.001, image.shape)
    classes = np.where(opacity > 0.35, 1, np.where(shade > 0.35, 2, 0))
    return image.clip(0.001, 1).astype(np.float32), classes


def fields(generator: np.random.Generator, size: int) -> NDArray[np.int64]:
    """Fields, bare soil and woods with straight borders, and a river."""
    y, x = np.mgrid[:size, :size]
    points = generator.uniform(0, size, (60, 2))
    distance = np.hypot(y[..., None] - points[:, 0], x[..., None] - points[:, 1])
    kind = generator.choice(3, len(points), p=(0.45, 0.25, 0.30))[distance.argmin(-1)]
    bed = 0.72 * size + 0.10 * size * np.sin(2 * np.pi * y / size * 0.8) - 0.15 * y
    return np.where(np.abs(x - bed) < 0.02 * size, 3, kind)


def noise(generator: np.random.Generator, size: int, sigma: float) -> NDArray[np.float64]:
    """Smooth noise of mean 0 and deviation 1."""
    values = gaussian_filter(generator.normal(size=(size, size)), sigma, mode="wrap")
    return (values - values.mean()) / values.std()


def smooth(mask: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """A mask with soft edges."""
    return gaussian_filter(mask.astype(float), sigma)
