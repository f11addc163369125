"""What ONNX files tell, and those that are refused."""

import builtins
import io
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from napari_seggradcam.errors import MissingPackage, NetworkFileError
from napari_seggradcam.networks.onnx import describe_onnx, import_onnx
from napari_seggradcam.networks.onnx.graphs import Node
from napari_seggradcam.networks.onnx.naming import module_paths

WEIGHT = numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "w")


def model_of(
    *nodes: onnx.NodeProto,
    shape: Any = ("n", 3, "h", 16),
    opset: int = 18,
    weights: Any = (WEIGHT,),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes) or [helper.make_node("Conv", ["x", "w"], ["y"], name="/a/b/Conv")],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(weights),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def refused(model: onnx.ModelProto, match: str) -> None:
    with pytest.raises(NetworkFileError, match=match):
        import_onnx(model.SerializeToString())


def test_what_a_file_tells() -> None:
    model = model_of()
    model.producer_name, model.producer_version = "somebody", "1.2"
    helper.set_model_props(model, {"classes": "a,b"})
    told = describe_onnx(model.SerializeToString())
    assert told.input_name == "x"
    assert told.shape == (None, 3, None, 16)
    assert (told.channels, told.spatial, told.axes) == (3, (None, 16), "CYX")
    assert told.outputs == ("y",)
    assert told.metadata == {"classes": "a,b"}
    assert (told.producer, told.opset) == ("somebody 1.2", 18)


def test_batches_of_several_are_refused() -> None:
    refused(model_of(shape=(4, 3, "h", 16)), r"for a batch of 4 images, .* Export it again")


def node(op: str, name: str, *scopes: str) -> Node:
    return Node(op, ["x"], ["y"], name=name, scopes=scopes)


def test_names_from_the_scopes_of_the_newer_exporter() -> None:
    work = [
        node("Relu", "node_relu", "", "enc", "enc.act"),
        node("Relu", "node_relu_1", "", "enc", "enc.act"),
        node("Relu", "node_relu_2", "", "enc", "enc.act_1"),
        node("Relu", "node_relu_3", "", "enc", "enc.act"),
        node("Relu", "node_relu_4", "", "block"),
        node("Add", "node_add", "", "block"),
        node("MaxPool", "node_max_pool2d_1", "", "block"),
        node("Conv", "node_val_7", "", "block"),
        node("Relu", "node_relu_5", ""),
        node("Relu", "node_relu_6", ""),
        node("Relu", "Relu_9"),
    ]
    leaves = [n for n in work if n.op != "Add"]
    assert module_paths(leaves, work) == [
        *("enc.act", "enc.act_2", "enc.act_1", "enc.act_3"),
        *("block.relu", "block.max_pool2d", "block.conv"),
        *("relu", "relu_1", "Relu_9"),
    ]


def test_weights_among_the_inputs_are_none() -> None:
    """As older exporters wrote them."""
    model = model_of()
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, (2, 3, 1, 1)))
    assert describe_onnx(model.SerializeToString()).input_name == "x"
    assert import_onnx(model.SerializeToString())(torch.ones(1, 3, 4, 4)).shape == (1, 2, 4, 4)


def test_axes_of_other_inputs_are_not_known() -> None:
    assert describe_onnx(model_of(shape=("n", 3, 5)).SerializeToString()).axes is None
    assert describe_onnx(model_of(shape=(1, 3, 5, 5, 5)).SerializeToString()).axes == "CZYX"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"\x08\x07", bytes(range(256))])
def test_other_files(content: bytes) -> None:
    with pytest.raises(NetworkFileError, match="can't be read as ONNX"):
        import_onnx(content)


def test_damaged_files_never_raise_anything_else() -> None:
    """Cut off or with one byte changed, a file is imported or refused."""
    content = model_of().SerializeToString()
    rng = np.random.default_rng(0)
    refusals = 0
    for number in range(300):
        damaged = bytearray(content[: rng.integers(1, len(content))] if number % 3 else content)
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        try:
            import_onnx(bytes(damaged))
        except NetworkFileError:
            refusals += 1
    assert refusals > 200


@pytest.mark.parametrize("where", ["weight", "constant", "branch"])
@pytest.mark.parametrize("location", ["weights.bin", "../../../../etc/passwd"])
def test_weights_in_other_files_are_refused(where: str, location: str) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(2, 3, 1, 1))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    convolution = helper.make_node("Conv", ["x", "w"], ["y"])
    if where == "weight":
        model = model_of(weights=[tensor])
    elif where == "constant":
        model = model_of(constant, convolution, weights=[])
    else:
        inner = helper.make_graph(
            [constant, convolution],
            "branch",
            [],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        )
        condition = numpy_helper.from_array(np.array(True), "c")
        node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
        model = model_of(node, weights=[condition])
    refused(model, "in another file")


def test_operations_of_others_are_refused_by_name() -> None:
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    refused(model_of(node), r"com\.microsoft\.Gelu")
    refused(model_of(helper.make_node("NonZero", ["x"], ["y"])), "NonZero")


def test_functions_of_its_own_are_refused() -> None:
    model = model_of()
    opsets = [helper.make_opsetid("", 18)]
    body = [helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], body, opsets))
    refused(model, r"mine\.Twice")


def test_versions_that_are_not_known() -> None:
    refused(model_of(opset=9), "version 9.*expected 11 to 23")


def test_two_images() -> None:
    model = model_of()
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 3, 4, 4)))
    refused(model, r"2 inputs \(x, z\)")
    with pytest.raises(NetworkFileError, match="2 inputs"):
        describe_onnx(model.SerializeToString())


def test_training_mode_is_recognised() -> None:
    ones = [numpy_helper.from_array(np.ones(3, np.float32), name) for name in "sbmv"]
    norm = helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y", "p", "q"], training_mode=1)
    refused(model_of(norm, weights=ones), "training mode.*batch norms")
    on = numpy_helper.from_array(np.array(True), "t")
    dropout = helper.make_node("Dropout", ["x", "", "t"], ["y"])
    refused(model_of(dropout, weights=[on]), "training mode.*dropout")


def test_values_that_nothing_makes() -> None:
    refused(model_of(helper.make_node("Add", ["x", "nothing"], ["y"])), "nothing makes")


def test_weights_that_are_made_from_the_image() -> None:
    refused(model_of(helper.make_node("Conv", ["x", "x"], ["y"])), "computes a weight of Conv")


def test_no_file_asks_for_more_memory_than_there_is() -> None:
    shape = numpy_helper.from_array(np.array([2**20, 2**20]), "shape")
    node = helper.make_node("ConstantOfShape", ["shape"], ["z"])
    add = helper.make_node("Add", ["x", "z"], ["y"])
    refused(model_of(node, add, weights=[shape]), "too large")


def test_words_are_no_numbers() -> None:
    words = helper.make_tensor("w", TensorProto.STRING, (1,), [b"word"])
    refused(model_of(weights=[words]), "number type")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "onnx":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingPackage, match=r'pip install "napari-seggradcam\[onnx\]"'):
        import_onnx(b"anything")


def named(*names: str) -> list[str]:
    """Paths of the modules of a chain of activations with these node names."""
    values = ["x", *(f"v{i}" for i in range(len(names) - 1)), "y"]
    nodes = [
        helper.make_node("Relu", [a], [b], name=name)
        for name, a, b in zip(names, values, values[1:], strict=False)
    ]
    module = import_onnx(model_of(*nodes, weights=[]).SerializeToString())
    return [name for name, m in module.named_modules() if isinstance(m, nn.ReLU)]


def test_names_of_modules() -> None:
    assert named("/encoder.0/encoder.0.1/Relu") == ["encoder.0.1"]
    assert named("/act/Relu", "/act_1/Relu") == ["act", "act_1"]
    assert named("/Relu", "/Relu_1") == ["Relu", "Relu_1"]
    # A module that does two things, one that has modules, and one that is called twice.
    assert named("/a/Relu", "/a/Relu_1") == ["a.Relu", "a.Relu_1"]
    assert named("/a/Relu", "/a/b/Relu") == ["a.Relu", "a.b"]
    assert named("/a/b/Relu", "/a/Relu") == ["a.b", "a.Relu"]
    # Names of other makers, none, and such that a module can't have.
    assert named("relu:0", "") == ["relu_0", "relu"]
    assert named("forward", "/training/Relu") == ["_forward", "training_"]
    assert named("same", "same") == ["same", "same_1"]


def test_it_is_saved_with_its_names() -> None:
    module = import_onnx(model_of().SerializeToString())
    assert list(module.state_dict()) == ["a.b.weight"]
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    assert isinstance(module.get_submodule("a.b"), nn.Conv2d)
