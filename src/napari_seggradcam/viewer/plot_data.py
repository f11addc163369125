"""What plots of regions, channels and network layers show, as numbers.

Where things stand and what a click means is decided here; ``widgets.comparison`` draws it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Join:
    """Where two branches of a tree become one.

    Attributes
    ----------
    positions : tuple of float
        Of both branches among the leaves; leaf n of the shown order stands at n.
    heights : tuple of float
        Of both branches' own joins; 0 for a leaf.
    height : float
        Of this one.
    members : tuple of int
        Rows of the matrix that are below, in the order that is shown.
    """

    positions: tuple[float, float]
    heights: tuple[float, float]
    height: float
    members: tuple[int, ...]


def joins_of(linkage: ArrayLike, rows: Sequence[int], order: Sequence[int]) -> tuple[Join, ...]:
    """Joins of a tree, the lowest first.

    Parameters
    ----------
    linkage : (n - 1, 4) array-like
        As ``scipy.cluster.hierarchy.linkage`` gives it.
    rows : sequence of int
        Rows of the matrix that the linkage is of; others are in no branch.
    order : sequence of int
        All rows, in the order in which they are shown.
    """
    place = {int(row): float(at) for at, row in enumerate(order)}
    branches: list[tuple[float, float, tuple[int, ...]]]
    branches = [(place[row], 0.0, (row,)) for row in rows]
    joins = []
    for first, second, height, _size in np.asarray(linkage, dtype=np.float64):
        one, other = sorted((branches[int(first)], branches[int(second)]))
        join = Join((one[0], other[0]), (one[1], other[1]), float(height), one[2] + other[2])
        joins.append(join)
        branches.append((sum(join.positions) / 2, join.height, join.members))
    return tuple(joins)


def members_at(
    joins: Iterable[Join], order: Sequence[int], position: float, height: float
) -> tuple[int, ...]:
    """Rows in the branch of a tree that is at a position when the tree is cut at a height.

    Parameters
    ----------
    joins : iterable of Join
        The tree.
    order : sequence of int
        As for `joins_of`.
    position, height : float
        Where it was clicked.

    Returns
    -------
    tuple of int
        In the order that is shown; a single one below all joins.
    """
    leaf = int(order[int(np.clip(round(position), 0, len(order) - 1))])
    found: tuple[int, ...] = (leaf,)
    for join in joins:
        if join.height <= height and leaf in join.members:
            found = join.members
    return found


def tick_step(count: int, room: int) -> int:
    """Every how many rows a label can stand, where there is room for so many labels."""
    return max(1, -(-count // max(1, room)))


def symmetric_limit(values: ArrayLike) -> float:
    """Largest size of a finite value: a diverging scale goes from minus this to this."""
    array = np.asarray(values)
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def stage_runs(stages: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """First and last row of every run of equal stages, in order."""
    runs: list[tuple[int, int]] = []
    for place, stage in enumerate(stages):
        if runs and stages[place - 1] == stage:
            runs[-1] = runs[-1][0], place
        else:
            runs.append((place, place))
    return tuple(runs)
