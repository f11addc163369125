"""Folders that transformers saves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from napari_seggradcam.errors import MissingPackage, NetworkFileError, UntrustedNetwork
from napari_seggradcam.networks.formats import packages
from napari_seggradcam.networks.normalisation import MeanStd
from napari_seggradcam.networks.opening import open_network
from opened_networks import assert_same

LABELS = {0: "road", 1: "sidewalk", 2: "sky"}
PREPARATION = {
    "do_resize": True,
    "size": {"height": 512, "width": 512},
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def save(folder: Path) -> tuple[torch.nn.Module, Path]:
    """A small network, saved by the library."""
    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[4, 4, 8, 8],
        num_attention_heads=[1, 1, 2, 2],
        sr_ratios=[4, 2, 1, 1],
        decoder_hidden_size=6,
        id2label=LABELS,
        label2id={name: number for number, name in LABELS.items()},
    )
    module = SegformerForSemanticSegmentation(config).eval()
    module.decode_head.batch_norm.running_mean.normal_()
    folder = folder / "streets"
    module.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPARATION))
    return module, folder


@pytest.fixture
def saved(tmp_path: Path) -> tuple[torch.nn.Module, Path]:
    return save(tmp_path)


def change(folder: Path, name: str = "config.json", **values: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_folder(saved: tuple[torch.nn.Module, Path]) -> None:
    module, folder = saved
    network = open_network(folder, device="cpu")
    assert network.file.format == "Hugging Face"
    assert network.file.trust == "data only"
    assert network.architecture == "SegformerForSemanticSegmentation of transformers"
    assert (network.axes, network.channels) == ("CYX", 3)
    assert (network.name, network.classes) == ("streets", ("road", "sidewalk", "sky"))
    assert network.normalisation == MeanStd(
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), divide=1 / 0.00392156862745098
    )
    assert "resized to 512 × 512 pixels" in network.file.notices[0]
    assert_same(network, module, (64, 96))
    assert {"encoder", "bottleneck"} <= {layer.role for layer in network.layers}


def test_preparation(saved: tuple[torch.nn.Module, Path]) -> None:
    _, folder = saved
    change(folder, "preprocessor_config.json", do_normalize=False, do_flip_channel_order=True)
    network = open_network(folder / "model.safetensors")
    image = np.full((3, 4, 4), 255, np.float32)
    np.testing.assert_allclose(network.normalisation(image), 1, rtol=1e-6)
    assert "blue, green, red" in network.file.notices[1]
    change(folder, "preprocessor_config.json", do_rescale=False)
    network = open_network(folder)
    assert (network.normalisation, network.file.values_known) == (None, True)
    change(folder, "preprocessor_config.json", do_normalize=True, image_mean=[0.5])
    with pytest.raises(NetworkFileError, match="one of each"):
        open_network(folder)
    (folder / "preprocessor_config.json").unlink()
    assert not open_network(folder).file.values_known


def test_code_of_its_own_needs_trust(saved: tuple[torch.nn.Module, Path]) -> None:
    _, folder = saved
    marker = folder.parent / "ran"
    text = f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
    (folder / "mine.py").write_text(text)
    change(folder, auto_map={"AutoModelForSemanticSegmentation": "mine.Net"}, model_type="mine")
    with pytest.raises(UntrustedNetwork, match=r"runs mine\.py") as raised:
        open_network(folder)
    assert raised.value.source == {"mine.py": text}
    assert not marker.exists()


def test_without_transformers(
    saved: tuple[torch.nn.Module, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(packages.importlib, "import_module", fail)
    with pytest.raises(MissingPackage, match=r'pip install "napari-seggradcam\[huggingface\]"'):
        open_network(saved[1])


BAD = {
    "unknown": {"model_type": "no such network"},
    "no type": {"model_type": None},
    "other widths": {"hidden_sizes": [4, 4, 8, 12]},
    "absurd": {"hidden_sizes": [10**6, 10**6, 10**6, 10**6]},
    "labels": {"id2label": [1, 2]},
    "text": {"depths": "many"},
}


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
def test_damaged_config(values: dict[str, Any], saved: tuple[torch.nn.Module, Path]) -> None:
    change(saved[1], **values)
    with pytest.raises(NetworkFileError):
        open_network(saved[1])


def test_damaged_weights(saved: tuple[torch.nn.Module, Path]) -> None:
    path = saved[1] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(NetworkFileError, match="safetensors"):
        open_network(saved[1])
