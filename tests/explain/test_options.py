"""Checks of options: what they let through, and what their errors say."""

import json
from dataclasses import fields

import numpy as np
import pytest

import napari_seggradcam as sgc
from architectures import small_unet
from napari_seggradcam.errors import OptionError
from napari_seggradcam.explain.methods.cams import SegXResCam
from napari_seggradcam.explain.methods.known import METHODS
from napari_seggradcam.explain.options import (
    check_above_zero,
    check_count,
    check_counts,
    check_from_zero,
    check_known,
    one_per_axis,
)
from napari_seggradcam.explain.pixels import Occlusion


def test_a_value_that_is_known() -> None:
    check_known("pool", "mean", ("mean", "max"))
    with pytest.raises(OptionError, match=r"^pool is 'min'; known are 'mean', 'max'\.$"):
        check_known("pool", "min", ("mean", "max"))


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(1)])
def test_counts(value) -> None:
    check_count("window", value)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, 2.5, "3", None, float("nan")])
def test_what_is_no_count(value) -> None:
    with pytest.raises(OptionError, match=r"window is .*; expected a whole number from 1\.$"):
        check_count("window", value)


def test_a_count_may_begin_elsewhere() -> None:
    check_count("seed", 0, least=0)
    with pytest.raises(OptionError, match="seed is -1; expected a whole number from 0"):
        check_count("seed", -1, least=0)


@pytest.mark.parametrize("value", [2, (2, 3), [2, 3], np.array([2, 3]), np.int64(2)])
def test_one_count_or_several(value) -> None:
    check_counts("window", value)
    assert one_per_axis("window", value, 2) in ((2, 2), (2, 3))


@pytest.mark.parametrize("value", [0, (2, 0), (2, 1.5), "ab"])
def test_a_number_among_several_that_is_no_count(value) -> None:
    with pytest.raises(OptionError, match="expected a whole number"):
        check_counts("window", value)


@pytest.mark.parametrize("value", [(2,), (2, 3, 4)])
def test_not_one_number_for_every_axis(value) -> None:
    with pytest.raises(OptionError, match=f"cell has {len(value)} numbers.*that is 2"):
        one_per_axis("cell", value, 2)


@pytest.mark.parametrize(
    "value", [0, -0.5, float("nan"), float("inf"), True, "a", None, np.zeros(2)]
)
def test_not_above_zero(value) -> None:
    check_above_zero("tolerance", 1e-9)
    with pytest.raises(OptionError, match=r"tolerance is .*; expected a number above 0"):
        check_above_zero("tolerance", value)


def test_numbers_of_numpy_are_noted_as_json_has_them() -> None:
    assert json.dumps(SegXResCam(window=np.int64(3)).options()) == '{"window": 3, "pool": "mean"}'
    options = Occlusion(window=np.array([4, 5]), stride=np.uint8(2)).options()
    assert json.loads(json.dumps(options)) == {"window": [4, 5], "stride": 2, "baseline": "zero"}


@pytest.mark.parametrize(
    "value", [-1, -0.5, float("nan"), float("inf"), True, "a", None, np.zeros(2)]
)
def test_not_from_zero(value) -> None:
    check_from_zero("noise", np.float32(0))
    with pytest.raises(OptionError, match=r"^noise is .*; expected a number from 0\.$"):
        check_from_zero("noise", value)


@pytest.mark.parametrize("value", [np.array(["mean", "max"]), ["mean"], None, 3])
def test_what_is_no_text_is_not_known(value) -> None:
    with pytest.raises(OptionError, match="known are 'mean', 'max'"):
        check_known("pool", value, ("mean", "max"))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_errors_name_options_as_they_are_given(name) -> None:
    method = METHODS[name]
    for field in fields(method):
        with pytest.raises(OptionError) as told:
            method(**{field.name: object()})
        said = str(told.value)
        assert said.startswith(f"{field.name} is ") or "no baseline" in said


def test_an_array_as_class_may_be_the_region() -> None:
    mask = np.ones((16, 16), bool)
    explainer = sgc.Explainer(small_unet(), np.ones((16, 16), np.float32))
    for ask in (
        lambda: explainer.explain(1, mask),
        lambda: sgc.compare_layers(explainer, mask, mask),
        lambda: sgc.compare_weights(explainer, {"a": mask, "b": mask}, mask),
        lambda: sgc.weight_atlas(explainer, mask, grid=(2, 2)),
    ):
        with pytest.raises(sgc.TargetError, match="it comes before the class"):
            ask()
