"""Memory that runs out: the same answer by smaller pieces, or a clear error."""

import numpy as np
import pytest
import torch
from torch import nn

import napari_seggradcam as sgc
from architectures import SqueezeExcitation
from napari_seggradcam.networks.running import shortage_told

IMAGE = np.random.default_rng(3).random((200, 230), np.float32)
LABELS = np.zeros(IMAGE.shape, int)
LABELS[20:40, 30:50], LABELS[150:160, 100:200] = 1, 2
MOST = 17_000  # of 46,400 pixels; the strips on which the reach is measured have 16,384


class Small(nn.Module):
    """A network on a device with little memory."""

    def __init__(self, module: nn.Module, most: int):
        super().__init__()
        self.module = module
        self.most = most
        self.largest = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pixels = len(x) * x[0, 0].numel()
        if pixels > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.largest = max(self.largest, pixels)
        return self.module(x)


def network(most: int = 10**9, **options: object) -> sgc.Network:
    torch.manual_seed(0)
    found = sgc.Network.from_module(
        Small(sgc.UNet(depth=2, base_width=4, **options), 10**9), channels=1
    )
    assert found.layers  # everything about it is found out while there is memory
    found.module.most, found.module.largest = most, 0
    return found


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("region", [sgc.pixel(9, 200), sgc.everywhere(), LABELS == 2])
def test_the_answer_is_the_same_by_smaller_pieces(region: object, once: bool) -> None:
    expected = sgc.explain(network(), IMAGE, region, target=1, layers="all")
    small = network(most=MOST)
    explainer = sgc.Explainer(small, IMAGE, once=once)
    with pytest.warns(RuntimeWarning, match=r"Memory ran out.*Going on with"):
        found = explainer.explain(region, 1, "all")
    assert 0 < small.module.largest <= MOST
    assert found.score == pytest.approx(expected.score, rel=1e-5)
    for name, heatmap in found.items():
        largest = np.abs(expected[name].signed).max()
        np.testing.assert_allclose(
            heatmap.signed, expected[name].signed, rtol=0, atol=2e-5 * largest, err_msg=name
        )
        assert heatmap.empty == expected[name].empty
    again = explainer.explain(sgc.pixel(3, 3), 1, "all")  # no further shortage
    assert again.region_size == 1


def test_many_labels_and_the_prediction() -> None:
    expected = sgc.Explainer(network(), IMAGE).explain_each(LABELS, "predicted", "levels")
    with pytest.warns(RuntimeWarning, match="Memory ran out"):
        found = sgc.Explainer(network(most=MOST), IMAGE).explain_each(LABELS, "predicted", "levels")
    for value, explanation in expected.items():
        assert found[value].target == explanation.target
        for name, heatmap in explanation.items():
            largest = np.abs(heatmap.signed).max()
            np.testing.assert_allclose(
                found[value][name].signed, heatmap.signed, rtol=0, atol=2e-5 * largest
            )


def test_what_can_not_be_divided_is_a_clear_error() -> None:
    small = network()
    sgc.explain(small, IMAGE, sgc.pixel(3, 3), target=1)
    small.module.most = 100
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(sgc.OutOfMemory, match=r"needs 2,\d+ pixels, so that .* can't be divided"),
    ):
        sgc.explain(small, IMAGE, sgc.pixel(3, 3), target=1)


def test_what_sees_everything_can_not_be_divided() -> None:
    small = sgc.Network.from_module(Small(SqueezeExcitation(), 10**9))
    sgc.explain(small, IMAGE, sgc.pixel(3, 3), target=1)
    small.module.most = MOST
    with pytest.raises(sgc.OutOfMemory, match="runs on the whole image at once"):
        sgc.explain(small, IMAGE, sgc.pixel(3, 3), target=1)


@pytest.mark.parametrize(
    "words", ["DefaultCPUAllocator: can't allocate memory", "MPS backend out of memory"]
)
def test_shortage_is_known_by_its_words(words: str) -> None:

    with pytest.raises(sgc.OutOfMemory, match="Memory ran out"), shortage_told():
        raise RuntimeError(words)
    with pytest.raises(sgc.OutOfMemory), shortage_told():
        raise MemoryError
    with pytest.raises(RuntimeError, match="shapes"), shortage_told():
        raise RuntimeError("shapes cannot be multiplied")
