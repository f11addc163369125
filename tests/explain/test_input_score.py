"""The score as a function of the input."""

import numpy as np
import pytest
import torch
from torch import nn

import napari_seggradcam as sgc
from input_scores import Mixing, OneByOne, box, network_of, score_of, sum_over
from napari_seggradcam.errors import NetworkError, OutOfMemory
from napari_seggradcam.explain.input_score import gradients_told
from progress import Progress

SHAPE = (24, 32)
IMAGE = torch.from_numpy(np.random.default_rng(0).random((1, 1, *SHAPE), np.float32))


def unet() -> nn.Module:
    return sgc.UNet(depth=1, base_width=4)


def test_every_input_of_a_batch_gets_its_score() -> None:
    module = unet().eval()
    inputs = torch.cat([IMAGE, 2 * IMAGE, -IMAGE])
    with score_of(network_of(module), IMAGE, sum_over(box(*SHAPE))) as score:
        scores = score(inputs)
    with torch.no_grad():
        expected = sum_over(box(*SHAPE))(module(inputs))
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-4)
    assert scores.dtype == torch.float64
    assert not scores.requires_grad


def test_an_activation_at_the_end_is_left_out() -> None:
    inner = unet()
    both = []
    for module in (inner, nn.Sequential(inner, nn.Softmax(1))):
        with score_of(network_of(module), IMAGE, sum_over(box(*SHAPE))) as score:
            both.append(float(score(IMAGE)))
    assert both[0] == both[1]


def test_batches_are_as_large_as_pixels_allow_and_the_network_takes() -> None:
    for wrap, expected in ((nn.Identity, 341), (OneByOne, 1), (Mixing, 1)):
        module = nn.Sequential(unet(), nn.Identity()) if wrap is nn.Identity else wrap(unet())
        progress = Progress()
        options = {"progress": progress}
        with score_of(network_of(module), IMAGE, sum_over(box(*SHAPE)), **options) as score:
            assert score.batch == expected  # 2^18 pixels by 24 × 32
        assert progress.told == []  # to find that out is no run
    large = torch.zeros(1, 1, 512, 512)
    with score_of(network_of(nn.Conv2d(1, 2, 1)), large, sum_over(box(512, 512))) as score:
        assert score.batch == 1


def test_what_torch_raises_is_told() -> None:
    with pytest.raises(NetworkError, match=r"No gradient .* because"), gradients_told():
        raise RuntimeError("because")
    with pytest.raises(OutOfMemory), gradients_told():
        raise RuntimeError("can't allocate memory: 99 GiB")
