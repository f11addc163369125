"""What single precision and bfloat16 cost in digits, and save or cost in time.

Usage: python benchmarks/precision.py [--repeats 3] [--threads 2] [--device cpu] [--write FILE]

On both samples with the shipped networks and the sample's own region, for every stage's last
network layer: the error of weights and signed maps against double precision, relative to what was
summed. That is max |error of α_k| ÷ max_k mean|G_k|, and max |error of the signed map| ÷
max Σ_k mean|G_k|·|A_k|, with G = dS/dA. The truth is a copy of the module in double, run by torch
alone. Times are processor time on the processor (wall time elsewhere) of one question about a new
image, for the same network layers.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.scenes.samples import Sample

SAMPLES = ("nuclei", "streets")
PRECISIONS = ("float32", "bfloat16", "float64")


@dataclass
class Truth:
    """Weights and signed map in double, and what was summed for them."""

    weights: np.ndarray
    signed: np.ndarray
    for_weights: float
    for_signed: float

    @classmethod
    def of(cls, maps: torch.Tensor) -> "Truth":
        """From feature maps with their gradient."""
        gradient, values = maps.grad[0].numpy(), maps.detach()[0].numpy()
        size = np.abs(gradient).mean((1, 2))
        weights = gradient.mean((1, 2))
        signed = np.einsum("k,kyx->yx", weights, values)
        summed = np.einsum("k,kyx->yx", size, np.abs(values))
        return cls(weights, signed, size.max(), summed.max())

    def errors(self, heatmap: sgc.Heatmap) -> tuple[float, float]:
        """Errors of weights and signed map, relative to what was summed."""
        assert heatmap.signed.shape == self.signed.shape  # the samples need no padding
        weights = np.abs(heatmap.weights - self.weights).max() / self.for_weights
        signed = np.abs(heatmap.signed - self.signed).max() / self.for_signed
        return float(weights), float(signed)


def truths(network: sgc.Network, sample: Sample, target: int) -> dict[str, Truth]:
    """Double precision by hooks that let autograd fill in every gradient."""
    module = copy.deepcopy(network.module).cpu().double().eval().requires_grad_(False)
    for child in module.modules():
        if hasattr(child, "inplace"):
            child.inplace = False
    maps: dict[str, torch.Tensor] = {}
    for layer in network.select_layers("levels"):

        def keep(m: nn.Module, args: object, out: torch.Tensor, name: str = layer.name) -> None:
            out.retain_grad()
            maps[name] = out

        module.get_submodule(layer.module).register_forward_hook(keep)
    tensor = network.prepare(sample.image, sample.axes).tensor.double().requires_grad_()
    module(tensor)[0, target][torch.from_numpy(sample.region)].sum().backward()
    return {name: Truth.of(tensor) for name, tensor in maps.items()}


def ask(network: sgc.Network, sample: Sample, target: int) -> sgc.Explanation:
    """One question about a new image."""
    return sgc.explain(
        network, sample.image, sample.region, axes=sample.axes, target=target, layers="levels"
    )


def digits(error: float) -> str:
    """An error with one digit."""
    return f"{error:.0e}" if error else "0"


def measure(name: str, device: str, repeats: int) -> tuple[list[str], list[str]]:
    """Rows of errors and of times for one sample."""
    sample = sgc.open_sample(name)
    network = sgc.open_network(sample.network_path, device=device)
    target = int(np.bincount(sample.labels[sample.region]).argmax())
    exact = truths(network, sample, target)
    clock: Callable[[], float] = time.process_time if device == "cpu" else time.perf_counter
    errors: dict[str, dict[str, tuple[float, float]]] = {}
    seconds: dict[str, float] = {}
    for precision in PRECISIONS:
        asked = network.at_precision(precision)
        explanation = ask(asked, sample, target)  # measures the reach at the first time
        errors[precision] = {key: exact[key].errors(found) for key, found in explanation.items()}
        taken = []
        for _ in range(repeats):
            started = clock()
            ask(asked, sample, target)
            taken.append(clock() - started)
        seconds[precision] = statistics.median(taken)
    rows = []
    for key in exact:
        found = (error for precision in PRECISIONS[:2] for error in errors[precision][key])
        rows.append(f"| {name} | {key} | " + " | ".join(map(digits, found)) + " |")
    largest = max(max(pair) for pair in errors["float64"].values())
    print(f"{name}: float64 differs by {largest:.0e} from the truth")
    times = " | ".join(
        f"{seconds[p]:.2f} s ({seconds[p] / seconds['float32']:.1f})" for p in PRECISIONS
    )
    return rows, [f"| {name} | {times} |"]


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", type=Path, help="Markdown file for the tables")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = [measure(name, given.device, given.repeats) for name in SAMPLES]
    head = ["sample", "network layer"]
    head += [f"{what}, {p}" for p in PRECISIONS[:2] for what in ("α", "signed map")]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += [row for rows, _ in found for row in rows]
    clock = "processor time" if given.device == "cpu" else "time"
    lines += ["", f"| {clock} (beside float32) | " + " | ".join(PRECISIONS) + " |"]
    lines += ["|" + " --- |" * (1 + len(PRECISIONS))]
    lines += [row for _, rows in found for row in rows]
    text = "\n".join(lines)
    print(text)
    if given.write:
        given.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
