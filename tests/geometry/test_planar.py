"""Filled shapes and bands in two dimensions against brute force."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from napari_seggradcam.geometry.planar import (
    ON_BOUNDARY,
    ellipse_mask,
    path_mask,
    polygon_mask,
)

EXTENT = (17, 19)
PIXELS = np.stack(np.mgrid[: EXTENT[0], : EXTENT[1]], axis=-1).astype(float)


def vertices(least: int, most: int, number: st.SearchStrategy) -> st.SearchStrategy:
    point = st.tuples(number, number)
    return st.lists(point, min_size=least, max_size=most).map(lambda p: np.array(p, dtype=float))


whole = st.integers(-4, 22)
anywhere = st.floats(-4, 22, width=32)


def distance_to_path(points: np.ndarray) -> np.ndarray:
    """Distance of every pixel centre from an open path, segment by segment."""
    distances = [np.linalg.norm(PIXELS - points[0], axis=-1)]
    for start, end in pairwise(points):
        step = end - start
        along = ((PIXELS - start) @ step / max(step @ step, 1e-300)).clip(0, 1)
        distances.append(np.linalg.norm(PIXELS - start - along[..., None] * step, axis=-1))
    return np.min(distances, axis=0)


@given(vertices(3, 8, whole))
def test_polygon_with_whole_corners_is_its_inside_and_its_boundary(corners: np.ndarray) -> None:
    on_boundary = distance_to_path(np.vstack([corners, corners[:1]])) < 1e-9
    inside = points_in_poly(PIXELS.reshape(-1, 2), corners).reshape(EXTENT)
    np.testing.assert_array_equal(polygon_mask(corners, EXTENT), inside | on_boundary)


@given(vertices(3, 8, anywhere))
def test_polygon_away_from_its_boundary_follows_even_and_odd(corners: np.ndarray) -> None:
    apart = distance_to_path(np.vstack([corners, corners[:1]])) > 2 * ON_BOUNDARY
    inside = points_in_poly(PIXELS.reshape(-1, 2), corners).reshape(EXTENT)
    np.testing.assert_array_equal(polygon_mask(corners, EXTENT)[apart], inside[apart])


@given(vertices(3, 6, whole), st.integers(0, 5), st.booleans(), st.integers(0, 2**31))
def test_order_of_corners_and_rounding_do_not_matter(
    corners: np.ndarray, shift: int, backwards: bool, seed: int
) -> None:
    other = np.roll(corners, shift, axis=0)[:: -1 if backwards else 1]
    noise = np.random.default_rng(seed).uniform(-1e-5, 1e-5, other.shape)
    mask = polygon_mask(corners, EXTENT)
    np.testing.assert_array_equal(polygon_mask(other + noise, EXTENT), mask)


@given(vertices(1, 6, whole), st.integers(1, 7))
def test_path_is_what_lies_within_half_its_width(points: np.ndarray, width: int) -> None:
    near = distance_to_path(points) <= width / 2 + ON_BOUNDARY
    np.testing.assert_array_equal(path_mask(points, width, EXTENT), near)


def test_thinnest_line_has_a_pixel_in_every_column_and_at_its_ends() -> None:
    ends = np.array([[1.0, 1.0], [7.0, 16.0]])
    mask = path_mask(ends, 1.0, EXTENT)
    assert mask[:, 1:17].any(axis=0).all()
    assert mask[1, 1]
    assert mask[7, 16]
    assert mask.sum() < 2 * 16


def test_point_between_pixels_still_marks_one() -> None:
    assert path_mask(np.array([[3.5, 4.5], [3.5, 4.5]]), 1.0, EXTENT)[4, 5]


@given(
    st.tuples(whole, whole),
    st.tuples(st.floats(1, 8), st.floats(-3, 3)),
    st.tuples(st.floats(-3, 3), st.floats(1, 8)),
)
def test_ellipse_is_the_unit_circle_carried_along(
    centre: tuple[int, int], first: tuple[float, float], second: tuple[float, float]
) -> None:
    half = np.array([first, second]).T
    box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ half.T + centre
    if abs(np.linalg.det(half)) < 0.5:
        return
    radius = np.linalg.norm((PIXELS - centre) @ np.linalg.inv(half).T, axis=-1)
    slack = 2 * ON_BOUNDARY / np.linalg.svd(half, compute_uv=False)[-1]
    mask = ellipse_mask(box, EXTENT)
    assert mask[radius <= 1].all()
    assert not mask[radius > 1 + slack].any()


def test_flat_ellipse_is_its_line() -> None:
    flat = np.array([[2.0, 3.0], [2.0, 9.0], [2.0, 9.0], [2.0, 3.0]])
    mask = ellipse_mask(flat, EXTENT)
    assert np.argwhere(mask).tolist() == [[2, column] for column in range(3, 10)]


def test_shapes_beyond_the_mask_are_cut_off() -> None:
    def far(at: float) -> np.ndarray:
        return np.array([[at, at], [at, at + 9], [at + 9, at + 9], [at + 9, at]])

    for fill in (polygon_mask, ellipse_mask, lambda v, e: path_mask(v, 3.0, e)):
        assert not fill(far(-40), EXTENT).any()
        assert not fill(far(90), EXTENT).any()
    everything = np.array([[-50.0, -50.0], [-50.0, 90.0], [90.0, 90.0], [90.0, -50.0]])
    assert polygon_mask(everything, EXTENT).all()
