import json

import numpy as np
import pytest

from napari_seggradcam.errors import OptionError
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.training.options import TrainingOptions


def test_learning_rate_rises_linearly_and_falls_to_zero():
    options = TrainingOptions(steps=100, warm_up=0.1, learning_rate=2.0)
    rates = [options.learning_rate_at(step) for step in range(100)]
    np.testing.assert_allclose(rates[:10], np.linspace(0.2, 2.0, 10))
    assert rates[10] == max(rates) == 2.0
    assert all(np.diff(rates[10:]) < 0)
    assert rates[55] == pytest.approx(1.0)
    assert 0 < rates[-1] < 0.002


def test_one_step_without_warm_up():
    assert TrainingOptions(steps=1, warm_up=0).learning_rate_at(0) == 2e-3


def test_settings_are_json_and_leave_out_what_changes_no_result():
    one = TrainingOptions(device="cpu", num_workers=3, class_weights=(1, 2))
    other = TrainingOptions(class_weights=(1, 2))
    assert one.result_settings() == other.result_settings()
    assert json.loads(json.dumps(one.result_settings())) == one.result_settings()


def test_mean_and_deviation_are_those_of_the_source(squares):
    source = squares(5, channels=2)
    normalisation = TrainingOptions(normalisation="mean-std").chosen_normalisation(source)
    values = np.concatenate([image.reshape(2, -1) for image, _ in source], axis=1)
    np.testing.assert_allclose(normalisation.mean, values.mean(1), atol=1e-3)
    np.testing.assert_allclose(normalisation.std, values.std(1), atol=1e-3)


def test_other_normalisations_go_by_name(squares):
    assert TrainingOptions().chosen_normalisation(squares()) == Percentile()
    with pytest.raises(OptionError, match="'histogram' is not known"):
        TrainingOptions(normalisation="histogram").chosen_normalisation(squares())


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch_size": -1},
        {"learning_rate": 0},
        {"warm_up": 1.0},
        {"weight_decay": -1e-3},
        {"stored_as": "float8"},
        {"seed": -1},
    ],
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        TrainingOptions(**wrong)
