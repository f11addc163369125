"""What lies at a path, looked at without running any of it.

Everything here reads bytes and names; nothing is unpickled or imported. Archives are refused that
would fill the disk or the memory, or whose members lie outside of them.
"""

import hashlib
import shutil
import struct
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import NetworkFileError

_MANY = 100_000  # members of an archive, or files of a folder
_LARGE = 2**30  # bytes that an archive may unfold to, however small it is
_RATIO = 20  # by how much more than it has, above that; weights hardly get smaller
_TEXT = 2**24  # bytes of a description; those of people have some thousand
_DAMAGED = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    UnicodeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class Contents:
    """A file, an archive or a folder.

    Parameters
    ----------
    path
        Where it lies.

    Raises
    ------
    NetworkFileError
        If nothing is there, it can't be read, or an archive is damaged or not to be opened.
    """

    def __init__(self, path: Path):
        self.path = path
        self.is_folder = path.is_dir()
        if not self.is_folder and not path.is_file():
            raise NetworkFileError(f"There is no network file {path}; expected an existing file.")
        with self._readable():
            self.start = b"" if self.is_folder else _start_of(path)
        self.is_zip = self.start.startswith(b"PK\x03\x04")
        self.names = self._names()
        self._unpacked: dict[str, tuple[Contents, Callable[[], Any]]] = {}

    @property
    def is_safetensors(self) -> bool:
        """Whether it looks like a safetensors file: eight bytes of length, then JSON."""
        return self.start[8:9] == b"{"

    @property
    def is_pickle(self) -> bool:
        """Whether it begins as pickles do, of torch before 1.6 as well."""
        return self.start[:1] == b"\x80" and self.start[1:2] <= b"\x05"

    def find(self, *ends: str) -> str | None:
        """The first member whose last part has one of some names, nearest to the root."""
        found = [name for name in self.names if name.rsplit("/", 1)[-1] in ends]
        return min(found, key=lambda name: name.count("/"), default=None)

    def read(self, name: str = "", most: int = _TEXT) -> bytes:
        """Bytes of a member, or of the file itself.

        Parameters
        ----------
        name
            As in `names`; empty: the file.
        most
            How many bytes it may have.

        Raises
        ------
        NetworkFileError
            If there is no such member, it is damaged or larger.
        """
        with self._readable():
            if name and name not in self.names:
                raise NetworkFileError(f"{self.path} has no {name}; it is incomplete.")
            if name and self.is_zip:
                with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                    content = file.read(most + 1)
            else:
                with (self.path / name if name else self.path).open("rb") as file:
                    content = file.read(most + 1)
        if len(content) > most:
            what = f"{name} in {self.path}" if name else str(self.path)
            raise NetworkFileError(f"{what} has more than {most:,} bytes; expected a smaller one.")
        return content

    def unpacked(self, name: str, most: int) -> "Contents":
        """A member of an archive as a file, until `clear` is called; see `read`.

        It is written once, so that what was looked at is what is opened.
        """
        if name not in self._unpacked:
            content = self.read(name, most=most)
            folder = Path(tempfile.mkdtemp(prefix="seggradcam-"))
            remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            path = folder / PurePosixPath(name).name
            path.write_bytes(content)
            self._unpacked[name] = Contents(path), remove
        return self._unpacked[name][0]

    def clear(self) -> None:
        """Delete the files that were unpacked, which otherwise last as long as this does."""
        for _, remove in self._unpacked.values():
            remove()
        self._unpacked.clear()

    def read_text(self, name: str = "") -> str:
        """Text of a member, or of the file itself; see `read`."""
        try:
            return self.read(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise NetworkFileError(f"{name or self.path} is no text: {error}") from error

    @cached_property
    def sha256(self) -> str:
        """Digest of the file, or of the names and digests of a folder's files."""
        with self._readable():
            if not self.is_folder:
                return file_sha256(self.path)
            digest = hashlib.sha256()
            for name in self.names:
                digest.update(f"{name}\0{file_sha256(self.path / name)}\n".encode())
            return digest.hexdigest()

    def _names(self) -> tuple[str, ...]:
        """Names of the members, with ``/`` between folders."""
        with self._readable():
            if self.is_folder:
                return tuple(sorted(self._files()))
            return tuple(self._members()) if self.is_zip else ()

    def _files(self) -> Iterator[str]:
        for number, path in enumerate(self.path.rglob("*")):
            if number > _MANY:
                raise NetworkFileError(
                    f"{self.path} has more than {_MANY:,} files; choose the network's own folder."
                )
            if path.is_file() and path.resolve().is_relative_to(self.path.resolve()):
                yield path.relative_to(self.path).as_posix()

    def _members(self) -> Iterator[str]:
        with zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
        size = sum(member.file_size for member in members)
        allowed = max(_LARGE, _RATIO * self.path.stat().st_size)
        names = {member.filename for member in members}
        if len(members) > _MANY or size > allowed or len(names) < len(members):
            raise NetworkFileError(
                f"{self.path} is refused: an archive of {len(members):,} members, which would "
                f"unfold to {size:,} bytes. Expected a network's, with each name once."
            )
        for member in members:
            if not _stays_inside(member):
                raise NetworkFileError(
                    f"{self.path} is refused: its member {member.filename!r} would lie outside of "
                    "the archive, or is a link or locked. Expected ordinary files."
                )
            if not member.is_dir():
                yield member.filename

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except NetworkFileError:
            raise
        except _DAMAGED as error:
            raise NetworkFileError(
                f"{self.path} can't be read, it may be damaged: {error}"
            ) from error


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _stays_inside(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    is_link = (member.external_attr >> 28) == 0o12
    is_locked = bool(member.flag_bits & 1)
    has_drive = ":" in name.parts[0] if name.parts else True
    return not (name.is_absolute() or ".." in name.parts or is_link or is_locked or has_drive)
