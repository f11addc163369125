"""Every operation of the ONNX importer against onnxruntime, on graphs of one or two nodes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from napari_seggradcam.errors import NetworkFileError
from napari_seggradcam.networks.onnx import import_onnx

Array = NDArray[Any]
MAP = (2, 3, 7, 6)


def content_of(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, Array],
    opset: int = 18,
    rank: int = 4,
    outputs: Sequence[str] = ("y",),
) -> bytes:
    """A file whose graph takes ``x`` and gives ``y``."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [f"d{i}" for i in range(rank)])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model.SerializeToString()


def expected(content: bytes, x: Array) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(content, options, providers=providers)
    return session.run(None, {"x": x})


def check(content: bytes, x: Array) -> nn.Module:
    """The module, whose output is that of onnxruntime, also in double precision."""
    module = import_onnx(content)
    with torch.no_grad():
        mine = module(torch.from_numpy(x))
        double = module.double()(torch.from_numpy(x.astype(np.float64)))
    theirs = expected(content, x)[0]
    np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-5, atol=1e-5)
    if theirs.dtype == np.float32:
        assert double.dtype == torch.float64
    np.testing.assert_allclose(double.numpy(), theirs, rtol=1e-5, atol=1e-5)
    return module


def one(op: str, weights: Sequence[Array] = (), opset: int = 18, **attributes: Any) -> bytes:
    """A graph of one operation; weights are its further inputs."""
    named = {f"w{i}": array for i, array in enumerate(weights)}
    names = [name if array is not None else "" for name, array in named.items()]
    kept = {name: array for name, array in named.items() if array is not None}
    rank = attributes.pop("rank", 4)
    return content_of([helper.make_node(op, ["x", *names], ["y"], **attributes)], kept, opset, rank)


def values(shape: Sequence[int] = MAP) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def ints(*numbers: int) -> Array:
    return np.array(numbers, dtype=np.int64)


def weight(*shape: int) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("op", "attributes", "kind"),
    [
        ("Relu", {}, nn.ReLU),
        ("LeakyRelu", {"alpha": 0.2}, nn.LeakyReLU),
        ("Elu", {"alpha": 0.5}, nn.ELU),
        ("Celu", {"alpha": 0.5}, nn.CELU),
        ("Sigmoid", {}, nn.Sigmoid),
        ("Tanh", {}, nn.Tanh),
        ("Softplus", {}, nn.Softplus),
        ("Softsign", {}, nn.Softsign),
        ("Mish", {}, nn.Mish),
        ("HardSwish", {}, nn.Hardswish),
        ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, nn.Hardsigmoid),
        ("Softmax", {"axis": 1}, nn.Softmax),
        ("LogSoftmax", {"axis": 1}, nn.LogSoftmax),
        ("GlobalAveragePool", {}, nn.AdaptiveAvgPool2d),
        ("GlobalMaxPool", {}, nn.AdaptiveMaxPool2d),
    ],
)
def test_activations_are_modules(op: str, attributes: dict[str, Any], kind: type) -> None:
    module = check(one(op, **attributes), values())
    assert [type(m) for m in module.children()] == [kind]


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    check(one("Gelu", opset=20, approximate=approximate), values())


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_softmax_of_old_versions_is_over_all_axes_behind(op: str, axis: int) -> None:
    check(one(op, opset=11, axis=axis), values())


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax_between_transpositions_is_one_module(op: str) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 2, 1]),
        helper.make_node(op, ["a"], ["b"], axis=3),
        helper.make_node("Transpose", ["b"], ["y"], perm=[0, 3, 2, 1]),
    ]
    module = check(content_of(nodes, {}, opset=11), values())
    (softmax,) = module.children()
    assert isinstance(softmax, nn.Softmax | nn.LogSoftmax)
    assert softmax.dim == -3


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ((0.0, 6.0), nn.ReLU6),
        ((-0.5, 0.5), nn.Hardtanh),
        ((0.0, None), nn.ReLU),
        ((None, 0.5), None),
    ],
)
def test_clip(limits: tuple[float | None, float | None], kind: type | None) -> None:
    weights = [None if limit is None else np.float32(limit) for limit in limits]
    module = check(one("Clip", weights), values())
    assert [type(m) for m in module.children()] == ([] if kind is None else [kind])


@pytest.mark.parametrize("shape", [(1,), (3, 1, 1), (1, 3, 1, 1), (3, 7, 6)])
def test_prelu(shape: tuple[int, ...]) -> None:
    module = check(one("PRelu", [weight(*shape)]), values())
    assert len(list(module.children())) == (0 if shape == (3, 7, 6) else 1)


def test_silu_is_put_together() -> None:
    nodes = [helper.make_node("Sigmoid", ["x"], ["a"]), helper.make_node("Mul", ["x", "a"], ["y"])]
    module = check(content_of(nodes, {}), values())
    assert [type(m) for m in module.children()] == [nn.SiLU]


@pytest.mark.parametrize("extra", ["used twice", "other factor"])
def test_other_gates_are_not_silu(extra: str) -> None:
    last = ["a", "x"] if extra == "used twice" else ["x", "x"]
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["a"]),
        helper.make_node("Mul", ["x", "a"], ["b"]),
        helper.make_node("Mul", last, ["c"]),
        helper.make_node("Add", ["b", "c"], ["y"]),
    ]
    if extra == "other factor":
        nodes[1] = helper.make_node("Mul", ["c", "a"], ["b"])
        nodes[1], nodes[2] = nodes[2], nodes[1]
    module = check(content_of(nodes, {}), values())
    assert [type(m) for m in module.children()] == [nn.Sigmoid]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 1, 1, 1], "strides": [2, 1], "dilations": [1, 2]},
        {"pads": [0, 1, 2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
        {"auto_pad": "VALID"},
    ],
)
@pytest.mark.parametrize("groups", [1, 3])
def test_convolution(attributes: dict[str, Any], groups: int) -> None:
    weights = [weight(6, 3 // groups, 3, 2), weight(6)]
    module = check(one("Conv", weights, group=groups, **attributes), values())
    assert [type(m) for m in module.children()] == [nn.Conv2d]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 2], "pads": [1, 0, 1, 0], "output_padding": [1, 1]},
        {"strides": [2, 2], "pads": [0, 1, 1, 0]},
        {"dilations": [2, 1], "group": 3},
    ],
)
def test_transposed_convolution(attributes: dict[str, Any]) -> None:
    module = check(one("ConvTranspose", [weight(3, 2, 3, 2)], **attributes), values())
    assert [type(m) for m in module.children()] == [nn.ConvTranspose2d]


def test_convolutions_in_3d() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], pads=[1] * 6),
        helper.make_node("InstanceNormalization", ["a", "s", "s"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2, 2], strides=[2, 2, 2]),
        helper.make_node("ConvTranspose", ["c", "w"], ["y"], strides=[2, 2, 2]),
    ]
    weights = {"v": weight(2, 3, 3, 3, 3), "s": weight(2), "w": weight(2, 1, 2, 2, 2)}
    module = check(content_of(nodes, weights, rank=5), values((1, 3, 4, 6, 4)))
    kinds = [nn.Conv3d, nn.InstanceNorm3d, nn.MaxPool3d, nn.ConvTranspose3d]
    assert [type(m) for m in module.children()] == kinds


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 3], "pads": [0, 1, 1, 0], "strides": [2, 2]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ],
)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pooling(op: str, attributes: dict[str, Any]) -> None:
    uneven = "auto_pad" in attributes or attributes.get("pads") == [0, 1, 1, 0]
    if op == "AveragePool" and uneven:
        with pytest.raises(NetworkFileError, match="average pooling"):
            import_onnx(one(op, **attributes))
        return
    check(one(op, **attributes), values())


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 1, 1, 0]])
def test_average_pooling_that_counts_its_padding(pads: list[int]) -> None:
    check(one("AveragePool", kernel_shape=[3, 3], pads=pads, count_include_pad=1), values())


@pytest.mark.parametrize("rank", [3, 4, 5])
def test_norms(rank: int) -> None:
    x = values((2, 3, 6, 5, 4)[:rank])
    scale, variance = weight(3), np.abs(weight(3)) + 0.5
    check(one("BatchNormalization", [scale, scale, scale, variance], rank=rank), x)
    check(one("InstanceNormalization", [scale, scale], rank=rank, epsilon=1e-3), x)
    last = weight(x.shape[-1])
    check(one("LayerNormalization", [last, last], rank=rank), x)
    check(one("LayerNormalization", [last], rank=rank), x)


@pytest.mark.parametrize("opset", [18, 21])
def test_group_norm(opset: int) -> None:
    count = 2 if opset < 21 else 4
    scales = [weight(count), weight(count)]
    check(one("GroupNormalization", scales, opset=opset, num_groups=2), values((2, 4, 5, 6)))


def group_norm_in_parts(shape: Array, scale: Array) -> bytes:
    nodes = [
        helper.make_node("Reshape", ["x", "groups"], ["a"]),
        helper.make_node("InstanceNormalization", ["a", "ones", "zeros"], ["b"]),
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Reshape", ["b", "s"], ["c"]),
        helper.make_node("Mul", ["c", "scale"], ["d"]),
        helper.make_node("Add", ["d", "bias"], ["y"]),
    ]
    weights = {
        "groups": shape,
        "ones": np.ones(2, np.float32),
        "zeros": np.zeros(2, np.float32),
        "scale": scale,
        "bias": weight(4, 1, 1),
    }
    return content_of(nodes, weights)


def test_group_norm_is_put_together() -> None:
    module = check(group_norm_in_parts(ints(0, 2, -1), weight(4, 1, 1)), values((2, 4, 5, 6)))
    assert [type(m) for m in module.children()] == [nn.GroupNorm]


def test_what_only_looks_like_a_group_norm_is_not() -> None:
    module = check(group_norm_in_parts(ints(0, 2, -1), weight(1, 6)), values((2, 4, 5, 6)))
    assert [type(m) for m in module.children()] == [nn.InstanceNorm1d]


NEAREST = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
COORDINATES = ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"]
SCALES = [(2.0, 2.0), (0.5, 0.5), (1.5, 2.5), (3.0, 1.0)]


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rounding", NEAREST)
def test_resize_nearest(rounding: str, coordinates: str, scales: tuple[float, float]) -> None:
    weights = [None, np.array([1, 1, *scales], np.float32)]
    content = one(
        "Resize", weights, nearest_mode=rounding, coordinate_transformation_mode=coordinates
    )
    check(content, values((1, 2, 4, 6)))


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("coordinates", [*COORDINATES, "half_pixel_symmetric"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_resize_smooth(mode: str, coordinates: str, scales: tuple[float, float]) -> None:
    weights = [None, np.array([1, 1, *scales], np.float32)]
    opset = 19 if "symmetric" in coordinates else 18
    options = {"mode": mode, "coordinate_transformation_mode": coordinates}
    content = one("Resize", weights, opset=opset, **options)
    if mode == "cubic" and coordinates in ("asymmetric", "half_pixel_symmetric"):
        with pytest.raises(NetworkFileError, match="resizes maps"):
            import_onnx(content)
        return
    check(content, values((1, 2, 4, 6)))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("coordinates", ["asymmetric", "half_pixel", "align_corners"])
def test_resize_in_3d(mode: str, coordinates: str) -> None:
    weights = [None, np.array([1, 1, 2, 2, 2], np.float32)]
    options = {"mode": mode, "coordinate_transformation_mode": coordinates}
    check(one("Resize", weights, rank=5, **options), values((1, 2, 3, 4, 5)))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("size", [(9, 4), (1, 1), (5, 1)])
def test_resize_to_sizes(mode: str, size: tuple[int, int]) -> None:
    weights = [None, None, ints(1, 2, *size)]
    options = {"mode": mode, "coordinate_transformation_mode": "pytorch_half_pixel"}
    if mode == "cubic" and size != (9, 4):
        return  # onnxruntime takes another position for one output than torch
    check(one("Resize", weights, **options), values((1, 2, 4, 6)))


def test_resize_of_some_axes() -> None:
    weights = [None, None, ints(8, 12)]
    check(one("Resize", weights, axes=[2, 3], mode="linear"), values((1, 2, 4, 6)))
    check(one("Resize", weights, axes=[-2, -1], mode="nearest"), values((1, 2, 4, 6)))


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "cubic", "exclude_outside": 1},
        {"mode": "cubic", "cubic_coeff_a": -0.5},
        {"mode": "linear", "antialias": 1},
        {"mode": "nearest", "coordinate_transformation_mode": "tf_crop_and_resize"},
    ],
)
def test_resize_that_torch_does_not_know(options: dict[str, Any]) -> None:
    weights = [None, np.array([1, 1, 2, 2], np.float32)]
    with pytest.raises(NetworkFileError, match="resizes maps"):
        import_onnx(one("Resize", weights, **options))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_pad(mode: str) -> None:
    check(one("Pad", [ints(0, 0, 1, 2, 0, 0, 2, 0)], mode=mode), values())
    check(one("Pad", [ints(1, 2), None, ints(3)], mode=mode), values())


def test_pad_of_channels_with_a_value_and_cropping() -> None:
    check(one("Pad", [ints(0, 1, -1, 0, 0, 2, 0, -2), np.float32(3)]), values())


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ((1,), (4,), (2,), (1,)),
        ((0, -3), (2**62, -1), (1, 3), (1, 1)),
        ((1,), (100,), (-1,), (2,)),
        ((-1,), (-100,), (2,), (-1,)),
        ((5, 4), (0, 1), (2, 3), (-2, -1)),
        ((5,), (1,), (2,), (1,)),
    ],
)
def test_slice(starts: Any, ends: Any, axes: Any, steps: Any) -> None:
    check(one("Slice", [ints(*starts), ints(*ends), ints(*axes), ints(*steps)]), values())


@pytest.mark.parametrize("index", [ints(2, 0, -1), np.int64(1), ints(0, 1, 2, 2).reshape(2, 2)])
def test_gather(index: Array) -> None:
    check(one("Gather", [index], axis=1), values())


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"])
@pytest.mark.parametrize("keep", [0, 1])
def test_reductions(op: str, keep: int) -> None:
    check(one(op, [ints(2, 3)], keepdims=keep), values())
    check(one(op, [], keepdims=keep), values())
    older = {"opset": 11, "axes": [-1, 1], "keepdims": keep}
    check(one(op, [], **older), values())


@pytest.mark.parametrize("op", ["ReduceL1", "ReduceSumSquare", "ReduceProd"])
def test_rarer_reductions(op: str) -> None:
    check(one(op, [ints(1, 2)]), values())


def test_reduction_of_no_axes() -> None:
    check(one("ReduceSum", [ints()], noop_with_empty_axes=1), values())


@pytest.mark.parametrize(
    "op", ["Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Reciprocal", "Round", "Sign", "Sin"]
)
def test_functions_of_one_map(op: str) -> None:
    check(one(op), values())


@pytest.mark.parametrize("op", ["Log", "Sqrt"])
def test_functions_of_positive_maps(op: str) -> None:
    check(one(op), np.abs(values()) + 0.1)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"])
def test_functions_of_two_maps(op: str) -> None:
    check(one(op, [weight(3, 1, 1)]), values())
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node(op, ["w", "a"], ["y"])]
    if op != "Div":
        check(content_of(nodes, {"w": weight(1)}), values())


def test_power_and_modulo() -> None:
    check(one("Pow", [np.float32(2)]), values())
    check(one("Mod", [np.float32(0.7)], fmod=1), values())


@pytest.mark.parametrize("op", ["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"])
def test_comparisons_choose(op: str) -> None:
    nodes = [
        helper.make_node(op, ["x", "zero"], ["a"]),
        helper.make_node("Not", ["a"], ["b"]),
        helper.make_node("Where", ["b", "x", "zero"], ["y"]),
    ]
    check(content_of(nodes, {"zero": np.float32(0)}), values())


def test_logic() -> None:
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["a"]),
        helper.make_node("Less", ["x", "one"], ["b"]),
        helper.make_node("And", ["a", "b"], ["c"]),
        helper.make_node("Or", ["c", "a"], ["d"]),
        helper.make_node("Xor", ["d", "b"], ["e"]),
        helper.make_node("Cast", ["e"], ["y"], to=TensorProto.FLOAT),
    ]
    check(content_of(nodes, {"zero": np.float32(0), "one": np.float32(1)}), values())


def test_shapes() -> None:
    check(one("Transpose", perm=[0, 2, 3, 1]), values())
    check(one("Transpose"), values())
    check(one("Flatten", axis=2), values())
    check(one("Unsqueeze", [ints(0, -1)]), values())
    check(one("Unsqueeze", opset=11, axes=[1, 3]), values())
    check(one("Squeeze", [ints(0)]), values((1, 3, 4, 5)))
    check(one("Squeeze"), values((1, 3, 1, 5)))
    check(one("Reshape", [ints(0, -1, 14)]), values())
    check(one("Expand", [ints(2, 3, 7, 6)]), values((2, 1, 7, 1)))
    check(one("Tile", [ints(1, 2, 1, 3)]), values())


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str) -> None:
    check(one("DepthToSpace", blocksize=2, mode=mode), values((2, 8, 3, 4)))


def test_matrices() -> None:
    check(one("MatMul", [weight(6, 5)]), values())
    gemm = {"alpha": 0.5, "beta": 2.0, "transB": 1, "rank": 2}
    check(one("Gemm", [weight(5, 6), weight(5)], **gemm), values((4, 6)))
    check(one("Gemm", [weight(4, 5)], transA=1, rank=2), values((4, 6)))
    check(one("Einsum", [weight(3, 5)], equation="bchw,cd->bdhw"), values())


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_split(opset: int) -> None:
    sizes = {"split": [1, 2]} if opset < 13 else {}
    inputs = ["x"] if opset < 13 else ["x", "sizes"]
    nodes = [
        helper.make_node("Split", inputs, ["a", "b"], axis=1, **sizes),
        helper.make_node("Concat", ["b", "a"], ["y"], axis=1),
    ]
    check(content_of(nodes, {} if opset < 13 else {"sizes": ints(1, 2)}, opset), values())


def test_split_into_equal_parts() -> None:
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=2, num_outputs=2),
        helper.make_node("Concat", ["b", "a"], ["y"], axis=2),
    ]
    check(content_of(nodes, {}), values())


def test_grid_sample() -> None:
    grid = np.random.default_rng(2).uniform(-1, 1, (2, 4, 4, 2)).astype(np.float32)
    check(one("GridSample", [grid], opset=16, padding_mode="border"), values())
    check(one("GridSample", [grid], opset=20, align_corners=1, mode="linear"), values())


def test_arg_max() -> None:
    nodes = [
        helper.make_node("ArgMax", ["x"], ["a"], axis=1),
        helper.make_node("Cast", ["a"], ["y"], to=TensorProto.FLOAT),
    ]
    check(content_of(nodes, {}), values())


def test_shapes_are_computed_at_every_size() -> None:
    """To twice the size, by way of numbers that are computed in floats."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Slice", ["s", "two", "four"], ["t"]),
        helper.make_node("Cast", ["t"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "half"], ["g"]),
        helper.make_node("Div", ["g", "quarter"], ["d"]),
        helper.make_node("Floor", ["d"], ["h"]),
        helper.make_node("Cast", ["h"], ["i"], to=TensorProto.INT64),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axis"], ["u"]),
        helper.make_node("Concat", ["u", "three", "i"], ["sizes"], axis=0),
        helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear"),
    ]
    weights = {
        "two": ints(2),
        "four": ints(4),
        "half": np.float32(0.5),
        "quarter": np.float32(0.25),
        "zero": np.int64(0),
        "axis": ints(0),
        "three": ints(3),
    }
    content = content_of(nodes, weights)
    for shape in (MAP, (1, 3, 5, 9)):
        check(content, values(shape))


def test_numbers_from_sizes_go_together_with_maps() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceProd", ["f"], ["count"], keepdims=0),
        helper.make_node("Div", ["x", "count"], ["a"]),
        helper.make_node("ConstantOfShape", ["s"], ["z"]),
        helper.make_node("Concat", ["a", "z"], ["y"], axis=1),
    ]
    check(content_of(nodes, {}), values())


def branches(condition: Sequence[onnx.NodeProto], weights: dict[str, Array]) -> bytes:
    """Twice x if a condition ``c`` holds, else x plus one."""
    plain = helper.make_tensor_value_info("p", TensorProto.FLOAT, None)
    other = helper.make_tensor_value_info("q", TensorProto.FLOAT, None)
    then = helper.make_graph([helper.make_node("Add", ["x", "x"], ["p"])], "then", [], [plain])
    otherwise = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["o"]), helper.make_node("Relu", ["o"], ["q"])],
        "else",
        [],
        [other],
        [numpy_helper.from_array(np.float32(1), "one")],
    )
    last = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=otherwise)
    return content_of([*condition, last], weights)


@pytest.mark.parametrize("condition", [True, False])
def test_branch_of_a_known_condition(condition: bool) -> None:
    module = check(branches([], {"c": np.array(condition)}), values())
    assert len(list(module.children())) == (0 if condition else 1)


def test_branch_that_depends_on_the_size() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "last"], ["w"]),
        helper.make_node("Greater", ["w", "five"], ["c"]),
    ]
    content = branches(nodes, {"last": np.int64(3), "five": np.int64(5)})
    check(content, values())
    check(content, values((1, 3, 7, 4)))


def test_branch_that_depends_on_the_image_is_refused() -> None:
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["c"]),
    ]
    with pytest.raises(NetworkFileError, match="depending on the image"):
        import_onnx(branches(nodes, {"zero": np.float32(0)}))


def test_index_from_the_image_is_refused() -> None:
    nodes = [
        helper.make_node("ArgMax", ["x"], ["a"], axis=1),
        helper.make_node("Gather", ["x", "a"], ["y"], axis=1),
    ]
    with pytest.raises(NetworkFileError, match="content tells Gather"):
        import_onnx(content_of(nodes, {}))


def test_constants_are_computed_once() -> None:
    nodes = [
        helper.make_node("Constant", [], ["a"], value_float=2.0),
        helper.make_node("Constant", [], ["b"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Constant", [], ["shape"], value_ints=[3, 1, 1]),
        helper.make_node("Mul", ["a", "b"], ["c"]),
        helper.make_node("Reshape", ["c", "shape"], ["d"]),
        helper.make_node("Identity", ["d"], ["e"]),
        helper.make_node("Mul", ["x", "e"], ["f"]),
        helper.make_node("Dropout", ["f"], ["y"]),
    ]
    module = check(content_of(nodes, {}), values())
    assert [tuple(p.shape) for p in module.parameters()] == [(3, 1, 1)]
    assert len(module._program.steps) == 1


def test_several_outputs_come_by_name() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["z"])]
    content = content_of(nodes, {}, outputs=["y", "z"])
    x = values()
    made = import_onnx(content)(torch.from_numpy(x))
    assert list(made) == ["y", "z"]
    for mine, theirs in zip(made.values(), expected(content, x), strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs)


def test_half_precision_is_computed_in_single() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["a", "w"], ["b"]),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    half = weight(2, 3, 3, 3).astype(np.float16)
    module = import_onnx(content_of(nodes, {"w": half}))
    x = torch.from_numpy(values())
    wanted = torch.nn.functional.conv2d(x, torch.from_numpy(half).float())
    torch.testing.assert_close(module(x), wanted, rtol=0, atol=0)
