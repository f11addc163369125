"""The score as a function of the network's input, for methods that run the network many times.

The score is given as a function of the logits. What runs may be the whole padded image or a crop of
it that has all that M sees.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from ..errors import Cancelled, NetworkError, SegGradCamError
from ..networks.network import Network
from ..networks.progress import Cancel, Progress
from ..networks.running import FunctionCalls, cancellable, shortage_told
from .capture import Taps
from .fitting import PIXELS_OF_A_BATCH
from .neutral_inputs import Neutral, neutral_input
from .regions.region import Box, whole
from .scores import ScoreOfLogits

# Scores of an input that ran alone and in a batch may differ by what rounding does.
_EQUAL = 1e-3


class InputScore:
    """S as a function of the network's input, x ↦ S(x), that gradients can be taken of.

    Call it with inputs of shape (batch, channels, *spatial); it returns the scores, of shape
    (batch,). Use it with the network's lock held, inside `as_found`, with gradients enabled:
    where no input requires one, no graph is kept.

    Parameters
    ----------
    network
        What runs.
    tensor
        Padded, normalised input of shape (1, channels, *spatial); never changed.
    score
        Scores (batch,), in double where the device knows it, of logits (batch, rows, *output).
    progress
        Called with runs done, runs in all and a name; a run is one input's pass forward, and what
        follows of it backward.
    cancel
        Asked before each module.
    window
        The part of the tensor that runs, per spatial axis; None: all of it.

    Attributes
    ----------
    network : Network
    tensor : torch.Tensor
        What runs, on the network's device, in single precision or that of the network if that is
        higher.
    cancel : callable or None
    """

    def __init__(
        self,
        network: Network,
        tensor: torch.Tensor,
        score: ScoreOfLogits,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        window: Box | None = None,
    ):
        self.network = network
        dtype = torch.promote_types(network.dtype, torch.float32)
        self._whole = tensor.detach().to(network.device, dtype)
        self._window: Box = whole(tuple(tensor.shape[2:])) if window is None else window
        self.tensor = self._whole[:, :, *self._window]
        self.cancel = cancel
        self._score = score
        self._progress = progress
        self._done = 0
        self._total = 0
        self._what = ""
        self._batch: int | None = None

    def __call__(self, inputs: torch.Tensor, taps: Taps | None = None) -> torch.Tensor:
        """Scores of inputs.

        Parameters
        ----------
        inputs
            Of shape (batch, channels, *spatial).
        taps
            What takes feature maps on the way.

        Raises
        ------
        NetworkError
            If the network fails on them.
        Cancelled
            If ``cancel`` said so.
        """
        scores = self._run(inputs, taps)
        self._done += len(inputs)
        self._total = max(self._total, self._done)
        if self._progress is not None:
            self._progress(self._done, self._total, self._what)
        return scores

    def of(self, score: ScoreOfLogits) -> "InputScore":
        """Another function of the same network's logits, with the same progress."""
        return InputScore(
            self.network, self._whole, score, self._progress, self.cancel, self._window
        )

    def neutral(self, kind: Neutral, seed: int = 0) -> torch.Tensor:
        """An input that is to say nothing: of the part that runs, as `neutral_input` of all."""
        return neutral_input(self._whole, kind, seed)[:, :, *self._window]

    def expect(self, runs: int, what: str) -> None:
        """There will be so many more runs, of what bears this name."""
        self._total = self._done + runs
        self._what = what

    @property
    def batch(self) -> int:
        """How many inputs to run at once, at most.

        Networks that were exported for one image fail on two, or mix them; they get one at a time.
        """
        if self._batch is None:
            fitting = max(1, PIXELS_OF_A_BATCH // math.prod(self.tensor.shape[2:]))
            self._batch = fitting if fitting > 1 and self._takes_batches() else 1
        return self._batch

    def _takes_batches(self) -> bool:
        """Whether each of two inputs that run together gets the score that it gets alone."""
        both = torch.cat([self.tensor, torch.zeros_like(self.tensor)])
        with torch.no_grad():
            alone = torch.cat([self._run(one, None) for one in torch.split(both, 1)])
            try:
                together = self._run(both, None)
            except Cancelled:
                raise
            except (SegGradCamError, RuntimeError, IndexError):
                return False
        size = float(alone.abs().max())
        is_pair = together.shape == alone.shape
        return is_pair and float((together - alone).abs().max()) <= _EQUAL * size

    def _run(self, inputs: torch.Tensor, taps: Taps | None) -> torch.Tensor:
        network = self.network
        calls = (
            FunctionCalls(network.ndim, network.bypass)
            if taps is None
            else taps.calls(network.ndim, network.bypass)
        )
        with taps or nullcontext(), cancellable(network.module, self.cancel):
            # A copy, because networks may change what they are given.
            return self._score(network.run(inputs.clone(), calls))


@contextmanager
def gradients_told() -> Iterator[None]:
    """Raise errors of this package for what torch raises when it takes gradients.

    Raises
    ------
    NetworkError
        If no gradient can be taken of the network.
    OutOfMemory
        If memory ran out.
    """
    try:
        with shortage_told():
            yield
    except SegGradCamError:
        raise
    except RuntimeError as error:
        raise NetworkError(
            f"No gradient can be taken of the score: {error} Choose a method that needs none, "
            "such as occlusion."
        ) from error
