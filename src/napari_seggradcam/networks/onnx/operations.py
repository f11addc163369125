"""What an operation that is no module is: a torch function, and how it is called.

A function takes the node's attributes and its inputs. Some inputs are tensors; others say how,
such as a shape or the ends of a slice, and come as numbers and lists of them, because they are
never taken from the image. Functions with names that the package's engine knows (``add``, ``mul``,
``cat``, ``pad``, ``__getitem__``) are used where there is a choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Attributes = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """An operation.

    Attributes
    ----------
    run
        Takes attributes and inputs, and returns a tensor or several.
    numbers
        Which inputs come as numbers.
    """

    run: Callable[..., Any]
    numbers: frozenset[int] = frozenset()


class Table(dict[str, Function]):
    """Functions by the names of the operations."""

    def note(
        self, *names: str, numbers: Sequence[int] = ()
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator that puts a function into the table."""

        def put(run: Callable[..., Any]) -> Callable[..., Any]:
            self.update(dict.fromkeys(names, Function(run, frozenset(numbers))))
            return run

        return put


def as_list(value: Any) -> list[Any]:
    """A list of numbers, also of one that comes alone."""
    return list(value) if isinstance(value, list | tuple) else [value]


def axes_of(attributes: Attributes, axes: list[int] | int | None) -> list[int]:
    """Axes, which newer versions of an operation take as an input."""
    return as_list(attributes.get("axes", []) if axes is None else axes)
