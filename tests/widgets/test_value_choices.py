"""What becomes of an image's values, said without reading a large image on the GUI thread."""

from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_seggradcam.errors import OptionError
from napari_seggradcam.networks.normalisation import MeanStd, normalisation_from_dict
from napari_seggradcam.widgets.value_choices import GIVEN, choices, description, preview


def test_of_an_image_on_the_disk_the_middle_is_read() -> None:
    computed = []

    def block(block_info: dict) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"])
        return np.full((500, 500), 7, np.uint16)

    lazy = da.map_blocks(block, chunks=((500,) * 40, (500,) * 40), dtype=np.uint16)
    assert (
        preview("slide", lazy, description("bytes", 1))
        == "In slide, 7 … 7 becomes 0.0275 … 0.0275."
    )
    assert 0 < len(computed) <= 9


def test_of_an_image_on_the_disk_all_channels_are_read() -> None:
    levels = np.arange(6, dtype=np.uint16)[:, np.newaxis, np.newaxis]
    lazy = da.asarray(levels) + da.zeros((6, 4000, 4000), np.uint16, chunks=(1, 500, 500))
    given = description(GIVEN, 6, "0, 1, 2, 3, 4, 5", "1")
    assert preview("slide", lazy, given) == "In slide, 0 … 5 becomes 0 … 0."


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_channel_has_its_numbers(axis: int) -> None:
    image = np.moveaxis(np.stack([np.full((4, 5), 10.0), np.full((4, 5), 40.0)]), 0, axis)
    given = description(GIVEN, 2, "0 20", "10, 10")
    assert preview("two", image, given) == "In two, 10 … 40 becomes 1 … 2."


def test_nothing_is_said_where_no_axis_or_several_may_hold_the_channels() -> None:
    given = description(GIVEN, 2, "0, 20", "10")
    assert preview("grey", np.zeros((4, 5)), given) == ""
    assert preview("square", np.zeros((2, 2, 5)), given) == ""


@pytest.mark.parametrize(
    ("means", "deviations", "expected"),
    [
        ("1.5", "2", MeanStd((1.5,), (2.0,))),
        ("1, 2,3", "4", MeanStd((1.0, 2.0, 3.0), (4.0, 4.0, 4.0))),
        ("[1, -2e1, 3]", " (4 5 6) ", MeanStd((1.0, -20.0, 3.0), (4.0, 5.0, 6.0))),
        ("0", "1; 2; 3", MeanStd((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))),
    ],
)
def test_numbers_as_people_write_them(means: str, deviations: str, expected: MeanStd) -> None:
    assert normalisation_from_dict(description(GIVEN, 3, means, deviations)) == expected


@pytest.mark.parametrize(
    ("means", "deviations", "said"),
    [
        ("", "1", "0 numbers are given as mean; expected one for all channels or 3"),
        ("1, 2", "1", "2 numbers are given as mean; expected one for all channels or 3"),
        ("1", "1, 2, 3, 4", "4 numbers are given as standard deviation"),
        ("1, x, 3", "1", "The mean is '1, x, 3'; expected numbers by commas"),
        ("nan", "1", "The mean is 'nan'"),
        ("1", "1, 0, 1", "must be above 0; one is 0"),
    ],
)
def test_what_is_no_list_for_the_channels_is_told(means: str, deviations: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        description(GIVEN, 3, means, deviations)


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_every_choice_normalises(channels: int) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (channels, 4, 5)).astype(np.float32)
    found: dict[str, Any] = {
        name: normalisation_from_dict(description(name, channels, "1", "2"))
        for _text, name in choices(channels)
    }
    assert found.pop("none") is None
    for normalisation in found.values():
        assert normalisation(image).shape == image.shape
