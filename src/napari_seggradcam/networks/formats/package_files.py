"""BioImage.IO packages: the description, and the files that it names.

bioimageio.spec reads the description, after its structure was looked at here: it would follow
loops and unfold what is written down once and meant a billion times. Files are read from the
package alone, with the digests that the description gives; nothing is ever downloaded.
"""

import io
import warnings
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import yaml
from numpy.typing import NDArray

from ...errors import MissingPackage, NetworkFileError
from .contents import Contents

_USUAL = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
_FEW = 16  # YAML files that are looked into to find the description
_TEXT = 2**18  # bytes of a description; those of people have some thousand
_NODES = 50_000  # what it may unfold to; those of people have some hundred
_TENSOR = 2**28  # bytes of a test tensor
_WEIGHTS = 2**33


def description_in(contents: Contents) -> str | None:
    """Name of the description in a package, empty for a description alone; None: it has none."""
    if contents.is_folder or contents.is_zip:
        names = [n for n in contents.names if n.count("/") < 2 and n.endswith((".yaml", ".yml"))]
        names.sort(key=lambda name: (name.count("/"), _rank(name), name))
        return next((name for name in names[:_FEW] if _describes(contents, name)), None)
    is_text = not (contents.is_pickle or contents.is_safetensors or b"\0" in contents.start)
    return "" if is_text and _describes(contents, "") else None


class Package:
    """A BioImage.IO package: an archive, a folder, or a description with its files beside it.

    Parameters
    ----------
    contents
        In which `description_in` finds a description.
    """

    def __init__(self, contents: Contents):
        self.contents = contents
        self._name = description_in(contents) or ""

    @property
    def is_description_alone(self) -> bool:
        """Whether the digest of the contents is that of the description alone."""
        return not (self.contents.is_folder or self.contents.is_zip)

    @cached_property
    def content(self) -> dict[str, Any]:
        """What is written in the description.

        Raises
        ------
        NetworkFileError
            If it can't be read.
        """
        content = read_description(self.contents.read(self._name), self._where)
        _leave_out(content, "inputs", "output_of")  # what it names would be looked up online
        # Of format 0.4, which the newest can't say of outputs of one size; not needed here.
        _leave_out(content, "outputs", "halo")
        return content

    @cached_property
    def description(self) -> Any:
        """The description as the newest ``bioimageio.spec.model.ModelDescr``.

        Raises
        ------
        NetworkFileError
            If it does not follow the specification.
        MissingPackage
            If bioimageio.spec is not installed.
        """
        spec = _load_spec()
        context = spec.ValidationContext(perform_io_checks=False, log_warnings=False)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                described = spec.build_description(
                    self.content, context=context, format_version="latest"
                )
        except Exception as error:
            raise NetworkFileError(
                f"{self._where} can't be read as a description of a network: {error}"
            ) from error
        if isinstance(described, spec.InvalidDescr):
            raise NetworkFileError(
                f"{self._where} does not follow the specification of BioImage.IO: "
                f"{_faults(described)}. Ask its authors to mend it (bioimageio validate-format)."
            )
        if not isinstance(described, spec.model.ModelDescr):
            raise NetworkFileError(
                f"{self._where} describes a {content_type(self.content)}; expected a model."
            )
        return described

    def has(self, file: Any) -> bool:
        """Whether a file that is described lies in the package."""
        return self._member(file) is not None

    def file(self, file: Any) -> Contents:
        """A file of the package; one out of an archive is there until `contents` is cleared.

        Parameters
        ----------
        file
            A ``FileDescr`` of the description.

        Raises
        ------
        NetworkFileError
            If it is missing, or is not the one that the description means.
        """
        member = self.locate(file)
        if isinstance(member, Path):
            inner = Contents(member)
        else:
            inner = self.contents.unpacked(member, _WEIGHTS)
        self._check(file, inner.sha256)
        return inner

    def text(self, file: Any) -> str:
        """Text of a file; for what it raises see `file`."""
        return self.file(file).read_text()

    def array(self, file: Any) -> NDArray[Any]:
        """Array of a ``.npy`` file; for what it raises see `file`."""
        return read_array(self.file(file).read(most=_TENSOR), str(file.source))

    def locate(self, file: Any) -> str | Path:
        """Member of the archive, or path; for what it raises see `file`."""
        member = self._member(file)
        if member is not None:
            return member
        source = str(file.source)
        if _is_remote(source):
            raise NetworkFileError(
                f"{self._where} needs {source}, which is not in the package. Nothing is "
                f"downloaded here: download it yourself, put it beside the description as "
                f"{_last_part(source)}, and open that again."
            )
        raise NetworkFileError(
            f"{self._where} needs {source}, which is not in the package, or lies outside of it. "
            "Get the whole package."
        )

    def _member(self, file: Any) -> str | Path | None:
        """Member of the archive, or path of a file; None where it has none."""
        source = str(file.source)
        part = PurePosixPath(_last_part(source) if _is_remote(source) else source)
        if part.is_absolute() or ".." in part.parts or not part.parts:
            return None
        if self.is_description_alone:
            home = self.contents.path.parent.resolve()
            path = (home / part).resolve()
            return path if path.is_relative_to(home) and path.is_file() else None
        name = (PurePosixPath(self._name).parent / part).as_posix()
        if name not in self.contents.names:
            return None
        return self.contents.path / name if self.contents.is_folder else name

    def _check(self, file: Any, sha256: str) -> None:
        if file.sha256 is not None and str(file.sha256) != sha256:
            raise NetworkFileError(
                f"{file.source} of {self._where} has the sha256 {sha256}, and the description says "
                f"{file.sha256}; one of them was changed or is damaged. Get the package again."
            )

    @property
    def _where(self) -> str:
        return f"{self._name} in {self.contents.path}" if self._name else str(self.contents.path)


def read_description(content: bytes, where: str) -> dict[str, Any]:
    """Values of a description, of which structure and size were looked at first.

    Raises
    ------
    NetworkFileError
        If it is no YAML, too large, has loops or is no mapping.
    """
    if len(content) > _TEXT:
        raise NetworkFileError(
            f"{where} has {len(content):,} bytes; a description of a network has at most {_TEXT:,}."
        )
    try:
        text = content.decode("utf-8")
        nodes = _unfolded(yaml.compose(text, Loader=yaml.SafeLoader), {}, set())
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise NetworkFileError(f"{where} can't be read as YAML: {error}") from error
    if nodes > _NODES:
        raise NetworkFileError(
            f"{where} is refused: it would unfold to {nodes:,} entries. Expected the description "
            "of a network."
        )
    spec = _load_spec()
    try:
        values = spec.utils.read_yaml(text)
    except Exception as error:  # of another parser
        raise NetworkFileError(f"{where} can't be read as YAML: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise NetworkFileError(f"{where} has no named entries; expected those of BioImage.IO.")
    return values


def read_array(content: bytes, where: str) -> NDArray[Any]:
    """Array of a ``.npy`` file; nothing is unpickled, and nothing larger than the file allocated.

    Raises
    ------
    NetworkFileError
        If it is no such file, or its size is not what its header says.
    """
    try:
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read_header = np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        size = dtype.itemsize * int(np.prod(shape, dtype=object))
        if dtype.kind not in "biuf" or size != len(content) - file.tell():
            raise ValueError(f"it says that it has {size:,} bytes of {dtype}")
        found: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, TypeError, EOFError, OSError, SyntaxError) as error:
        raise NetworkFileError(f"{where} is no array that can be read: {error}") from error
    return found


def _leave_out(content: dict[str, Any], tensors: str, name: str) -> None:
    """Remove an entry from the descriptions of tensors."""
    described = content.get(tensors)
    for tensor in described if isinstance(described, list) else ():
        if isinstance(tensor, dict):
            tensor.pop(name, None)


def content_type(content: dict[str, Any]) -> str:
    """What is described, in one word."""
    return str(content.get("type", "resource"))


def _load_spec() -> Any:
    try:
        import bioimageio.spec
        import bioimageio.spec.model
        import bioimageio.spec.utils
    except Exception as error:  # packages that do not fit each other raise all kinds
        raise MissingPackage(
            f"Opening BioImage.IO packages needs bioimageio.spec, which can't be imported "
            f'({error}). Install it: pip install "napari-seggradcam[bioimageio]"'
        ) from error
    return bioimageio.spec


def _describes(contents: Contents, name: str) -> bool:
    try:
        text = contents.read(name)
    except NetworkFileError:
        return False
    return b"format_version" in text and b"weights" in text


def _rank(name: str) -> int:
    """Usual names first, then those that end in them, as bioimageio.spec has it."""
    last = name.rsplit("/", 1)[-1]
    if last in _USUAL:
        return _USUAL.index(last)
    return len(_USUAL) + (not last.endswith(tuple(f".{usual}" for usual in _USUAL)))


def _unfolded(node: yaml.Node | None, known: dict[int, int], above: set[int]) -> int:
    """How many entries a document has when everything stands where it is meant."""
    key = id(node)
    if key in above:
        raise ValueError("it refers to itself")
    if key in known:
        return known[key]
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        if any(name.tag == "tag:yaml.org,2002:merge" for name, _ in node.value):
            raise ValueError("it merges entries (<<); expected them written out")
        children = [part for pair in node.value for part in pair]
    above.add(key)
    known[key] = 1 + sum(_unfolded(child, known, above) for child in children)
    above.remove(key)
    return known[key]


def _faults(described: Any) -> str:
    """The first faults that were found, in words."""
    errors = [e for detail in described.validation_summary.details for e in detail.errors]
    words = [f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in errors]
    more = f" … ({len(words)} in all)" if len(words) > 3 else ""
    return "; ".join(words[:3]) + more


def _is_remote(source: str) -> bool:
    return "://" in source


def _last_part(url: str) -> str:
    """Name of the file that a URL is of; Zenodo's end in /content."""
    path = PurePosixPath(urlsplit(url).path)
    return unquote(path.parent.name if path.name == "content" else path.name)
