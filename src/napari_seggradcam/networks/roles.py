"""Roles of network layers: encoder, bottleneck, decoder, skip and head, read from a trace.

The idea: a network is *expanding* from the first time that it enlarges a map. Everything made
from enlarged maps belongs to the decoder. Of the rest, the deepest maps are the bottleneck, what
led to them is the encoder, and what leads past them (lateral convolutions, attention gates) is
on a skip. A skip itself is the tensor that meets an enlarged one in a concatenation or addition.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import NetworkError
from .layers import NetworkLayer, stage_name
from .strides import MapPlace, map_places
from .tracing import GATES, Trace


@dataclass
class _Candidate:
    """A network layer whose role is not known yet."""

    value: int
    module: str | None
    call: int
    argument: int | None
    kind: str
    weighted: bool
    upsampled: bool
    place: MapPlace
    role: str = ""
    level: int = 0
    gate: bool = False

    def __post_init__(self) -> None:
        self.level = max(0, round(float(np.log2(max(self.place.stride)))))


def find_layers(
    traces: Sequence[Trace], sizes: Sequence[tuple[int, ...]]
) -> tuple[NetworkLayer, ...]:
    """All network layers on the way to the logits, in order of execution.

    Parameters
    ----------
    traces, sizes
        As for `map_places`.

    Raises
    ------
    NetworkError
        If the network takes another path on the larger input, or has no layer with maps.
    """
    trace, places = traces[0], map_places(traces, sizes)
    candidates = [*_module_candidates(trace, places), *_skip_candidates(trace, places)]
    candidates.sort(key=lambda c: c.value)
    if not any(c.module is not None for c in candidates):
        raise NetworkError(
            "No module on the way to the logits returns a map with spatial axes; expected a "
            "network made of torch modules, such as convolutions."
        )
    _assign_roles(trace, candidates)
    return _named(candidates)


def _module_candidates(trace: Trace, places: Mapping[int, MapPlace]) -> list[_Candidate]:
    on_path = trace.ancestors(trace.output)
    found = []
    for call in trace.calls:
        value = trace.values[call.value]
        if value.number in on_path and value.number in places:
            what = (call.path, call.call, None, call.kind, call.weighted, value.upsampled)
            found.append(_Candidate(value.number, *what, places[value.number]))
    return found


def _skip_candidates(trace: Trace, places: Mapping[int, MapPlace]) -> list[_Candidate]:
    """Tensors from the contracting side that meet an enlarged one."""
    on_path = _without_gates(trace)
    found = []
    for number, (joined, made) in enumerate(trace.joins):
        if made not in on_path or not any(trace.values[v].upsampled for v in joined):
            continue
        # `skip.add_(up)` changes the skip itself; no copy of it can stand in for it.
        changed = 0 if trace.values[made].function == "add_" else None
        for argument, value in enumerate(joined):
            tensor = trace.values[value]
            if argument == changed or value not in places:
                continue
            if tensor.from_image and not tensor.upsampled:
                what = (None, number, argument, "skip", False, False)
                found.append(_Candidate(value, *what, places[value]))
    return found


def _without_gates(trace: Trace) -> set[int]:
    """Values that reach the logits other than as the weights of a gated skip."""
    found: set[int] = set()
    waiting = [trace.output]
    while waiting:
        value = trace.values[waiting.pop()]
        if value.number in found:
            continue
        found.add(value.number)
        inputs = value.inputs
        if value.function in GATES and not value.upsampled:
            inputs = tuple(i for i in inputs if not trace.values[i].upsampled)
        waiting.extend(inputs)
    return found


def _gates(trace: Trace) -> set[int]:
    """Values that reach the logits only as weights of what they themselves were made from.

    Such is the map of an attention, and every map on the way to it.
    """
    found: set[int] = set()
    waiting = [trace.output]
    while waiting:
        value = trace.values[waiting.pop()]
        if value.number in found:
            continue
        found.add(value.number)
        inputs = set(value.inputs)
        if value.function in GATES:
            weighted = {i for i in inputs if trace.values[i].from_image}
            inputs = {i for i in inputs if not (weighted - {i}) & trace.ancestors(i)}
        waiting.extend(inputs)
    return trace.ancestors(trace.output) - found


def _assign_roles(trace: Trace, candidates: list[_Candidate]) -> None:
    modules = [c for c in candidates if c.module is not None]
    main = _without_gates(trace)
    gates = _gates(trace)
    contracting = [c for c in modules if not c.upsampled and c.value in main]
    deepest = max((c.level for c in contracting), default=0)
    end = max((c.value for c in contracting if c.level == deepest), default=0)
    trunk_values = trace.ancestors(end)
    trunk = [c for c in contracting if c.value in trunk_values]
    # A side branch may dip deeper for a while (attention does); the trunk never comes back up.
    for before, after in zip(reversed(trunk[:-1]), reversed(trunk[1:]), strict=True):
        before.level = min(before.level, after.level)
    on_trunk = {id(c) for c in trunk}
    for c in candidates:
        c.gate = c.value in gates
        if c.module is None or (not c.upsampled and c.value not in main):
            c.role = "skip"
        elif c.level >= deepest:
            c.role = "bottleneck"
        elif c.upsampled:
            c.role = "decoder"
        else:
            c.role = "encoder" if id(c) in on_trunk else "skip"
    convolutions = [c for c in modules if c.weighted and c.kind in ("conv", "up")]
    last = (convolutions or modules)[-1].value
    for c in modules:
        if c.value >= last:
            c.role = "head"


def _named(candidates: list[_Candidate]) -> tuple[NetworkLayer, ...]:
    prefixes = []
    for c in candidates:
        stage = stage_name(c.role, c.level)
        prefixes.append(stage if c.kind == "skip" else f"{stage} {c.kind}")
    total, seen = Counter(prefixes), Counter[str]()
    layers = []
    for c, prefix in zip(candidates, prefixes, strict=True):
        seen[prefix] += 1
        name = prefix if total[prefix] == 1 else f"{prefix} {seen[prefix]}"
        layers.append(
            NetworkLayer(
                name=name,
                module=c.module,
                call=c.call,
                argument=c.argument,
                kind=c.kind,
                role=c.role,
                level=c.level,
                channels=c.place.channels,
                stride=c.place.stride,
                offset=c.place.offset,
                shape=c.place.shape,
                gate=c.gate,
            )
        )
    return tuple(layers)
