"""Which input sizes a network takes and how large its output is, found by trying.

Networks fail, round or pad when a size does not suit them. The rule found here says which sizes
run with one fixed relation between input and output, so that images can be padded to them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import NetworkError

_BASES = (16, 32, 64, 128, 256)
_SPAN = 64  # no network in use asks for a larger step
_STEPS = (1, 2, 4, 8, 16, 32, 64)

Run = Callable[[tuple[int, ...]], tuple[int, ...] | None]


@dataclass(frozen=True)
class AxisRule:
    """Sizes that one spatial axis may have.

    Attributes
    ----------
    base
        A size that runs; so does every ``base + k * step`` down to ``minimum``.
    step
        Distance between sizes that run.
    minimum
        Smallest such size.
    output_stride
        Input pixels per output pixel.
    margin
        Input pixels that the output lacks, over both ends together; not 0 for unpadded
        convolutions.
    """

    base: int
    step: int
    minimum: int
    output_stride: int
    margin: int

    def fit(self, size: int) -> int:
        """Smallest input size whose output covers ``size`` pixels."""
        wanted = max(size + self.margin, self.minimum)
        return self.base + math.ceil((wanted - self.base) / self.step) * self.step


def find_rules(run: Run, ndim: int) -> tuple[AxisRule, ...]:
    """Rule for each spatial axis.

    Parameters
    ----------
    run
        Takes an input's spatial shape and returns its output's, or None where the network fails.
    ndim
        Number of spatial axes.

    Raises
    ------
    NetworkError
        If no size between 16 and 319 pixels runs.
    """
    base = next((b for b in _BASES if _grows(run, (b,) * ndim)), None)
    if base is None:
        raise NetworkError(
            f"The network ran on no image of {_BASES[0]} to {_BASES[-1]} pixels a side. Expected "
            "a segmentation network that takes one tensor (batch, channel, spatial axes) and "
            "returns logits with spatial axes; check axes and channels."
        )
    shape = [base] * ndim
    rules = []
    for axis in range(ndim):
        rule = _find_rule(run, shape, axis)
        shape[axis] = rule.base  # later axes are tried beside a size that suits this one
        rules.append(rule)
    return tuple(rules)


def _grows(run: Run, shape: tuple[int, ...]) -> bool:
    """Whether a size runs, and a larger one gives a larger output on every axis."""
    more = _SPAN if len(shape) == 2 else _SPAN // 2  # volumes are dear
    small, large = run(shape), run(tuple(s + more for s in shape))
    return small is not None and large is not None and all(map(int.__lt__, small, large))


def _find_rule(run: Run, shape: list[int], axis: int) -> AxisRule:
    def output(size: int) -> int | None:
        result = run((*shape[:axis], size, *shape[axis + 1 :]))
        return None if result is None else result[axis]

    base = shape[axis]
    first, second = output(base), output(base + _SPAN)
    assert first is not None  # `_grows` ran it, or one that differs in a suitable axis
    assert second is not None
    stride = round(_SPAN / (second - first))

    def margin(size: int) -> int | None:
        result = output(size)
        return None if result is None else size - result * stride

    step = next(
        d for d in _STEPS if d == _SPAN or margin(base + d) == margin(base) == margin(base + 3 * d)
    )
    lost = base - first * stride
    if lost:
        # Pooling rounds sizes that do not suit it down, which costs more margin than need be.
        margins = {size: margin(size) for size in range(base, base + step)}
        lost, base = min((m, size) for size, m in margins.items() if m is not None)
    minimum = base
    while minimum > step and margin(minimum - step) == lost:
        minimum -= step
    return AxisRule(base, step, minimum, stride, lost)
