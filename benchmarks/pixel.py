"""Time of one pixel's heatmaps on the nuclei sample, from the call to the arrays.

Usage: python benchmarks/pixel.py [REPEATS] [THREADS]

The shipped network, one heatmap for every stage, a kept image, and another pixel every time.
"""

import statistics
import sys
import time

import numpy as np
import torch

import napari_seggradcam as sgc


def main(repeats: int, threads: int) -> None:
    """Measure and print."""
    torch.set_num_threads(threads)
    sample = sgc.open_sample("nuclei")
    network = sgc.open_network(sample.network_path, device="cpu")
    explainer = sgc.Explainer(network, sample.image, axes=sample.axes)
    random = np.random.default_rng(0)
    seconds = []
    for _ in range(repeats + 2):  # the first ones measure the reach and run on the image
        y, x = random.integers(0, sample.image.shape)
        started = time.perf_counter()
        explanation = explainer.explain(sgc.pixel(y, x), 1, "levels")
        for heatmap in explanation.values():
            heatmap.signed.sum()
        seconds.append(time.perf_counter() - started)
    kept = [1000 * s for s in seconds[2:]]
    print(
        f"{len(explanation)} network layers, {threads} threads, {repeats} pixels: median "
        f"{statistics.median(kept):.0f} ms, largest {max(kept):.0f} ms; "
        f"kept {explainer.memory_used / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 30,
        int(sys.argv[2]) if len(sys.argv) > 2 else 2,
    )
