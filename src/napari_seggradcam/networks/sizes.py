"""Which input sizes a network takes and how large its output is, found by trying.

Networks fail, round or pad when a size does not suit them. The rule found here says which sizes
run with one fixed relation between input and output, so that images can be padded to them.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..errors import NetworkError

_BASES = (16, 32, 64, 128, 256)
_STEPS = (1, 2, 4, 8, 16, 32, 64)
_SPAN = _STEPS[-1]  # no network in use asks for a larger step

Shape = tuple[int, ...]
Run = Callable[[Shape], Shape]


@dataclass(frozen=True)
class AxisRule:
    """Sizes that one spatial axis may have.

    Attributes
    ----------
    base
        A size that runs; so does every ``base + k * step`` down to ``minimum``.
    step
        Distance between sizes that run; 0 where ``base`` is the only one.
    minimum
        Smallest such size.
    output_stride
        Input pixels per output pixel.
    margin
        Input pixels that the output lacks, over both ends together; not 0 for unpadded
        convolutions, and below 0 where padding makes the output larger than the input.
    """

    base: int
    step: int
    minimum: int
    output_stride: int
    margin: int

    @property
    def is_fixed(self) -> bool:
        """Whether one size runs and no other."""
        return self.step == 0

    def fit(self, size: int) -> int:
        """Smallest input size whose output covers ``size`` pixels; if fixed, the only one."""
        return self.at_least(size + max(0, self.margin))

    def at_least(self, size: int) -> int:
        """Smallest input size that runs and has ``size`` pixels; if fixed, the only one."""
        if self.is_fixed:
            return self.base
        wanted = max(size, self.minimum)
        return self.base + math.ceil((wanted - self.base) / self.step) * self.step

    def narrowed(self, minimum: int, step: int) -> "AxisRule":
        """Those of these sizes that are also ``minimum``, ``minimum + step``, ….

        What a file declares may be narrower than what runs, for reasons that trying does not
        show. Where it does not agree with what runs, the rule stays as it is.
        """
        if self.is_fixed or step % self.step or (minimum - self.base) % self.step:
            return self
        least = minimum + max(0, math.ceil((self.minimum - minimum) / step)) * step
        return replace(self, base=least, step=step, minimum=least)


def only_size(rules: Sequence[AxisRule]) -> Shape | None:
    """The one spatial shape that the rules allow; None where they allow others, too."""
    return tuple(rule.base for rule in rules) if all(rule.is_fixed for rule in rules) else None


def find_rules(run: Run, ndim: int, known: Sequence[Shape] = ()) -> tuple[AxisRule, ...]:
    """Rule for each spatial axis.

    Parameters
    ----------
    run
        Takes an input's spatial shape and returns its output's; raises `NetworkError` where the
        network fails.
    ndim
        Number of spatial axes.
    known
        Spatial shapes on which the network is said to run, which are tried where it does not run
        on squares and cubes of 16 to 256 pixels.

    Returns
    -------
    tuple of AxisRule
        All of them fixed where the network runs on a known shape, or makes one of whatever it is
        given, and does not follow an image that is longer along any one axis.

    Raises
    ------
    NetworkError
        If no size runs that is known or between 16 and 256 pixels, or no rule holds.
    """
    trials = _Trials(run, ndim)
    bases = [*((base,) * ndim for base in _BASES), *known]
    base = next((base for base in bases if _grows(trials, base)), None)
    if base is None:
        return _fixed_rules(trials, known)
    rules: list[AxisRule] = []
    for axis in range(ndim):
        # As a rule all axes are alike; to see that takes fewer trials than to find it again.
        alike = rules and _holds(trials.along(axis, base), rules[0])
        rules.append(rules[0] if alike else _find_rule(trials.along(axis, base), base[axis]))
    return _with_minimum(trials, tuple(rules))


def _fixed_rules(trials: "_Trials", known: Sequence[Shape]) -> tuple[AxisRule, ...]:
    """Rules that allow one shape and no other.

    It is one that is known, or one to which the network enlarges whatever it is given.
    """
    for shape in (*known, *trials.enlarged()):
        output = trials.output(shape)
        # An output that is the same for other images has no place on any but one as large as it.
        if output is not None and (output == shape or not trials.is_shared(output)):
            sides = list(zip(shape, output, strict=True))
            if all(0 < out <= size for size, out in sides):
                return tuple(_fixed_rule(size, out) for size, out in sides)
    raise NetworkError(
        f"The network ran on no image of {_BASES[0]} to {_BASES[-1]} pixels a side with an "
        "output that grows with the image. Expected a segmentation network that takes one "
        "tensor (batch, channel, spatial axes) and returns logits with spatial axes; check "
        "axes and channels, and if it takes images of one size only, give that as patch=. "
        f"{trials.failure}"
    )


def _fixed_rule(size: int, output: int) -> AxisRule:
    stride = round(size / output)
    return AxisRule(size, 0, size, stride, size - output * stride)


class _Trials:
    """Runs that are remembered."""

    def __init__(self, run: Run, ndim: int):
        self.ndim = ndim
        self.failure = ""
        self._run = run
        self._known: dict[Shape, Shape | None] = {}

    def output(self, shape: Shape) -> Shape | None:
        """The output's spatial shape, or None where the network fails."""
        if shape not in self._known:
            try:
                self._known[shape] = self._run(shape)
            except NetworkError as error:
                self._known[shape] = None
                self.failure = self.failure or str(error)
        return self._known[shape]

    def enlarged(self) -> list[Shape]:
        """Outputs that are larger than what they were made of."""
        outputs = [
            output
            for shape, output in self._known.items()
            if output is not None and any(o > n for o, n in zip(output, shape, strict=True))
        ]
        return list(dict.fromkeys(outputs))

    def is_shared(self, output: Shape) -> bool:
        """Whether several inputs gave an output of this shape."""
        return list(self._known.values()).count(output) > 1

    def along(self, axis: int, base: Shape) -> Callable[[int], int | None]:
        """Output size on one axis for its input size, the other axes being as long as in base."""

        def output(size: int) -> int | None:
            result = self.output((*base[:axis], size, *base[axis + 1 :]))
            return None if result is None else result[axis]

        return output


def _grows(trials: _Trials, base: Shape) -> bool:
    """Whether a size runs, and a larger one gives a larger output on every axis."""
    for axis in range(trials.ndim):
        output = trials.along(axis, base)
        small = output(base[axis])
        large = None if small is None else output(base[axis] + _SPAN)
        if small is None or large is None or large <= small:
            return False
    return True


def _find_rule(output: Callable[[int], int | None], base: int) -> AxisRule:
    first, second = output(base), output(base + _SPAN)
    assert first is not None  # `_grows` has seen both
    assert second is not None
    if second - first > _SPAN:
        raise NetworkError(
            f"The network's output grows by {second - first} pixels where its input grows by "
            f"{_SPAN}; expected logits at the image's resolution or a lower one."
        )
    stride = round(_SPAN / (second - first))
    rules = (AxisRule(base, step, base, stride, base - first * stride) for step in _STEPS)
    rule = next((r for r in rules if _suits(output, r)), None)
    if rule is None:
        raise NetworkError(
            f"The network's output does not grow evenly with its input; expected sizes that go "
            f"together at distances of {', '.join(map(str, _STEPS))} pixels."
        )
    if rule.margin:
        # Pooling rounds sizes that do not suit it down, which costs more margin than need be:
        # the sizes that suit are those from which on the output is larger.
        base = _first_larger(output, base, rule.step)
        larger = output(base)
        assert larger is not None
        rule = replace(rule, base=base, minimum=base, margin=base - larger * stride)
    return rule


def _first_larger(output: Callable[[int], int | None], base: int, step: int) -> int:
    """Smallest size behind ``base`` that has a larger output; it is one step away at most."""
    least = output(base) or 0
    sizes = range(base + 1, base + step)
    return base + 1 + bisect_left(sizes, True, key=lambda size: (output(size) or 0) > least)


def _suits(output: Callable[[int], int | None], rule: AxisRule) -> bool:
    """Whether the rule's margin is right at its base, and some steps behind it.

    Up to 16 pixels at 1, 2, 4, ... steps, because pooling may come to an odd size at any depth,
    and a network may mend that at some depths and fail at others.
    """
    steps = [0, 1, 3, *(n for n in _STEPS if 1 < n <= 16 // rule.step)]
    for number in steps:
        size = rule.base + number * rule.step
        result = output(size)
        if result is None or result * rule.output_stride + rule.margin != size:
            return False
    return True


def _holds(output: Callable[[int], int | None], rule: AxisRule) -> bool:
    """Whether a rule found on one axis holds on another one, and no smaller step does."""
    half = replace(rule, step=rule.step // 2)
    return _suits(output, rule) and not (half.step and _suits(output, half))


def _with_minimum(trials: _Trials, rules: tuple[AxisRule, ...]) -> tuple[AxisRule, ...]:
    """Rules with the smallest sizes that run together on all axes."""
    while True:
        smaller = tuple(
            replace(r, minimum=r.minimum - r.step) if r.minimum > r.step else r for r in rules
        )
        if smaller == rules:
            return rules
        output = trials.output(tuple(r.minimum for r in smaller))
        if output is None or min(output) < 1:
            return rules
        for size, r in zip(output, smaller, strict=True):
            if size * r.output_stride + r.margin != r.minimum:
                return rules
        rules = smaller
