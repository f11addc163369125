"""nnU-Net v2 folders: plans in words of nnU-Net, weights of the library that it is built on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from napari_seggradcam.errors import MissingPackage, NetworkFileError, UntrustedNetwork
from napari_seggradcam.explain.reach import reach_of
from napari_seggradcam.networks.formats import packages
from napari_seggradcam.networks.normalisation import ZeroMeanUnitVariance
from napari_seggradcam.networks.opening import open_network
from opened_networks import assert_same, image_of, stages
from payloads import Payload

LABELS = {"background": 0, "cell": 1, "nucleus": 2}


def architecture(ndim: int = 2, blocks: str = "n_conv_per_stage") -> dict[str, Any]:
    """As experiment planners write it; three stages, very thin."""
    residual = blocks != "n_conv_per_stage"
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet."
        + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
        "arch_kwargs": {
            "n_stages": 3,
            "features_per_stage": [4, 6, 8],
            "conv_op": f"torch.nn.modules.conv.Conv{ndim}d",
            "kernel_sizes": [[3] * ndim] * 3,
            "strides": [[1] * ndim, [2] * ndim, [2] * ndim],
            blocks: [1, 2, 2],
            "n_conv_per_stage_decoder": [1, 1],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{ndim}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def plans(ndim: int = 2, schemes: tuple[str, ...] = ("ZScoreNormalization",)) -> dict[str, Any]:
    return {
        "dataset_name": "Dataset007_Cells",
        "plans_name": "nnUNetPlans",
        "transpose_forward": list(range(ndim)),
        "foreground_intensity_properties_per_channel": {},
        "configurations": {
            "base": {
                "patch_size": [32, 48, 32][:ndim],
                "spacing": [1.0, 0.5, 0.5][:ndim],
                "normalization_schemes": list(schemes),
                "use_mask_for_norm": [False] * len(schemes),
            },
            "mine": {"inherits_from": "base", "architecture": architecture(ndim)},
        },
    }


def dataset(labels: dict[str, Any] = LABELS, channels: int = 1) -> dict[str, Any]:
    return {"channel_names": {str(i): f"stain {i}" for i in range(channels)}, "labels": labels}


def module_of(
    ndim: int = 2,
    channels: int = 1,
    rows: int = 3,
    residual: bool = False,
    norm: type[nn.Module] | None = None,
) -> nn.Module:
    """Built without this package; with deep supervision, as it is trained."""
    convolution = {2: nn.Conv2d, 3: nn.Conv3d}[ndim]
    norm = norm or {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[ndim]
    kind, blocks = PlainConvUNet, "n_conv_per_stage"
    if residual:
        kind, blocks = ResidualEncoderUNet, "n_blocks_per_stage"
    return kind(
        channels,
        3,
        [4, 6, 8],
        convolution,
        3,
        [1, 2, 2],
        num_classes=rows,
        n_conv_per_stage_decoder=[1, 1],
        conv_bias=True,
        norm_op=norm,
        norm_op_kwargs={"eps": 1e-05, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=True,
        **{blocks: [1, 2, 2]},
    ).eval()


def checkpoint(module: nn.Module, plan: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """What nnUNetTrainer.save_checkpoint saves."""
    return {
        "network_weights": module.state_dict(),
        "optimizer_state": torch.optim.SGD(module.parameters(), 0.1).state_dict(),
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.75)]},
        "_best_ema": np.float64(0.7),
        "current_epoch": 1000,
        "init_args": {
            "plans": plan,
            "configuration": "mine",
            "fold": 0,
            "dataset_json": data,
            "device": torch.device("cpu"),
        },
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1),
    }


def write(
    folder: Path,
    module: nn.Module,
    plan: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    names: tuple[str, ...] = ("fold_0/checkpoint_final.pth",),
) -> Path:
    plan, data = plan or plans(), data or dataset()
    folder = folder / "nnUNetTrainer__nnUNetPlans__mine"
    folder.mkdir()
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_text(json.dumps(data))
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        torch.save(checkpoint(module, plan, data), folder / name)
    return folder


def without_deep_supervision(module: nn.Module) -> nn.Module:
    module.decoder.deep_supervision = False
    return module


def test_folder(tmp_path: Path) -> None:
    module = module_of()
    network = open_network(write(tmp_path, module), device="cpu")
    assert network.file.format == "nnU-Net"
    assert network.file.trust == "data only"
    assert network.architecture == "nnU-Net mine: PlainConvUNet 2D, 3 stages"
    assert (network.axes, network.channels, network.step) == ("CYX", 1, (4, 4))
    assert network.classes == ("background", "cell", "nucleus")
    assert network.normalisation == ZeroMeanUnitVariance(least=1e-8)
    assert network.name == "Dataset007_Cells mine fold 0"
    assert network.provenance["spacing"] == [1.0, 0.5]
    assert network.provenance["channel_names"] == ["stain 0"]
    assert network.channel_names == ("stain 0",)
    assert any("spacing of 1 × 0.5" in notice for notice in network.file.notices)
    assert network.patch == (32, 48)
    assert any("patches of 32 × 48 pixels" in notice for notice in network.file.notices)
    assert reach_of(network).in_words() == "explained on patches of 32 × 48 pixels"
    assert network.outputs == ("",)
    assert_same(network, without_deep_supervision(module), (32, 48))
    assert stages(network) == {
        "encoder 0": 1,
        "encoder 1": 2,
        "bottleneck": 2,
        "decoder 1": 1,
        "decoder 0": 1,
        "head": 1,
    }


def test_residual_encoder_in_three_dimensions(tmp_path: Path) -> None:
    plan = plans(3)
    plan["configurations"]["mine"]["architecture"] = architecture(3, "n_blocks_per_stage")
    module = module_of(3, residual=True)
    network = open_network(write(tmp_path, module, plan), device="cpu")
    assert (network.axes, network.channels) == ("CZYX", 1)
    assert_same(network, without_deep_supervision(module), (16, 16, 12))


def test_batch_norm_does_not_see_the_patch(tmp_path: Path) -> None:
    plan, module = plans(), module_of()
    options = plan["configurations"]["mine"]["architecture"]["arch_kwargs"]
    options["norm_op"] = "torch.nn.modules.batchnorm.BatchNorm2d"
    module = without_deep_supervision(module_of(norm=nn.BatchNorm2d))
    network = open_network(write(tmp_path, module, plan), device="cpu")
    assert network.patch is None
    assert_same(network, module, (40, 72))


def old_plans() -> dict[str, Any]:
    """Plans as nnU-Net wrote them before 2024."""
    plan = plans()
    plan["configurations"]["mine"] = {
        "inherits_from": "base",
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 6,
        "n_conv_per_stage_encoder": [1, 2, 2],
        "n_conv_per_stage_decoder": [1, 1],
        "pool_op_kernel_sizes": [[1, 1], [2, 2], [2, 2]],
        "conv_kernel_sizes": [[3, 3]] * 3,
    }
    return plan


def test_plans_from_before_2024(tmp_path: Path) -> None:
    module = PlainConvUNet(
        1, 3, [4, 6, 6], nn.Conv2d, 3, [1, 2, 2], [1, 2, 2], 3, [1, 1], True, nn.InstanceNorm2d,
        {"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
    )  # fmt: skip
    network = open_network(write(tmp_path, module, old_plans()), device="cpu")
    assert_same(network, module.eval(), (16, 16))


NAMES = (
    "fold_1/checkpoint_best.pth",
    "fold_1/checkpoint_final.pth",
    "fold_0/checkpoint_best.pth",
    "fold_10/checkpoint_final.pth",
    "fold_all/checkpoint_final.pth",
)


def test_folds_and_checkpoints(tmp_path: Path) -> None:
    folder = write(tmp_path, module_of(), names=NAMES)

    def chosen(path: Path, weights: str | None = None) -> str:
        network = open_network(path, weights=weights)
        assert open_network(network.path).sha256 == network.sha256  # a record finds it again
        return network.path.relative_to(folder).as_posix()

    assert chosen(folder) == "fold_0/checkpoint_best.pth"
    assert chosen(folder, "fold_1/checkpoint_best.pth") == "fold_1/checkpoint_best.pth"
    assert chosen(folder / "fold_1") == "fold_1/checkpoint_final.pth"
    assert chosen(folder / "fold_1", "checkpoint_best.pth") == "fold_1/checkpoint_best.pth"
    assert chosen(folder / "fold_10/checkpoint_final.pth") == "fold_10/checkpoint_final.pth"
    with pytest.raises(NetworkFileError, match=r"no weights 'fold_2'; expected one of fold_0/chec"):
        open_network(folder, weights="fold_2")
    for lowest in ("fold_0/checkpoint_best.pth", "fold_1/checkpoint_final.pth"):
        (folder / lowest).unlink()
    assert chosen(folder) == "fold_1/checkpoint_best.pth"


def test_checkpoint_without_its_folder(tmp_path: Path) -> None:
    module = module_of()
    folder = write(tmp_path, module)
    alone = tmp_path / "from a colleague.pt"
    (folder / "fold_0/checkpoint_final.pth").rename(alone)
    network = open_network(alone, device="cpu")
    assert network.classes == ("background", "cell", "nucleus")
    assert_same(network, without_deep_supervision(module), (16, 16))


LABEL_CASES = {
    "ignored": ({"background": 0, "cell": 1, "ignore": 2}, ("background", "cell"), 2),
    "unordered": ({"cell": 1, "background": 0}, ("background", "cell"), 2),
    "regions": ({"background": 0, "whole": [1, 2], "core": 2}, ("whole", "core"), 2),
    "one region": ({"background": 0, "whole": [1, 2]}, ("background", "whole"), 1),
    "lists": ({"background": [0], "cell": [1]}, ("background", "cell"), 2),
}


@pytest.mark.parametrize(("labels", "classes", "rows"), LABEL_CASES.values(), ids=LABEL_CASES)
def test_labels(labels: dict[str, Any], classes: object, rows: int, tmp_path: Path) -> None:
    network = open_network(write(tmp_path, module_of(rows=rows), data=dataset(labels)))
    assert (network.classes, network.rows) == (classes, rows)
    has_regions = any("regions that may overlap" in notice for notice in network.file.notices)
    assert has_regions == any(isinstance(v, list) and len(v) > 1 for v in labels.values())


def test_every_channel_has_its_scheme(tmp_path: Path) -> None:
    names = ("ZScore", "CT", "RescaleTo01", "RGBTo01", "No")
    plan = plans(schemes=tuple(f"{name}Normalization" for name in names))
    numbers = {"percentile_00_5": 10.0, "percentile_99_5": 60.0, "mean": 30.0, "std": 8.0}
    plan["foreground_intensity_properties_per_channel"] = {"1": numbers}
    module = module_of(channels=5)
    network = open_network(write(tmp_path, module, plan, dataset(channels=5)), device="cpu")
    image = image_of(5, (16, 24))
    score, tomography, rescaled, colours, raw = image
    expected = [  # as in nnU-Net's default_normalization_schemes
        (score - score.mean()) / max(score.std(), 1e-8),
        (np.clip(tomography, 10, 60) - 30) / 8,
        (rescaled - rescaled.min()) / (rescaled.max() - rescaled.min()),
        colours / 255,
        raw,
    ]
    np.testing.assert_allclose(network.normalisation(image), expected, rtol=1e-5, atol=1e-6)
    plan = plans(schemes=("NoNormalization",))
    (tmp_path / "raw").mkdir()
    network = open_network(write(tmp_path / "raw", module_of(), plan))
    assert network.normalisation is None
    assert network.file.values_known


def test_cascade_and_turned_axes_are_said(tmp_path: Path) -> None:
    plan = plans(3)
    plan["configurations"]["mine"]["previous_stage"] = "3d_lowres"
    plan["transpose_forward"] = [2, 0, 1]
    network = open_network(write(tmp_path, module_of(3, channels=3), plan))
    assert len(network.normalisation.each) == 3
    assert network.channels == 3  # one of the image, two of the classes that are no background
    names = ("stain 0", "3d_lowres class 1", "3d_lowres class 2")
    assert network.channel_names == names
    notices = " ".join(network.file.notices)
    assert "the segmentation of 3d_lowres" in notices
    assert "in the order (2, 0, 1)" in notices


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, module_of())

    def fail(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(packages.importlib, "import_module", fail)
    with pytest.raises(MissingPackage, match=r'pip install "napari-seggradcam\[nnunet\]"'):
        open_network(folder)


def foreign_class(plan: dict[str, Any], name: str) -> None:
    plan["configurations"]["mine"]["architecture"]["network_class_name"] = name


def absurd_width(plan: dict[str, Any]) -> None:
    options = plan["configurations"]["mine"]["architecture"]["arch_kwargs"]
    options["features_per_stage"] = [10**6, 10**6, 10**6]


DAMAGED = {
    "another module": (lambda p: foreign_class(p, "os.system"), "no class of torch.nn"),
    "no class": (lambda p: foreign_class(p, "torch.nn.functional.relu"), "no class of modules"),
    "hidden": (lambda p: foreign_class(p, "torch.nn.modules.module.os.system"), "can't be built"),
    "no name": (lambda p: foreign_class(p, None), "can't be built|fit together"),
    "absurd": (absurd_width, "of another shape"),
    "cyclic": (
        lambda p: p["configurations"]["base"].update(inherits_from="mine"),
        "inherits from itself",
    ),
    "no configuration": (lambda p: p["configurations"].pop("mine"), "KeyError: 'mine'"),
    "no patch": (lambda p: p["configurations"]["base"].pop("patch_size"), "patch_size"),
    "list": (lambda p: p.update(configurations=[1]), "does not fit together"),
}


@pytest.mark.parametrize(("change", "said"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_plans(change: Any, said: str, tmp_path: Path) -> None:
    plan = plans()
    change(plan)
    folder = write(tmp_path, module_of(), plan)
    with pytest.raises(NetworkFileError, match=said):
        open_network(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"labels": 3}'])
def test_damaged_json(content: str, tmp_path: Path) -> None:
    folder = write(tmp_path, module_of())
    (folder / "dataset.json").write_text(content)
    with pytest.raises(NetworkFileError):
        open_network(folder)


def test_damaged_checkpoints(tmp_path: Path) -> None:
    folder = write(tmp_path, module_of())
    path = folder / "fold_0/checkpoint_final.pth"
    good = path.read_bytes()
    for bad in (good[:1000], good[: len(good) // 2], b"", bytes(1000)):
        path.write_bytes(bad)
        for opened in (folder, path):
            with pytest.raises(NetworkFileError):
                open_network(opened)
    torch.save({"network_weights": module_of().state_dict()}, path)
    with pytest.raises(NetworkFileError, match="KeyError: 'init_args'"):
        open_network(folder)


def test_payload_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    folder = write(tmp_path, module_of())
    path = folder / "fold_0/checkpoint_final.pth"
    saved = checkpoint(module_of(), plans(), dataset())
    torch.save({**saved, "logging": Payload(Path.touch, tmp_path / "ran")}, path)
    for opened in (folder, path):
        with pytest.raises(UntrustedNetwork, match="imports"):
            open_network(opened)
    assert not (tmp_path / "ran").exists()
    assert open_network(folder, trust=True).classes == ("background", "cell", "nucleus")
    assert (tmp_path / "ran").exists()
