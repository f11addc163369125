"""What is loaded when: nothing heavy before it is used."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "napari", "qtpy", "PyQt6", "matplotlib", "pandas", "dask", "skimage", "sklearn"}


def loaded_after(statement: str) -> set[str]:
    """Top-level packages that a new interpreter holds after the statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
        ).stdout.split()
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not HEAVY & loaded_after("import napari_seggradcam")


def test_listing_the_public_names_loads_nothing_heavy() -> None:
    assert not HEAVY & loaded_after("import napari_seggradcam; dir(napari_seggradcam)")


def test_the_errors_load_nothing_heavy() -> None:
    assert not HEAVY & loaded_after("from napari_seggradcam import SegGradCamError")


def test_the_command_line_says_what_it_can_do_without_torch_or_napari() -> None:
    assert not {"torch", "napari"} & loaded_after("import napari_seggradcam.cli")


@pytest.mark.parametrize("room", ["geometry", "store"])
def test_geometry_and_store_work_without_torch_and_napari(room: str) -> None:
    modules = (
        f"import importlib, pkgutil, napari_seggradcam.{room} as room\n"
        "for module in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(module.name)"
    )
    assert not {"torch", "napari", "qtpy"} & loaded_after(modules)


def test_the_viewer_works_without_qt() -> None:
    modules = (
        "import importlib, pkgutil, napari_seggradcam.viewer as room\n"
        "for module in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(module.name)"
    )
    assert not {"torch", "qtpy", "PyQt6"} & loaded_after(modules)


@pytest.mark.parametrize("dock", ["dock", "comparison.dock"])
def test_a_dock_opens_without_torch(dock: str) -> None:
    """torch takes a second or more: it is imported in a worker, when it is needed."""
    loaded = loaded_after(f"import napari_seggradcam.widgets.{dock}")
    assert not {"torch", "sklearn", "napari_matplotlib"} & loaded
