"""The report on the demo networks: what it measures and how it is printed."""

import dataclasses
import json

import numpy as np
import pytest

from napari_seggradcam.evaluate import demo
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.unet import UNet
from napari_seggradcam.scenes import nuclei, streets
from napari_seggradcam.scenes.samples import real_nuclei
from napari_seggradcam.scenes.scene import Scene


@pytest.fixture
def untrained(tmp_path):
    """Files of two small networks that have learned nothing."""
    paths = {}
    for name, scenes, axes, channels in (
        ("nuclei", nuclei, "CYX", 1),
        ("streets", streets, "CYX", 3),
    ):
        module = UNet(
            ndim=2, in_channels=channels, out_channels=len(scenes.CLASSES), depth=2, base_width=4
        ).eval()
        network = Network.from_module(module, axes=axes, channels=channels, classes=scenes.CLASSES)
        paths[name] = tmp_path / f"{name}.safetensors"
        network.save(paths[name])
    return paths


def _small_scenes(monkeypatch):
    generate = streets.generate

    def small(seed: int) -> Scene:
        return generate(seed, (64, 96))

    monkeypatch.setattr(streets, "generate", small)


class _Oracle:
    """Stands for a network that knows the truth of an image by its shape."""

    def __init__(self, truth, classes):
        self.truth = truth
        self.classes = classes

    def predict(self, image, axes):
        assert image.shape[:2] == self.truth.shape
        return np.stack([self.truth == value for value in range(self.classes)]).astype(np.float32)


def test_a_network_that_knows_the_truth_has_dice_one(monkeypatch, tmp_path):
    _, instances = real_nuclei()
    truth = (instances[nuclei.TEST_PART] > 0).astype(int)
    monkeypatch.setattr(demo, "open_network", lambda path: _Oracle(truth, 2))
    report = demo.evaluate_nuclei(tmp_path)
    assert report.dice == 1.0
    assert report.pixels == truth.size
    assert 0.8 < report.threshold_dice < 0.9
    assert 0 < report.object_f1 < 1  # nuclei that touch can't be told apart by classes alone


def test_untrained_networks_miss_the_goals_and_the_report_says_so(monkeypatch, untrained):
    _small_scenes(monkeypatch)
    report = demo.DemoReport(
        demo.evaluate_nuclei(untrained["nuclei"]),
        demo.evaluate_streets(untrained["streets"], scenes=2, forest_scenes=3),
    )
    assert not report.is_good
    missed = {row.goal for row in report.rows() if row.met is False}
    assert missed >= {"≥ 0.90", "≥ 0.80"}


def test_the_report_is_plain_json(monkeypatch, untrained):
    _small_scenes(monkeypatch)
    streets_report = demo.evaluate_streets(untrained["streets"], scenes=1, forest_scenes=2)
    report = demo.DemoReport(demo.evaluate_nuclei(untrained["nuclei"]), streets_report)
    again = json.loads(json.dumps(report.to_dict()))
    assert again["nuclei"]["dice"] == report.nuclei.dice
    assert again["streets"]["iou"] == streets_report.iou
    assert set(streets_report.iou) <= set(streets.CLASSES)


def test_progress_counts_up_to_its_total(monkeypatch, untrained, tmp_path):
    _small_scenes(monkeypatch)
    monkeypatch.setattr(demo, "DATA", tmp_path)
    told = []
    demo.evaluate_demo_networks(
        lambda done, total, what: told.append((done, total)), scenes=2, forest_scenes=3
    )
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_goals_are_those_that_were_asked_for():
    report = demo.NucleiReport(100, 3, 0.93, 40.0, 0.91, 2, 1, 1, 0.7)
    met = {row.measure: row.met for row in demo._nuclei_rows(report)}
    assert met["Dice on the part never trained on"] is True
    assert met["Dice gained over it"] is False
    better = dataclasses.replace(report, threshold_dice=0.85)
    assert all(row.met is not False for row in demo._nuclei_rows(better))
