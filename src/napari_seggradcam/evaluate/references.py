"""What a heatmap is compared with: edges of the image, logits and mask of the class.

The edges are `napari_seggradcam.explain.comparison.echoes.image_gradients`.
"""

import numpy as np
from numpy.typing import NDArray

EDGES, LOGITS, MASK = "image gradients", "logits", "predicted mask"
REFERENCES = (EDGES, LOGITS, MASK)


def class_references(
    logits: NDArray[np.float32], target: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of a class, and the mask (0 or 1) of the pixels predicted as it.

    Parameters
    ----------
    logits
        Of shape (classes, *spatial).
    target
        Index of the class.
    """
    mask = logits.argmax(axis=0) == target
    return logits[target].astype(np.float64), mask.astype(np.float64)
