"""Tiles: every position once, and each with all that it sees."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_crops import network_of

from napari_seggradcam.explain.axis_reach import AxisReach
from napari_seggradcam.explain.capture import Reading
from napari_seggradcam.explain.reach import layer_shapes, reach_of
from napari_seggradcam.explain.tiles import Tiling
from napari_seggradcam.networks.layers import LOGITS
from napari_seggradcam.networks.running import as_found
from napari_seggradcam.networks.sizes import AxisRule


@dataclass
class Case:
    """A network as far as tiles have to know it, and an input."""

    reaches: dict[str, tuple[AxisReach, ...]]
    shapes: dict[str, tuple[int, ...]]
    rules: tuple[AxisRule, ...]
    shape: tuple[int, ...]

    def tiling(self, most: int) -> Tiling:
        return Tiling(self.reaches, self.shapes, self.rules, self.shape, most)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Layers of some strides that see some pixels to each side, on one or two axes."""
    reaches: dict[str, list[AxisReach]] = {"fine": [], "coarse": [], LOGITS: []}
    shapes: dict[str, list[int]] = {name: [] for name in reaches}
    rules, sizes = [], []
    for _ in range(draw(st.integers(1, 2))):
        stride = draw(st.sampled_from([1, 2, 4, 6, 8]))
        step = draw(st.sampled_from([n for n in (1, 2, 4, 6, 8) if stride % n == 0]))
        rule = AxisRule(stride, step, draw(st.integers(1, 3)) * step, 1, 0)
        size = rule.at_least(draw(st.integers(1, 60)))
        for name in reaches:
            outputs = draw(st.sampled_from([n for n in range(1, stride + 1) if stride % n == 0]))
            before, after = draw(st.integers(0, 20)), draw(st.integers(0, 20))
            reaches[name].append(AxisReach(stride, outputs, -after, outputs - 1 + before))
            # Less than the input, as without padding, or more, as with too much of it.
            length = size * outputs // stride + draw(st.sampled_from([-3, 0, 0, 0, 2]))
            shapes[name].append(max(1, length))
        rules.append(rule)
        sizes.append(size)
    return Case(
        {name: tuple(axes) for name, axes in reaches.items()},
        {name: tuple(lengths) for name, lengths in shapes.items()},
        tuple(rules),
        tuple(sizes),
    )


@settings(max_examples=100)
@given(cases(), st.integers(100, 4000))
def test_every_position_is_in_one_tile(case: Case, most: int) -> None:
    tiling = case.tiling(most)
    counts = {name: np.zeros(shape, int) for name, shape in case.shapes.items()}
    tiles = list(tiling)
    assert len(tiles) == len(tiling)
    for tile in tiles:
        for name, place in tile.places.items():
            counts[name][place.whole] += 1
    for count in counts.values():
        assert (count == 1).all()


@settings(max_examples=100)
@given(cases(), st.integers(100, 4000))
def test_a_tile_has_all_that_its_positions_see(case: Case, most: int) -> None:
    for tile in case.tiling(most):
        for axis, (window, rule, size) in enumerate(
            zip(tile.window, case.rules, case.shape, strict=True)
        ):
            length = window.stop - window.start
            assert 0 <= window.start < window.stop <= size
            assert length == rule.at_least(length)
            for name, place in tile.places.items():
                reach, whole, part = case.reaches[name][axis], place.whole[axis], place.tile[axis]
                assert window.start % reach.stride == 0
                if whole.start == whole.stop:
                    continue
                low, high = reach.inputs(whole.start, whole.stop)
                assert window.start <= max(0, low)
                assert window.stop >= min(size, high)
                # Position 0 of the tile's run is that of the window's first block.
                shift = window.start // reach.stride * reach.outputs
                assert (part.start + shift, part.stop + shift) == (whole.start, whole.stop)


@settings(max_examples=100)
@given(cases(), st.integers(100, 4000))
def test_windows_are_as_small_as_asked_where_that_can_be(case: Case, most: int) -> None:
    """Where one block and its halo are too large, nothing can be done."""
    tiling = case.tiling(most)
    lengths, strides = [], []
    for axis, (size, blocks) in enumerate(zip(case.shape, tiling.blocks, strict=True)):
        axes = [reaches[axis] for reaches in case.reaches.values()]
        stride = axes[0].stride
        ends = [reach.inputs(0, blocks * reach.outputs) for reach in axes]
        low, high = min(0, *(low for low, _ in ends)), max(high for _, high in ends)
        lengths.append(min(size, max(high, blocks * stride) - low))
        strides.append(stride)
    assert math.prod(lengths) <= most or set(tiling.blocks) == {1}
    if math.prod(case.shape) <= most:
        assert len(tiling) == 1
    for tile in tiling:
        for window, length, rule in zip(tile.window, lengths, case.rules, strict=True):
            # What the network asks for is more than what the tile does.
            assert window.stop - window.start < rule.at_least(length) + max(strides)


@pytest.mark.parametrize(
    "name", ["own", "own, interpolating", "own, unpadded", "coarse logits", "gate", "pyramid"]
)
def test_maps_of_tiles_are_those_of_the_whole(name: str) -> None:
    """In double precision, to 1e-10 of the largest value."""
    network = network_of(name).at_precision("float64")
    torch.manual_seed(1)
    rules = network.rules
    shape = tuple(rule.at_least(size) for rule, size in zip(rules, (90, 61), strict=True))
    image = torch.rand(1, 1, *shape)
    layers = tuple(network.layers)
    reach = reach_of(network)
    grid = tuple(
        (n - rule.margin) // rule.output_stride for n, rule in zip(shape, rules, strict=True)
    )
    case = Case(
        {**{layer.name: reach.layers[layer.name] for layer in layers}, LOGITS: reach.axes},
        {**layer_shapes(network, layers, shape), LOGITS: grid},
        rules,
        shape,
    )

    def run(window: tuple[slice, ...]) -> dict[str, torch.Tensor]:
        maps: dict[str, torch.Tensor] = {}
        taps = Reading(network.module, layers, lambda name, m: maps.setdefault(name, m.clone()))
        with network.lock, as_found(network.module), torch.no_grad(), taps:
            tensor = image[:, :, *window]
            maps[LOGITS] = network.run(tensor, taps.calls(2, network.bypass))
        return maps

    whole = run(tuple(slice(0, n) for n in shape))
    tiling = case.tiling(64**2)
    assert len(tiling) > 1
    for tile in tiling:
        maps = run(tile.window)
        for name, place in tile.places.items():
            expected = whole[name][:, :, *place.whole]
            found = maps[name][:, :, *place.tile]
            assert found.shape == expected.shape
            largest = float(whole[name].abs().max())
            assert _most(found - expected) <= 1e-10 * largest, name


def _most(difference: torch.Tensor) -> float:
    return float(difference.abs().max()) if difference.numel() else 0.0
