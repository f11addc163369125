"""Methods that hand other feature maps on in place of a network layer's own, run after run."""

from .ablation import LayerAblation, ablation_weights
from .layer_integrated_gradients import LayerAttribution, LayerIntegratedGradients

__all__ = ["LayerAblation", "LayerAttribution", "LayerIntegratedGradients", "ablation_weights"]
