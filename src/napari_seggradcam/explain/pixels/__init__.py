"""Methods that say of every value of the network's input how much it matters to the score.

They run through captum, which the extra ``methods`` installs.
"""

from .gradients import InputTimesGradient, IntegratedGradients, Saliency, SmoothGrad
from .method import PixelMethod
from .occlusion import Occlusion

__all__ = [
    "InputTimesGradient",
    "IntegratedGradients",
    "Occlusion",
    "PixelMethod",
    "Saliency",
    "SmoothGrad",
]
