"""napari reader of saved explanations (``*.sgc.zarr``), and of nothing else."""

from collections.abc import Callable, Sequence
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return a reader if every path is a saved explanation, else None."""
    ...
