"""Time to the weights of a new region on a kept image, as the image grows.

Usage: python benchmarks/weights.py [--sizes 512 1024 2048 4096] [--repeats 15] [--threads 2]
    [--base-width 32] [--write FILE]

The reference network and regions of 32 × 32 pixels, at the same offsets from the network's stride
at all sizes and so far from the border that the crop around them has the same size everywhere.
The nine feature maps are kept and nothing else (an image of 4096² has 7.6 GB of them), so that
every size has the same to compute. A call divides into the way to the weights, the maps (one pass
over the feature maps: memory bandwidth), and the rest: the mask, and what is handed out. Beside it
stands what a large copy and a large sum reach in the same run. Figures are medians of time on the
clock but for the processor time of the whole call.
"""

import argparse
import math
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from cases import SIDE, Case
from contestants import warm_up
from measuring import in_seconds, markdown, write

import napari_seggradcam as sgc

# Pixels around a region that its crop may need: what it sees, in whole strides of 16.
_MARGIN = 128
# Bytes for a crop on top of what is kept; the crop of one region needs less.
_FOR_CROPS = 4 * 2**30
# Memory for a kept image, in sizes of its nine feature maps; what is short of a pass over the whole
# image runs by parts.
_NEEDED = 1.7


def bytes_of_maps(case: Case) -> int:
    """Bytes of the nine feature maps of one image."""
    layers = [layer for layer in case.network.layers if layer.name in case.layers]
    return sum(4 * x.channels * case.size**2 // round(math.prod(x.stride)) for x in layers)


def kept_image(case: Case) -> sgc.Explainer:
    """An explainer that keeps the nine feature maps and nothing else."""
    size = bytes_of_maps(case)
    # As if there were no next question, or outputs of other convolutions would be kept, too, until
    # there is no room: a quarter more memory at the peak, which the largest image has not got.
    explainer = sgc.Explainer(case.network, case.image(), memory=size, once=True)
    _ = explainer.logits  # when these are there, maps are kept as far as they fit
    explainer.explain(case.region(), 1, list(case.layers))
    assert explainer.memory_used == size
    explainer.memory += _FOR_CROPS
    return explainer


def regions(size: int, number: int) -> list[np.ndarray]:
    """Regions inside the image, with the same offsets modulo 16 for every size."""
    random = np.random.default_rng(0)
    masks = []
    for _ in range(number):
        offset, place = random.integers(0, 16, 2), random.random(2)
        y, x = (place * (size - 2 * _MARGIN - SIDE - 16) + _MARGIN).astype(int) // 16 * 16 + offset
        mask = np.zeros((size, size), bool)
        mask[y : y + SIDE, x : x + SIDE] = True
        masks.append(mask)
    return masks


def measure(case: Case, repeats: int) -> dict[str, float | str]:
    """Medians of the parts of a call."""
    explainer = kept_image(case)
    kept, calls = explainer.memory_used, []
    for mask in regions(case.size, repeats + 1):
        wall, processor = time.perf_counter(), time.process_time()
        explanation = explainer.explain(mask, 1, list(case.layers))
        calls.append(
            _parts(
                explanation.record["computed"],
                time.perf_counter() - wall,
                time.process_time() - processor,
            )
        )
    assert explainer.memory_used == kept  # nothing was computed again or kept in addition
    medians = {key: statistics.median(call[key] for call in calls[1:]) for key in calls[0]}
    return {**medians, "bytes": bytes_of_maps(case), "on": explanation.record["computed"]["on"]}


def _parts(computed: dict[str, Any], wall: float, processor: float) -> dict[str, float]:
    weights, maps = computed["seconds_to_weights"], computed["seconds_to_maps"]
    return {
        "weights": weights,
        "maps": maps - weights,
        "rest": wall - maps,
        "call": wall,
        "processor": processor,
    }


def bandwidth() -> str:
    """What the memory of this machine gives, in words."""
    source = torch.ones(2**28)  # 1 GiB
    target = torch.empty_like(source)
    size = source.numel() * source.element_size()
    copy = _best(lambda: target.copy_(source))
    total = _best(source.sum)
    return (
        f"In the same run, a copy of 1 GiB read {size / copy / 1e9:.1f} GB/s (and wrote as much), "
        f"and a sum of 1 GiB read {size / total / 1e9:.1f} GB/s."
    )


def _best(call: Any) -> float:
    seconds = []
    for _ in range(4):  # the first one takes the memory
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def table(measured: dict[int, dict[str, Any]]) -> str:
    """One row for every size."""
    head = ["image", "feature maps", "to the weights", "maps", "maps read", "rest of the call"]
    head += ["whole call", "whole call, processor", "ran on"]
    rows = [
        [
            f"{size}²",
            f"{m['bytes'] / 1e9:.2f} GB",
            in_seconds(m["weights"]),
            in_seconds(m["maps"]),
            f"{m['bytes'] / m['maps'] / 1e9:.1f} GB/s",
            in_seconds(m["rest"]),
            in_seconds(m["call"]),
            in_seconds(m["processor"]),
            m["on"],
        ]
        for size, m in measured.items()
    ]
    return markdown(head, rows)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--base-width", type=int, default=32, help="less: to try the program")
    parser.add_argument("--write", type=Path, help="Markdown file for the table")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    smallest = Case.reference(given.sizes[0], base_width=given.base_width)
    warm_up(smallest, [])
    measured = {}
    for size in given.sizes:
        case = smallest.with_size(size)
        needed, free = _NEEDED * bytes_of_maps(case), psutil.virtual_memory().available
        if needed > free:
            print(f"{size}² is left out: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
            continue
        measured[size] = measure(case, given.repeats)
        print(f"{size}²: {in_seconds(measured[size]['weights'])} to the weights", flush=True)
    seconds = [m["weights"] for m in measured.values()]
    spread = f"From the fastest to the slowest size: {max(seconds) / min(seconds) - 1:+.0%}."
    write(given.write, f"{table(measured)}\n\n{spread} {bandwidth()}")


if __name__ == "__main__":
    main()
