"""Methods that say of every value of the network's input how much it matters to the score.

They run through captum, which the extra ``methods`` installs.
"""

from .attribution import Attribution, PixelMethod
from .gradients import InputTimesGradient, IntegratedGradients, Saliency, SmoothGrad
from .occlusion import Occlusion

METHODS: dict[str, type[PixelMethod]] = {
    method.name: method
    for method in (Saliency, InputTimesGradient, IntegratedGradients, SmoothGrad, Occlusion)
}

__all__ = [
    "METHODS",
    "Attribution",
    "InputTimesGradient",
    "IntegratedGradients",
    "Occlusion",
    "PixelMethod",
    "Saliency",
    "SmoothGrad",
]
