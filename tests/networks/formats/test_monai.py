"""Bundles whose parts MONAI itself makes: networks, weights, transforms, the configuration."""

import json
import shutil
from pathlib import Path
from typing import Any

import monai
import numpy as np
import pytest
import torch
import yaml
from torch import nn

from napari_seggradcam.errors import (
    MissingPackage,
    NetworkFileError,
    OptionError,
    UntrustedNetwork,
)
from napari_seggradcam.networks.formats import packages
from napari_seggradcam.networks.opening import open_network
from opened_networks import assert_same, image_of
from torchscript_files import export, noisy, save

UNET = {
    "_target_": "UNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 2,
    "channels": [4, 6, 8],
    "strides": [2, 2],
    "norm": "batch",
}


def metadata(**inputs: Any) -> dict[str, Any]:
    described = {"num_channels": 1, "spatial_shape": ["4*n", "4*n"], "is_patch_data": True}
    labels = {"0": "background", "1": "spleen"}
    return {
        "name": "Spleen segmentation",
        "version": "0.5.3",
        "network_data_format": {
            "inputs": {"image": {**described, **inputs}},
            "outputs": {"pred": {"num_channels": 2, "channel_def": labels}},
        },
    }


def make(options: dict[str, Any] = UNET) -> nn.Module:
    given = {name: value for name, value in options.items() if name != "_target_"}
    return getattr(monai.networks.nets, options["_target_"])(**given).eval()


def write(
    folder: Path,
    module: nn.Module,
    network: Any = UNET,
    transforms: tuple[dict[str, Any], ...] = (),
    described: dict[str, Any] | None = None,
    kind: str = "json",
    **more: Any,
) -> Path:
    """A bundle, as `monai.bundle` lays it out."""
    folder = folder / "spleen"
    for name in ("configs", "models"):
        (folder / name).mkdir(parents=True)
    config = {
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": list(transforms)},
        **more,
    }
    dump = json.dumps if kind == "json" else yaml.safe_dump
    (folder / f"configs/inference.{kind}").write_text(dump(config))
    (folder / "configs/metadata.json").write_text(json.dumps(described or metadata()))
    torch.save(module.state_dict(), folder / "models/model.pt")
    return folder


@pytest.mark.parametrize("kind", ["json", "yaml", "zip"])
def test_bundle(kind: str, tmp_path: Path) -> None:
    module = make()
    path = write(tmp_path, module, kind="json" if kind == "zip" else kind)
    if kind == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path, "spleen"))
    network = open_network(path, device="cpu")
    assert network.file.format == "MONAI bundle"
    assert network.file.trust == "data only"
    assert network.file.values_known
    assert network.architecture == "MONAI UNet"
    assert (network.axes, network.channels, network.step) == ("CYX", 1, (4, 4))
    assert (network.name, network.normalisation) == ("Spleen segmentation", None)
    assert network.classes == ("background", "spleen")
    assert network.provenance == {"version": "0.5.3"}
    assert_same(network, module, (24, 32))
    assert {"encoder", "bottleneck", "skip"} <= {layer.role for layer in network.layers}


def test_a_transformer_takes_the_size_of_its_metadata(tmp_path: Path) -> None:
    options = {
        "_target_": "UNETR",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 2,
        "img_size": [32, 48],
        "feature_size": 4,
        "hidden_size": 12,
        "mlp_dim": 24,
        "num_heads": 3,
    }
    module = make(options)
    path = write(tmp_path, module, options, described=metadata(spatial_shape=[32, 48]))
    network = open_network(path, device="cpu")
    assert (network.patch, network.step) == ((32, 48), (0, 0))
    assert_same(network, module, (32, 48))


@pytest.mark.parametrize("alone", [True, False])
def test_torchscript_in_a_bundle(alone: bool, tmp_path: Path) -> None:
    """It is the network itself: expressions of the configuration stay unevaluated."""
    module = noisy(make)
    transform = {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 200,
                 "b_min": 0, "b_max": 1, "clip": True}  # fmt: skip
    path = write(tmp_path, module, {**UNET, "in_channels": "$1 / 0"}, (transform,))
    save(export(module, torch.rand(1, 1, 16, 16), "traced"), path / "models/model.ts")
    if alone:
        (path / "models/model.pt").unlink()
    else:
        with pytest.raises(UntrustedNetwork, match="evaluates"):
            open_network(path)
    network = open_network(path, device="cpu", weights=None if alone else "models/model.ts")
    assert (network.file.format, network.file.trust) == ("MONAI bundle", "scanned graph")
    assert network.file.check.difference == 0
    assert (network.axes, network.channels, network.step) == ("CYX", 1, (4, 4))
    assert (network.name, network.classes) == ("Spleen segmentation", ("background", "spleen"))
    assert network.normalisation is not None
    assert_same(network, module, (24, 32))


def test_basic_unet_in_three_dimensions_with_references(tmp_path: Path) -> None:
    options = {
        "_target_": "monai.networks.nets.BasicUNet",
        "_desc_": "small",
        "spatial_dims": 3,
        "in_channels": "@image_channels",
        "out_channels": 2,
        "features": "@widths::thin",
    }
    features = [2, 2, 2, 2, 4, 2]
    module = make({"_target_": "BasicUNet", "spatial_dims": 3, "out_channels": 2,
                   "in_channels": 2, "features": features})  # fmt: skip
    path = write(
        tmp_path,
        module,
        options,
        described=metadata(
            num_channels=2, spatial_shape=[96, 96, 96], channel_def={"1": "FLAIR", "0": "T1c"}
        ),
        image_channels=2,
        widths={"thin": features},
    )
    network = open_network(path, device="cpu")
    assert (network.axes, network.channels) == ("CZYX", 2)
    assert network.channel_names == ("T1c", "FLAIR")
    assert any("patches of 96 × 96 × 96" in notice for notice in network.file.notices)
    assert_same(network, module, (32, 32, 32))


@pytest.mark.parametrize(
    "named", [None, {"0": "image"}, {"0": "T1", "1": "T2"}, {"first": "T1"}, ["T1"], "T1"]
)
def test_names_of_channels_that_say_nothing(named: Any, tmp_path: Path) -> None:
    path = write(tmp_path, make(), described=metadata(channel_def=named))
    assert open_network(path, device="cpu").channel_names is None


TRANSFORMS = [
    {"_target_": "ScaleIntensityd", "keys": "image"},
    {"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 2.0},
    {"_target_": "ScaleIntensityd", "keys": "image", "channel_wise": True},
    {"_target_": "ScaleIntensityd", "keys": "image", "minv": None, "maxv": None, "factor": 0.5},
    {"_target_": "NormalizeIntensityd", "keys": "image"},
    {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True},
    {"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 20.0, "divisor": 4.0},
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 10, "a_max": 60,
     "b_min": -1, "b_max": 1, "clip": True},
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 10, "a_max": 60},
    {"_target_": "ScaleIntensityRangePercentilesd", "keys": "image", "lower": 5, "upper": 90,
     "b_min": 0, "b_max": 1, "clip": True},
    {"_target_": "ScaleIntensityRangePercentilesd", "keys": "image", "lower": 5, "upper": 90,
     "b_min": 0, "b_max": 2, "relative": True, "channel_wise": True},
]  # fmt: skip


def test_values_are_those_of_the_transforms(tmp_path: Path) -> None:
    image = image_of(2, (24, 20))
    for number, transform in enumerate([[t] for t in TRANSFORMS] + [TRANSFORMS[7:9]]):
        (tmp_path / str(number)).mkdir()
        path = write(tmp_path / str(number), make(), transforms=tuple(transform))
        network = open_network(path)
        expected = {"image": torch.from_numpy(image.copy())}
        for step in transform:
            options = {name: value for name, value in step.items() if name != "_target_"}
            expected = getattr(monai.transforms, step["_target_"])(**options)(expected)
        np.testing.assert_allclose(
            network.normalisation(image), expected["image"], rtol=1e-4, atol=1e-4, err_msg=str(step)
        )
        assert network.file.notices == ()


def test_what_is_not_done_is_said(tmp_path: Path) -> None:
    transforms = (
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "Spacingd", "keys": "image", "pixdim": [1.5, 1.5, 2.0]},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "_disabled_": True},
        {"_target_": "ScaleIntensityd", "keys": "image", "minv": "$-1.0"},
        {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True},
    )
    notices = open_network(write(tmp_path, make(), transforms=transforms)).file.notices
    assert "went through Spacingd, ScaleIntensityd, which" in notices[0]
    assert "without the zeros" in notices[1]


EXPRESSION = {**UNET, "channels": "$[4, 6, 4 + 4]"}


def test_expressions_need_trust(tmp_path: Path) -> None:
    module = make()
    path = write(tmp_path, module, EXPRESSION)
    (path / "scripts").mkdir()
    (path / "scripts/net.py").write_text("WIDTH = 4\n")
    with pytest.raises(UntrustedNetwork, match=r"evaluates \$\[4, 6, 4 \+ 4\]") as raised:
        open_network(path)
    assert "network_def" in raised.value.source["configs/inference.json"]
    assert raised.value.source["scripts/net.py"] == "WIDTH = 4\n"
    network = open_network(path, trust=True, device="cpu")
    assert network.file.trust == "runs Python code"
    assert_same(network, module, (16, 16))


def test_an_expression_does_not_run_without_trust(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hostile = f"$__import__('pathlib').Path({str(marker)!r}).touch()"
    for number, network in enumerate([hostile, {**UNET, "norm": hostile}, "@other"]):
        (tmp_path / str(number)).mkdir()
        path = write(tmp_path / str(number), make(), network, other=hostile)
        with pytest.raises(UntrustedNetwork):
            open_network(path)
    assert not marker.exists()
    with pytest.raises(NetworkFileError):
        open_network(path, trust=True)
    assert marker.exists()  # it is a live one


def test_weights_are_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, make())
    shutil.copy(path / "models/model.pt", path / "models/best.pt")
    assert open_network(path, weights="models/best.pt").classes == ("background", "spleen")
    with pytest.raises(OptionError, match=r"one of models/model\.pt, models/best\.pt"):
        open_network(path, weights="models/last.pt")
    shutil.rmtree(path / "models")
    with pytest.raises(NetworkFileError, match=r"expected models/model\.pt"):
        open_network(path)


def test_without_monai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    path = write(tmp_path, make())
    monkeypatch.setattr(packages.importlib, "import_module", fail)
    with pytest.raises(MissingPackage, match=r'pip install "napari-seggradcam\[monai\]"'):
        open_network(path)


BAD = {
    "elsewhere": ({**UNET, "_target_": "os.system"}, "asks for the network os.system"),
    "function": ({**UNET, "_target_": "monai.networks.nets.vista3d132"}, "expected a class"),
    "unknown": ({**UNET, "_target_": "MyNet"}, "asks for the network MyNet"),
    "absurd": ({**UNET, "channels": [10**7, 10**7, 10**7]}, "would fill more than"),
    "argument": ({**UNET, "depth": 4}, "can't be built"),
    "cyclic": ({**UNET, "channels": "@network_def"}, "refers to itself"),
    "none": (None, "no bundle"),
    "no class": ({"spatial_dims": 2}, "_target_"),
}


@pytest.mark.parametrize(("network", "said"), BAD.values(), ids=BAD)
def test_networks_that_are_refused(network: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match=said):
        open_network(write(tmp_path, make(), network))


def test_damaged_files(tmp_path: Path) -> None:
    path = write(tmp_path, make())
    weights = (path / "models/model.pt").read_bytes()
    for bad in (weights[:500], weights[:-500], b""):
        (path / "models/model.pt").write_bytes(bad)
        with pytest.raises(NetworkFileError):
            open_network(path)
    (path / "models/model.pt").write_bytes(weights)
    for bad in (
        '{"network_data_format": 3}',
        '{"network_data_format": {"inputs": [1]}}',
        "[1]",
        "",
    ):
        (path / "configs/metadata.json").write_text(bad)
        with pytest.raises(NetworkFileError):
            open_network(path)
    for name in ("inference.json", "inference.yaml"):
        for bad in ("", "[", "[1, 2]", "a: &a [*a]" if name.endswith("yaml") else "{"):
            (path / "configs/inference.json").unlink(missing_ok=True)
            (path / "configs" / name).write_text(bad)
            with pytest.raises(NetworkFileError):
                open_network(path)
