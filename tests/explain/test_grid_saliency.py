"""Grid saliency: problems whose best mask is known, and how it behaves."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import napari_seggradcam as sgc
from input_scores import (
    OneByOne,
    box,
    network_of,
    sample_crop,
    score_of,
    state_of,
    sum_over,
)
from napari_seggradcam.errors import Cancelled, OptionError, ShapeError
from napari_seggradcam.explain.grid_saliency import (
    NO_CONTEXT,
    NO_SURROUNDINGS,
    NOTHING_KEPT,
    GridSaliency,
)
from napari_seggradcam.explain.methods.attributing import Attribution
from progress import CancelAfter, Progress


def per_pixel(mask: np.ndarray, row: int = 1):
    inside = torch.from_numpy(mask)
    return lambda logits: logits[:, row][:, inside].double()


def saliency(module, tensor, mask, method, score=None, **options) -> Attribution:
    network = network_of(module, tensor.shape[1], tensor.ndim - 2)
    with score_of(network, tensor, score or sum_over(mask), **options) as function:
        return method.attribute(function, mask)


class FarSighted(nn.Module):
    """Class 1 of a pixel: itself, and the pixel 8 to its right in the first channel alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, (1, 17), padding=(0, 8), bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[1, 0, 0, 8] = 1
            self.conv.weight[1, 0, 0, 16] = 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def scene() -> tuple[torch.Tensor, np.ndarray]:
    """An object at columns 4 to 7, its cue 8 to the right, and a distractor of another channel."""
    tensor = torch.zeros(1, 2, 16, 32)
    tensor[0, 0, 4:8, 4:8] = 1
    tensor[0, 0, 4:8, 12:16] = 1
    tensor[0, 1, 4:8, 24:28] = 1
    tensor[0, 0, 12:16, 12:16] = 1  # a cue of another place
    mask = np.zeros((16, 32), bool)
    mask[4:8, 4:8] = True
    return tensor, mask


@pytest.mark.parametrize("pixelwise", [False, True])
@pytest.mark.parametrize("baseline", ["zero", "mean", "noise"])
def test_the_cue_is_kept_and_distractors_are_dropped(pixelwise, baseline) -> None:
    tensor, mask = scene()
    method = GridSaliency(cell=4, baseline=baseline)
    found = saliency(
        FarSighted(), tensor, mask, method, per_pixel(mask) if pixelwise else sum_over(mask)
    )
    assert found.empty is None
    assert found.values.shape == (1, 4, 8)
    assert found.values[0, 1, 3] > 0.9
    far = np.ones((4, 8), bool)
    far[0:3, 2:5] = False  # bilinear: neighbours of the cue's cell help to keep it
    assert found.values[0, far].max() < 0.02
    assert found.scale == (4, 4)
    assert found.translate == (1.5, 1.5)
    assert found.facts["lost_share"] < 0.1
    assert 0 < found.facts["losses"][-1] < found.facts["losses"][0]


@pytest.mark.parametrize("ndim", [2, 3])
def test_of_a_linear_network_a_cell_is_kept_if_it_is_worth_its_price(ndim) -> None:
    """The loss is linear in m: a cell is 1 if its share of D(0) is above λ ÷ cells, else 0."""
    shape, cell = ((16, 24), 4) if ndim == 2 else ((8, 8, 12), 4)
    conv = (nn.Conv2d if ndim == 2 else nn.Conv3d)(1, 2, 7, padding=3, bias=False)
    with torch.no_grad():
        conv.weight.abs_()
    # Of a brightness of its own in every cell, so that cells are worth different things.
    bright = torch.rand(1, 1, *[n // cell for n in shape])
    tensor = torch.rand(1, 1, *shape) * functional.interpolate(bright, size=shape)
    mask = np.zeros(shape, bool)
    mask[tuple(slice(n // 2, n // 2 + 2) for n in shape)] = True
    x = tensor.clone().requires_grad_()
    sum_over(mask)(conv(x)).backward()
    adds = (x.grad * tensor)[0, 0].double() * torch.from_numpy(~mask)
    grid = torch.zeros(1, 1, *[n // cell for n in shape], dtype=torch.float64, requires_grad=True)
    mode = "bilinear" if ndim == 2 else "trilinear"
    (functional.interpolate(grid, size=shape, mode=mode)[0, 0] * adds).sum().backward()
    shares = grid.grad[0, 0].numpy() / float(adds.sum())
    sparsity = float(np.median(shares)) * shares.size
    method = GridSaliency(cell=cell, baseline="zero", sparsity=sparsity, steps=150)
    found = saliency(conv, tensor, mask, method)
    clear = np.abs(shares - np.median(shares)) > 0.1 * np.median(shares)
    assert clear.sum() >= 8
    np.testing.assert_allclose(
        found.values[0, clear], (shares > np.median(shares))[clear], atol=0.05
    )
    lost = 1 - (shares * found.values).sum()
    assert found.facts["lost_share"] == pytest.approx(lost, abs=1e-4)
    assert found.facts["lost_without_context"] == pytest.approx(float(adds.sum()) / mask.sum())


def test_the_published_hinge_does_not_let_pixels_make_up_for_each_other() -> None:
    """Half of M gains what the other half loses: their sum loses nothing, a pixel does."""
    tensor, mask = scene()
    weights = torch.ones(int(mask.sum()))
    weights[::2] = -1

    def signed(logits: torch.Tensor) -> torch.Tensor:
        return per_pixel(mask)(logits) * weights

    method = GridSaliency(cell=4, baseline="zero")
    together = saliency(FarSighted(), tensor, mask, method, lambda y: signed(y).sum(1))
    assert together.empty == NO_CONTEXT
    apart = saliency(FarSighted(), tensor, mask, method, signed)
    assert apart.values[0, 1, 3] > 0.9


def test_without_need_of_context_the_mask_is_empty() -> None:
    progress = Progress()
    tensor, mask = scene()
    module = nn.Conv2d(2, 2, 1)
    found = saliency(module, tensor, mask, GridSaliency(cell=4), progress=progress)
    assert found.empty == NO_CONTEXT
    assert not found.values.any()
    assert found.facts["losses"] == []
    progress.check()


def test_the_region_is_never_replaced() -> None:
    seen: list[torch.Tensor] = []

    class Looking(FarSighted):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.detach().clone())
            return super().forward(x)

    tensor, mask = scene()
    network = network_of(Looking(), 2)
    assert network.layers  # known from runs of its own
    seen.clear()
    with score_of(network, tensor, sum_over(mask)) as score:
        GridSaliency(cell=4, baseline="noise", steps=5).attribute(score, mask)
    assert len(seen) == 7
    inside = torch.from_numpy(mask)
    assert all(torch.equal(x[:, :, inside], tensor[:, :, inside]) for x in seen)
    assert all(not torch.equal(x, tensor) for x in seen[1:])


def test_it_is_of_its_seed_alone() -> None:
    tensor, mask = scene()
    module = sgc.UNet(in_channels=2, depth=2, base_width=4)

    def ask(seed: int) -> np.ndarray:
        method = GridSaliency(cell=4, baseline="noise", steps=10, seed=seed)
        return saliency(module, tensor, mask, method, per_pixel(mask)).values

    state = torch.get_rng_state()
    first = ask(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(9)
    np.testing.assert_array_equal(first, ask(1))
    assert np.abs(first - ask(2)).max() > 1e-3


def test_a_shipped_network_on_its_sample() -> None:
    network, tensor, mask = sample_crop("nuclei")
    with score_of(network, tensor, per_pixel(mask)) as score:
        found = GridSaliency(cell=16, steps=20).attribute(score, mask)
    assert found.facts["lost_without_context"] > 0
    assert min(found.facts["losses"]) < found.facts["losses"][0]
    assert ((found.values >= 0) & (found.values <= 1)).all()
    assert found.facts["score"] == pytest.approx(2089.8 / mask.sum(), rel=1e-3)


def test_networks_that_take_one_image_get_one() -> None:
    tensor, mask = scene()
    method = GridSaliency(cell=4, steps=5)
    plain = saliency(FarSighted(), tensor, mask, method).values
    np.testing.assert_array_equal(
        plain, saliency(OneByOne(FarSighted()), tensor, mask, method).values
    )


def test_cells_fill_the_input() -> None:
    mask = box(20, 36)
    tensor = torch.rand(1, 2, 20, 36)
    found = saliency(FarSighted(), tensor, mask, GridSaliency(cell=(8, 100), steps=2))
    assert found.values.shape == (1, 2, 1)
    assert found.scale == (10, 36)
    assert found.translate == (4.5, 17.5)
    assert found.facts["grid"] == [2, 1]


def test_progress_and_facts() -> None:
    progress = Progress()
    tensor, mask = scene()
    method = GridSaliency(cell=4, steps=6)
    found = saliency(FarSighted(), tensor, mask, method, progress=progress)
    progress.check()
    assert progress.told[-1] == (8, 8, "grid-saliency")
    assert found.facts == json.loads(json.dumps(found.facts))
    assert found.facts["steps"] == len(found.facts["losses"]) == 6


@pytest.mark.parametrize("at", [0, 3, 40])
def test_a_cancelled_computation_leaves_the_network_as_found(at) -> None:
    module = sgc.UNet(in_channels=2, depth=1, base_width=4).train()
    before = state_of(module)
    tensor, mask = scene()
    cancel = CancelAfter(at)
    with pytest.raises(Cancelled):
        saliency(module, tensor, mask, GridSaliency(cell=4), per_pixel(mask), cancel=cancel)
    assert state_of(module) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": 0}, "cell is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"sparsity": 0}, "sparsity is 0"),
        ({"learning_rate": -1}, "learning_rate is -1"),
        ({"sparsity": "a"}, "sparsity is 'a'; expected a number above 0"),
        ({"seed": "a"}, "seed is 'a'"),
        ({"baseline": "white"}, "no baseline 'white'"),
        ({"baseline": np.zeros((1, 2, 16, 32))}, r"numpy array .*torch.from_numpy"),
        ({"cell": (2, 2, 2)}, "3 numbers"),
    ],
)
def test_options_that_do_not_exist(options, message) -> None:
    tensor, mask = scene()
    with pytest.raises(OptionError, match=message):
        saliency(FarSighted(), tensor, mask, GridSaliency(**options))


def test_a_region_of_another_shape() -> None:
    tensor, _ = scene()
    mask = np.ones((4, 4), bool)
    with pytest.raises(ShapeError, match=r"\(4, 4\)"):
        saliency(FarSighted(), tensor, mask, GridSaliency(), lambda y: y.flatten(1).sum(1))


def test_a_loss_that_rounding_leaves_needs_no_context() -> None:
    """Here context adds two units in the last place of the logits, which says nothing."""
    tensor, mask = scene()
    module = FarSighted()
    with torch.no_grad():
        module.conv.weight[1, 0, 0, 16] = 2e-7
    found = saliency(module, tensor, mask, GridSaliency(cell=4, baseline="zero"), per_pixel(mask))
    assert 0 < found.facts["lost_without_context"] < 1e-6
    assert found.empty == NO_CONTEXT
    assert found.facts["losses"] == []


def test_a_region_that_is_everywhere_has_no_surroundings() -> None:
    network, tensor, mask = sample_crop("nuclei")
    with score_of(network, tensor, per_pixel(np.ones_like(mask))) as score:
        found = GridSaliency().attribute(score, np.ones_like(mask))
    assert found.facts["lost_without_context"] == 0
    assert found.facts["losses"] == []
    assert found.empty == NO_SURROUNDINGS


def test_context_that_is_not_worth_its_price_is_not_kept() -> None:
    tensor, mask = scene()
    method = GridSaliency(cell=4, baseline="zero", sparsity=1000)
    found = saliency(FarSighted(), tensor, mask, method, per_pixel(mask))
    assert found.facts["losses"]
    assert not found.values.any()
    assert found.empty == NOTHING_KEPT
