"""Opening the samples, their default objects, and clear refusals."""

import hashlib
import re

import numpy as np
import pytest

from napari_seggradcam.errors import OptionError, RegionError
from napari_seggradcam.scenes import nuclei
from napari_seggradcam.scenes.generators import TEST_SEEDS, generate
from napari_seggradcam.scenes.samples import DATA, NAMES, open_sample


@pytest.fixture(scope="module", params=NAMES)
def sample(request):
    return open_sample(request.param)


def test_the_region_is_one_instance(sample):
    assert sample.region.dtype == bool
    np.testing.assert_array_equal(sample.region, sample.instances == sample.region_label)
    assert sample.region.sum() > 300


def test_image_region_and_truth_lie_on_one_grid(sample):
    assert sample.image.shape[:2] == sample.region.shape == sample.labels.shape
    assert len(sample.axes) == sample.image.ndim


def test_the_network_lies_with_the_data(sample):
    assert sample.network_path == DATA / f"{sample.name}.safetensors"


def test_the_default_nucleus_was_never_trained_on():
    sample = open_sample("nuclei")
    assert sample.region[nuclei.TEST_PART].sum() == sample.region.sum()


def test_the_street_was_never_trained_on():
    sample = open_sample("streets")
    seed = int(re.search(r"seed (\d+)", sample.origin)[1])
    assert seed in TEST_SEEDS
    np.testing.assert_array_equal(sample.image, generate("streets", seed).image)


def test_the_default_of_streets_is_a_vehicle():
    sample = open_sample("streets")
    assert {sample.classes[value] for value in sample.labels[sample.region]} == {"vehicle"}
    inner = np.zeros_like(sample.region)
    inner[1:-1, 1:-1] = True
    assert not (sample.region & ~inner).any()


def test_the_street_shows_every_class():
    sample = open_sample("streets")
    assert np.unique(sample.labels).size == len(sample.classes)


def test_the_real_image_has_its_125_nuclei():
    assert np.unique(open_sample("nuclei").instances).size == 125 + 1


def test_a_label_picks_another_object(sample):
    others = np.setdiff1d(sample.instances, [0, sample.region_label])
    other = open_sample(sample.name, int(others[0]))
    assert other.region_label == others[0]
    assert not (other.region & sample.region).any()


@pytest.mark.parametrize("label", [0, -1, 9999])
def test_a_label_that_is_not_there_is_refused_with_some_that_are(sample, label):
    with pytest.raises(RegionError, match=rf"label {label};.* for example \d"):
        open_sample(sample.name, label)


def test_an_unknown_sample_is_refused_with_those_there_are():
    with pytest.raises(OptionError, match=r"'cells'.*nuclei, streets"):
        open_sample("cells")


@pytest.mark.parametrize("name", ["nuclei.tif", "nuclei-mask.tif"])
def test_the_origin_note_names_the_file_that_is_shipped(name):
    note = (DATA / "ORIGIN.md").read_text(encoding="utf-8")
    recorded = re.search(rf"\| {re.escape(name)} \| (\w{{64}})", note)[1]
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == recorded
    assert "CC0 1.0" in note
