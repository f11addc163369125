"""Time for an atlas of weights, and what its clusters have to do with true classes.

Usage: python benchmarks/atlas.py [--threads 2] [--scenes 1] [--cell 8] [--skip-time]

Time: 32 × 32 cells on the nuclei sample of 512 × 512 pixels, at the bottleneck, and what the same
takes with one question per cell (measured on some of them).

Classes: the image is divided into cells, and each has the true class of most of its pixels. Cells
are clustered by k-means into as many clusters as there are such classes, by what is known of each
cell: weights (unit length) for one class or for all of them one after another, its mean colour,
the mean feature maps of the bottleneck there (unit length), its place, or the logits of all
classes; k-means is the same for all. The adjusted Rand index (1: the same division, 0: as by
chance) of the clusters with the classes, and of the predicted classes, is printed. Nothing is
written.
"""

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from measuring import in_seconds, markdown
from sklearn.metrics import adjusted_rand_score

import napari_seggradcam as sgc
from napari_seggradcam.explain.comparison.atlas import Atlas, weight_atlas
from napari_seggradcam.explain.comparison.grouping import groups_of
from napari_seggradcam.explain.comparison.vectors import unit_length
from napari_seggradcam.explain.comparison.weights import compare_weights
from napari_seggradcam.scenes import streets
from napari_seggradcam.scenes.generators import TEST_SEEDS

GRID = (32, 32)
# Cells that are asked about one by one, to compare with.
SINGLE = 20


def timed_row() -> list[str]:
    """Seconds for the atlas of the nuclei sample."""
    sample = sgc.open_sample("nuclei")
    explainer = sgc.Explainer(sgc.open_network(sample.network_path), sample.image)
    # What is done once per network and image.
    started = time.perf_counter()
    weight_atlas(explainer, 1, grid=(2, 2), clusters=None)
    first = time.perf_counter() - started
    wall, processor = time.perf_counter(), time.process_time()
    atlas = weight_atlas(explainer, 1, grid=GRID, clusters=None, progress=show)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    single = time.perf_counter()
    for number in range(SINGLE):
        region = np.zeros(sample.image.shape, bool)
        region[atlas.cell(10 + number // 10, 10 + number % 10)] = True
        explainer.explain(region, 1)
    single = (time.perf_counter() - single) / SINGLE * atlas.there.size
    whole = explainer.explain(sgc.everywhere(), 1)["bottleneck relu 2"].weights
    gap = np.abs(atlas.weights.sum(axis=(0, 1)) - whole).max() / np.abs(whole).max()
    cells = f"{GRID[0]} × {GRID[1]}"
    return [cells, *map(in_seconds, (first, wall, processor, single)), f"{gap:.1e}"]


def show(done: int, total: int, name: str) -> None:
    """Progress on one line."""
    end = "\n" if done == total else ""
    print(f"\r{done} of {total} cells", end=end, file=sys.stderr, flush=True)


def cells_of(values: np.ndarray, atlas: Atlas) -> Iterator[np.ndarray]:
    """What of an array on the image grid lies in every cell, spatial axes first."""
    for index in np.ndindex(*atlas.grid):
        yield values[atlas.cell(*index)]


def means(values: np.ndarray, atlas: Atlas) -> np.ndarray:
    """Mean of every cell, (cells, channels), of values (Y, X, channels)."""
    return np.stack([cell.mean(axis=(0, 1)) for cell in cells_of(values, atlas)])


def most(labels: np.ndarray, atlas: Atlas) -> np.ndarray:
    """Class of most pixels of every cell."""
    return np.array([np.bincount(cell.ravel()).argmax() for cell in cells_of(labels, atlas)])


def descriptions(explainer: sgc.Explainer, cell: int) -> tuple[Atlas, dict[str, np.ndarray]]:
    """What is known of every cell, by name."""
    network, shape = explainer.network, explainer.image_shape
    grid = tuple(size // cell for size in shape)
    atlases = [
        weight_atlas(explainer, target, grid=grid, clusters=None, progress=show)
        for target in network.classes
    ]
    units = [
        np.nan_to_num(unit_length(a.weights.reshape(-1, a.weights.shape[-1]))) for a in atlases
    ]
    known = {f"weights for {a.class_name}": u for a, u in zip(atlases, units, strict=True)}
    commonest = int(np.bincount(explainer.prediction.ravel()).argmax())
    known["weights for the class of most pixels"] = units[commonest]
    known["weights for all classes"] = np.concatenate(units, axis=1)
    known["mean colour"] = means(explainer.image / 255.0, atlases[0])
    compared = compare_weights(explainer, {"all": sgc.everywhere()}, 0)
    maps = np.stack(
        [compared.feature_map(k).resized(signed=True) for k in range(compared.weights.shape[1])], -1
    )
    known["mean feature maps"] = np.nan_to_num(unit_length(means(maps, atlases[0])))
    known["place"] = np.indices(grid).reshape(len(grid), -1).T / max(grid)
    known["mean logits"] = means(np.moveaxis(explainer.logits, 0, -1), atlases[0])
    return atlases[0], known


def agreements(seed: int, cell: int) -> tuple[dict[str, float], int]:
    """Adjusted Rand index by what the clusters are made of, and the number of classes."""
    network = sgc.open_network(sgc.open_sample("streets").network_path)
    scene = streets.generate(seed)
    explainer = sgc.Explainer(network, scene.image, scene.axes)
    atlas, known = descriptions(explainer, cell)
    truth = most(scene.labels, atlas)
    count = len(np.unique(truth))
    found = {
        name: adjusted_rand_score(truth, groups_of(np.asarray(vectors, np.float64), count)[0])
        for name, vectors in known.items()
    }
    found["(predicted classes)"] = adjusted_rand_score(truth, most(explainer.prediction, atlas))
    return found, count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scenes", type=int, default=1, help="the first is the streets sample")
    parser.add_argument("--cell", type=int, default=8, help="pixels a side")
    parser.add_argument("--skip-time", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if not given.skip_time:
        head = ["cells", "first call", "atlas", "atlas, processor", "one by one"]
        print(markdown([*head, "sum of cells, error"], [timed_row()]))
    seeds = TEST_SEEDS[1 : 1 + given.scenes]
    found = [agreements(seed, given.cell) for seed in seeds]
    head = [
        "clusters of",
        *(f"seed {s}, {n} classes" for s, (_, n) in zip(seeds, found, strict=True)),
    ]
    mean = {name: np.mean([one[name] for one, _ in found]) for name in found[0][0]}
    rows = [
        [name, *(f"{one[name]:.3f}" for one, _ in found), f"{mean[name]:.3f}"]
        for name in sorted(mean, key=lambda name: -mean[name])
    ]
    print(markdown([*head, "mean"], rows))


if __name__ == "__main__":
    main()
