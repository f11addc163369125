"""Regions that are read window by window, against the same regions as a whole."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_seggradcam as sgc
from napari_seggradcam.explain.crops import Blocks
from napari_seggradcam.explain.regions.output import on_output
from napari_seggradcam.explain.regions.parts import RegionParts, pieces
from napari_seggradcam.explain.regions.region import Box, Footprint, as_region
from napari_seggradcam.networks.outputs import MapGrid

SHAPE = (37, 52)
RANDOM = np.random.default_rng(1)
CLASSES = RANDOM.integers(0, 3, SHAPE)
LABELS = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) // 90
DRAWN = np.zeros(SHAPE, bool)
DRAWN[5:9, 30:51] = DRAWN[36, 0] = True
REGIONS: dict[str, Any] = {
    "drawn": as_region(DRAWN),
    "pixel": sgc.pixel(36, 51),
    "label": sgc.label(LABELS, 4),
    "everywhere": sgc.everywhere(),
    "predicted": sgc.predicted(2),
    "several": (sgc.predicted(0) | DRAWN) - sgc.label(LABELS, 3),
}
GRIDS = {
    "pixel for pixel": MapGrid(SHAPE, (1.0, 1.0), (0.0, 0.0)),
    "padded": MapGrid((40, 56), (1.0, 1.0), (-2.0, -2.0)),
    "unpadded": MapGrid((30, 45), (1.0, 1.0), (3.0, 4.0)),
    "strided": MapGrid((10, 13), (4.0, 4.0), (1.5, 1.5)),
}


def prediction(window: Box) -> np.ndarray:
    return CLASSES[window]


def parts(region: str, grid: str = "pixel for pixel", piece: tuple[int, ...] = (8, 11)) -> Any:
    return RegionParts(REGIONS[region], SHAPE, GRIDS[grid], piece)


def windows(least: int, sizes: tuple[int, ...], beyond: int) -> st.SearchStrategy[Box]:
    def side(size: int) -> st.SearchStrategy[slice]:
        ends = st.integers(-beyond, size + beyond)
        return (
            st.tuples(ends, ends)
            .map(sorted)
            .filter(lambda e: e[1] - e[0] >= least)
            .map(lambda e: slice(*e))
        )

    return st.tuples(*map(side, sizes))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 40)), min_size=1, max_size=3))
def test_pieces_are_all_of_a_grid(axes: list[tuple[int, int]]) -> None:
    shape, piece = zip(*axes, strict=True)
    count = np.zeros(shape, int)
    for window in pieces(shape, piece):
        assert all(0 < w.stop - w.start <= n for w, n in zip(window, piece, strict=True))
        count[window] += 1
    assert (count == 1).all()


@settings(max_examples=60)
@given(st.sampled_from(sorted(REGIONS)), windows(1, SHAPE, 9))
def test_a_part_is_that_of_the_mask(region: str, window: Box) -> None:
    mask = np.pad(REGIONS[region].mask(SHAPE, prediction), 9)
    around = tuple(slice(w.start + 9, w.stop + 9) for w in window)
    np.testing.assert_array_equal(parts(region).part(window, prediction), mask[around])


@settings(max_examples=60)
@given(st.data())
def test_a_part_of_the_output_is_that_of_the_whole(data: st.DataObject) -> None:
    region, name = (
        data.draw(st.sampled_from(sorted(REGIONS))),
        data.draw(st.sampled_from(sorted(GRIDS))),
    )
    grid = GRIDS[name]
    box = data.draw(windows(0, grid.shape, 0))
    found = parts(region, name).on_output(box, prediction)
    footprint = Footprint.of(REGIONS[region], SHAPE, prediction)
    whole = np.zeros(grid.shape)
    try:
        expected = on_output(footprint, grid)
        whole[expected.box] = expected.weights
    except sgc.RegionError:  # nothing of it lies on the output
        pass
    np.testing.assert_array_equal(found.weights, whole[box])
    assert found.box == box


@pytest.mark.parametrize("piece", [(1, 1), (8, 11), (500, 500)])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("region", REGIONS)
def test_blocks_are_those_of_the_whole(region: str, grid: str, piece: tuple[int, ...]) -> None:
    sizes = (3, 4)
    found, covered = parts(region, grid, piece).blocks(sizes, prediction)
    footprint = Footprint.of(REGIONS[region], SHAPE, prediction)
    occupied = np.zeros_like(found.occupied)
    total = 0.0
    try:
        whole = on_output(footprint, GRIDS[grid])
    except sgc.RegionError:
        pass
    else:
        expected = Blocks.of(whole, sizes)
        at = tuple(
            slice(o, o + n) for o, n in zip(expected.origin, expected.occupied.shape, strict=True)
        )
        occupied[at] = expected.occupied
        total = float(whole.weights.sum())
    np.testing.assert_array_equal(found.occupied, occupied)
    assert covered == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("grid", ["pixel for pixel", "strided"])
def test_no_window_is_larger_than_a_piece(grid: str) -> None:
    read: list[int] = []

    class Recorder:
        shape, dtype = SHAPE, np.dtype(bool)

        def __getitem__(self, window: Box) -> np.ndarray:
            read.append(DRAWN[window].size)
            return DRAWN[window]

    region = RegionParts(as_region(Recorder()), SHAPE, GRIDS[grid], (8, 12))
    region.digest(2)
    region.blocks([1, 1], prediction)
    assert max(read) <= 8 * 12
    assert len(read) >= 2 * 20


def digest(region: Any, classes: int = 3, **options: Any) -> str:
    return RegionParts(as_region(region), SHAPE, GRIDS["padded"], (8, 11)).digest(classes)


def with_one_more(y: int, x: int) -> np.ndarray:
    mask = DRAWN.copy()
    mask[y, x] = True
    return mask


def test_the_digest_is_that_of_the_pixels() -> None:
    assert digest(DRAWN) == digest(DRAWN.astype(float)) == digest(as_region(DRAWN.copy()))
    others = [with_one_more(y, x) for y, x in [(0, 0), (36, 51), (8, 11)]]
    regions = [DRAWN, *others, sgc.predicted(0), sgc.predicted(1), sgc.predicted(0) | DRAWN]
    assert len({digest(region) for region in regions}) == len(regions)


def test_the_digest_does_not_look_at_the_prediction() -> None:
    """It is there before anything was predicted."""
    assert parts("several").digest(3) == parts("several").digest(3)
    assert parts("several").digest(3) != parts("several").digest(2)


@pytest.mark.parametrize(
    "region", [np.zeros((37, 51), bool), sgc.pixel(37, 0), sgc.label(LABELS[1:], 1)]
)
def test_a_region_that_does_not_fit_is_refused_at_once(region: Any) -> None:
    with pytest.raises(sgc.RegionError):
        RegionParts(as_region(region), SHAPE, GRIDS["padded"], (8, 11))
