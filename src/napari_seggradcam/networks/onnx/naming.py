"""Names of modules, from what the file tells of the modules that it was exported from.

torch's older exporter names a node ``/encoder/encoder.0/encoder.0.1/Conv``; its newer one notes
the scopes beside the node, whose name is made of the function's (``node_relu_5``). Both lead to
``encoder.0.1``, which is what the exported module was called. Where a file tells nothing, the
node's own name has to do.
"""

import re
from collections import Counter
from collections.abc import Sequence

from torch import nn

from .graphs import Node

_MADE_OF = re.compile(r"node_(.+?)(?:_\d+)?")
_UNNAMED = "val"  # what the exporter calls values of its own
_WEIGHT = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)\.weight")
# Longer paths are no names that anybody reads.
_LONGEST = 60


def module_paths(leaves: Sequence[Node], work: Sequence[Node]) -> list[str]:
    """Unique dotted paths for nodes that become modules.

    Parameters
    ----------
    leaves
        The nodes.
    work
        All nodes that compute something from the image, them among them. A module that does
        one thing gives its name to that, numbered where it is called again; where it does
        several, each has a name within it.
    """
    busy = Counter(scope_of(node) for node in work)
    kinds = Counter(scope for scope, _ in {(scope_of(node), node.op) for node in work})
    wanted = []
    for node in leaves:
        scope = scope_of(node)
        does_one = busy[scope] == 1 or (node.scopes and kinds[scope] == 1)
        if _weight_path(node) is not None or (scope and does_one):
            wanted.append(scope)
        else:
            wanted.append(".".join(filter(None, (scope, _label(node)))))
    inner = {path.rsplit(".", n)[0] for path in wanted for n in range(1, path.count(".") + 1)}
    paths, taken, others = [], set(inner), set(wanted)
    for node, path in zip(leaves, wanted, strict=True):
        # What holds other modules is no leaf.
        base = f"{path}.{_label(node)}" if path in inner else path
        unique, number = base, 0
        while unique in taken or _is_reserved(unique) or (number and unique in others):
            number += 1
            unique = f"{base}_{number}"
        taken.add(unique)
        paths.append(unique)
    return paths


def scope_of(node: Node) -> str:
    """Dotted path of the module that a node was exported from; empty if unknown."""
    weight = _weight_path(node)
    if weight is not None:
        return weight
    if node.scopes:
        return _dotted([node.scopes[-1]])
    if not node.name.startswith("/"):
        return ""
    parts: list[str] = []
    before = ""
    for part in node.name.strip("/").split("/")[:-1]:
        # A member of a list or sequence repeats the path of that.
        is_member = bool(before) and part.startswith(f"{before}.")
        parts.append(part[len(before) + 1 :] if is_member else part)
        before = part
    return _dotted(parts)


def attach(root: nn.Module, path: str, leaf: nn.Module) -> None:
    """Put a module where its path says."""
    *scopes, name = path.split(".")
    for scope in scopes:
        if scope not in root._modules:
            root.add_module(scope, Scope())
        root = getattr(root, scope)
    root.add_module(name, leaf)


class Scope(nn.Module):
    """Holds modules and does nothing itself."""


_RESERVED = set(dir(nn.Module())) | {"steps"}


def _is_reserved(path: str) -> bool:
    return path.rsplit(".", 1)[-1] in _RESERVED


def _weight_path(node: Node) -> str | None:
    """The module that a convolution's weight belongs to."""
    if not node.op.startswith("Conv") or len(node.inputs) < 2:
        return None
    found = _WEIGHT.fullmatch(node.inputs[1])
    return None if found is None else _dotted([found[1]])


def _label(node: Node) -> str:
    name = re.sub(r"\W", "_", node.name.rsplit("/", 1)[-1]).strip("_")
    made_of = _MADE_OF.fullmatch(name) if node.scopes else None
    name = name if made_of is None else made_of[1]
    if name in ("", _UNNAMED) or len(name) > _LONGEST:
        return node.op.lower()
    return f"_{name}" if name in _RESERVED else name


def _dotted(parts: Sequence[str]) -> str:
    names = [re.sub(r"\W", "_", name) for part in parts for name in part.split(".") if name]
    return ".".join(f"{name}_" if name in _RESERVED else name for name in names)
