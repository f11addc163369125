"""ONNX graphs as ordinary torch modules; needs only the package ``onnx``, and runs no code."""

from .description import OnnxDescription, describe_onnx
from .importing import import_onnx

__all__ = ["OnnxDescription", "describe_onnx", "import_onnx"]
