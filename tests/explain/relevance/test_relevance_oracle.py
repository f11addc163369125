"""One operation after another against its matrix, in double precision and element by element."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from relevance_asking import hand_down
from torch import nn
from torch.nn import functional

from architectures import Function
from napari_seggradcam.explain.relevance import Epsilon, Gamma, Rule, ZPlus

RULES = [Epsilon(0.0), Epsilon(0.1), ZPlus(), ZPlus(0.1), Gamma(), Gamma(0.05, 3.0)]


def norm(kind: nn.Module) -> nn.Module:
    """A norm whose numbers are none of those that change nothing; some scales are negative."""
    with torch.no_grad():
        for name in ("weight", "bias", "running_mean"):
            getattr(kind, name, torch.zeros(0)).copy_(torch.randn_like(getattr(kind, name)))
        kind.running_var.uniform_(0.5, 2)
    return kind


def upsampled(**options: object) -> nn.Module:
    return Function(lambda x: functional.interpolate(x, **options))


class Last(nn.Module):
    """A module that has channels last."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x.movedim(1, -1)).movedim(-1, 1)


OPERATIONS = {
    "convolution": lambda: nn.Conv2d(2, 3, 3, padding=1, stride=2),
    "dilated groups": lambda: nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2),
    "padded in circles": lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"),
    "padding same": lambda: nn.Conv2d(2, 2, 3, padding="same", bias=False),
    "transposed": lambda: nn.ConvTranspose2d(2, 3, 2, stride=2),
    "transposed groups": lambda: nn.ConvTranspose2d(
        4, 2, 3, 2, padding=1, output_padding=1, groups=2
    ),
    "linear": lambda: Last(nn.Linear(2, 3)),
    "matrix": lambda: Function(partial(torch.matmul, torch.randn(3, 4).double())),
    "nearest": lambda: upsampled(scale_factor=2),
    "bilinear": lambda: upsampled(scale_factor=2, mode="bilinear"),
    "aligned": lambda: upsampled(size=(7, 9), mode="bilinear", align_corners=True),
    "area": lambda: upsampled(size=(2, 3), mode="area"),
    "average pooling": lambda: nn.AvgPool2d(3, 2, padding=1),
    "adaptive pooling": lambda: nn.AdaptiveAvgPool2d(3),
    "mean": lambda: Function(lambda x: x.mean((2, 3), keepdim=True)),
    "batch norm": lambda: norm(nn.BatchNorm2d(2)),
    "convolution, batch norm": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), norm(nn.BatchNorm2d(4))
    ),
    "transposed, batch norm": lambda: nn.Sequential(
        nn.ConvTranspose2d(2, 4, 2, stride=2), norm(nn.BatchNorm2d(4))
    ),
    "convolution, bias behind it": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 1, bias=False), Function(lambda x: x + torch.linspace(-1, 1, 6))
    ),
}
SHAPES = {"dilated groups": (4, 5, 5), "transposed groups": (4, 3, 3)}


def expected(
    matrix: NDArray, constant: NDArray, x: NDArray, relevance: NDArray, rule: Rule
) -> tuple[NDArray, float, float]:
    """Relevance of inputs, and what bias and stabiliser keep, by the formulas of the rules."""
    parts = np.concatenate([matrix * x, constant[:, None]], 1)
    up, down = np.maximum(parts, 0), np.minimum(parts, 0)
    sums = parts.sum(1)
    if isinstance(rule, ZPlus):
        counted = up
    elif isinstance(rule, Gamma):
        favoured = np.where(sums[:, None] >= 0, up, down)
        counted = parts + rule.gamma * favoured
    else:
        counted = parts
    total = counted.sum(1)
    stabilised = total + np.where(total < 0, -1, 1) * rule.epsilon * np.abs(total).mean()
    shares = (
        counted
        * np.divide(relevance, stabilised, out=np.zeros_like(relevance), where=stabilised != 0)[
            :, None
        ]
    )
    down_there = shares[:, :-1].sum(0)
    return down_there, shares[:, -1].sum(), relevance.sum() - shares.sum()


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_equals_its_matrix(name: str, rule: Rule) -> None:
    module = OPERATIONS[name]().double().eval().requires_grad_(False)
    shape = SHAPES.get(name, (2, 4, 6))
    x = torch.randn(1, *shape, dtype=torch.float64)
    with torch.no_grad():
        y = module(x)
    matrix = torch.autograd.functional.jacobian(module, x).reshape(y.numel(), x.numel()).numpy()
    constant = y.numpy().ravel() - matrix @ x.numpy().ravel()
    constant[np.abs(constant) < 1e-12] = 0
    weights = torch.randn_like(y)
    relevance = (y * weights).numpy().ravel()
    if name == "nearest":  # which moves values, so that nothing has to be divided
        rule = Epsilon(0.0)

    found, cut = hand_down(module, x, y * weights, rule)
    wanted, bias, kept = expected(matrix, constant, x.numpy().ravel(), relevance, rule)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found.numpy().ravel(), wanted, rtol=0, atol=1e-11 * scale)
    summed = np.abs(relevance).sum()
    assert (cut.biases, cut.stabiliser) == pytest.approx((bias, kept), abs=1e-11 * summed)
