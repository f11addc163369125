"""Images that take more memory than is free are refused, and it is said what to do."""

import math

import psutil
import pytest
import torch
from test_crops import network_of

import napari_seggradcam as sgc
from architectures import SqueezeExcitation
from napari_seggradcam.explain import fitting
from napari_seggradcam.explain.fitting import check_fits, free_memory, needed_memory
from napari_seggradcam.explain.passes import bytes_per_pixel

SHAPE = (3000, 4000)


def with_free(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(fitting, "free_memory", lambda device: number)


def test_an_image_that_fits_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of("own")
    needed = needed_memory(network, SHAPE)
    with_free(monkeypatch, needed)
    check_fits(network, SHAPE)
    with_free(monkeypatch, needed - 1)
    with pytest.raises(sgc.ImageError, match=r"3,000 × 4,000 pixels takes about 1\.39 GiB.*free"):
        check_fits(network, SHAPE)


@pytest.mark.parametrize("local", [True, False])
def test_the_advice_is_one_that_helps(monkeypatch: pytest.MonkeyPatch, local: bool) -> None:
    network = network_of("own") if local else sgc.Network.from_module(SqueezeExcitation())
    with_free(monkeypatch, 2**30 // 2)
    with pytest.raises(sgc.ImageError) as refused:
        check_fits(network, (9000, 9000))
    assert "0.5 GiB are free" in str(refused.value)
    assert ("explain_large" in str(refused.value)) == local
    assert ("seggradcam explain --large" in str(refused.value)) == local
    assert "choose a part of the image" in str(refused.value)


def test_gradients_of_the_whole_and_double_precision_take_more() -> None:
    network = network_of("own")
    everything = bytes_per_pixel(network) * math.prod(SHAPE)
    assert needed_memory(network, SHAPE) == pytest.approx(everything / 3, abs=1)
    double = network.at_precision("float64")
    assert needed_memory(double, SHAPE) == pytest.approx(2 * everything / 3, abs=1)
    seeing = sgc.Network.from_module(SqueezeExcitation())
    assert needed_memory(seeing, SHAPE) == bytes_per_pixel(seeing) * math.prod(SHAPE)


def test_what_is_free_is_asked_where_the_network_is(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_memory(torch.device("cpu"))
    assert 0 < free <= psutil.virtual_memory().total
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 9))
    assert free_memory(torch.device("cuda", 0)) == 7
