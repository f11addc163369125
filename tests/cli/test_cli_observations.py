"""`seggradcam evaluate --observations`."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.evaluate import demo_questions
from napari_seggradcam.evaluate.observations import Question, observe
from napari_seggradcam.networks.unet import UNet

Call = Callable[..., Result]


def test_observations_are_printed(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    network = sgc.Network.from_module(UNet(depth=1, base_width=2), name="tiny")
    image = np.random.default_rng(0).random((16, 16))
    questions = [Question(f"class {c}", image, "YX", sgc.everywhere(), c) for c in (0, 1)]
    observed = [observe(network, questions)]
    monkeypatch.setattr(demo_questions, "observe_demo_networks", lambda progress: observed)
    shown = call("evaluate", "--observations").stdout
    assert "### tiny: 2 questions" in shown
    assert "The correlation with the logits" in shown
    (found,) = json.loads(call("evaluate", "--observations", "--json").stdout)
    assert found["network"] == "tiny"
    assert found["statements"][0] in shown
