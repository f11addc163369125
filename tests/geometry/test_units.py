"""Ratios between units."""

import numpy as np
import pytest

from napari_seggradcam.geometry.units import unit_ratio


def test_lengths_are_converted() -> None:
    ratio = unit_ratio(("mm", "micrometer", "second"), ("um", "nm", "ms"))
    np.testing.assert_allclose(ratio, (1e3, 1e3, 1e3))


def test_there_and_back_is_one() -> None:
    one, other = ("inch", "um"), ("nm", "mm")
    np.testing.assert_allclose(unit_ratio(one, other) * unit_ratio(other, one), 1)


def test_one_axis_that_cannot_be_converted_leaves_all_bare() -> None:
    np.testing.assert_array_equal(unit_ratio(("pixel", "mm"), ("um", "um")), (1, 1))


def test_as_many_units_as_axes() -> None:
    with pytest.raises(ValueError, match="2 units"):
        unit_ratio(("mm", "mm"), ("mm",))
