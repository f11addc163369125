"""The package as it is installed: version, names, manifest, licence."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import npe2
import pytest

import napari_seggradcam

ROOT = Path(__file__).parents[1]
PACKAGE = Path(napari_seggradcam.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_version() -> None:
    assert version("napari-seggradcam") == napari_seggradcam.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{napari_seggradcam.__version__}]" in changelog
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {napari_seggradcam.__version__}\n" in citation


@pytest.mark.parametrize("name", napari_seggradcam.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(napari_seggradcam, name) is not None
    assert name in dir(napari_seggradcam)


def test_type_checkers_see_the_names_that_python_sees() -> None:
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    typed = set(re.findall(r"\w+", " ".join(re.findall(r"import ([\w, ]+|\([^)]*\))", source))))
    assert set(napari_seggradcam.__all__) - {"__version__"} <= typed


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        napari_seggradcam.no_such_name  # noqa: B018


@pytest.mark.parametrize("first", ["Explainer", "explain", "pixel"])
def test_explain_can_be_called_whatever_was_imported_first(first: str) -> None:
    """The function and the room that it lives in have the same name."""
    code = (
        f"import napari_seggradcam as sgc; sgc.{first}; import napari_seggradcam.explain.regions;"
        "assert callable(sgc.explain)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_manifest_on_top_is_the_one_in_the_package() -> None:
    on_top = ROOT / "napari.yaml"
    assert on_top.read_bytes() == (ROOT / "src/napari_seggradcam/napari.yaml").read_bytes()
    assert on_top.is_symlink()
    assert not on_top.readlink().is_absolute()


def test_napari_finds_the_manifest() -> None:
    (entry,) = entry_points(group="napari.manifest", name="napari-seggradcam")
    manifest = npe2.PluginManifest.from_distribution("napari-seggradcam")
    assert entry.value == "napari_seggradcam:napari.yaml"
    assert manifest.name == PROJECT["name"]
    manifest.validate_imports()


def test_everything_that_all_promises_is_an_extra() -> None:
    extras = PROJECT["optional-dependencies"]
    (everything,) = extras["all"]
    named = set(everything.partition("[")[2].rstrip("]").split(","))
    assert named == set(extras) - {"all"}


def test_the_base_brings_no_qt() -> None:
    names = {
        re.split(r"[\[<>=]", requirement)[0].lower() for requirement in PROJECT["dependencies"]
    }
    assert not names & {"pyqt5", "pyqt6", "pyside6", "torchvision"}
    assert not any(requirement.startswith("napari[") for requirement in PROJECT["dependencies"])


def test_every_import_is_a_dependency() -> None:
    imported = {name for path in PACKAGE.rglob("*.py") for name in _third_party(path)}
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    asked = {_normal(re.split(r"[\[<>=]", line)[0]) for line in PROJECT["dependencies"] + extras}
    names = {
        "bioimageio": "bioimageio.spec",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
        "yaml": "pyyaml",
    }
    assert {_normal(names.get(name, name)) for name in imported} <= asked


def _third_party(path: Path) -> set[str]:
    """Top-level names of all packages that a module imports, also inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules.add(node.module)
    return {module.partition(".")[0] for module in modules} - sys.stdlib_module_names


def test_constraints_name_every_direct_dependency() -> None:
    """Otherwise the set that was tested would not be the set that is installed."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_normal(line.partition("==")[0]) for line in lines if not line.startswith("#")}
    asked = {_normal(re.split(r"[\[<>=]", line)[0]) for line in PROJECT["dependencies"]}
    assert asked <= pinned
    assert not any("+" in line for line in lines if not line.startswith("#"))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
