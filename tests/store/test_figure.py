"""The figure: heatmaps lie exactly on the image, nothing overlaps, numbers are raw."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.io import imread

from napari_seggradcam.errors import ExplanationFileError
from napari_seggradcam.store.explanations import StoredMap
from napari_seggradcam.store.figure import draw_figure, save_figure
from napari_seggradcam.store.overlay import overlay


def placed(
    heatmap: NDArray[np.float32],
    step: float = 1.0,
    name: str = "encoder 0 relu 2",
    translate: float | None = None,
    **attributes: str,
) -> StoredMap:
    ndim = heatmap.ndim
    first = (step - 1) / 2 if translate is None else translate
    heatmap = heatmap.astype(np.float32)
    weights = np.ones(8, np.float32)
    return StoredMap(
        name, heatmap, heatmap, weights, (step,) * ndim, (first,) * ndim, dict(attributes)
    )


def spot(shape: tuple[int, ...], *index: int) -> NDArray[np.bool_]:
    region = np.zeros(shape, bool)
    region[index] = True
    return region


def texts(figure: Figure) -> list[str]:
    own = [text.get_text() for text in figure.texts]
    return own + [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("step", [1, 2, 8])
def test_a_ramp_in_image_pixels_stays_that_ramp(step: int) -> None:
    # Bilinear interpolation is exact on linear functions, so a map that holds the image
    # coordinate of its own pixel centres must give the image coordinates back.
    n = 32
    centres = step * np.arange(n // step) + (step - 1) / 2
    y, x = np.meshgrid(centres, centres, indexing="ij")
    values = overlay(placed(3 * y + x, step), (n, n))
    inner = slice((step - 1) // 2 + 1, n - (step - 1) // 2 - 1)
    expected = 3 * np.arange(n)[:, None] + np.arange(n)
    np.testing.assert_allclose(values[inner, inner], expected[inner, inner], atol=1e-4)
    assert np.isfinite(values).all()


def test_a_ramp_in_a_plane_of_a_volume() -> None:
    centres = 4 * np.arange(4) + 1.5
    z, y, x = np.meshgrid(centres, centres, centres, indexing="ij")
    values = overlay(placed(100 * z + 3 * y + x, 4), (16, 16), plane=7)
    expected = 700 + 3 * np.arange(16)[:, None] + np.arange(16)
    np.testing.assert_allclose(values[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-3)


def test_pixels_that_the_network_layer_does_not_reach_have_no_value() -> None:
    # An unpadded network: 8 pixels of size 2 that start at pixel 4.
    values = overlay(placed(np.ones((8, 8)), 2.0, translate=4.5), (24, 24))
    inside = np.zeros((24, 24), bool)
    inside[4:20, 4:20] = True
    np.testing.assert_array_equal(np.isfinite(values), inside)


@pytest.mark.parametrize("shape", [(64, 64), (48, 96), (96, 24)])
def test_a_hot_element_is_hot_at_its_place_in_the_picture(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    heatmap = np.zeros((shape[0] // 8, shape[1] // 8))
    heatmap[2, 1] = 1
    region = spot(shape, 0, 0)
    figure = draw_figure(np.zeros(shape, np.uint8), region, [placed(heatmap, 8)], "title")
    path = tmp_path / "f.png"
    figure.savefig(path, dpi=100)
    picture = imread(path)[..., :3].astype(float)
    box = figure.axes[1].get_position()
    height, width = picture.shape[:2]
    top, left = (1 - box.y1) * height, box.x0 * width
    rows = slice(round(top), round((1 - box.y0) * height))
    columns = slice(round(left), round(box.x1 * width))
    cell = picture[rows, columns].copy()
    cell[: len(cell) // 10, : cell.shape[1] // 10] = 0  # the region's dot
    # Inferno's upper half is red and hardly blue; the outline is blue and hardly red.
    hot = np.argwhere(cell[..., 0] > 150)
    zoom = cell.shape[0] / shape[0]
    centre = hot.mean(axis=0) / zoom - 0.5
    np.testing.assert_allclose(centre, [2 * 8 + 3.5, 1 * 8 + 3.5], atol=0.6)


@pytest.mark.parametrize("count", [1, 9, 40])
@pytest.mark.parametrize("shape", [(64, 64), (32, 64), (64, 20)])
def test_nothing_overlaps_and_nothing_is_cut_off(count: int, shape: tuple[int, int]) -> None:
    maps = [
        placed(np.full((4, 4), 3.4e-5 * 10.0 ** (i % 9)), 8, f"decoder {i} relu 2")
        for i in range(count)
    ]
    title = "Why “nucleus” here? A title that is longer than one cell alone is wide"
    figure = draw_figure(
        np.zeros(shape), spot(shape, 3, 4), maps, title, subtitle="U-Net · 1 pixel · S = 0.1"
    )
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [axes.get_tightbbox() for axes in figure.axes]
    for one, other in itertools.combinations(boxes, 2):
        # A pixel of rounding is no overlap.
        assert not one.padded(-1).overlaps(other.padded(-1))
    for box in boxes:
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.width + 1
        assert box.y1 <= figure.bbox.height + 1
    assert len(figure.axes) == 1 + 2 * count


def test_every_network_layer_has_its_own_scale_in_raw_units() -> None:
    maps = [placed(np.full((8, 8), top)) for top in (0.5, 2.4e-6, 1700.0)]
    figure = draw_figure(np.zeros((8, 8)), spot((8, 8), 1, 1), maps, "title")
    bars = figure.axes[2::2]
    tops = [float(bar.get_yticklabels()[-1].get_text()) for bar in bars]
    np.testing.assert_allclose(tops, [0.5, 2.4e-6, 1700])


def test_an_empty_heatmap_says_why_and_has_no_colour_bar() -> None:
    empty = placed(np.zeros((8, 8)), empty="No gradient reaches this network layer.")
    silent = placed(np.zeros((8, 8)))
    figure = draw_figure(np.zeros((8, 8)), spot((8, 8), 1, 1), [empty, silent], "title")
    written = " ".join(texts(figure)).replace("\n", " ")
    assert "No gradient reaches this network layer." in written
    assert "zero everywhere" in written
    assert len(figure.axes) == 3


@pytest.mark.parametrize(
    "image",
    [None, np.ones((20, 30)), np.ones((20, 30, 3), np.uint8), np.ones((3, 20, 30)),
     np.ones((2, 20, 30)), np.ones((20, 30, 4), np.uint8)],
)  # fmt: skip
def test_any_image_is_drawn(image: NDArray[np.float64] | None) -> None:
    region = spot((20, 30), slice(2, 9), slice(3, 9))
    figure = draw_figure(image, region, [placed(np.ones((20, 30)))], "title")
    assert figure.axes[0].get_images()[0].get_array().shape[:2] == (20, 30)


def test_colours_of_an_image_are_kept() -> None:
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[2, 5] = 255, 128, 0
    for image in (rgb, np.moveaxis(rgb, -1, 0), rgb / 255):
        figure = draw_figure(image, spot((8, 8), 1, 1), [], "title")
        drawn = figure.axes[0].get_images()[0].get_array()
        np.testing.assert_allclose(drawn[2, 5], [1, 128 / 255, 0], atol=1e-6)


def test_the_outline_runs_along_the_regions_edge() -> None:
    region = spot((20, 30), slice(2, 9), slice(25, 30))
    figure = draw_figure(None, region, [], "title")
    (segments,) = (figure.axes[0].collections[0].get_segments(),)
    points = np.concatenate(segments)
    np.testing.assert_allclose(points.min(axis=0), [24.5, 1.5])
    np.testing.assert_allclose(points.max(axis=0), [29.5, 8.5])


def test_a_volume_shows_the_plane_with_most_of_the_region() -> None:
    region = spot((6, 10, 12), slice(1, 3), slice(2, 4), slice(2, 4))
    region[4, 3:7, 3:7] = True
    image = np.arange(6.0)[:, None, None] * np.ones((6, 10, 12))
    figure = draw_figure(image, region, [placed(np.ones((6, 10, 12)))], "title")
    assert "plane 4 of 6" in texts(figure)
    assert figure.axes[0].get_images()[0].get_array().shape == (10, 12)


def test_saved_without_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np;"
        "from napari_seggradcam.store.figure import save_figure;"
        f"save_figure({str(tmp_path / 'new' / 'f.png')!r}, None, np.eye(9) > 0, [], 'title');"
        "print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert imread(tmp_path / "new" / "f.png").std() > 0


def test_a_figure_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExplanationFileError, match=r"ends in \.png"):
        save_figure(tmp_path / "f.docx", None, np.eye(9) > 0, [], "title")
    written = save_figure(tmp_path / "f", None, np.eye(9) > 0, [], "title")
    assert written == tmp_path / "f.png"
    assert written.is_file()
    with pytest.raises(ExplanationFileError, match="can't be written"):
        save_figure(tmp_path / "f.png" / "g.png", None, np.eye(9) > 0, [], "title")
