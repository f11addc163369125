"""What a network is made of, found by running its module on blank images."""

import threading
from collections.abc import Sequence
from functools import cached_property

from torch import nn

from .layers import NetworkLayer
from .probing import Prober
from .roles import find_layers
from .sizes import AxisRule
from .tracing import Trace


class Anatomy:
    """Sizes, outputs and network layers of a module, found when they are first asked for.

    Parameters
    ----------
    module
        Any torch module.
    ndim
        Number of spatial axes.
    channels
        Channels of the image.
    output
        Which of several outputs is the logits; None: the first of the largest.
    sizes
        Smallest size and step of every spatial axis, as the file declares them; None: any.
    known
        Spatial shapes on which it is said to run; see `find_rules`.
    lock
        Held while the module runs.
    """

    def __init__(
        self,
        module: nn.Module,
        ndim: int,
        channels: int,
        output: str | None,
        sizes: tuple[tuple[int, int], ...] | None,
        known: Sequence[tuple[int, ...]],
        lock: "threading.RLock",
    ):
        self._prober = Prober(module, ndim, channels, output)
        self._sizes_declared = sizes
        self._known = tuple(known)
        self._lock = lock

    @cached_property
    def rules(self) -> tuple[AxisRule, ...]:
        """Sizes that every spatial axis may have, found by trying (0.1 to some seconds)."""
        with self._lock:
            rules = self._prober.rules(self._known)
        if self._sizes_declared is None:
            return rules
        declared = zip(rules, self._sizes_declared, strict=True)
        return tuple(rule.narrowed(minimum, step) for rule, (minimum, step) in declared)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that may be logits."""
        return self._traces[0].outputs

    @cached_property
    def layers(self) -> tuple[NetworkLayer, ...]:
        """All network layers in order of execution, found by tracing forward passes."""
        return find_layers(self._traces, self._sizes)

    @property
    def activation(self) -> tuple[str, int] | None:
        """Softmax or sigmoid at the network's end, and which of the activation calls it is."""
        return self._traces[0].activation

    @property
    def rows(self) -> int:
        """Rows of logits."""
        return self._traces[0].rows

    @property
    def _sizes(self) -> tuple[tuple[int, ...], ...]:
        return self._prober.probe_sizes(self.rules)

    @cached_property
    def _traces(self) -> tuple[Trace, ...]:
        with self._lock:
            return tuple(map(self._prober.trace, self._sizes))
