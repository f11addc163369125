"""Options, scores, progress, cancelling, and a network that is left as it was found."""

import numpy as np
import pytest
import torch
from relevance_asking import ask, first_row

import napari_seggradcam as sgc
from napari_seggradcam import Cancelled, OptionError
from napari_seggradcam.explain.relevance import Epsilon, Gamma, conservation
from napari_seggradcam.explain.relevance.flow import Flow, Place, cut
from progress import CancelAfter

X = torch.randn(1, 1, 16, 24, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def network() -> sgc.Network:
    torch.manual_seed(0)
    return sgc.Network.from_module(sgc.UNet(depth=1, base_width=2), axes="CYX", channels=1)


def test_what_is_started_with_is_the_scores_terms(network: sgc.Network) -> None:
    def margin(logits: torch.Tensor) -> torch.Tensor:
        return (logits[:, 0] - logits[:, 1]).sum()

    def probability(logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(1)[0, 0].sum()

    linear = ask(network, X, score=margin)
    assert linear.started == pytest.approx(linear.score, rel=1e-5)
    curved = ask(network, X, score=probability)
    y = torch.from_numpy(curved.maps["head conv"])  # where relevance begins, and what is there
    with torch.no_grad():
        logits = network.module.eval()(X)[0]
    p = logits.softmax(0)
    wanted = torch.stack([p[0] * p[1] * logits[0], -p[0] * p[1] * logits[1]])
    torch.testing.assert_close(y, wanted, rtol=1e-4, atol=1e-6)
    assert curved.started == pytest.approx(float(wanted.sum()), rel=1e-4)
    assert conservation(curved)["input"].gap == pytest.approx(0, abs=1e-4 * abs(curved.started))


def test_relevance_adds_up_over_regions(network: sgc.Network) -> None:
    left, right, both = (
        ask(network, X, score=lambda y, part=part: y[0, 1, :, part].double().sum())
        for part in (slice(0, 9), slice(9, 24), slice(0, 24))
    )
    for name, values in both.maps.items():
        scale = np.abs(values).max()
        summed = left.maps[name] + right.maps[name]
        np.testing.assert_allclose(summed, values, rtol=0, atol=1e-5 * scale)


def test_the_network_is_left_as_it_was_and_asked_layers_only_are_told(network) -> None:
    before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    relevance = ask(network, X, layers="bottleneck")
    everything = ask(network, X)
    assert list(relevance.maps) == ["input", network.select_layers("bottleneck")[0].name]
    for name, values in relevance.maps.items():
        np.testing.assert_array_equal(values, everything.maps[name])
    assert [values.dtype for values in relevance.maps.values()] == [np.float32] * 2
    assert all(torch.equal(t, before[n]) for n, t in network.module.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in network.module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.module.modules())
    assert not X.requires_grad


def test_progress_tells_every_step(network: sgc.Network) -> None:
    told: list[tuple[int, int, str]] = []
    ask(network, X, progress=lambda *step: told.append(step))
    count = 2 * (len(network.layers) + 1)
    assert [step[:2] for step in told] == [(i + 1, count) for i in range(count)]
    names = [layer.name for layer in network.layers]
    assert [what for *_, what in told].count("input") == 2
    assert set(names) <= {what for *_, what in told}


def test_it_stops_wherever_it_is_told_to(network: sgc.Network) -> None:
    never = CancelAfter(10**9)
    ask(network, X, cancel=never)
    assert never.asked > 2 * len(network.layers)
    for stop in (1, 3, never.asked // 2, never.asked - 1, never.asked):
        cancel = CancelAfter(stop - 1)
        with pytest.raises(Cancelled):
            ask(network, X, cancel=cancel)
        assert cancel.asked == stop
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.module.modules())


def test_options_that_do_not_exist(network: sgc.Network) -> None:
    with pytest.raises(OptionError, match="'epsilon', 'gamma', 'z-plus', 'composite'"):
        ask(network, X, "deep taylor")
    with pytest.raises(OptionError, match="stabiliser"):
        Epsilon(-0.1)
    with pytest.raises(OptionError, match="γ"):
        Gamma(gamma=-1)
    with pytest.raises(OptionError, match="bfloat16"):
        ask(network.at_precision("bfloat16"), X)


def test_double_precision_stays(network: sgc.Network) -> None:
    relevance = ask(network.at_precision("float64"), X.double(), score=first_row)
    assert relevance.maps["input"].dtype == np.float64
    rough = ask(network, X, score=first_row)
    scale = np.abs(relevance.maps["input"]).max()
    np.testing.assert_allclose(rough.maps["input"], relevance.maps["input"], 0, 1e-4 * scale)


def test_a_cut_of_a_small_graph() -> None:
    """Logits 0 → 1 → 2 → image 4, and a skip 0 → 3 → image; something is kept in 0, 1 and 3."""
    everything = frozenset(range(5))
    flow = Flow(
        {
            "deep": Place(2, 0, frozenset({2, 4})),
            "skip": Place(3, 0, frozenset({3, 4})),
            "input": Place(4, 0, frozenset({4})),
            "logits": Place(0, 0, everything),
            "unreached": Place(None, 0, frozenset({4})),
        },
        frozenset({0, 1, 2}),
    )
    flow.hand_down(0, (1, 0), 6.0)
    flow.hand_down(0, (3, 0), 3.0)
    flow.hand_down(1, (2, 0), 4.0)
    flow.hand_down(2, (4, 0), 4.0)
    flow.hand_down(3, (4, 0), 1.0)
    for node, kept in {0: (0.5, 0.5), 1: (2.0, 0.0), 3: (1.0, 1.0)}.items():
        flow.absorb(node, *kept)
    deep = cut(flow, "deep", 10.0, 4.0, ("skip",))
    assert (deep.passing, deep.biases, deep.stabiliser) == (1.0, 3.5, 1.5)
    assert (deep.gap, deep.skips) == (0.0, ("skip",))
    skip = cut(flow, "skip", 10.0, 3.0, ("skip",))
    assert (skip.passing, skip.biases, skip.stabiliser, skip.gap) == (4.0, 2.5, 0.5, 0.0)
    # From beside it, a deeper skip would begin behind the operation 2.
    deeper = Place(5, 0, frozenset({5, 2, 4}))
    flow.layers["deeper skip"] = deeper
    assert cut(flow, "skip", 10.0, 3.0, ("skip", "deeper skip")).skips == ()
    assert cut(flow, "deep", 10.0, 4.0, ("skip", "deeper skip")).skips == ("skip",)
    below = cut(flow, "input", 10.0, 5.0, ("skip",))
    assert (below.passing, below.biases, below.stabiliser, below.gap) == (0.0, 3.5, 1.5, 0.0)
    assert below.skips == ()
    assert below.shares["layer"] == 0.5
    assert cut(flow, "logits", 10.0, 10.0, ()).gap == 0.0
    assert cut(flow, "input", 10.0, 4.5, ()).gap == 0.5
    unreached = cut(flow, "unreached", 10.0, 0.0, ())
    assert (unreached.passing, unreached.gap) == (5.0, 0.0)
