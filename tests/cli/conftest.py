"""A small image, a small untrained network, and the program to call."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner, Result

import napari_seggradcam as sgc
from napari_seggradcam.cli import app
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.networks.unet import UNet

Call = Callable[..., Result]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Paths of what every command needs."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 4000, (48, 64), dtype=np.uint16)
    labels = np.zeros((48, 64), np.uint16)
    labels[4:12, 6:20] = 3
    labels[30:40, 40:60] = 7
    tifffile.imwrite(folder / "image.tif", image)
    tifffile.imwrite(folder / "labels.tif", labels)
    torch.manual_seed(1)
    module = UNet(depth=2, base_width=4)
    network = Network.from_module(
        module, classes=("background", "nucleus"), normalisation=Percentile(), name="small"
    )
    path = network.save(folder / "small.safetensors")
    return SimpleNamespace(
        image=folder / "image.tif", labels=folder / "labels.tif", network=Path(path)
    )


@pytest.fixture(scope="module")
def explainer(files: SimpleNamespace) -> sgc.Explainer:
    """The API's, of that image and network."""
    return sgc.Explainer(sgc.open_network(files.network), tifffile.imread(files.image), "YX")


@pytest.fixture
def call() -> Call:
    """Call the program with words; the exit status and both streams come back."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words])

    return run
