"""The manifest: what napari finds of the plugin."""

import inspect
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_seggradcam
from napari_seggradcam.viewer import reader
from napari_seggradcam.widgets import network_reader
from napari_seggradcam.widgets.settings import _KEYS, Settings

PACKAGED = Path(napari_seggradcam.__file__).parent / "napari.yaml"
AT_THE_TOP = Path(__file__).parents[1] / "napari.yaml"


@pytest.fixture
def manifest() -> PluginManifest:
    return PluginManifest.from_file(PACKAGED)


def test_link_at_the_top_is_the_packaged_file() -> None:
    assert AT_THE_TOP.read_bytes() == PACKAGED.read_bytes()


def test_entry_point_leads_to_the_manifest(manifest: PluginManifest) -> None:
    (entry,) = entry_points(group="napari.manifest", name="napari-seggradcam")
    assert entry.value == "napari_seggradcam:napari.yaml"
    assert manifest.name == "napari-seggradcam"


def test_everything_that_is_named_can_be_imported(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name))


def test_dock_widgets_take_the_viewer_and_are_in_the_menu(manifest: PluginManifest) -> None:
    widgets = manifest.contributions.widgets
    names = [widget.display_name for widget in widgets]
    assert names == ["Seg-Grad-CAM", "Compare weights and layers"]
    for widget in widgets:
        cls = manifest_command(manifest, widget.command)
        assert "napari_viewer" in inspect.signature(cls).parameters
    items = manifest.contributions.menus["napari/layers/visualize"]
    assert [item.command for item in items] == [widget.command for widget in widgets]


def test_samples_and_readers(manifest: PluginManifest) -> None:
    assert [sample.key for sample in manifest.contributions.sample_data] == ["nuclei", "streets"]
    explanations, networks = manifest.contributions.readers
    assert explanations.filename_patterns == ["*.sgc.zarr"]
    assert explanations.accepts_directories
    assert manifest_command(manifest, explanations.command) is reader.get_reader
    assert {"*.pt", "*.onnx", "*.safetensors", "*.zip"} <= set(networks.filename_patterns)
    assert manifest_command(manifest, networks.command) is network_reader.get_reader


def test_preferences_are_those_that_the_dock_reads(manifest: PluginManifest) -> None:
    declared = {
        (category, name): prop.default
        for category, group in manifest.contributions.configurations.items()
        for name, prop in group.properties.items()
    }
    assert declared == {key: getattr(Settings(), field) for field, key in _KEYS.items()}


def manifest_command(manifest: PluginManifest, command: str) -> object:
    (found,) = (one for one in manifest.contributions.commands if one.id == command)
    return import_python_name(found.python_name)
