"""Names of classes, and a class by name or index."""

import numpy as np

from ..errors import ShapeError, TargetError


def class_names(given: tuple[str, ...] | None, rows: int) -> tuple[str, ...]:
    """Name of every class, two for a network with one row of logits.

    Parameters
    ----------
    given
        Names that the user gave; None: ``"class 0"``, ``"class 1"``, …
    rows
        Rows of logits.

    Raises
    ------
    ShapeError
        If there is not one name for each class.
    """
    count = max(2, rows)
    if given is None:
        return tuple(f"class {number}" for number in range(count))
    if len(given) != count:
        raise ShapeError(
            f"{len(given)} class names were given ({', '.join(given)}) and the network has "
            f"{rows} rows of logits; expected {count} names."
        )
    return given


def is_predicted(target: int | str) -> bool:
    """Whether the class is left to the prediction; of an array ``==`` would not tell."""
    return isinstance(target, str) and target == "predicted"


def class_index(classes: tuple[str, ...], target: int | str) -> int:
    """Index of a class given by index or name.

    Raises
    ------
    TargetError
        If there is no such class.
    """
    if np.ndim(target) > 0:
        raise TargetError(
            f"The class is an array of shape {np.shape(target)}; expected its index or its name. "
            "If that is the region: it comes before the class."
        )
    if isinstance(target, str) and target in classes:
        return classes.index(target)
    is_index = isinstance(target, int | np.integer) and not isinstance(target, bool)
    if is_index and 0 <= int(target) < len(classes):
        return int(target)
    names = ", ".join(f"{i} ({name})" for i, name in enumerate(classes))
    raise TargetError(f"The network has no class {target!r}; its classes are {names}.")
