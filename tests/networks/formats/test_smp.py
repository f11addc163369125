"""Folders that segmentation-models-pytorch saves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as library
import torch

from napari_seggradcam.errors import MissingPackage, NetworkFileError
from napari_seggradcam.networks.formats import packages
from napari_seggradcam.networks.normalisation import MeanStd, Percentile
from napari_seggradcam.networks.opening import open_network
from opened_networks import assert_same, stages


def save(folder: Path, kind: str = "Unet", **options: Any) -> tuple[torch.nn.Module, Path]:
    """A small network, saved by the library."""
    small = {"encoder_depth": 3, "decoder_channels": (8, 6, 4)} if kind == "Unet" else {}
    options = {"encoder_name": "resnet18", "encoder_weights": None, **small, **options}
    module = getattr(library, kind)(**options).eval()
    for child in module.modules():
        if isinstance(child, torch.nn.BatchNorm2d):
            child.running_mean.normal_()
    module.save_pretrained(folder / "mine")
    return module, folder / "mine"


def change(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_unet(tmp_path: Path) -> None:
    module, folder = save(tmp_path, in_channels=1, classes=3)
    network = open_network(folder, device="cpu")
    assert network.file.format == "segmentation-models-pytorch"
    assert network.file.trust == "data only"
    assert network.architecture == "smp Unet, encoder resnet18"
    assert (network.axes, network.channels, network.rows) == ("CYX", 1, 3)
    assert (network.name, network.normalisation, network.file.notices) == ("mine", None, ())
    assert not network.file.values_known
    assert_same(network, module, (32, 40))
    found = stages(network)
    assert list(found) == [
        "encoder 1",
        "encoder 2",
        "bottleneck",
        "decoder 2",
        "decoder 1",
        "decoder 0",
        "head",
    ]
    assert all(found[f"decoder {level}"] == 2 for level in range(3))


def test_weights_alone_belong_to_their_folder(tmp_path: Path) -> None:
    module, folder = save(tmp_path, classes=2)
    network = open_network(folder / "model.safetensors", device="cpu")
    assert_same(network, module, (16, 16))


def test_feature_pyramid_with_one_class(tmp_path: Path) -> None:
    module, folder = save(
        tmp_path, "FPN", decoder_pyramid_channels=8, decoder_segmentation_channels=32
    )
    network = open_network(folder, device="cpu")
    assert (network.rows, network.classes) == (1, ("class 0", "class 1"))
    assert_same(network, module, (32, 64))


def test_activation_and_auxiliary_output(tmp_path: Path) -> None:
    auxiliary = {"classes": 4, "pooling": "avg"}
    module, folder = save(tmp_path, classes=2, activation="sigmoid", aux_params=auxiliary)
    network = open_network(folder, device="cpu")
    assert (network.activation, network.outputs) == ("sigmoid", ("[0]",))
    assert_same(network, module, (16, 24))
    image = np.full((3, 16, 24), 0.5, np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(image)[None])[0][0]
    torch.testing.assert_close(torch.from_numpy(network.predict(image)).sigmoid(), expected)


IMAGENET = MeanStd((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), divide=255)
HALVES = MeanStd((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), divide=255)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"encoder_weights": "imagenet"}, IMAGENET),
        ({"encoder_weights": "advprop"}, HALVES),
        ({"encoder_weights": None}, None),
    ],
)
def test_normalisation_of_the_encoder(values: dict[str, Any], expected: object, tmp_path: Path):
    _, folder = save(tmp_path)
    change(folder, **values)
    network = open_network(folder)
    assert network.normalisation == expected
    assert [("trained on ImageNet" in notice) for notice in network.file.notices] == (
        [] if expected is None else [True]
    )
    assert open_network(folder, normalisation=Percentile()).normalisation == Percentile()


def test_encoders_of_timm(tmp_path: Path) -> None:
    small = {"encoder_depth": 3, "decoder_channels": (4, 4, 4)}
    module, folder = save(tmp_path, encoder_name="tu-mobilenetv3_small_050", **small)
    change(folder, encoder_weights="imagenet")
    network = open_network(folder, device="cpu")
    assert network.normalisation == IMAGENET
    assert_same(network, module, (32, 32))


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    _, folder = save(tmp_path)
    monkeypatch.setattr(packages.importlib, "import_module", fail)
    with pytest.raises(MissingPackage, match=r'pip install "napari-seggradcam\[smp\]"'):
        open_network(folder)


BAD = {
    "own class": ({"_model_class": "MyUnet"}, "class MyUnet; expected one of"),
    "function": ({"_model_class": "create_model"}, "expected one of"),
    "address": ({"encoder_name": "tu-hf-hub:someone/something"}, "no address"),
    "file": ({"checkpoint_path": "/etc/passwd"}, "options checkpoint_path; expected those"),
    "download": ({"pretrained": True}, "options pretrained; expected"),
    "unknown encoder": ({"encoder_name": "resnet17"}, "can't be built"),
    "another encoder": ({"encoder_name": "resnet34"}, "weights in .* do not fit"),
    "absurd": ({"decoder_channels": [10**7, 10**7, 10**7]}, "would fill more than"),
    "number": ({"encoder_name": 3}, "no address"),
    "channels": ({"in_channels": "many"}, "can't be built"),
}


@pytest.mark.parametrize(("values", "said"), BAD.values(), ids=BAD)
def test_descriptions_that_are_refused(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    _, folder = save(tmp_path)
    change(folder, **values)
    with pytest.raises(NetworkFileError, match=said):
        open_network(folder)


def test_damaged_files(tmp_path: Path) -> None:
    _, folder = save(tmp_path)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])
    with pytest.raises(NetworkFileError, match="safetensors"):
        open_network(folder)
    for content in ("", "{", "[1]", "[" * 100_000):
        (folder / "config.json").write_text(content)
        with pytest.raises(NetworkFileError):
            open_network(folder)
