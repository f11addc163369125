"""BioImage.IO packages, of formats 0.4 and 0.5.

A package says what its network expects: axes, sizes, channels and preprocessing, and has a test
image with what comes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...errors import NetworkFileError, OptionError, SegGradCamError
from ..channels import told_names
from ..files import Check
from ..layouts import Layout, put_in_order
from ..normalisation import Normalisation
from ..outputs import select_output
from ..running import as_found, call_module
from ..trust import Needs
from .contents import Contents
from .declared_steps import UnknownStep, normalisation_of
from .declared_tensors import (
    UnknownAxes,
    channel_names_of,
    classes_of,
    layout_of,
    only_input,
    shape_of,
    single_axes,
    sizes_of,
)
from .package_files import Package, description_in
from .package_weights import choose_weights, needs_of, read_weights
from .reading import Reading, Request

NAME = "BioImage.IO"

_WORDS = {"torchscript": "TorchScript", "onnx": "ONNX", "pytorch_state_dict": "PyTorch"}
_LARGE = 2**21  # pixels of a test image, more of which would take long
_TESTED = "the package's own test output"


def recognises(contents: Contents) -> bool:
    """Whether it has a description of a network."""
    return description_in(contents) is not None


def needs(contents: Contents, request: Request) -> Needs:
    """What the weights need that would be opened."""
    package = Package(contents)
    return needs_of(package, choose_weights(package, request))


def read(contents: Contents, request: Request) -> Reading:
    """Open a package.

    Raises
    ------
    NetworkFileError
        If it is damaged, lacks a file, or describes what can't be done here.
    MissingPackage
        If its weights need a package that is not installed.
    OptionError
        If it has not the weights or the output that were asked for.
    """
    package = Package(contents)
    weights = choose_weights(package, request)
    tensors = _Tensors.of(package, request.output)
    module, notices = read_weights(package, weights)
    put_in_order(module, tensors.taken, tensors.returned)
    check, said = _checked(package, tensors, module)
    told = sizes_of(tensors.input, tensors.taken)
    sizes = [size for size in told if size is not None]
    is_told, is_free = len(sizes) == len(told), all(step > 0 for _, step in sizes)
    if not is_free:
        words = " × ".join("any" if size is None or size[1] else str(size[0]) for size in told)
        said.append(f"The package is for images of {words} pixels, and says nothing of others.")
    axes = f"C{tensors.taken.spatial}"
    names = channel_names_of(tensors.input)
    return Reading(
        module,
        architecture=f"{type(module).__name__} {len(axes) - 1}D, {_WORDS[weights]} weights",
        axes=axes,
        channels=len(names),
        channel_names=told_names(names, len(names)),
        classes=classes_of(tensors.output),
        normalisation=tensors.normalisation,
        values_known=True,
        output=str(tensors.output.id) if len(tensors.returned) > 1 else None,
        sizes=sizes if is_told and is_free else None,
        runs_at=shape_of(sizes) if is_told else None,
        name=str(package.description.name),
        provenance=_provenance(package, weights),
        check=check,
        notices=[*notices, *said],
    )


@dataclass(frozen=True)
class _Tensors:
    """What a network takes and returns.

    Attributes
    ----------
    input, output
        Their descriptions; of several outputs the one that is explained.
    taken, returned
        Order of their axes, for all outputs by id.
    normalisation
        Of the input.
    """

    input: Any
    output: Any
    taken: Layout
    returned: dict[str, Layout] = field(default_factory=dict)
    normalisation: Normalisation | None = None

    @classmethod
    def of(cls, package: Package, output: str | None) -> "_Tensors":
        """Those of a package."""
        path, described = package.contents.path, package.description
        taken = only_input(described.inputs, str(path))
        try:
            layout = layout_of(taken)
            normalisation = normalisation_of(taken.preprocessing, taken)
        except (UnknownAxes, UnknownStep) as error:
            raise NetworkFileError(
                f"{path} describes its input {str(taken.id)!r} with what can't be done here: "
                f"{error}. Expected axes batch, channel and two or three in space, and steps that "
                "are the same everywhere in the image."
            ) from error
        single = single_axes(taken)
        returned = {str(tensor.id): _layout_or_none(tensor, single) for tensor in described.outputs}
        maps = [name for name, found in returned.items() if found.spatial == layout.spatial]
        if output is not None and output not in maps:
            raise OptionError(
                f"{path} has no output {output!r} that is a map; expected one of "
                f"{', '.join(maps) or 'none'}."
            )
        if not maps:
            raise NetworkFileError(
                f"{path} has no output with the axes {', '.join(layout.spatial)} of its input; "
                "expected a network that segments."
            )
        chosen = next(t for t in described.outputs if str(t.id) == (output or maps[0]))
        return cls(taken, chosen, layout, returned, normalisation)


def _layout_or_none(tensor: Any, single: frozenset[str]) -> Layout:
    """Order of an output's axes; empty for one that is no map."""
    try:
        return layout_of(tensor, single)
    except UnknownAxes:
        return Layout("")


def _checked(
    package: Package, tensors: _Tensors, module: nn.Module
) -> tuple[Check | None, list[str]]:
    """How far the module's output is from the package's, or why that can't be told."""
    inputs, outputs = tensors.input.test_tensor, tensors.output.test_tensor
    if inputs is None or outputs is None:
        return None, ["The package has no test image."]
    layout = tensors.returned[str(tensors.output.id)]
    try:
        finish = normalisation_of(tensors.output.postprocessing, tensors.output)
        image = _first(package.array(inputs), tensors.taken)
        expected = _first(package.array(outputs), layout)
        if image.size > _LARGE:
            return None, ["The package's test image is large; the network was not tried on it."]
        ready = image if tensors.normalisation is None else tensors.normalisation(image)
        logits = _run(module, ready, None if len(tensors.returned) < 2 else str(tensors.output.id))
        found = logits if finish is None else finish(logits)
    except (SegGradCamError, RuntimeError, ValueError) as error:
        return None, [f"The package's own test could not be made: {error}"]
    if found.shape != expected.shape:
        return None, [
            f"The package's test output has the shape {expected.shape}, and the network's has "
            f"{found.shape}."
        ]
    difference = np.abs(found.astype(np.float64) - expected).max(initial=0)
    return Check(_TESTED, float(difference)), []


def _first(array: NDArray[Any], layout: Layout) -> NDArray[np.float32]:
    """The first of a batch, as (channels, *spatial)."""
    if array.ndim != len(layout.order):
        raise NetworkFileError(
            f"a test array has the shape {array.shape}; expected {len(layout.order)} axes"
        )
    with np.errstate(over="ignore"):
        tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    first: NDArray[np.float32] = layout.restore(tensor)[0].numpy()
    return first


def _run(module: nn.Module, image: NDArray[np.float32], output: str | None) -> NDArray[np.float32]:
    """What the module makes of a prepared image, (rows, *spatial)."""
    with as_found(module), torch.no_grad():
        returned = call_module(module, torch.from_numpy(image[np.newaxis]))
    logits: NDArray[np.float32] = select_output(returned, image.ndim - 1, output)[0].float().numpy()
    return logits


def _provenance(package: Package, weights: str) -> dict[str, Any]:
    """Where the network comes from, in JSON types."""
    described = package.description
    told = {
        "format_version": package.content.get("format_version"),
        "id": described.id,
        "version": described.version,
        "licence": described.license,
        "authors": [author.name for author in described.authors],
        "cite": [_citation(entry) for entry in described.cite],
        "weights": weights,
    }
    return {name: _plain(value) for name, value in told.items() if value}


def _citation(entry: Any) -> str:
    parts: Sequence[Any] = (entry.text, entry.doi, entry.url)
    return ", ".join(str(part) for part in parts if part)


def _plain(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, list) else str(value)
