"""An ONNX graph as a torch module.

A graph is a list of operations on three kinds of values: weights, numbers that are computed from
the sizes of maps, and maps, which are computed from the image. Numbers are computed on the CPU
and out of sight of whoever watches torch's functions, so that the graph works at sizes that it was
not exported with, and looks from outside like the module that it was exported from.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from ...errors import NetworkFileError, SegGradCamError
from .compiling import Compiler
from .graphs import Graph, opset_of, parse, read_graph
from .naming import attach, module_paths
from .program import OnnxModule, Program

if TYPE_CHECKING:
    import onnx


def import_onnx(content: bytes) -> nn.Module:
    """Build a module from an ONNX file.

    Parameters
    ----------
    content
        The bytes of the file.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU, in float32. It takes the image, a tensor of shape (batch,
        channels, *spatial), and returns the output, or a dict of them by name.

    Raises
    ------
    MissingPackage
        If the package ``onnx`` is not installed.
    NetworkFileError
        If the file is damaged, or the graph does what can't be imported.
    """
    model = parse(content)
    try:
        return _build(read_graph(model.graph), opset_of(model), _rank_of_input(model.graph))
    except SegGradCamError:
        raise
    except Exception as error:  # a damaged graph can be wrong in any way
        raise NetworkFileError(
            "The ONNX graph can't be built, so the file is damaged or does not follow the "
            f"standard: {type(error).__name__}: {error}"
        ) from error


def _rank_of_input(graph: "onnx.GraphProto") -> int:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        raise NetworkFileError(
            f"The ONNX graph takes {len(inputs)} inputs ({names}); expected one, the image."
        )
    axes = inputs[0].type.tensor_type.shape.dim
    if axes and axes[0].dim_value > 1:
        raise NetworkFileError(
            f"The ONNX graph was exported for a batch of {axes[0].dim_value} images, and takes no "
            "single one. Export it again with an example of one image, or with a batch of any "
            "size (dynamic_axes, dynamic_shapes)."
        )
    return len(axes) or 4


def _build(graph: Graph, opset: int, rank: int) -> nn.Module:
    names = list(graph.outputs)
    compiler = Compiler(opset, graph.inputs[0], rank)
    program = compiler.compile(graph)
    paths = module_paths([node for node, _ in compiler.leaves], compiler.work)
    module = OnnxModule(_with_paths(program, paths), graph.inputs[0], names)
    for (_, leaf), path in zip(compiler.leaves, paths, strict=True):
        attach(module, path, leaf.module)
    for name, tensor in compiler.weights.values():
        content = tensor.float() if tensor.is_floating_point() else tensor
        if content.is_floating_point() and content.numel() > 1:
            module.register_parameter(name, nn.Parameter(content))
        else:
            module.register_buffer(name, content)
    return module.eval()


def _with_paths(program: Program, paths: list[str]) -> Program:
    """The program with paths of modules instead of their numbers."""
    steps = []
    for step in program.steps:
        branches = tuple(_with_paths(branch, paths) for branch in step.branches)
        module = paths[int(step.module)] if step.module else ""
        steps.append(replace(step, module=module, branches=branches))
    return Program(steps, program.outputs)
