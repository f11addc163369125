"""Methods that hand other feature maps on in place of a network layer's own, run after run."""

from .ablation import AblationCam, LayerAblation, ablation_weights
from .layer_integrated_gradients import LayerIntegratedGradients

__all__ = [
    "AblationCam",
    "LayerAblation",
    "LayerIntegratedGradients",
    "ablation_weights",
]
