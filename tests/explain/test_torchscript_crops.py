"""Seg-Grad-CAM of mirrored TorchScript networks, against the modules they were made of."""

from pathlib import Path

import numpy as np
import pytest
import torch

import napari_seggradcam as sgc
from napari_seggradcam.networks.torchscript.mirroring import mirror
from torchscript_files import SmallUNet, noisy, written


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (SmallUNet, "traced"),
        (SmallUNet, "scripted"),
        (lambda: sgc.UNet(depth=2, base_width=4), "traced"),
    ],
    ids=["small, traced", "small, scripted", "own, traced"],
)
def test_every_network_layer_equals_the_module(make, how, oracle, tmp_path: Path) -> None:
    module = noisy(make)
    image = np.random.default_rng(2).random((24, 32), np.float32)
    mask = np.zeros(image.shape, bool)
    mask[6:12, 8:16] = True
    scripted = written(module, torch.from_numpy(image)[None, None], how, tmp_path)
    eager, mine = (sgc.Network.from_module(m) for m in (module, mirror(scripted)))
    assert mine.layers == eager.layers
    truths = oracle(eager, image, mask.astype(float), 1)
    explanation = sgc.explain(mine, image, mask, target=1, layers="all")
    assert list(explanation.layers) == [layer.name for layer in eager.layers]
    for layer in eager.layers:
        errors = truths[layer.name].errors(explanation[layer.name])
        assert max(errors) <= 1e-5, (layer.name, errors)
    np.testing.assert_allclose(
        mine.at_precision("float64").predict(image), eager.predict(image), atol=1e-5
    )
