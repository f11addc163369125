"""Files of every format that would do harm: the library they are for does it, and nothing here.

Pickles, scripts, exports, tags and expressions are fired by torch, numpy, PyYAML and MONAI, and the
code of Hugging Face by transformers. bioimageio.core needs another release of bioimageio.spec than
the tests have; what it does with a source or an import, a few calls of importlib, stands in
`imported_as_bioimageio_core`. So does `pydoc.locate`, by which nnU-Net finds what its plans name.

`tests/networks/test_hostile_files.py` has pickles, archives and damaged copies.
"""

import importlib
import importlib.util
import io
import json
import os
import pickle
import pydoc
import re
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from bioimageio_packages import ARCHITECTURE, digest, small_unet, write_package_0_4
from monai.bundle import ConfigParser
from onnx import TensorProto, helper
from test_nnunet import plans as nnunet_plans
from test_nnunet import write as write_nnunet
from torch import nn

from napari_seggradcam.errors import NetworkFileError, UntrustedNetwork
from napari_seggradcam.networks.formats import building
from napari_seggradcam.networks.formats.cellpose_network import CellposeNetwork
from napari_seggradcam.networks.opening import open_network
from payloads import Payload
from torchscript_files import Mapping, Writing, WritingWhileLoading

Hostile = tuple[Path, Callable[[], Any]]  # what is opened, and what opens it without care


def touching(mark: Path) -> str:
    return f"__import__('os').mkdir({str(mark)!r})"


def pickled(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


class WritingInABranch(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    @torch.jit.export
    def more(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() < 1:
            torch.save(x, self.path)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.more(x)


def script(folder: Path, mark: Path, kind: type[nn.Module]) -> Hostile:
    path = folder / "n.pt"
    torch.jit.save(torch.jit.script(kind(str(mark))), path)
    mark.unlink(missing_ok=True)  # which scripting it wrote
    return path, lambda: torch.jit.load(path)(torch.zeros(1))


@cache
def exported() -> dict[str, bytes]:
    file = io.BytesIO()
    free = torch.export.Dim.AUTO
    program = torch.export.export(
        nn.Conv2d(1, 2, 1), (torch.rand(2, 1, 8, 8),), dynamic_shapes=({2: free, 3: free},)
    )
    torch.export.save(program, file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def ending(members: dict[str, bytes], end: str) -> str:
    return next(name for name in members if name.endswith(end))


def export(folder: Path, change: Callable[[dict[str, bytes], str], None]) -> Hostile:
    members = dict(exported())
    change(members, next(iter(members)).split("/")[0])
    path = folder / "n.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path, lambda: torch.export.load(path)


def in_inputs(members: dict[str, bytes], root: str, mark: Path) -> None:
    members[ending(members, "sample_inputs/model.pt")] = pickled((Payload(os.mkdir, str(mark)),))


def in_weight(members: dict[str, bytes], root: str, mark: Path) -> None:
    name = ending(members, "weights_config.json")
    config = json.loads(members[name])
    next(iter(config["config"].values()))["use_pickle"] = True
    members[name] = json.dumps(config).encode()
    members[f"{root}/data/weights/weight_0"] = pickled(Payload(os.mkdir, str(mark)))


def in_constant(members: dict[str, bytes], root: str, mark: Path) -> None:
    weights = json.loads(members[ending(members, "weights_config.json")])["config"]
    entry = {**next(iter(weights.values())), "path_name": "opaque_obj_0", "use_pickle": True}
    config = {"config": {"thing": entry}}
    members[ending(members, "constants_config.json")] = json.dumps(config).encode()
    members[f"{root}/data/constants/opaque_obj_0"] = pickle.dumps(Payload(os.mkdir, str(mark)))


def package(folder: Path, **weights: Any) -> Path:
    path = write_package_0_4(folder, small_unet(classes=1))
    described = yaml.safe_load((path / "rdf.yaml").read_text())
    described["weights"]["pytorch_state_dict"] |= weights
    (path / "rdf.yaml").write_text(yaml.safe_dump(described))
    return path


def imported_as_bioimageio_core(source: Path) -> Any:
    """Import a file as ``bioimageio.core.digest_spec.import_callable`` does."""
    spec = importlib.util.spec_from_file_location(f"custom_module_{digest(source)}", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_source(folder: Path, mark: Path, lying: bool = False) -> Hostile:
    """A source that does harm; bioimageio.core, too, imports none with another digest."""
    path = package(folder)
    source = path / "small_unet.py"
    source.write_text(f"{touching(mark)}\n{ARCHITECTURE}")
    if not lying:
        described = yaml.safe_load((path / "rdf.yaml").read_text())
        described["weights"]["pytorch_state_dict"]["architecture_sha256"] = digest(source)
        (path / "rdf.yaml").write_text(yaml.safe_dump(described))
    return path, lambda: imported_as_bioimageio_core(source)


def with_import(folder: Path, mark: Path) -> Hostile:
    path = package(folder, architecture="os.mkdir", kwargs={"path": str(mark)})
    described = yaml.safe_load((path / "rdf.yaml").read_text())
    del described["weights"]["pytorch_state_dict"]["architecture_sha256"]
    (path / "rdf.yaml").write_text(yaml.safe_dump(described))
    return path, lambda: importlib.import_module("os").mkdir(path=str(mark))


def with_trusted_source(folder: Path, mark: Path) -> Hostile:
    """Whoever trusts the source has not agreed to what the weights would call."""
    path = package(folder)
    weights = path / "weights.pt"
    weights.write_bytes(pickled({"a": Payload(os.mkdir, str(mark))}))
    described = yaml.safe_load((path / "rdf.yaml").read_text())
    described["weights"]["pytorch_state_dict"]["sha256"] = digest(weights)
    (path / "rdf.yaml").write_text(yaml.safe_dump(described))
    return path, lambda: torch.load(weights, weights_only=False)


def planned(folder: Path, mark: Path, name: str, **options: Any) -> Hostile:
    """nnU-Net finds what plans name with `pydoc.locate`, and calls it."""
    plan = nnunet_plans()
    architecture = plan["configurations"]["mine"]["architecture"]
    architecture.update(network_class_name=name, arch_kwargs={"strides": [], **options})
    architecture["_kw_requires_import"] = []
    path = write_nnunet(folder, nn.Conv2d(1, 2, 1), plan)
    return path, lambda: pydoc.locate(name)(**options)


def planned_option(folder: Path, mark: Path) -> Hostile:
    """The option, a function, is called for every normalisation."""
    plan = nnunet_plans()
    plan["configurations"]["mine"]["architecture"]["arch_kwargs"]["norm_op"] = "os.mkdir"
    path = write_nnunet(folder, nn.Conv2d(1, 2, 1), plan)
    return path, lambda: pydoc.locate("os.mkdir")(mark)


def with_expression(members: dict[str, bytes], root: str, mark: Path) -> None:
    name = ending(members, "models/model.json")
    program = json.loads(members[name])
    values = program["graph_module"]["graph"]["tensor_values"].values()
    sizes = next(v["sizes"] for v in values if any("as_expr" in s for s in v["sizes"]))
    next(s for s in sizes if "as_expr" in s)["as_expr"]["expr_str"] = touching(mark)
    members[name] = json.dumps(program).encode()


def old_export(folder: Path, mark: Path, member: str) -> Hostile:
    """As torch wrote files before 2.8."""
    members = exported()
    weights = {"weight": torch.ones(2, 1, 1, 1)}
    old = {
        "version": b"8.8",
        "serialized_exported_program.json": members[ending(members, "models/model.json")],
        "serialized_state_dict.pt": pickled(weights),
        "serialized_constants.pt": pickled({}),
        "serialized_example_inputs.pt": pickled(((torch.rand(2, 1, 8, 8),), {})),
        member: pickled({"a": Payload(os.mkdir, str(mark))}),
    }
    path = folder / "n.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in old.items():
            archive.writestr(name, content)
    return path, lambda: torch.export.load(path)


def with_pickled_weights(folder: Path, mark: Path) -> Hostile:
    path = package(folder)
    weights = path / "weights.pt"
    weights.write_bytes(pickled({"a": Payload(os.mkdir, str(mark))}))
    return path, lambda: torch.load(weights, weights_only=False)


def with_script(folder: Path, mark: Path) -> Hostile:
    weights, _ = script(folder, mark, Writing)
    path = package(folder)
    weights.rename(path / "script.pt")
    described = yaml.safe_load((path / "rdf.yaml").read_text())
    described["weights"] = {
        "torchscript": {"source": "script.pt", "sha256": digest(path / "script.pt")}
    }
    (path / "rdf.yaml").write_text(yaml.safe_dump(described))
    return path, lambda: torch.jit.load(path / "script.pt")(torch.zeros(1))


def with_tag(folder: Path, mark: Path) -> Hostile:
    path = folder / "rdf.yaml"
    path.write_text(f'format_version: !!python/object/apply:os.mkdir ["{mark}"]\nweights: 1\n')
    return path, lambda: yaml.unsafe_load(path.read_text())


def bundle(folder: Path, network: Any, weights: Any = None, kind: str = "json") -> Path:
    for name in ("configs", "models"):
        (folder / "b" / name).mkdir(parents=True)
    config = folder / f"b/configs/inference.{kind}"
    config.write_text(network if kind == "yaml" else json.dumps({"network_def": network}))
    (folder / "b/configs/metadata.json").write_text("{}")
    torch.save(weights or nn.Conv2d(1, 2, 1).state_dict(), folder / "b/models/model.pt")
    return folder / "b"


def parse(path: Path) -> Any:
    parser = ConfigParser()
    parser.read_config(str(path / "configs/inference.json"))
    return parser.get_parsed_content("network_def")


def configured(folder: Path, network: Any) -> Hostile:
    path = bundle(folder, network)
    return path, lambda: parse(path)


def bundle_with_tag(folder: Path, mark: Path) -> Hostile:
    text = f'network_def: !!python/object/apply:os.mkdir ["{mark}"]\n'
    path = bundle(folder, text, kind="yaml")
    return path, lambda: yaml.unsafe_load(text)


def bundle_with_pickle(folder: Path, mark: Path) -> Hostile:
    path = bundle(folder, {"_target_": "UNet"}, {"a": Payload(os.mkdir, str(mark))})
    return path, lambda: torch.load(path / "models/model.pt", weights_only=False)


def cellpose(folder: Path, mark: Path) -> Hostile:
    path = folder / "cyto"
    torch.save(
        {**CellposeNetwork((2, 4, 6)).state_dict(), "more": Payload(os.mkdir, str(mark))}, path
    )
    return path, lambda: torch.load(path, weights_only=False)


AUTO = "AutoModelForSemanticSegmentation"


def run_by_transformers(folder: Path) -> Any:
    """Open a folder with its code, of which transformers keeps a copy to import."""
    import transformers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(folder / "copies"))
        patch.setattr(sys, "path", [*sys.path])  # to which it adds that folder
        return getattr(transformers, AUTO).from_pretrained(
            folder, local_files_only=True, trust_remote_code=True
        )


def hugging_face(folder: Path, mark: Path) -> Hostile:
    config = {"architectures": ["MineForSemanticSegmentation"], "model_type": "mine"}
    config["auto_map"] = {"AutoConfig": "mine.Config", AUTO: "mine.Net"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(touching(mark))
    torch.save({"a": torch.ones(1)}, folder / "model.safetensors")
    return folder, lambda: run_by_transformers(folder)


def hugging_face_pickle(folder: Path, mark: Path) -> Hostile:
    (folder / "config.json").write_text('{"architectures": ["SegformerForSemanticSegmentation"]}')
    path = folder / "pytorch_model.bin"
    torch.save({"a": Payload(os.mkdir, str(mark))}, path)
    return folder, lambda: torch.load(path, weights_only=False)


def numpy_file(folder: Path, mark: Path) -> Hostile:
    path = folder / "n.npy"
    np.save(path, np.array([Payload(os.mkdir, str(mark))], dtype=object), allow_pickle=True)
    return path, lambda: np.load(path, allow_pickle=True)


SCRIPTS = (Writing, WritingInABranch, WritingWhileLoading, Mapping)
EXPORTS = (in_inputs, in_weight, in_constant, with_expression)
OLD_MEMBERS = ("state_dict", "constants", "example_inputs")
KINDS: dict[str, Callable[[Path, Path], Hostile]] = {
    **{f"TorchScript {k.__name__}": lambda f, m, k=k: script(f, m, k) for k in SCRIPTS},
    **{
        f"torch.export {place.__name__}": lambda f, m, place=place: export(
            f, lambda members, root: place(members, root, m)
        )
        for place in EXPORTS
    },
    **{
        f"torch.export before 2.8, {name}": lambda f, m, name=name: old_export(
            f, m, f"serialized_{name}.pt"
        )
        for name in OLD_MEMBERS
    },
    "nnU-Net class": lambda f, m: planned(f, m, "os.mkdir", path=str(m)),
    "nnU-Net class of a module": lambda f, m: planned(f, m, "pathlib.os.mkdir", path=str(m)),
    "nnU-Net option": planned_option,
    "BioImage.IO source": with_source,
    "BioImage.IO source, digest lies": lambda f, m: with_source(f, m, lying=True),
    "BioImage.IO import": with_import,
    "BioImage.IO pickle": with_pickled_weights,
    "BioImage.IO TorchScript": with_script,
    "BioImage.IO tag": with_tag,
    "MONAI expression": lambda f, m: configured(f, "$" + touching(m)),
    "MONAI argument": lambda f, m: configured(f, {"_target_": "UNet", "a": "$" + touching(m)}),
    "MONAI target": lambda f, m: configured(f, {"_target_": "os.mkdir", "path": str(m)}),
    "MONAI requires": lambda f, m: configured(
        f, {"_target_": "torch.nn.ReLU", "_requires_": "$" + touching(m)}
    ),
    "MONAI tag": bundle_with_tag,
    "MONAI pickle": bundle_with_pickle,
    "Cellpose": cellpose,
    "Hugging Face code": hugging_face,
    "Hugging Face pickle": hugging_face_pickle,
    "numpy": numpy_file,
}


# What no trust would open, and what is said of it; of all others, what would run.
NEVER = {
    "nnU-Net class": "asks for os.mkdir, which is no class",
    "nnU-Net class of a module": "asks for pathlib.os.mkdir, which is no class",
    "nnU-Net option": "asks for os.mkdir, which is no class",
    "BioImage.IO source, digest lies": "was changed or is damaged",
    "BioImage.IO tag": "object/apply:os.mkdir",
    "MONAI target": "the network os.mkdir; expected a class of monai",
    "MONAI tag": "object/apply:os.mkdir",
    "Hugging Face pickle": "no network that can be opened",
    "numpy": "no network that can be opened",
}
RUNS = r"mkdir|which (?:reads or )?writes files|stored as a pickle|small_unet\.py|mine\.py"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_no_payload_runs(kind: str, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    (tmp_path / "files").mkdir()
    path, fire = KINDS[kind](tmp_path / "files", mark)
    with pytest.raises(NetworkFileError if kind in NEVER else UntrustedNetwork) as raised:
        open_network(path, device="cpu")
    assert re.search(NEVER.get(kind, RUNS), getattr(raised.value, "what", str(raised.value)))
    assert not mark.exists()
    try:
        fire()
    except Exception:  # what comes after the payload
        assert mark.exists()
    assert mark.exists()


def test_trust_is_for_the_source_and_not_for_the_weights(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    path, fire = with_trusted_source(tmp_path, mark)
    with pytest.raises(NetworkFileError, match=r"weights\.pt"):
        open_network(path, trust=True, device="cpu")
    assert not mark.exists()
    fire()
    assert mark.exists()


def test_arrays_of_a_package_are_not_unpickled(tmp_path: Path) -> None:
    """Not even with trust, which is for the package's source."""
    mark = tmp_path / "it-ran"
    path = package(tmp_path)
    array = path / "input.npy"
    np.save(array, np.array([Payload(os.mkdir, str(mark))], dtype=object), allow_pickle=True)
    network = open_network(path, trust=True, device="cpu")
    assert "is no array that can be read" in " ".join(network.file.notices)
    assert not mark.exists()
    np.load(array, allow_pickle=True)
    assert mark.exists()


def graph_file(folder: Path, **change: Any) -> Path:
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "xy"]
    weight = helper.make_tensor("w", TensorProto.FLOAT, (2, 1, 1, 1), [1, 2])
    if location := change.pop("location", None):
        weight.ClearField("float_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
    node = helper.make_node("Conv", ["x", "w"], ["y"], **change)
    graph = helper.make_graph([node], "g", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    (folder / "n.onnx").write_bytes(model.SerializeToString())
    return folder / "n.onnx"


def huge_graph(folder: Path) -> Path:
    path = graph_file(folder)
    model = onnx.load(path)
    shape = helper.make_tensor("s", TensorProto.INT64, (4,), [1, 10**6, 10**6, 10**6])
    model.graph.initializer.append(shape)
    node = helper.make_node("ConstantOfShape", ["s"], ["z"])
    model.graph.node.insert(0, node)
    model.graph.node.append(helper.make_node("Add", ["y", "z"], ["more"]))
    model.graph.output[0].name = "more"
    path.write_bytes(model.SerializeToString())
    return path


def pretrained(folder: Path, **options: Any) -> Path:
    from safetensors.torch import save_file

    save_file(nn.Conv2d(1, 2, 1).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"_model_class": "Unet", **options}))
    return folder


def unet(**options: Any) -> dict[str, Any]:
    widths = {"channels": [4, 8], "strides": [2]}
    made = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, **widths}
    return {"_target_": "UNet", **made, **options}


def plans(folder: Path, **options: Any) -> Path:
    plan = nnunet_plans()
    plan["configurations"]["mine"]["architecture"]["arch_kwargs"].update(options)
    return write_nnunet(folder, nn.Conv2d(1, 2, 1), plan)


def segformer(folder: Path, **options: Any) -> Path:
    pretrained(folder)
    config = {"architectures": ["SegformerForSemanticSegmentation"], "model_type": "segformer"}
    (folder / "config.json").write_text(json.dumps({**config, **options}))
    return folder


REFUSED: dict[str, Callable[[Path], Path]] = {
    "ONNX, weights outside": lambda f: graph_file(f, location="../../../../../../etc/passwd"),
    "ONNX, weights at /": lambda f: graph_file(f, location="/etc/passwd"),
    "ONNX, operation of somebody": lambda f: graph_file(f, domain="mine"),
    "ONNX, huge constant": huge_graph,
    "smp, encoder elsewhere": lambda f: pretrained(f, encoder_name="tu-hf-hub:a/b"),
    "smp, encoder in a file": lambda f: pretrained(f, encoder_name="../../x"),
    "smp, a million channels": lambda f: pretrained(f, in_channels=10**6),
    "smp, wide": lambda f: pretrained(f, decoder_channels=[10**7] * 5),
    "smp, endlessly wide": lambda f: pretrained(f, decoder_channels=[10**10] * 5),
    "smp, weights elsewhere": lambda f: pretrained(f, checkpoint_path="/etc/passwd"),
    "nnU-Net, wide": lambda f: plans(f, features_per_stage=[10**8] * 3),
    "nnU-Net, deep": lambda f: plans(f, n_conv_per_stage=[10**8] * 3),
    "nnU-Net, large kernels": lambda f: plans(f, kernel_sizes=[[10**5, 10**5]] * 3),
    "Hugging Face, wide": lambda f: segformer(f, hidden_sizes=[10**6] * 4),
    "Hugging Face, deep": lambda f: segformer(f, depths=[10**8] * 4),
    "MONAI, deep": lambda f: bundle(f, unet(num_res_units=10**8)),
    "MONAI, a million channels": lambda f: bundle(f, unet(in_channels=10**6)),
    "MONAI, wide": lambda f: bundle(f, unet(channels=[10**6, 10**6])),
    "MONAI, endless": lambda f: bundle(f, unet(channels="@network_def")),
    "BioImage.IO, weights elsewhere": lambda f: package(f, source="https://127.0.0.1/w.pt"),
    "BioImage.IO, weights outside": lambda f: package(f, source="../../../etc/passwd"),
    "BioImage.IO, source elsewhere": lambda f: package(
        f, architecture="https://127.0.0.1/a.py:Net"
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_asks_for_too_much_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_MOST_CALLS", 2000)  # the full number takes some seconds
    path = REFUSED[kind](tmp_path)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises((UntrustedNetwork, NetworkFileError)) as raised:
        open_network(path, device="cpu")
    assert len(str(raised.value)) > 40
    assert time.process_time() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB
