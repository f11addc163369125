"""Trial runs on blank images, which tell what sizes a module takes and what happens inside it.

Shapes are all that is asked for, so that convolutions are left blank; a module that minds that runs
as it is. Large images run through the module's twin without numbers, on torch's meta device, which
knows shapes and computes nothing, and takes a second to load.
"""

import copy
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

import torch
from torch import nn

from ..errors import NetworkError
from .blank_convolutions import BlankConvolutions
from .outputs import select_output
from .running import as_found, call_module, device_of, dtype_of
from .sizes import AxisRule, find_rules, only_size
from .tracing import Trace, trace_network

_MANY = {2: 2**17, 3: 2**17}  # pixels from which a run costs more than one on the meta device
_PROBE = {2: (128, 64), 3: (32, 32)}  # least size, and how much the second one is larger

Answer = TypeVar("Answer")


class Prober:
    """Runs a module on blank images; the module is left as it was found.

    Parameters
    ----------
    module
        Any torch module.
    ndim
        Number of spatial axes.
    channels
        Channels of the image.
    output
        Which of several outputs is the logits; None: see `select_output`.
    """

    def __init__(self, module: nn.Module, ndim: int, channels: int, output: str | None = None):
        self._module = module
        self._ndim = ndim
        self._channels = channels
        self._output = output
        self._blank: bool | None = None  # whether it runs with blank convolutions, once it is known

    def rules(self, known: Sequence[tuple[int, ...]] = ()) -> tuple[AxisRule, ...]:
        """Sizes that every spatial axis may have; see `find_rules`."""
        with as_found(self._module), torch.no_grad():
            return find_rules(self._output_shape, self._ndim, known)

    def probe_sizes(self, rules: tuple[AxisRule, ...]) -> tuple[tuple[int, ...], ...]:
        """Two sizes, large enough that the bottleneck of any network in use has positions.

        One, if the network takes only that.
        """
        size = only_size(rules)
        if size is not None:
            return (size,)
        least, growth = _PROBE[self._ndim]
        small = tuple(rule.fit(least) for rule in rules)
        return small, tuple(size + growth for size in small)

    def trace(self, size: tuple[int, ...]) -> Trace:
        """Graph of tensors for an input of one size."""
        with as_found(self._module):
            return self._try(
                size,
                lambda module, image: trace_network(module, image, self._ndim, self._output),
            )

    def _output_shape(self, size: tuple[int, ...]) -> tuple[int, ...]:
        def run(module: nn.Module, image: torch.Tensor) -> tuple[int, ...]:
            returned = call_module(module, image)
            return tuple(select_output(returned, self._ndim, self._output).shape[2:])

        return self._try(size, run)

    def _try(
        self, size: tuple[int, ...], run: Callable[[nn.Module, torch.Tensor], Answer]
    ) -> Answer:
        """Run on the module, or where that costs more, on its twin if it has one."""
        shape = (1, self._channels, *size)
        if math.prod(size) >= _MANY[self._ndim] and self._twin is not None:
            try:
                return run(self._twin, torch.empty(shape, device="meta", dtype=self._dtype))
            except NetworkError as error:
                if "meta" not in str(error):  # the size is at fault, not the lack of numbers
                    raise
            self._twin = None
        image = torch.zeros(shape, device=device_of(self._module), dtype=self._dtype)
        return self._run_blank(image, run) if self._blank is not False else run(self._module, image)

    def _run_blank(
        self, image: torch.Tensor, run: Callable[[nn.Module, torch.Tensor], Answer]
    ) -> Answer:
        """Run with blank convolutions, unless it was those that the module failed for."""
        try:
            with BlankConvolutions():
                answer = run(self._module, image.clone())
        except NetworkError:
            if self._blank:  # it was not those before
                raise
            answer = run(self._module, image)
            self._blank = False
            return answer
        self._blank = True
        return answer

    @cached_property
    def _twin(self) -> nn.Module | None:
        """Copy of the module with the shapes of parameters and buffers and no content."""
        memo: dict[int, torch.Tensor] = {
            id(buffer): torch.empty_like(buffer, device="meta") for buffer in self._module.buffers()
        }
        for parameter in self._module.parameters():
            shape_only = torch.empty_like(parameter, device="meta", requires_grad=False)
            memo[id(parameter)] = nn.Parameter(shape_only, requires_grad=False)
        try:
            return copy.deepcopy(self._module, memo)
        except Exception:  # some modules refuse to be copied
            return None

    @property
    def _dtype(self) -> torch.dtype:
        return dtype_of(self._module)
