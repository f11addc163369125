"""What a file says of the network's input and outputs."""

from dataclasses import dataclass

from ...errors import NetworkFileError
from .graphs import opset_of, parse


@dataclass(frozen=True)
class OnnxDescription:
    """What an ONNX file says.

    Attributes
    ----------
    input_name
        Of the image.
    shape
        Of the image, (batch, channels, *spatial); None where an axis is free.
    outputs
        Names, in order.
    metadata
        What whoever made the file noted in it.
    producer
        Program that wrote it, with its version.
    opset
        Version of the operations.
    """

    input_name: str
    shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    producer: str
    opset: int

    @property
    def channels(self) -> int | None:
        """Channels of the image, if they are fixed."""
        return self.shape[1] if len(self.shape) > 1 else None

    @property
    def spatial(self) -> tuple[int | None, ...]:
        """Sizes of the spatial axes; None where they are free."""
        return self.shape[2:]

    @property
    def axes(self) -> str | None:
        """``"CYX"`` or ``"CZYX"``; None if the file does not tell."""
        return {4: "CYX", 5: "CZYX"}.get(len(self.shape))


def describe_onnx(content: bytes) -> OnnxDescription:
    """Read what a file says of its network; builds nothing.

    Parameters
    ----------
    content
        The bytes of the file.

    Raises
    ------
    MissingPackage
        If the package ``onnx`` is not installed.
    NetworkFileError
        If it is no ONNX file, or takes other than one input.
    """
    model = parse(content)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        raise NetworkFileError(
            f"The ONNX graph takes {len(inputs)} inputs ({names}); expected one, the image."
        )
    axes = inputs[0].type.tensor_type.shape.dim
    return OnnxDescription(
        input_name=inputs[0].name,
        shape=tuple(int(axis.dim_value) if axis.dim_value > 0 else None for axis in axes),
        outputs=tuple(value.name for value in model.graph.output),
        metadata={prop.key: prop.value for prop in model.metadata_props},
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        opset=opset_of(model),
    )
