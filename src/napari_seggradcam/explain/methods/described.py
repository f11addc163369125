"""What people are told of every method and its options, from the classes themselves."""

import inspect
import re
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..words import method_title
from .known import METHODS
from .weighting import GradientMethod, Method


@dataclass(frozen=True)
class OptionFacts:
    """What is known of an option of a method.

    Attributes
    ----------
    name
        As it is given.
    default
        Its value where it isn't; `None` where there is no such value.
    kind
        Type of its values.
    choices
        Values that it has; empty where any of its type will do.
    what
        What it does.
    """

    name: str
    default: Any
    kind: type
    choices: tuple[Any, ...]
    what: str


@dataclass(frozen=True)
class MethodFacts:
    """What is known of a method.

    Attributes
    ----------
    name, title
        As it is given, and as people write it.
    what
        What it does, with its formula.
    at_once
        Whether it answers from feature maps and gradients that are there, without another pass.
    options
        In order.
    """

    name: str
    title: str
    what: str
    at_once: bool
    options: tuple[OptionFacts, ...]


def described_methods() -> tuple[MethodFacts, ...]:
    """What is known of every method, in order."""
    return tuple(_described(method) for method in METHODS.values())


def _described(method: type[Method]) -> MethodFacts:
    text = inspect.getdoc(method) or ""
    hints, told = get_type_hints(method), _parameters(text)
    options = tuple(
        _option(field.name, hints[field.name], field.default, told.get(field.name, ""))
        for field in fields(method)  # type: ignore[arg-type]
    )
    what = " ".join(text.split("\n\n")[0].split())
    at_once = issubclass(method, GradientMethod)
    return MethodFacts(method.name, method_title(method.name), what, at_once, options)


def _option(name: str, hint: Any, default: Any, what: str) -> OptionFacts:
    # Where a tensor of one's own may be given as well, the choices are one part of the hint.
    parts = (hint, *get_args(hint))
    choices = next((get_args(part) for part in parts if get_origin(part) is Literal), ())
    value = None if default is MISSING else default
    kind = type(choices[0]) if choices else hint if isinstance(hint, type) else type(value)
    return OptionFacts(name, value, kind, choices, what)


def _parameters(docstring: str) -> dict[str, str]:
    """What a numpydoc docstring says of each parameter."""
    section = r"(?:Parameters|Attributes)\n-+\n(.*?)(?:\n\n\w[^\n]*\n-+\n|\Z)"
    found = re.search(section, docstring, re.DOTALL)
    if found is None:
        return {}
    # Several that are told of together stand on one line.
    parts = re.split(r"^(\w[\w, ]*)(?: :[^\n]*)?\n", found[1], flags=re.MULTILINE)
    return {
        name: " ".join(text.replace("``", "").split())
        for names, text in zip(parts[1::2], parts[2::2], strict=True)
        for name in names.split(", ")
    }
