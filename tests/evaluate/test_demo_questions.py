from itertools import pairwise

import numpy as np
import pytest

import napari_seggradcam as sgc
from napari_seggradcam.evaluate import demo_questions
from napari_seggradcam.evaluate.demo_questions import (
    STREET_SEEDS,
    nuclei_questions,
    streets_questions,
)
from napari_seggradcam.networks.unet import UNet
from napari_seggradcam.scenes import nuclei, streets
from napari_seggradcam.scenes.generators import TEST_SEEDS
from napari_seggradcam.scenes.samples import open_sample


@pytest.fixture(scope="module", params=[nuclei_questions, streets_questions])
def questions(request):
    return request.param()


def test_there_are_enough_and_all_different(questions):
    assert len(questions) >= 20
    assert len({question.name for question in questions}) == len(questions)


def test_every_region_lies_on_its_image(questions):
    for question in questions:
        assert question.region.shape == question.image.shape[:2]
        assert question.region.any()


def test_questions_about_one_image_stand_together_and_share_it(questions):
    images = [id(question.image) for question in questions]
    changes = sum(a != b for a, b in pairwise(images))
    assert changes == len(set(images)) - 1


def test_nuclei_are_asked_about_where_no_training_looked():
    sample = open_sample("nuclei")
    for question in nuclei_questions():
        np.testing.assert_array_equal(question.image, sample.image[nuclei.TEST_PART])
        value = int(question.name.removeprefix("nucleus "))
        assert (sample.instances[nuclei.TEST_PART][question.region] == value).all()


def test_streets_are_asked_about_in_several_test_scenes():
    questions = streets_questions()
    assert set(STREET_SEEDS) <= set(TEST_SEEDS)
    assert len({id(question.image) for question in questions}) == len(STREET_SEEDS) > 1
    assert {question.target for question in questions} == set(streets.CLASSES)


def test_both_networks_are_observed_with_one_progress(tmp_path, monkeypatch):
    for name, channels, classes in (("nuclei", 1, nuclei.CLASSES), ("streets", 3, streets.CLASSES)):
        module = UNet(in_channels=channels, out_channels=len(classes), depth=1, base_width=2)
        network = sgc.Network.from_module(module, channels=channels, classes=classes, name=name)
        network.save(tmp_path / f"{name}.safetensors")
        few = getattr(demo_questions, f"{name}_questions")()[:2]
        monkeypatch.setattr(demo_questions, f"{name}_questions", lambda few=few: few)
    seen = []
    observed = demo_questions.observe_demo_networks(lambda *step: seen.append(step), tmp_path)
    assert [one.network for one in observed] == ["nuclei", "streets"]
    assert [step[:2] for step in seen] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert seen[0][2].startswith("nuclei: nucleus")
    assert seen[-1][2].startswith("streets: scene")
