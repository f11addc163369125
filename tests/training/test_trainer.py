import csv
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_seggradcam import open_network
from napari_seggradcam.errors import Cancelled, OptionError, TrainingDataError
from napari_seggradcam.training.checkpoint import TrainingFiles
from napari_seggradcam.training.trainer import train
from napari_seggradcam.training.validation import validate


class StopAt:
    """A ``cancel`` that says yes when it has been asked that often."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self):
        self.left -= 1
        return self.left < 0


@pytest.fixture
def sources(squares):
    return squares(6), squares(3, first_seed=50)


def weights(network):
    return network.module.state_dict()


def assert_same(one, other):
    assert one.history == other.history
    assert one.best_score == other.best_score
    for name, tensor in weights(one.network).items():
        assert torch.equal(tensor, weights(other.network)[name]), name
    assert one.network.path.read_bytes() == other.network.path.read_bytes()


def test_network_learns_and_comes_back_from_its_file(sources, quick_options, tmp_path):
    options = replace(quick_options, steps=60, validate_every=20)
    seen = []
    result = train(*sources, options, tmp_path / "net", progress=lambda *a: seen.append(a))
    assert result.best_score > 0.8
    assert [step for step, _, _ in seen] == list(range(61))
    assert "mean IoU" in seen[-1][2]
    network = open_network(tmp_path / "net.safetensors")
    assert (network.classes, network.colours) == (sources[0].classes, sources[0].colours)
    assert network.provenance["settings"]["seed"] == 3
    assert network.provenance["training data"] == sources[0].describe()
    assert network.provenance["validation mean IoU"] == result.best_score
    assert validate(network, sources[1], 10).mean == result.best_score
    with TrainingFiles.of(tmp_path / "net").history.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["20", "40", "60"]
    assert max(float(row["mean_iou"]) for row in rows) == pytest.approx(result.best_score)
    assert not TrainingFiles.of(tmp_path / "net").checkpoint.exists()


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 4, 5, 9, 11])
def test_resumed_training_equals_an_uninterrupted_one_to_the_last_bit(
    sources, quick_options, tmp_path, stop
):
    """Stopped between two steps, right at a validation and within one (three images each)."""
    whole = train(*sources, quick_options, tmp_path / "a" / "net")
    out = tmp_path / "b" / "net"
    with pytest.raises(Cancelled, match="stopped"):
        train(*sources, quick_options, out, cancel=StopAt(stop))
    assert not TrainingFiles.of(out).network.exists()
    assert_same(whole, train(*sources, quick_options, out, resume=True))


def test_several_stops_in_one_training(sources, quick_options, tmp_path):
    whole = train(*sources, quick_options, tmp_path / "a" / "net")
    out = tmp_path / "b" / "net"
    for resume in (False, True, True):
        with pytest.raises(Cancelled):
            train(*sources, quick_options, out, resume=resume, cancel=StopAt(2))
    assert_same(whole, train(*sources, quick_options, out, resume=True))


def test_interrupt_finishes_the_step_and_can_be_resumed(sources, quick_options, tmp_path):
    whole = train(*sources, quick_options, tmp_path / "a" / "net")
    out = tmp_path / "b" / "net"
    before = signal.getsignal(signal.SIGINT)

    def interrupt(step, total, text):
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(*sources, quick_options, out, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert_same(whole, train(*sources, quick_options, out, resume=True))


def test_crash_leaves_the_checkpoint_of_the_last_validation(sources, quick_options, tmp_path):
    whole = train(*sources, quick_options, tmp_path / "a" / "net")
    out = tmp_path / "b" / "net"

    def crash(step, total, text):
        if step == 5:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train(*sources, quick_options, out, progress=crash)
    assert_same(whole, train(*sources, quick_options, out, resume=True))


def test_processes_beside_change_nothing(sources, quick_options, tmp_path):
    alone = train(*sources, quick_options, tmp_path / "a" / "net")
    helped = train(*sources, replace(quick_options, num_workers=2), tmp_path / "b" / "net")
    assert_same(alone, helped)


def test_seed_decides_and_the_random_state_is_left_alone(sources, quick_options, tmp_path):
    state = torch.get_rng_state()
    one = train(*sources, quick_options, tmp_path / "a" / "net")
    other = train(*sources, replace(quick_options, seed=4), tmp_path / "b" / "net")
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(
        weights(one.network)["head.weight"], weights(other.network)["head.weight"]
    )


def test_checkpoint_holds_data_only(sources, quick_options, tmp_path):
    with pytest.raises(Cancelled):
        train(*sources, quick_options, tmp_path / "net", cancel=StopAt(3))
    content = torch.load(tmp_path / "net.checkpoint.pt", weights_only=True)
    assert content["state"]["step"] > 0


def test_score_is_measured_on_the_weights_as_stored(sources, quick_options, tmp_path):
    options = replace(quick_options, stored_as="float16", steps=20)
    result = train(*sources, options, tmp_path / "half")
    assert validate(open_network(tmp_path / "half.safetensors"), sources[1], 10).mean == (
        result.best_score
    )
    full = train(*sources, replace(options, stored_as="float32"), tmp_path / "full")
    sizes = [r.network.path.stat().st_size for r in (result, full)]
    count = sum(t.numel() for t in weights(full.network).values() if t.is_floating_point())
    assert sizes[1] - sizes[0] == pytest.approx(2 * count, abs=200)


@pytest.mark.parametrize(
    ("ndim", "change"),
    [
        (3, {}),
        (2, {"convolution": "valid", "crop": 36}),
        (2, {"norm": "none", "upsampling": "interpolate", "class_weights": (1.0, 2.0)}),
        (2, {"gap_weight": 3.0, "normalisation": "mean-std"}),
    ],
)
def test_other_architectures_and_losses(squares, quick_options, tmp_path, ndim, change):
    source = squares(3, side=24, ndim=ndim)
    options = replace(quick_options, steps=2, **change)
    result = train(source, source, options, tmp_path / "net")
    logits = result.network.predict(source[0][0], source.axes)
    assert logits.shape == (2, *(24,) * ndim)
    assert np.isfinite(logits).all()


def test_unfinished_training_is_not_overwritten(sources, quick_options, tmp_path):
    with pytest.raises(Cancelled):
        train(*sources, quick_options, tmp_path / "net", cancel=StopAt(3))
    with pytest.raises(OptionError, match="unfinished"):
        train(*sources, quick_options, tmp_path / "net")


def test_other_settings_or_data_cannot_go_on(sources, quick_options, squares, tmp_path):
    with pytest.raises(Cancelled):
        train(*sources, quick_options, tmp_path / "net", cancel=StopAt(3))
    with pytest.raises(OptionError, match=r"settings steps \(6 there, 8 here\)"):
        train(*sources, replace(quick_options, steps=8), tmp_path / "net", resume=True)
    with pytest.raises(OptionError, match=r"training data count \(6 there, 5 here\)"):
        train(squares(5), sources[1], quick_options, tmp_path / "net", resume=True)


def test_nothing_or_nonsense_to_resume_is_told(sources, quick_options, tmp_path):
    with pytest.raises(OptionError, match="start without resuming"):
        train(*sources, quick_options, tmp_path / "net", resume=True)
    (tmp_path / "net.checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(OptionError, match="is not a checkpoint"):
        train(*sources, quick_options, tmp_path / "net", resume=True)


def test_wrong_settings_and_sources_are_told(sources, quick_options, squares, tmp_path):
    with pytest.raises(OptionError, match="next size that does is 18"):
        train(*sources, replace(quick_options, crop=17), tmp_path / "net")
    with pytest.raises(OptionError, match="3 class weights were given for 2"):
        train(*sources, replace(quick_options, class_weights=(1, 1, 1)), tmp_path / "net")
    other = squares(classes=("ground", "disk"))
    with pytest.raises(TrainingDataError, match="different classes"):
        train(sources[0], other, quick_options, tmp_path / "net")
