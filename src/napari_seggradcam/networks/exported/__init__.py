"""Files of ``torch.export`` (.pt2): what they would run, and their modules."""

from .reading import ExportedNetwork, read_exported
from .scanning import Finding, scan

__all__ = ["ExportedNetwork", "Finding", "read_exported", "scan"]
