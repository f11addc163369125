"""Methods whose weights are found by running the network, before the feature maps are read."""

from abc import abstractmethod
from collections.abc import Mapping

from ..ground import Ground
from .gradient import LayerGradient
from .weighting import GradientMethod, LayerShape, MapWeights, Method, Totals


class PreparedMethod(Method):
    """A method that runs the network itself to find one weight for every feature map."""

    @abstractmethod
    def prepare(self, ground: Ground) -> GradientMethod:
        """The method with its weights.

        Parameters
        ----------
        ground
            The question.

        Raises
        ------
        NetworkError
            If the network fails.
        Cancelled
            If the caller wants to stop.
        """


class GivenWeights(GradientMethod):
    """Weights that are there already.

    Parameters
    ----------
    weights
        By name of the network layer.
    """

    needs_gradient = False

    def __init__(self, weights: Mapping[str, MapWeights]):
        self._weights = weights

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights:
        """The weights of a network layer."""
        return self._weights[shape.name]
