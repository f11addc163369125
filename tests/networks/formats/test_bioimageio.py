"""BioImage.IO packages, written by bioimageio.spec and opened without a network connection."""

import contextlib
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from bioimageio_packages import (
    FIRST_OUTPUT,
    SHAPES,
    description_of,
    digest,
    fix_sizes,
    small_unet,
    unpacked,
    write_package,
    write_package_0_4,
)
from scipy import special

import napari_seggradcam as sgc
from napari_seggradcam.errors import (
    MissingPackage,
    NetworkFileError,
    OptionError,
    SegGradCamError,
    UntrustedNetwork,
)
from napari_seggradcam.networks.formats.contents import Contents
from napari_seggradcam.networks.formats.package_files import read_array, read_description
from opened_networks import assert_same
from payloads import Payload

KINDS = ("pytorch_state_dict", "torchscript", "onnx")
LEVELS = dict(zip(KINDS, ("runs Python code", "scanned graph", "data only"), strict=True))


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No test may write to the user's cache."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    yield
    assert not list(cache.rglob("*bioimageio*"))


@cache
def content_of_package() -> dict[str, bytes]:
    """Files of a package without anything special: writing one takes longer than opening it."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_package(Path(folder), small_unet(), as_folder=True)
        return {file.name: file.read_bytes() for file in path.iterdir()}


def a_folder(tmp_path: Path) -> Path:
    """A package of a test's own, to change."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name, content in content_of_package().items():
        (folder / name).write_bytes(content)
    return folder


@cache
def with_all_weights(root: Path, as_folder: bool) -> Path:
    """A package with weights of every kind, which no test changes."""
    folder = root / f"all weights {as_folder}"
    folder.mkdir()
    return write_package(folder, small_unet(), weights=KINDS, as_folder=as_folder)


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Change a description in a folder."""
    path = description_of(folder)
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["zip", "folder", "yaml"])
def test_every_kind_of_weights_in_every_form(
    kind: str, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    module = small_unet()
    path = with_all_weights(tmp_path_factory.getbasetemp(), form != "zip")
    if form == "yaml":
        path = description_of(path)
    network = sgc.open_network(path, weights=kind, trust=kind == KINDS[0])
    assert network.file is not None
    assert (network.file.format, network.file.trust) == ("BioImage.IO", LEVELS[kind])
    assert network.file.check is not None
    assert network.file.check.difference <= 1e-6
    assert (network.name, network.classes) == ("Small U-Net", ("background", "nucleus"))
    assert (network.axes, network.channels, network.normalisation) == ("CYX", 1, None)
    assert (network.step, network.minimum_size) == ((4, 4), (8, 8))
    assert network.provenance == {
        "format_version": network.provenance["format_version"],
        "version": "1.2.3",
        "licence": "MIT",
        "authors": ["A. Tester"],
        "cite": ["Ronneberger et al. 2015, 10.1007/978-3-319-24574-4_28"],
        "weights": kind,
    }
    if form == "zip":
        assert_same(network, module, SHAPES[2])
        modules = dict(module.named_modules())
        assert {layer.module for layer in network.layers if layer.module} <= modules.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_unpacked_once_and_deleted(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    path = with_all_weights(tmp_path_factory.getbasetemp(), False)
    read, names = Contents.read, []

    def noted(self: Contents, name: str = "", **limits: int) -> bytes:
        names.append(name)
        return read(self, name, **limits)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Contents, "read", noted)
    sgc.open_network(path, weights=kind, trust=True)
    named = yaml.safe_load(read(Contents(path), "rdf.yaml"))["weights"][kind]["source"]
    assert names.count(named) == 1
    assert not list(tmp_path.iterdir())


def test_what_is_unpacked_is_gone_with_its_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    contents = Contents(with_all_weights(tmp_path_factory.getbasetemp(), False))
    file = contents.unpacked("rdf.yaml", 2**20)
    assert contents.unpacked("rdf.yaml", 2**20) is file
    assert file.read() == contents.read("rdf.yaml")
    contents.clear()
    assert not list(tmp_path.iterdir())
    assert contents.unpacked("rdf.yaml", 2**20).path.is_file()
    with pytest.raises(NetworkFileError, match="bytes"):
        contents.unpacked("README.md", 1)
    del contents
    assert not list(tmp_path.iterdir())


def test_nothing_stays_unpacked_of_a_refused_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    path = with_all_weights(tmp_path_factory.getbasetemp(), False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UntrustedNetwork) as refused:
        sgc.open_network(path, weights=KINDS[0])
    assert refused.value.source
    assert not list(tmp_path.iterdir())


def test_volumes(tmp_path: Path) -> None:
    kwargs = {"ndim": 3, "channels": 2}
    module = small_unet(**kwargs)
    path = write_package(tmp_path, module, kwargs=kwargs)
    network = sgc.open_network(path, trust=True)
    assert (network.axes, network.channels) == ("CZYX", 2)
    assert network.file.check.difference <= 1e-6
    assert_same(network, module, SHAPES[3])


def test_names_of_channels(tmp_path: Path) -> None:
    folder = write_package(tmp_path, small_unet(channels=2), kwargs={"channels": 2}, as_folder=True)
    assert sgc.open_network(folder, trust=True).channel_names is None  # channel0, channel1

    def name(content: dict[str, Any]) -> None:
        (axis,) = (a for a in content["inputs"][0]["axes"] if a["type"] == "channel")
        axis["channel_names"] = ["DAPI", "GFP"]

    edit(folder, name)
    assert sgc.open_network(folder, trust=True).channel_names == ("DAPI", "GFP")
    own = sgc.open_network(folder, trust=True, channel_names=("nuclei", "actin"))
    assert own.channel_names == ("nuclei", "actin")


@pytest.mark.parametrize("kind", KINDS[:2])
def test_channels_last(kind: str, tmp_path: Path) -> None:
    """Network layers are those of the module itself, without a wrapper's name."""
    kwargs = {"channels": 3, "order": "last"}
    module = small_unet(**kwargs)
    path = write_package(
        tmp_path,
        module,
        kwargs=kwargs,
        weights=[kind],
        order="byxc",
        preprocessing=[{"id": "scale_linear", "kwargs": {"gain": 0.01}}],
        prepare=lambda x: x * 0.01,  # another order of axes rounds otherwise
    )
    network = sgc.open_network(path, trust=kind == KINDS[0])
    assert network.file.check.difference <= 1e-6
    assert "down.0" in {layer.module for layer in network.layers}
    assert_same(network, small_unet(channels=3), SHAPES[2])


def test_trained_packages_are_opened_without_trust_where_they_can_be(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = with_all_weights(tmp_path_factory.getbasetemp(), False)
    assert sgc.open_network(path).provenance["weights"] == "torchscript"
    assert sgc.open_network(path, trust=True).provenance["weights"] == "pytorch_state_dict"


PERCENTILES = {"min_percentile": 5, "max_percentile": 99.8, "axes": ["y", "x"], "eps": 1e-3}


def scaled(x: np.ndarray) -> np.ndarray:
    low, high = np.percentile(x, (5, 99.8), axis=(2, 3), keepdims=True)
    return (x - low) / (high - low + 1e-3)


def standard(x: np.ndarray, axes: tuple[int, ...] | None = None) -> np.ndarray:
    y = x.astype(np.float64)
    return (y - y.mean(axes, keepdims=True)) / (y.std(axes, keepdims=True) + 1e-6)


STEPS: dict[str, tuple[list[dict[str, Any]], Callable[[np.ndarray], np.ndarray]]] = {
    "jointly standardised": ([{"id": "zero_mean_unit_variance"}], standard),
    "standardised": (
        [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["batch", "x", "y"], "eps": 1e-6}}],
        lambda x: standard(x, (0, 2, 3)),
    ),
    "fixed": (
        [{"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 30.0, "std": 20.0}}],
        lambda x: (x - 30) / (20 + 1e-6),
    ),
    "fixed per channel": (
        [
            {
                "id": "fixed_zero_mean_unit_variance",
                "kwargs": {"axis": "channel", "mean": [30.0, 40.0], "std": [20.0, 3.0]},
            }
        ],
        lambda x: (x - [[[30]], [[40]]]) / np.array([[[20 + 1e-6]], [[3 + 1e-6]]]),
    ),
    "percentiles": ([{"id": "scale_range", "kwargs": PERCENTILES}], scaled),
    "percentiles, clipped": (
        [
            {"id": "scale_range", "kwargs": PERCENTILES},
            {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}},
        ],
        lambda x: scaled(x).clip(0, 1),
    ),
    "clipped at percentiles": (
        [{"id": "clip", "kwargs": {"max_percentile": 90.0, "axes": ["y", "x"]}}],
        lambda x: np.minimum(
            x, np.percentile(x, 90, axis=(2, 3), keepdims=True, method="inverted_cdf")
        ),
    ),
    "linear": (
        [{"id": "scale_linear", "kwargs": {"gain": 0.02, "offset": -1.0}}],
        lambda x: x * 0.02 - 1,
    ),
    "linear per channel, then standardised": (
        [
            {
                "id": "scale_linear",
                "kwargs": {"axis": "channel", "gain": [0.02, 0.1], "offset": 1.0},
            },
            {"id": "zero_mean_unit_variance"},
        ],
        lambda x: standard(x * [[[0.02]], [[0.1]]] + 1),
    ),
    "binary": ([{"id": "binarize", "kwargs": {"threshold": 30.0}}], lambda x: x > 30),
    "binary per channel": (
        [{"id": "binarize", "kwargs": {"axis": "channel", "threshold": [20.0, 40.0]}}],
        lambda x: x > np.array([[[20]], [[40]]]),
    ),
    "whole numbers": (
        [{"id": "ensure_dtype", "kwargs": {"dtype": "uint16"}}],
        lambda x: x.astype(np.uint16),
    ),
    "shares": (
        [{"id": "scale_linear", "kwargs": {"gain": 0.02}}, {"id": "sigmoid"}, {"id": "softmax"}],
        lambda x: special.softmax(special.expit(x * 0.02), axis=1),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_preprocessing_is_what_is_declared(name: str, tmp_path: Path) -> None:
    declared, prepare = STEPS[name]
    kwargs = {"channels": 2}
    module = small_unet(**kwargs)
    path = write_package(
        tmp_path, module, kwargs=kwargs, preprocessing=declared, prepare=prepare, as_folder=True
    )
    network = sgc.open_network(path, trust=True)
    assert network.normalisation is not None
    assert network.file.check.difference <= 1e-6
    raw = np.load(path / "input.npy")
    with torch.no_grad():
        expected = module(torch.from_numpy(prepare(raw).astype(np.float32)))[0].numpy()
    np.testing.assert_allclose(network.predict(raw[0]), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("declared", "finish"),
    [
        ([{"id": "sigmoid"}], special.expit),
        ([{"id": "softmax"}], lambda x: special.softmax(x, axis=1)),
        (
            [{"id": "sigmoid"}, {"id": "binarize", "kwargs": {"threshold": 0.5}}],
            lambda x: special.expit(x) > 0.5,
        ),
        (
            [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["x", "y"]}}],
            lambda x: standard(x, (2, 3)),
        ),
    ],
    ids=["sigmoid", "softmax", "binarize", "standardised"],
)
def test_postprocessing_is_left_out_and_checked(
    declared: list[dict[str, Any]], finish: Any, tmp_path: Path
) -> None:
    module = small_unet()
    path = write_package(tmp_path, module, postprocessing=declared, finish=finish, as_folder=True)
    network = sgc.open_network(path, trust=True)
    assert network.file.check.difference <= 1e-6
    raw = np.load(path / "input.npy")
    with torch.no_grad():
        logits = module(torch.from_numpy(raw))[0].numpy()
    np.testing.assert_allclose(network.predict(raw[0]), logits, atol=2e-6)


def test_what_can_not_be_checked_is_said(tmp_path: Path) -> None:
    steps = [{"id": "scale_mean_variance", "kwargs": {"reference_tensor": "raw"}}]
    path = write_package(tmp_path, small_unet(), postprocessing=steps)
    file = sgc.open_network(path, trust=True).file
    assert file.check is None
    assert any("scale_mean_variance is not computed here" in said for said in file.notices)


def test_a_wrong_test_output_shows(tmp_path: Path) -> None:
    path = a_folder(tmp_path)
    output = path / f"{FIRST_OUTPUT}.npy"
    np.save(output, np.load(output) + 3)
    edit(path, lambda content: content["outputs"][0]["test_tensor"].pop("sha256"))
    assert sgc.open_network(path, trust=True).file.check.difference == pytest.approx(3, abs=1e-5)


def test_one_channel(tmp_path: Path) -> None:
    for names, expected in (
        (["nucleus"], ("background", "nucleus")),
        (["channel0"], ("class 0", "class 1")),
        (["probability"], ("class 0", "class 1")),
    ):
        folder = tmp_path / names[0]
        folder.mkdir()
        path = write_package(folder, small_unet(classes=1), kwargs={"classes": 1}, names=names)
        assert sgc.open_network(path, trust=True).classes == expected


def test_several_outputs_have_their_names(tmp_path: Path) -> None:
    kwargs = {"heads": 2, "classes": 3}
    outputs = {"edge": ["edge"], "inside": ["background", "cell", "nucleus"]}
    module = small_unet(**kwargs)
    path = write_package(tmp_path, module, kwargs=kwargs, outputs=outputs)
    first = sgc.open_network(path, trust=True)
    assert (first.output, first.outputs) == ("edge", ("edge", "inside"))
    assert first.classes == ("background", "edge")
    second = sgc.open_network(path, trust=True, output="inside")
    assert second.classes == ("background", "cell", "nucleus")
    for network in (first, second):
        assert network.file.check.difference <= 1e-6
    image = np.random.default_rng(0).random(SHAPES[2], np.float32)
    with torch.no_grad():
        edge, inside = module(torch.from_numpy(image[None, None]))
    np.testing.assert_allclose(first.predict(image)[1:], edge[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(second.predict(image), inside[0].numpy(), atol=1e-6)
    with pytest.raises(OptionError, match="expected one of edge, inside"):
        sgc.open_network(path, trust=True, output="outside")


def test_declared_sizes_win_over_those_that_run(tmp_path: Path) -> None:
    path = write_package(tmp_path, small_unet(), size={"min": 8, "step": 16})
    network = sgc.open_network(path, trust=True)
    assert (network.step, network.minimum_size) == ((16, 16), (8, 8))
    assert network.prepare(np.zeros((30, 41))).padded_shape == (40, 56)


def test_one_size(tmp_path: Path) -> None:
    path = write_package(tmp_path, small_unet(), change=fix_sizes)
    network = sgc.open_network(path, trust=True)
    assert network.step == (2, 2)
    said = "The package is for images of 24 × 40 pixels, and says nothing of others."
    assert said in network.file.notices


@pytest.mark.parametrize("shape", [None, [1, 1, *SHAPES[2]]], ids=["sizes", "one size"])
def test_format_0_4(shape: list[int] | None, tmp_path: Path) -> None:
    module = small_unet(classes=1)
    path = write_package_0_4(tmp_path, module)
    if shape is not None:
        edit(path, lambda content: content["inputs"][0].update(shape=shape))
        edit(path, lambda content: content["outputs"][0].update(shape=shape))
    network = sgc.open_network(path, trust=True)
    assert network.file.check.difference <= 1e-6
    assert network.provenance["format_version"] == "0.4.9"
    assert (network.name, network.classes) == ("Small U-Net of before", ("class 0", "class 1"))
    assert network.step == ((8, 8) if shape is None else (2, 2))
    image = np.load(path / "input.npy")[0, 0]
    with torch.no_grad():
        expected = module(torch.from_numpy(standard(image).astype(np.float32)[None, None]))
    np.testing.assert_allclose(network.predict(image)[1:], expected[0].numpy(), atol=2e-6)


def hostile_source(tmp_path: Path) -> tuple[str, Path]:
    witness = tmp_path / "witness"
    before = "import pathlib\npathlib.Path(" + repr(str(witness)) + ").touch()\n"
    return before, witness


@pytest.mark.parametrize("form", ["folder", "yaml"])
def test_source_runs_only_if_somebody_agreed(form: str, tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    before, witness = hostile_source(tmp_path)
    source = folder / "small_unet.py"
    source.write_text(before + source.read_text())

    def change(content: dict[str, Any]) -> None:
        content["weights"]["pytorch_state_dict"]["architecture"]["sha256"] = digest(source)

    edit(folder, change)
    path = folder if form == "folder" else description_of(folder)
    with pytest.raises(UntrustedNetwork, match=r"runs small_unet.py and calls SmallUNet\(\)") as e:
        sgc.open_network(path)
    assert e.value.source == {"small_unet.py": source.read_text()}
    assert e.value.sha256 == Contents(path).sha256
    assert not witness.exists()
    sgc.open_network(path, trust=e.value.sha256)
    assert witness.exists()  # so the payload would have shown
    source.write_text(source.read_text() + "# changed\n")
    with pytest.raises(NetworkFileError, match="sha256"):
        sgc.open_network(path, trust=e.value.sha256)


def test_a_description_alone_must_say_what_it_runs(tmp_path: Path) -> None:
    """Its digest would not change with the source beside it."""
    folder = a_folder(tmp_path)
    edit(folder, lambda c: c["weights"]["pytorch_state_dict"]["architecture"].pop("sha256"))
    with pytest.raises(NetworkFileError, match="Open the folder"):
        sgc.open_network(description_of(folder), trust=True)
    sgc.open_network(folder, trust=True)


def test_architecture_of_a_library(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    weights = {"channels": 1, "out_channels": 2}

    def change(content: dict[str, Any], module: str = "monai.networks.nets") -> None:
        content["weights"]["pytorch_state_dict"]["architecture"] = {
            "import_from": module,
            "callable": "BasicUNet",
            "kwargs": weights,
        }

    edit(folder, change)
    said = r"imports monai.networks.nets and calls BasicUNet\(channels=1, out_channels=2\)"
    with pytest.raises(UntrustedNetwork, match=said):
        sgc.open_network(folder)
    with pytest.raises(NetworkFileError, match=r"can't be built.*channels"):
        sgc.open_network(folder, trust=True)
    edit(folder, lambda content: change(content, "nowhere_to_be_found"))
    with pytest.raises(MissingPackage, match="nowhere_to_be_found"):
        sgc.open_network(folder, trust=True)


def test_remote_files_are_named_and_not_downloaded(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    url = "https://example.org/some%20where/weights.pt?download=1"
    edit(folder, lambda content: content["weights"]["pytorch_state_dict"].update(source=url))
    assert sgc.open_network(folder, trust=True).file.check.difference <= 1e-6
    (folder / "weights.pt").rename(tmp_path / "weights.pt")
    for trust in (True, False):  # before anybody is asked to agree
        with pytest.raises(NetworkFileError, match="Nothing is downloaded") as error:
            sgc.open_network(folder, trust=trust)
        assert url in str(error.value)


def test_weights_that_are_elsewhere_come_last(tmp_path: Path) -> None:
    folder = write_package(tmp_path, small_unet(), weights=KINDS, as_folder=True)
    (folder / "weights.pt").unlink()
    assert sgc.open_network(folder, trust=True).provenance["weights"] == "torchscript"


@pytest.mark.parametrize("source", ["../small_unet.py", "/etc/hostname", "sub/../../x.py", "."])
def test_files_outside_of_the_package(source: str, tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    (tmp_path / "small_unet.py").write_text("raise SystemExit")

    def change(content: dict[str, Any]) -> None:
        architecture = content["weights"]["pytorch_state_dict"]["architecture"]
        architecture.update(source=source, sha256=digest(tmp_path / "small_unet.py"))

    edit(folder, change)
    for path in (folder, description_of(folder)):
        with pytest.raises(NetworkFileError):
            sgc.open_network(path, trust=True)


def test_weights_that_are_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state dict is data; agreeing to an architecture is not agreeing to this."""
    monkeypatch.chdir(tmp_path)
    folder = a_folder(tmp_path)
    torch.save({"state_dict": Payload(os.system, "touch witness")}, folder / "weights.pt")
    edit(folder, lambda c: c["weights"]["pytorch_state_dict"].pop("sha256"))
    with pytest.raises(NetworkFileError, match=r"would run code \(.*system\)"):
        sgc.open_network(folder, trust=True)
    assert not (tmp_path / "witness").exists()
    pickle.loads(pickle.dumps(Payload(os.system, "touch witness")))
    assert (tmp_path / "witness").exists()


class Writer(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "witness")
        return x


def test_torchscript_that_writes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_package(tmp_path, small_unet(), weights=["torchscript"], as_folder=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Writer()), str(folder / "scripted.pt"))
    edit(folder, lambda content: content["weights"]["torchscript"].pop("sha256"))
    with pytest.raises(UntrustedNetwork, match="writes files"):
        sgc.open_network(folder)
    with pytest.raises(NetworkFileError, match="Open the folder"):
        sgc.open_network(description_of(folder))
    assert not (tmp_path / "witness").exists()


DAMAGED_TEXTS = {
    "a loop": "a: &a [*a]\nformat_version: 0.5.0\nweights: {}\n",
    "a bomb": "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
    + "".join(
        f"{y}: &{y} [{', '.join([f'*{x}'] * 9)}]\n"
        for x, y in zip("abcdefg", "bcdefgh", strict=True)
    )
    + "format_version: 0.5.0\nweights: {}\n",
    "merged": "a: &a {x: 1}\nb: {<<: [*a, *a]}\nformat_version: 0.5.0\nweights: {}\n",
    "deep": "weights: " + "[" * 2_000 + "]" * 2_000 + "\nformat_version: 0.5.0\n",
    "long": "format_version: 0.5.0\nweights: [" + "1, " * 200_000 + "]\n",
    "code": "weights: !!python/object/apply:os.system [touch witness]\nformat_version: 0.5.0\n",
    "a list": "- format_version\n- weights\n",
    "a number as name": "1: 2\nformat_version: 0.5.0\nweights: {}\n",
    "no YAML": "format_version: [\nweights: {\n",
    "no text": "format_version\x00 weights \x01",
    "no network": "format_version: 0.5.0\nweights: {}\ntype: model\n",
    "a data set": "format_version: 0.3.0\ntype: dataset\nweights: 1\n",
    "no version": "format_version: [1]\nweights: {}\n",
    "inputs": "format_version: 0.5.0\nweights: {}\ninputs: 7\noutputs: {a: b}\ntype: model\n",
}


@pytest.mark.parametrize("name", DAMAGED_TEXTS)
def test_damaged_descriptions(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rdf.yaml"
    path.write_text(DAMAGED_TEXTS[name])
    for source in (path, tmp_path):
        with pytest.raises(NetworkFileError):
            sgc.open_network(source, trust=True)
    assert not Path("witness").exists()


@pytest.mark.parametrize("name", ["a loop", "a bomb", "merged", "deep", "long"])
def test_descriptions_that_would_unfold_are_refused_before_the_specification_sees_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    with pytest.raises(NetworkFileError, match=r"itself|unfold|merges|YAML|bytes"):
        read_description(DAMAGED_TEXTS[name].encode(), "it")


def test_entries_that_are_repeated_are_fine(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    path = description_of(folder)
    text = path.read_text().replace("outputs:", "more: &x [1, 2]\nstill: *x\noutputs:", 1)
    path.write_text(text)
    with pytest.raises(NetworkFileError, match=r"more|still"):  # not of the specification
        sgc.open_network(folder, trust=True)
    assert read_description(path.read_bytes(), "it")["still"] == [1, 2]


@pytest.mark.parametrize("part", ["weights.pt", "small_unet.py", f"{FIRST_OUTPUT}.npy"])
def test_changed_files_do_not_have_their_digest(part: str, tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    content = bytearray((folder / part).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / part).write_bytes(content)
    if part.endswith(".npy"):
        said = sgc.open_network(folder, trust=True).file
        assert said.check is None
        assert "sha256" in said.notices[0]
    else:
        with pytest.raises(NetworkFileError, match="sha256"):
            sgc.open_network(folder, trust=True)


def test_damaged_archives_end_in_words(tmp_path: Path) -> None:
    path = write_package(tmp_path, small_unet(), weights=["torchscript", "onnx"])
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    damaged = tmp_path / "damaged.zip"
    for number in range(24):
        content = bytearray(whole)
        if number % 2:
            content = content[: int(random.integers(len(content)))]
        else:
            content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
        damaged.write_bytes(content)
        with contextlib.suppress(SegGradCamError):
            sgc.open_network(damaged, weights="onnx" if number % 4 < 2 else None)


def test_tensors_that_lie_about_their_size() -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 9), }"
    header += b" " * (117 - len(header)) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 16
    with pytest.raises(NetworkFileError, match="no array"):
        read_array(content, "it")
    for broken in (
        b"",
        content[:40],
        content.replace(b"<f4", b"|O8"),
        content.replace(b"(9", b"(x"),
    ):
        with pytest.raises(NetworkFileError, match="no array"):
            read_array(broken, "it")


def two_inputs(description: dict[str, Any]) -> None:
    first = description["inputs"][0]
    description["inputs"].append(first | {"id": "other"})


def rows_of_their_own(description: dict[str, Any]) -> None:
    description["inputs"][0]["preprocessing"].insert(
        0, {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["x"]}}
    )


def through_time(description: dict[str, Any]) -> None:
    description["inputs"][0]["axes"][2] = {"type": "time", "id": "y", "size": {"min": 8, "step": 4}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (two_inputs, r"takes 2 inputs \(raw, other\)"),
        (rows_of_their_own, "for every position along y"),
        (through_time, "1 axes in space"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_networks_that_can_not_be_explained(change: Any, said: str, tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    edit(folder, change)
    with pytest.raises(NetworkFileError, match=said):
        sgc.open_network(folder, trust=True)


def test_the_output_of_another_network_is_not_looked_up(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    edit(folder, lambda content: content["inputs"][0].update(output_of="affable-shark"))
    assert sgc.open_network(folder, trust=True).file.check.difference <= 1e-6


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    path = a_folder(tmp_path)
    with pytest.raises(OptionError, match="expected one of pytorch_state_dict"):
        sgc.open_network(path, weights="onnx")

    def other(content: dict[str, Any]) -> None:
        entry = content["weights"].pop("pytorch_state_dict")
        content["weights"]["keras_hdf5"] = {
            "source": entry["source"],
            "tensorflow_version": "2.10",
        }

    edit(path, other)
    with pytest.raises(NetworkFileError, match="weights for keras_hdf5 only"):
        sgc.open_network(path)


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_package(tmp_path, small_unet())
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    command = r'pip install "napari-seggradcam\[bioimageio\]"'
    with pytest.raises(MissingPackage, match=command):
        sgc.open_network(path, trust=True)


def test_other_descriptions_beside_it(tmp_path: Path) -> None:
    """The description is found by what it says, in a folder within the archive, too."""
    archive = write_package(tmp_path, small_unet())
    folder = unpacked(archive)
    description_of(folder).rename(folder / "model.bioimageio.yaml")
    (folder / "environment.yaml").write_text("dependencies: [python]\n")
    (folder / "bioimageio.yaml").write_text("type: application\n")
    assert sgc.open_network(folder, trust=True).name == "Small U-Net"
    outer = tmp_path / "outer"
    outer.mkdir()
    folder.rename(outer / "inner")
    assert sgc.open_network(outer, trust=True).file.check.difference <= 1e-6
