"""Functions of torch: those that move values, gates, norms, work in place, and the unknown."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from relevance_asking import hand_down
from torch import nn
from torch.nn import functional

from napari_seggradcam import NetworkError
from napari_seggradcam.explain.relevance import Epsilon, ZPlus
from napari_seggradcam.explain.relevance.gates import kind_of
from napari_seggradcam.explain.relevance.moving import MOVING

X = torch.randn(1, 4, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
PLAIN = Epsilon(0.0)


def put(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros(1, 2, 4, 6, dtype=x.dtype)
    y[:, :, 1:3] = x[:, ::2, 1:3]
    y.narrow(1, 0, 1).copy_(x[:, 3:])
    return y


MOVES: dict[str, Callable[[torch.Tensor], Any]] = {
    "cat": lambda x: torch.cat([x, x[:, :1], torch.ones(1, 1, 4, 6).double()], 1),
    "chunks": lambda x: torch.stack(x.chunk(2, 1)[::-1]),
    "split": lambda x: x.split([1, 3], 1)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "slices": lambda x: x[:, 1:3, ::2, -1],
    "indices": lambda x: x[:, torch.tensor([2, 0])],
    "index_select": lambda x: x.index_select(2, torch.tensor([3, 3, 1])),
    "gather": lambda x: x.gather(3, torch.zeros(1, 4, 4, 2, dtype=torch.int64)),
    "put": put,
    "index_put": lambda x: torch.zeros(6, 4, 4, 6).double().index_put((torch.tensor([4]),), x),
    "matrices": lambda x: x.reshape(16, 6).t().contiguous().view(-1),
    "where": lambda x: torch.where(x > 0, x, 1.0),
    "masked_fill": lambda x: x.masked_fill(x > 1, 2.0),
    "shapes": lambda x: x.flatten(2).transpose(1, 2).permute(0, 2, 1).reshape(4, 24),
    "squeeze": lambda x: x.squeeze(0).unsqueeze(1).expand(4, 3, 4, 6).contiguous(),
    "repeat": lambda x: x.repeat(1, 1, 2, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 3),
    "roll": lambda x: x.roll(1, 2).flip(3),
    "shuffle": lambda x: functional.pixel_unshuffle(functional.pixel_shuffle(x, 2), 2),
    "zeros around": lambda x: functional.pad(x, (1, 2, 0, -1)),
    "values around": lambda x: functional.pad(x, (1, 1), value=3.0),
    "reflected": lambda x: functional.pad(x, (1, 1, 1, 1), mode="reflect"),
    "repeated ends": lambda x: functional.pad(x, (1, 1, 1, 1), mode="replicate"),
    "reflected, 1D": lambda x: functional.pad(x[0], (1, 1), mode="reflect"),
    "repeated ends, 1D": lambda x: functional.pad(x[0], (1, 1), mode="replicate"),
    "reflected, 3D": lambda x: functional.pad(x[None], (1,) * 6, mode="reflect"),
    "repeated ends, 3D": lambda x: functional.pad(x[None], (1,) * 6, mode="replicate"),
    "circles": lambda x: functional.pad(x, (1, 1, 1, 1), mode="circular"),
    "max pool": lambda x: functional.max_pool2d(x, 3, 2, 1),
    "max pool, 1D": lambda x: functional.max_pool1d(x[0], 2),
    "max pool, 3D": lambda x: functional.max_pool3d(x[None], 2),
    "adaptive max pool": lambda x: functional.adaptive_max_pool2d(x, 2),
    "adaptive max pool, 3D": lambda x: functional.adaptive_max_pool3d(x[None], 2),
    "unpool": lambda x: functional.max_unpool2d(
        *functional.max_pool2d(x, 2, return_indices=True), 2
    ),
    "unpool, 3D": lambda x: functional.max_unpool3d(
        *functional.max_pool3d(x[None], 2, return_indices=True), 2
    ),
    "unfold": lambda x: functional.unfold(x, 2),
    "windows": lambda x: x.unfold(2, 2, 1),
    "largest": lambda x: x.amax((2, 3), keepdim=True),
    "largest along": lambda x: x.max(1)[0],
    "larger": lambda x: torch.minimum(torch.maximum(x, x.flip(1)), x.roll(1, 3)),
    **{
        f"{mode}, {ndim}D": lambda x, mode=mode, ndim=ndim: functional.interpolate(
            {1: x[0], 2: x, 3: x[None]}[ndim], scale_factor=2, mode=mode
        )
        for mode in ("nearest", "nearest-exact")
        for ndim in (1, 2, 3)
    },
    "types": lambda x: x.float(),
    "strided": lambda x: torch.as_strided(x, (2, 3), (1, 2)),
}


def nodes_of(y: torch.Tensor) -> set[str]:
    found, waiting = set(), [y.grad_fn]
    while waiting:
        node = waiting.pop()
        found.add(node)
        waiting += [child for child, _ in node.next_functions if child is not None]
    return {kind_of(node) for node in found}


@pytest.mark.parametrize("name", MOVES)
def test_what_only_moves_values_hands_all_of_their_relevance_to_them(name: str) -> None:
    """Every value is one of the input's, or a constant, whose relevance is counted as such."""
    move = MOVES[name]
    x = X.clone().requires_grad_()
    y = move(x.clone())
    matrix = torch.autograd.functional.jacobian(lambda x: move(x.clone()), X).reshape(-1, x.numel())
    assert matrix.unique().tolist() in ([1.0], [0.0, 1.0])
    counts = matrix.sum(1)
    assert counts.max() <= 1
    moved = (matrix @ X.flatten().to(matrix)).reshape(y.shape)
    is_moved = counts.reshape(y.shape) == 1
    assert torch.equal(moved[is_moved].to(y), y.detach()[is_moved])

    relevance = torch.rand(y.shape, dtype=y.dtype)
    found, cut = hand_down(move, X, relevance, ZPlus())
    wanted = matrix.T @ relevance.flatten().to(matrix)
    torch.testing.assert_close(found.flatten(), wanted.to(found), rtol=1e-6, atol=0)
    assert cut.biases == pytest.approx(float(relevance[~is_moved].sum()), abs=1e-5)
    assert cut.gap == pytest.approx(0, abs=1e-5)


def test_all_that_counts_as_moving_is_tested() -> None:
    tested = set().union(*(nodes_of(f(X.clone().requires_grad_().clone())) for f in MOVES.values()))
    assert tested <= MOVING
    # Some are other names of what stands here, in other versions of torch or for other calls.
    assert MOVING - tested <= {"Alias", "CopyBackwards", "ReshapeAlias", "UnsafeView"}


def test_an_activation_passes_relevance() -> None:
    relevance = torch.randn_like(X)
    for function in (torch.relu, torch.tanh, functional.gelu, functional.leaky_relu):
        found, _ = hand_down(function, X, relevance, PLAIN)
        assert torch.equal(found, relevance)


def test_a_gate_gets_nothing_and_equals_share() -> None:
    relevance = torch.randn_like(X)

    def shares(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> list[float]:
        """What the two halves of an input get, in parts of all."""

        def halves(x: torch.Tensor) -> torch.Tensor:
            return function(x[:, :2], x[:, 2:])

        found, _ = hand_down(halves, X, relevance[:, :2], PLAIN)
        return [float(half.sum() / relevance[:, :2].sum()) for half in found.split(2, 1)]

    def attention(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        weights = (y.exp() @ y.mT).softmax(-1)  # for which there is no rule, and no need of one
        return weights @ x

    assert shares(lambda x, y: x * torch.sigmoid(y)) == pytest.approx([1, 0])
    assert shares(lambda x, y: x * (1 + torch.sigmoid(y).mean(1, True))) == pytest.approx([1, 0])
    assert shares(lambda x, y: x * y) == pytest.approx([0.5, 0.5])
    assert shares(lambda x, y: x * x) == pytest.approx([1, 0])
    assert shares(
        lambda x, y: x / (1 + y.pow(2).sum((2, 3), keepdim=True).sqrt())
    ) == pytest.approx([1, 0])
    assert shares(attention) == pytest.approx([1, 0])
    q = torch.randn(1, 2, 4, 6, dtype=torch.float64)
    attend = functional.scaled_dot_product_attention
    assert shares(lambda x, y: attend(q * y.exp(), y, x)) == pytest.approx([1, 0])


def own_statistics(kind: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    groups = {"instance": 4, "group": 2, "layer": 1}[kind]
    variance, mean = torch.var_mean(x.reshape(groups, -1), 1, correction=0)
    return mean.repeat_interleave(4 // groups), variance.repeat_interleave(4 // groups)


@pytest.mark.parametrize("rule", [Epsilon(), ZPlus()], ids=str)
@pytest.mark.parametrize("kind", ["instance", "group", "layer"])
def test_a_norm_is_the_batch_norm_of_its_own_statistics(kind: str, rule: Any) -> None:
    """Also where it becomes part of the convolution before it."""
    convolution = nn.Conv2d(4, 4, 3, padding=1).double().requires_grad_(False)
    weight, bias = torch.randn(4).double(), torch.randn(4).double()
    mean, variance = own_statistics(kind, convolution(X))

    def normed(x: torch.Tensor) -> torch.Tensor:
        x = convolution(x)
        if kind == "instance":
            return functional.instance_norm(x, weight=weight, bias=bias)
        if kind == "group":
            return functional.group_norm(x, 2, weight, bias)
        maps = [tensor.view(4, 1, 1).expand(4, 4, 6) for tensor in (weight, bias)]
        return functional.layer_norm(x, (4, 4, 6), *maps)

    def batch_normed(x: torch.Tensor) -> torch.Tensor:
        return functional.batch_norm(convolution(x), mean, variance, weight, bias)

    relevance = torch.rand_like(X)
    found, cut = hand_down(normed, X, relevance, rule)
    wanted, _ = hand_down(batch_normed, X, relevance, rule)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
    assert cut.gap == pytest.approx(0, abs=1e-11)


def test_work_in_place_changes_nothing() -> None:
    first, second = (nn.Conv2d(4, 4, 3, padding=1).double() for _ in range(2))
    for module in (first, second):
        module.requires_grad_(False)

    def out_of_place(x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(first(x))
        z = functional.leaky_relu(second(y) + y + 0.5) * 2 - y
        return z * torch.sigmoid(y) / 3

    def in_place(x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(first(x), inplace=True)
        z = second(y)
        z += y
        z.add_(0.5)
        functional.leaky_relu_(z)
        z *= 2
        z -= y
        z.mul_(torch.sigmoid(y))
        z /= 3
        return z

    relevance = torch.rand_like(X)
    for rule in (Epsilon(), ZPlus()):
        found, cut = hand_down(in_place, X, relevance, rule)
        wanted, other = hand_down(out_of_place, X, relevance, rule)
        assert torch.equal(found, wanted)
        assert cut == other


class Clone(torch.autograd.Function):  # a name that torch has, too
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return 3 * x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return 3 * gradient


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return 2 * gradient


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (torch.exp, "Exp"),
        (lambda x: x.exp_(), "Exp"),
        (lambda x: 1 / x, "Reciprocal, |Reciprocal"),
        (lambda x: x @ x.mT, "UnsafeView|Bmm"),
        (lambda x: x.softmax(1), "softmax"),
        (lambda x: functional.interpolate(x, (9, 9), mode="bicubic"), "UpsampleBicubic2D"),
        (lambda x: functional.conv2d(x, x[0, :2, :3, :3].unsqueeze(0).repeat(2, 2, 1, 1)), "Conv"),
        (lambda x: functional.dropout(x, 0.5, training=True), "NativeDropout|Mul"),
        (lambda x: Doubled.apply(x), "Doubled"),
        (lambda x: Clone.apply(x), "Clone"),
        (lambda x: torch.ops.aten.cos.default(x), "Cos"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(function: Any, name: str) -> None:
    with pytest.raises(NetworkError, match=name) as raised:
        hand_down(function, X, torch.ones(()), PLAIN)
    assert "no rule" in str(raised.value)
    assert "another method" in str(raised.value)


def test_a_tensor_that_was_changed_behind_a_rules_back_is_refused() -> None:
    def changed(x: torch.Tensor) -> torch.Tensor:
        weights = (x * 2).softmax(-1)
        y = weights @ x.mT
        with torch.no_grad():
            weights.mul_(2)
        return y

    with pytest.raises(NetworkError, match="in place"):
        hand_down(changed, X, torch.ones(1, 4, 4, 4, dtype=torch.float64), PLAIN)
