"""Which files napari gives to the dock as networks."""

import zipfile
from pathlib import Path

import pytest

from napari_seggradcam.errors import NetworkFileError
from napari_seggradcam.widgets.network_reader import get_reader


def an_archive(path: Path, member: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "name: x")
    return str(path)


def test_only_archives_that_may_be_networks_are_taken(tmp_path: Path) -> None:
    assert get_reader(an_archive(tmp_path / "a.zip", "model/rdf.yaml")) is not None
    assert get_reader(an_archive(tmp_path / "b.zip", "holiday.txt")) is None
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    assert get_reader(str(tmp_path / "broken.zip")) is None
    (tmp_path / "rdf.yaml").write_text("name: x")
    (tmp_path / "notes.yaml").write_text("name: x")
    assert get_reader([str(tmp_path / "rdf.yaml")]) is not None
    assert get_reader(str(tmp_path / "notes.yaml")) is None
    assert get_reader(["a.pt", "b.pt"]) is None
    assert get_reader("a.pt") is not None


def test_without_a_window_it_says_so(tmp_path: Path) -> None:
    read = get_reader("a.pt")
    assert read is not None
    with pytest.raises(NetworkFileError, match="opens in napari's window"):
        read("a.pt")
