"""Opening files of others: state dicts with a factory, pickles, and what is no network."""

import argparse
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from napari_seggradcam.errors import NetworkFileError, OptionError, UntrustedNetwork
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.networks.opening import available_devices, best_device, open_network
from napari_seggradcam.networks.unet import UNet

FACTORY = "seggradcam_test_package.nets:make"
SOURCE = """
from torch import nn

WIDTH = 3

def make(width=4, channels=1, ndim=2):
    conv = {2: nn.Conv2d, 3: nn.Conv3d}[ndim]
    return nn.Sequential(conv(channels, width, 3, padding=1), nn.ReLU(), conv(width, 2, 1))

def text():
    return "no module"
"""


@pytest.fixture(autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the user's, which can be imported."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "seggradcam_test_package").mkdir()
    (folder / "seggradcam_test_package" / "__init__.py").touch()
    (folder / "seggradcam_test_package" / "nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(folder)


def make(width: int = 4, channels: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 2, 1)
    )


@pytest.fixture
def saved(tmp_path: Path) -> tuple[nn.Module, Path]:
    """A module, and its state dict in a file."""
    module = make()
    torch.save(module.state_dict(), tmp_path / "state.pt")
    return module, tmp_path / "state.pt"


def same_numbers(opened: nn.Module, expected: nn.Module) -> bool:
    pairs = zip(opened.state_dict().values(), expected.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_state_dict_and_factory(saved: tuple[nn.Module, Path]) -> None:
    module, path = saved
    network = open_network(
        path, factory=FACTORY, classes=("out", "in"), normalisation=Percentile(), device="cpu"
    )
    assert same_numbers(network.module, module)
    assert (network.axes, network.channels, network.name) == ("CYX", 1, "state")
    assert (network.classes, network.normalisation) == (("out", "in"), Percentile())
    assert network.path == path
    assert len(network.sha256) == 64
    assert network.predict(np.zeros((5, 6))).shape == (2, 5, 6)


def test_factory_as_a_callable_and_with_arguments(tmp_path: Path) -> None:
    module = make(width=7, channels=3)
    save_file(module.state_dict(), tmp_path / "s.safetensors")
    arguments = {"width": 7, "channels": 3}
    for factory in (make, FACTORY):
        network = open_network(tmp_path / "s.safetensors", factory=factory, kwargs=arguments)
        assert same_numbers(network.module.cpu(), module)
        assert network.channels == 3


def test_volumes_are_recognised(tmp_path: Path) -> None:
    module = UNet(3, 2, 2, 1, 2)
    torch.save(module.state_dict(), tmp_path / "s.pt")
    network = open_network(tmp_path / "s.pt", factory=UNet, kwargs=module.config)
    assert (network.axes, network.channels) == ("CZYX", 2)


def test_a_native_file_is_a_state_dict_for_a_factory(tmp_path: Path) -> None:
    module = UNet(depth=1, base_width=2)
    from napari_seggradcam.networks.network import Network

    path = Network.from_module(module).save(tmp_path / "n.safetensors")
    network = open_network(path, factory=UNet, kwargs=module.config, classes=("a", "b"))
    assert network.classes == ("a", "b")
    assert same_numbers(network.module.cpu(), module)


WRAPPED = {
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "model_state_dict": lambda s: {"model_state_dict": s, "optimizer": {"state": {}}},
    "model": lambda s: {"model": s, "step": torch.tensor(7)},
    "twice": lambda s: {"model": {"state_dict": s}},
    "ordered": lambda s: OrderedDict(s),
    "data parallel": lambda s: {f"module.{k}": v for k, v in s.items()},
    "compiled": lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
    "compiled and parallel": lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
    "lightning": lambda s: {
        "state_dict": {
            **{f"model.{k}": v for k, v in s.items()},
            "loss.weight": torch.ones(2),
        },
        "pytorch-lightning_version": "2.6",
    },
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_wrappers_and_prefixes(wrap: object, tmp_path: Path) -> None:
    module = make()
    torch.save(wrap(module.state_dict()), tmp_path / "s.ckpt")
    assert same_numbers(open_network(tmp_path / "s.ckpt", factory=make).module.cpu(), module)


def test_misfits_are_named(saved: tuple[nn.Module, Path], tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match=r"of another shape are 0\.weight \(4, 1, 3, 3\) in"):
        open_network(saved[1], factory=FACTORY, kwargs={"width": 5})
    other = {"0.weight": torch.zeros(4, 1, 3, 3), "enter.bias": torch.zeros(4)}
    torch.save(other, tmp_path / "other.pt")
    with pytest.raises(NetworkFileError, match=r"missing are 0\.bias, 2\.weight") as raised:
        open_network(tmp_path / "other.pt", factory=FACTORY)
    assert "unknown to the module are enter.bias" in str(raised.value)
    with pytest.raises(NetworkFileError, match=r"in all\)"):
        open_network(saved[1], factory=UNet)


@pytest.mark.parametrize(
    ("factory", "kwargs", "said"),
    [
        ("seggradcam_test_package.nets", {}, 'expected "package.module:function"'),
        (":make", {}, "expected"),
        ("", {}, "expected"),
        ("no_such_package:make", {}, "No module named 'no_such_package'"),
        ("seggradcam_test_package.nets:build", {}, "build"),
        ("seggradcam_test_package.nets:WIDTH", {}, "is a int, no function"),
        ("seggradcam_test_package.nets:text", {}, "returned a str; expected a torch module"),
        (FACTORY, {"depth": 3}, "depth"),
    ],
)
def test_bad_factories(
    factory: str, kwargs: dict[str, object], said: str, saved: tuple[nn.Module, Path]
) -> None:
    with pytest.raises(OptionError, match=said):
        open_network(saved[1], factory=factory, kwargs=kwargs)


def test_state_dict_without_factory(saved: tuple[nn.Module, Path], tmp_path: Path) -> None:
    save_file(saved[0].state_dict(), tmp_path / "s.safetensors")
    for path in (saved[1], tmp_path / "s.safetensors"):
        with pytest.raises(NetworkFileError, match=r"no architecture\. Give factory="):
            open_network(path)
    with pytest.raises(OptionError, match="kwargs is for a factory"):
        open_network(saved[1], kwargs={"width": 4})


def test_files_without_tensors(tmp_path: Path) -> None:
    for number, content in enumerate([{"epoch": 3}, [1, 2], {"state_dict": {}}]):
        torch.save(content, tmp_path / f"{number}.pt")
        with pytest.raises(NetworkFileError, match="without tensors by name"):
            open_network(tmp_path / f"{number}.pt", factory=make)


CONTENTS = {
    "empty": b"",
    "text": b"This is a note about networks, and no network.",
    "json": b'{"network": "unet", "depth": 4}',
    "random": np.random.default_rng(5).bytes(4000),
    "zeros": bytes(4000),
    "image": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "zip": b"PK\x03\x04" + bytes(100),
    "starts like safetensors": (10**6).to_bytes(8, "little") + b'{"w": 1}',
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("trust", [False, True])
def test_files_that_are_no_network(content: bytes, trust: bool, tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    path.write_bytes(content)
    with pytest.raises(NetworkFileError) as raised:
        open_network(path, trust=trust)
    assert str(path) in str(raised.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "no.safetensors", str(tmp_path / "no")):
        with pytest.raises(NetworkFileError, match="There is no network file"):
            open_network(path)
    with pytest.raises(NetworkFileError, match="is no network that can be opened"):
        open_network(tmp_path)
    with pytest.raises(OSError):
        open_network(tmp_path / "no")


class Payload(nn.Conv2d):
    """A module whose pickle runs a command, as a malicious file would."""

    command = ""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_does_not_run_without_trust(form: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "it-ran", tmp_path / "network.pt"
    payload = Payload(1, 2, 1)
    payload.command = f"touch {marker}"
    if form == "pickle":
        path.write_bytes(pickle.dumps(payload))
    else:
        torch.save(payload, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UntrustedNetwork, match="trust=True"):
        open_network(path)
    with pytest.raises(UntrustedNetwork):
        open_network(path, factory=make)
    assert not marker.exists()
    # The file is a live one: loaded without care it runs.
    if form == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert marker.exists()


WHOLE = [lambda m: m, lambda m: {"model": m, "epoch": 3}]


class Own(nn.Sequential):
    """Code of the user's, which a pickle of it would import."""


@pytest.mark.parametrize("wrap", WHOLE)
def test_a_whole_module_opens_with_trust(wrap: object, tmp_path: Path) -> None:
    module = Own(*make())
    torch.save(wrap(module), tmp_path / "whole.pt")
    with pytest.raises(UntrustedNetwork, match=r"It imports .*Own\.") as raised:
        open_network(tmp_path / "whole.pt")
    network = open_network(tmp_path / "whole.pt", trust=True, classes=("a", "b"))
    assert same_numbers(network.module.cpu(), module)
    assert network.classes == ("a", "b")
    assert network.file.trust == "runs Python code"
    assert raised.value.sha256 == network.sha256
    assert open_network(tmp_path / "whole.pt", trust=network.sha256).sha256 == network.sha256
    with pytest.raises(NetworkFileError, match="has been changed"):
        open_network(tmp_path / "whole.pt", trust="0" * 64)


@pytest.mark.parametrize("wrap", WHOLE)
def test_modules_of_torch_itself_need_no_trust(wrap: object, tmp_path: Path) -> None:
    module = make()
    torch.save(wrap(module), tmp_path / "whole.pt")
    network = open_network(tmp_path / "whole.pt")
    assert same_numbers(network.module.cpu(), module)
    assert network.file.trust == "scanned graph"


def test_trusted_pickle_of_something_else(tmp_path: Path) -> None:
    torch.save({"range": range(3)}, tmp_path / "x.pt")
    with pytest.raises(NetworkFileError, match="holds a dict without tensors"):
        open_network(tmp_path / "x.pt", trust=True)


def test_what_training_scripts_save_beside_tensors(tmp_path: Path) -> None:
    module = make()
    beside = {
        "options": argparse.Namespace(rate=0.1),
        "folder": tmp_path,
        "best": np.float64(0.5),
        "epoch": np.int64(3),
    }
    torch.save({"state_dict": module.state_dict(), **beside}, tmp_path / "s.pt")
    network = open_network(tmp_path / "s.pt", factory=make)
    assert same_numbers(network.module.cpu(), module)
    assert network.file.trust == "data only"


def test_a_file_with_one_set_of_weights_leaves_no_choice(saved: tuple[nn.Module, Path]) -> None:
    with pytest.raises(OptionError, match="has one set of weights"):
        open_network(saved[1], factory=make, weights="fold_1")


def test_a_factory_in_a_file(saved: tuple[nn.Module, Path], tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(SOURCE)
    network = open_network(saved[1], factory=f"{tmp_path / 'nets.py'}:make")
    assert same_numbers(network.module.cpu(), saved[0])
    with pytest.raises(OptionError, match="can't be imported"):
        open_network(saved[1], factory=f"{tmp_path / 'no.py'}:make")


def test_devices(saved: tuple[nn.Module, Path]) -> None:
    assert available_devices()[-1] == "cpu"
    assert open_network(saved[1], factory=make).device.type == torch.device(best_device()).type
    for device in ("abacus", "cuda:99"):
        with pytest.raises(OptionError, match=f"{device}'.*Choose"):
            open_network(saved[1], factory=make, device=device)
