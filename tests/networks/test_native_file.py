"""The native file: what goes in comes out, nothing in it runs, and damage is told."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from napari_seggradcam.errors import NetworkFileError, OptionError
from napari_seggradcam.networks.formats.native import KEY
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.normalisation import MeanStd, Percentile
from napari_seggradcam.networks.opening import open_network
from napari_seggradcam.networks.unet import UNet

IMAGE = np.random.default_rng(4).random((13, 10), np.float32)


def network(**options: object) -> Network:
    """A network that says everything a file can hold, with statistics of its own."""
    module = UNet(**{"depth": 1, "base_width": 2, "out_channels": 3, **options})
    module(torch.rand(2, 1, *(24,) * module.config["ndim"]))  # running statistics
    return Network(
        module,
        axes="CYX" if module.config["ndim"] == 2 else "CZYX",
        channels=1,
        channel_names=("DAPI",),
        classes=("void", "cell", "rim ∂"),
        colours=("#000000", "#ff8800", "#00FF00"),
        normalisation=Percentile(2, 98),
        name="cells",
        provenance={"seed": 3, "score": 0.5, "steps": ["a", "b"]},
    )


def description_of(path: Path) -> dict[str, object]:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()[KEY])


def rewrite(path: Path, change: object) -> None:
    """Write a file again with its description changed by a function."""
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    description = description_of(path)
    result = change(description)
    save_file(tensors, path, {KEY: json.dumps(description if result is None else result)})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"convolution": "valid", "norm": "none"},
        {"upsampling": "interpolate", "depth": 2},
        {"ndim": 3},
    ],
    ids=str,
)
def test_round_trip_is_exact(options: dict[str, object], tmp_path: Path) -> None:
    given = network(**options)
    path = given.save(tmp_path / "n.safetensors")
    opened = open_network(path, device="cpu")
    for name in (
        *("axes", "channels", "channel_names", "classes", "colours", "normalisation", "name"),
        *("provenance", "architecture", "parameters", "ndim", "rows"),
    ):
        assert getattr(opened, name) == getattr(given, name)
    assert opened.module.config == given.module.config
    assert opened.path == path
    expected = given.module.state_dict()
    for name, tensor in opened.module.state_dict().items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name])


def test_predictions_are_the_same(tmp_path: Path) -> None:
    given = network()
    opened = open_network(given.save(tmp_path / "n"), device="cpu")
    assert np.array_equal(opened.predict(IMAGE), given.predict(IMAGE))


def test_half_precision(tmp_path: Path) -> None:
    given = network(base_width=16)
    large, small = given.save(tmp_path / "32"), given.save(tmp_path / "16", dtype="float16")
    assert small.stat().st_size < 0.6 * large.stat().st_size
    assert description_of(small) == description_of(large)
    opened = open_network(small, device="cpu")
    expected = given.module.state_dict()
    for name, tensor in opened.module.state_dict().items():
        assert tensor.dtype == expected[name].dtype
        torch.testing.assert_close(tensor, expected[name], rtol=2**-11, atol=2**-24)


def test_normalisation_of_every_kind(tmp_path: Path) -> None:
    given = network()
    for normalisation in (None, MeanStd((0.1,), (0.2,), 255.0)):
        given.normalisation = normalisation
        opened = open_network(given.save(tmp_path / "n"), device="cpu")
        assert opened.normalisation == normalisation


def test_saving_leaves_the_module_and_random_state(tmp_path: Path) -> None:
    given = network()
    given.module.train()
    before = torch.get_rng_state()
    open_network(given.save(tmp_path / "n"), device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(m.training for m in given.module.modules())


def test_an_existing_file_is_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    path.write_text("old")
    network().save(path)
    assert open_network(path).name == "cells"
    assert os.listdir(tmp_path) == ["n.safetensors"]


def test_any_memory_format_can_be_saved(tmp_path: Path) -> None:
    given = network()
    given.module.to(memory_format=torch.channels_last)
    opened = open_network(given.save(tmp_path / "n"), device="cpu")
    assert np.array_equal(opened.predict(IMAGE), network_like(given).predict(IMAGE))


def network_like(given: Network) -> Network:
    module = UNet(**given.module.config)
    module.load_state_dict(given.module.state_dict())
    return Network.from_module(module, normalisation=given.normalisation)


def test_what_can_not_be_saved(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is a Conv2d; a native file holds"):
        Network.from_module(nn.Conv2d(1, 2, 1)).save(tmp_path / "n")
    with pytest.raises(OptionError, match="'float32' or 'float16'"):
        network().save(tmp_path / "n", dtype="int8")
    with pytest.raises(NetworkFileError, match="can't be written"):
        network().save(tmp_path / "no" / "such" / "folder")
    with pytest.raises(NetworkFileError, match="can't be written"):
        network().save(tmp_path)
    loud = network()
    loud.module.encoder[0][1].running_var.fill_(1e6)
    with pytest.raises(OptionError, match=r"running_var.*float16.*float32"):
        loud.save(tmp_path / "n", dtype="float16")
    assert not list(tmp_path.iterdir())


def drop(*keys: str) -> object:
    def change(description: dict[str, object]) -> None:
        for key in keys:
            del description[key]

    return change


def architecture(**options: object) -> object:
    return lambda description: description["architecture"].update(options)


def put(**entries: object) -> object:
    return lambda description: description.update(entries)


DAMAGES = {
    "newer": (put(version=2), "newer"),
    "version in words": (put(version="two"), "damaged"),
    "no architecture": (drop("architecture"), "architecture"),
    "no classes": (drop("classes"), "classes"),
    "no kind": (lambda d: d["architecture"].clear(), "kind"),
    "other kind": (architecture(kind="transformer"), "architecture that this version"),
    "other depth": (architecture(depth=2), "damaged"),
    "no depth at all": (architecture(depth=0), "depth"),
    "other width": (architecture(base_width=4), "of another shape"),
    "wrong norm": (architecture(norm="group"), "norm"),
    "unknown option": (architecture(activation="os.system"), "activation"),
    "five axes": (put(axes="CTZYX"), "CTZYX"),
    "axes of a volume": (put(axes="CZYX"), "axes"),
    "channels": (put(channels=3, channel_names=None), "channels"),
    "channel names": (put(channel_names=["DAPI", "GFP"]), "2 channel names"),
    "a number of channel names": (put(channel_names=1), "damaged"),
    "one class": (put(classes=["cell"]), "1 class names"),
    "two colours": (put(colours=["#000000", "#ffffff"]), "2 colours"),
    "colour": (put(colours=["red", "green", "blue"]), "'red'"),
    "normalisation": (put(normalisation={"kind": "eval"}), "eval"),
    "a list": (lambda d: [1, 2], "damaged"),
    "a number": (lambda d: 7, "damaged"),
}


@pytest.mark.parametrize(("change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_descriptions(change: object, said: str, tmp_path: Path) -> None:
    path = network().save(tmp_path / "n.safetensors")
    rewrite(path, change)
    with pytest.raises(NetworkFileError, match=said) as raised:
        open_network(path)
    assert str(path) in str(raised.value)


def test_description_that_is_no_json(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "n", {KEY: "__import__('os').system('true')"})
    with pytest.raises(NetworkFileError, match="damaged"):
        open_network(tmp_path / "n")


@pytest.mark.parametrize("kept", [0, 4, 9, 40, 1000, -1])
def test_truncated_files(kept: int, tmp_path: Path) -> None:
    path = network().save(tmp_path / "n.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(NetworkFileError):
        open_network(path)


def test_missing_and_additional_tensors(tmp_path: Path) -> None:
    path = network().save(tmp_path / "n.safetensors")
    metadata = {KEY: json.dumps(description_of(path))}
    tensors = dict(network().module.state_dict())
    save_file({k: v for k, v in tensors.items() if k != "head.bias"}, path, metadata)
    with pytest.raises(NetworkFileError, match=r"head\.bias"):
        open_network(path)
    save_file({**tensors, "extra.bias": torch.zeros(3)}, path, metadata)
    with pytest.raises(NetworkFileError, match=r"extra\.bias"):
        open_network(path)


def test_what_the_caller_says_wins(tmp_path: Path) -> None:
    path = network().save(tmp_path / "n.safetensors")
    names = tuple(f"my {name}" for name in open_network(path).classes)
    assert open_network(path, classes=names).classes == names
    assert open_network(path, classes=names).file.format == "native"
    assert open_network(path, channel_names=["Hoechst"]).channel_names == ("Hoechst",)
    assert open_network(path, channels=2).channel_names is None  # the file names one


def test_files_from_before_channels_had_names(tmp_path: Path) -> None:
    path = network().save(tmp_path / "n.safetensors")
    rewrite(path, drop("channel_names"))
    assert open_network(path).channel_names is None
