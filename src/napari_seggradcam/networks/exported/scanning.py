"""What a .pt2 file would run when torch opens it, found without opening it.

`torch.export.load` unpickles whatever it has no better way for, evaluates expressions, looks up
the functions of the graph by name in ``torch``, ``operator`` and ``math``, and writes Python code
from the graph's names. All of that is looked at here: what is known to be harmless passes, and
everything else is a finding. The only pickles that are read are those that torch reads with
``weights_only``.
"""

import io
import json
import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import NetworkFileError

Read = Callable[[str], bytes]


@dataclass(frozen=True)
class Finding:
    """Something in a file that could run code.

    Attributes
    ----------
    where
        The file's member.
    what
        What it is, for people.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


_OPERATORS = frozenset(
    f"_operator.{name}"
    for name in (
        *("abs", "add", "and_", "eq", "floordiv", "ge", "getitem", "gt", "le", "lt", "mod"),
        *("mul", "ne", "neg", "not_", "or_", "pos", "pow", "sub", "truediv"),
    )
)
_MATH = frozenset("math." + name for name in ("ceil", "floor", "sqrt", "trunc"))
_ATEN = re.compile(r"torch\.ops\.(?:aten|prims)\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?")
_SYMBOLIC = re.compile(r"torch\.sym_[a-z_]+|torch\._sym_sqrt")
# Of the operations that are torch's own, those that touch files.
_FILES = ("from_file", "save", "load")
_HIGHER = frozenset(
    f"torch.ops.higher_order.wrap_with_{name}" for name in ("autocast", "set_grad_enabled")
)

_SYMBOL = re.compile(r"Symbol\('\w+'")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NAME = re.compile(r"(?:f|i|s|u|v|z|zf|zuf)\d+")
# Functions and constants of expressions of sizes.
_KNOWN_WORDS = re.compile(
    "Abs|Add|And|CeilDiv|CeilToInt|CleanDiv|Eq|Equality|False|Float|FloatTrueDiv|FloorDiv|"
    "FloorToInt|Ge|GreaterThan|Gt|Infinity|IntTrueDiv|Integer|Le|LessThan|Lt|Max|Min|Mod|"
    "ModularIndexing|Mul|Ne|NegativeInfinity|Not|Or|PythonMod|Rational|RoundToInt|"
    "StrictGreaterThan|StrictLessThan|Symbol|ToFloat|True|TruncToInt|Unequality|int_oo|integer|"
    "negative|nonnegative|oo|positive|precision|zero"
)
_SIGNS = re.compile(r"[\w\s+\-*/%(),=<>!&|~.']*")
_LONGEST = 2000
_POWER = re.compile(r"\*\*\s*\(?\s*(?!\d{1,2}\b)")

# What ends a name or a call in the code that torch writes from names.
_CODE = re.compile(r"[\"\\\n\r(){}=`]")
# These are values, comments and conditions; torch evaluates the last ones elsewhere, not here.
_FREE_TEXT = frozenset(
    ("as_string", "as_strings", "custom", "from_node", "guards_code", "stack_trace")
)
_CONTAINERS = frozenset(
    ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
)

_PLAIN = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/\w+|\.format_version|"
    r"data/weights/weight_\d+|data/constants/tensor_\d+|extra/.*"
)
_CONFIG = re.compile(r"data/(?:weights|constants)/\w+_config\.json")
_GRAPH = re.compile(r"models/[\w.-]+\.json|serialized_exported_program\.json")
_PICKLE = re.compile(r"data/(?:sample_inputs|weights|constants)/[\w.-]+\.pt|serialized_\w+\.pt")


def scan(names: Sequence[str], read: Read) -> tuple[Finding, ...]:
    """What a file would run, or could run.

    Parameters
    ----------
    names
        Members of the archive.
    read
        Gives a member's bytes.

    Returns
    -------
    tuple of Finding
        Empty if everything in the file is known to be harmless.

    Raises
    ------
    NetworkFileError
        If the file is damaged, so that nothing can be said about it.
    """
    found: list[Finding] = []
    for name in names:
        if name.endswith("/"):
            continue
        inner = member_of(name, names)
        if is_graph(inner):
            found += _in_graph(name, _json(name, read))
        elif _CONFIG.fullmatch(inner):
            found += _in_config(name, _json(name, read))
        elif _PICKLE.fullmatch(inner):
            found += _in_pickle(name, read(name))
        elif not _PLAIN.fullmatch(inner):
            found.append(Finding(name, _unknown(inner)))
    return tuple(found)


def member_of(name: str, names: Sequence[str]) -> str:
    """Name of a member without the folder that newer files put everything into."""
    folders = {other.split("/", 1)[0] for other in names}
    single = len(folders) == 1 and "/" in name
    return name.split("/", 1)[1] if single else name


def is_graph(inner: str) -> bool:
    """Whether a member, named without that folder, describes what the network computes."""
    return _GRAPH.fullmatch(inner) is not None


def _unknown(inner: str) -> str:
    if inner.startswith("data/aotinductor") or inner.endswith((".so", ".cubin", ".dll", ".dylib")):
        return "compiled code for this machine's processor"
    if inner.startswith("data/constants/"):
        return "an object of a class of its own, stored as a pickle"
    return "a part that files of torch.export do not have"


def _json(name: str, read: Read) -> Any:
    try:
        return json.loads(read(name))
    except (ValueError, RecursionError) as error:
        raise NetworkFileError(f"{name} is damaged: {error}") from error


def _in_config(name: str, content: Any) -> list[Finding]:
    try:
        entries = dict(content["config"]).items()
        found = []
        for key, entry in entries:
            path = str(entry["path_name"])
            if entry.get("use_pickle"):
                found.append(Finding(name, f"{_short(key)} is stored as a pickle"))
            elif not re.fullmatch(r"(?:weight|tensor)_\d+", path):
                found.append(Finding(name, f"{_short(key)} is an object of a class of its own"))
            if _CODE.search(key):
                found.append(Finding(name, f"the name {_short(key)} could become code"))
        return found
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkFileError(f"{name} is damaged: {error!r}") from error


def _in_pickle(name: str, content: bytes) -> list[Finding]:
    """A pickle that torch reads with ``weights_only``, and if that fails, without."""
    if not content:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        called = re.search(r"GLOBAL (\S+)", str(error))
        what = f"calls {called[1]}" if called else "holds more than tensors"
        return [Finding(name, f"a pickle that {what}")]
    except Exception as error:
        return [Finding(name, f"a pickle that can't be read safely: {type(error).__name__}")]
    return []


def _in_graph(name: str, content: Any) -> list[Finding]:
    found: dict[str, None] = {}  # each once, in order
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            for inner in value:
                if _CODE.search(inner):
                    found[f"the name {_short(inner)} could become code"] = None
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((key, item) for item in value)
        elif isinstance(value, str) and (what := _of_text(key, value)):
            found[what] = None
    return [Finding(name, what) for what in found]


def _of_text(key: str, text: str) -> str | None:
    """What a text in a graph could do; None if nothing."""
    if key == "target":
        return None if _is_known(text) else f"calls {_short(text)}"
    if key == "expr_str":
        return None if _is_arithmetic(text) else f"evaluates the expression {_short(text)}"
    if key in ("in_spec", "out_spec"):
        return None if _is_tree(text) else f"makes objects of other classes: {_short(text)}"
    if key in _FREE_TEXT or not _CODE.search(text):
        return None
    return f"the name {_short(text)} could become code"


def _is_known(target: str) -> bool:
    """Whether a function is one that computes and does nothing else."""
    if target in _OPERATORS or target in _MATH or target in _HIGHER:
        return True
    if _SYMBOLIC.fullmatch(target):
        return True
    return _ATEN.fullmatch(target) is not None and target.split(".")[3] not in _FILES


def _is_arithmetic(expression: str) -> bool:
    """Whether an expression, which is evaluated as Python, is one of sizes."""
    if len(expression) > _LONGEST or not _SIGNS.fullmatch(expression):
        return False
    rest = _SYMBOL.sub("Symbol(", expression)
    if "'" in rest or "__" in rest or _POWER.search(rest) or rest.count("**") > 1:
        return False
    return all(
        _KNOWN_WORDS.fullmatch(word) or _NAME.fullmatch(word) for word in _WORD.findall(rest)
    )


def _is_tree(text: str) -> bool:
    """Whether a description of nested containers names Python's own only."""
    try:
        waiting = [json.loads(text)] if text else []
    except (ValueError, RecursionError):
        return False
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            if value.get("type") not in (None, *_CONTAINERS):
                return False
            waiting += (item for key, item in value.items() if key not in ("type", "context"))
    return True


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}…")
