"""What a TorchScript file would do beside arithmetic, found without loading it.

The archive holds the network's source text, which torch compiles when it loads the file, and runs
when the network runs (``__setstate__`` even while it loads). The language can't reach Python, but
it can write and map files. So the text is parsed as Python, whose grammar it shares, and looked
through; what can't be parsed counts as found. A finding is no proof of bad intent, and no finding
is no proof of good.
"""

import ast
import pickletools
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

_FILES = {"save": "writes files", "from_file": "reads or writes files"}
# Also in what Python takes for a comment, should torch see it otherwise.
_CALL = re.compile(rf"\b({'|'.join(_FILES)})\s*\(")
_HOOKS = ("__setstate__", "__getstate__")
_NAMESPACES = ("aten", "prim")

_GLOBALS = {
    "builtins complex",
    "collections OrderedDict",
    "torch device",
    "torch.storage UntypedStorage",
    *(f"torch.jit._pickle build_{kind}list" for kind in ("bool", "double", "int", "tensor")),
    "torch.jit._pickle build_tensor_from_id",
    "torch.jit._pickle restore_type_tag",
    "torch._utils _rebuild_meta_tensor_no_storage",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_sparse_tensor",
    "torch._utils _rebuild_tensor_v2",
    *(
        f"torch {kind}Storage"
        for kind in (
            "BFloat16",
            "Bool",
            "Byte",
            "Char",
            "ComplexDouble",
            "ComplexFloat",
            "Double",
            "Float",
            "Half",
            "Int",
            "Long",
            "Short",
        )
    ),
}
_OTHER_GLOBALS = {"EXT1", "EXT2", "EXT4", "STACK_GLOBAL"}  # whose names stand elsewhere

# Bytes of one member and of all; real ones have less than a hundredth.
_LARGEST = 2**25
_TOTAL = 2**27


def scan(archive: zipfile.ZipFile | Mapping[str, bytes]) -> list[str]:
    """What speaks against running a TorchScript file.

    Parameters
    ----------
    archive
        The file as a zip archive, or its members by name.

    Returns
    -------
    list of str
        A sentence for each finding, with the member and line; empty if there is none.
    """
    findings: list[str] = []
    total = 0
    for name, size, read in _members(archive):
        look = _looks(name)
        if look is None:
            continue
        total += size
        if size > _LARGEST or total > _TOTAL:
            findings.append(f"{name} is too large to be looked through ({size:,} bytes).")
            continue
        try:
            found = look(read())
        except Exception as error:  # whatever bytes there are: zip, text and pickle may be broken
            found = [f"can't be read ({type(error).__name__}: {error})"]
        findings += [f"{name} {what}." for what in dict.fromkeys(found)]
    names = [name.lower() for name, _, _ in _members(archive)]
    for name, count in Counter(names).items():
        if count > 1:
            findings.append(f"{name} stands {count} times in the archive.")
    return findings


def _members(
    archive: zipfile.ZipFile | Mapping[str, bytes],
) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Name, size and content of all members."""
    if isinstance(archive, zipfile.ZipFile):
        for info in archive.infolist():

            def read(info: zipfile.ZipInfo = info) -> bytes:
                return archive.read(info)

            yield info.filename, info.file_size, read
    else:
        for name, content in archive.items():

            def give(content: bytes = content) -> bytes:
                return content

            yield name, len(content), give


def _looks(name: str) -> Callable[[bytes], list[str]] | None:
    lower = name.lower()
    if lower.endswith(".py"):
        return _in_source
    return _in_pickle if lower.endswith(".pkl") else None


def _in_source(content: bytes) -> list[str]:
    """Findings in source text."""
    text = content.decode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of strings with escapes that Python does not know
        tree = ast.parse(text)
    found = [what for node in ast.walk(tree) for what in _in_node(node)]
    if not found:
        found = [f"calls {match[1]}, which {_FILES[match[1]]}" for match in _CALL.finditer(text)]
    return found


def _in_node(node: ast.AST) -> list[str]:
    where = f"(line {getattr(node, 'lineno', 0)})"
    if isinstance(node, ast.FunctionDef) and node.name in _HOOKS:
        return [f"defines {node.name} {where}, which runs while the file is loaded"]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _imports(node, where)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
        return _getattr(node, where)
    if not isinstance(node, ast.Attribute):
        return []
    if node.attr in _FILES:
        return [f"calls {node.attr} {where}, which {_FILES[node.attr]}"]
    path = _path(node)
    if path in (["__torch__", "torch", "classes"], ["torch", "classes"]):
        return [f"uses torch.classes {where}, which are compiled code"]
    if path == ["torch", "load"]:
        return [f"calls torch.load {where}, which reads files"]
    inside = path[path.index("ops") + 1 :] if "ops" in path[:2] else []
    return _operation(inside[0], inside[1], where) if len(inside) == 2 else []


def _getattr(node: ast.Call, where: str) -> list[str]:
    """Findings where a name is given as a string."""
    words = [a.value for a in node.args if isinstance(a, ast.Constant)]
    found = [f"calls {word} {where}, which {_FILES[word]}" for word in words if word in _FILES]
    if not found and node.args and _path(node.args[0])[:1] in (["ops"], ["torch"]):
        found = [f"hides the name of an operation {where}"]
    return found


def _operation(namespace: str, name: str, where: str) -> list[str]:
    """Findings in ``ops.namespace.name``."""
    foreign = namespace not in _NAMESPACES
    if foreign or (namespace == "prim" and ("rpc" in name or "Python" in name)):
        return [f"calls {namespace}.{name} {where}, which is not an operation of torch's own"]
    return []


def _imports(node: ast.Import | ast.ImportFrom, where: str) -> list[str]:
    """Old files import one another, and nothing else can be imported."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
    foreign = [str(name) for name in names if not str(name).startswith("__torch__")]
    return [f"imports {name} {where}" for name in foreign]


def _path(node: ast.expr) -> list[str]:
    """Names of a dotted expression, such as ``["ops", "prim", "dtype"]``."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _in_pickle(content: bytes) -> list[str]:
    """Findings in a pickle, which torch reads with an unpickler of its own."""
    found = []
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _OTHER_GLOBALS:
            found.append(f"has the pickle instruction {opcode.name}, which torch does not write")
        elif opcode.name in ("GLOBAL", "INST") and not _is_known(str(argument)):
            found.append(f"names {str(argument).replace(' ', '.')}, which is no part of a network")
    return found


def _is_known(name: str) -> bool:
    if name.startswith(("__torch__ ", "__torch__.")):  # module and name are apart
        return not name.startswith("__torch__.torch.classes")
    return name in _GLOBALS
