"""What an image larger than memory costs, and whether its maps are right.

Usage: python benchmarks/large.py [--size 16384] [--region box|everywhere] [--memory 2GiB]
       [--threads 2] [--out FOLDER] [--write FILE]

An image of generated nuclei is written to a zarr array block by block, unless it is there, and
the shipped nuclei network is asked about class 1 in a box of 64 × 64 pixels in its middle or
everywhere. A run that is ended goes on when it is called again, without the seconds from before.

Peak is the resident memory of the process at its highest while `explain_large` ran (VmHWM). Then,
in plain torch, in double precision, normalised by a histogram of all values:

- maps: at 20 places, the window of 64 × 64 pixels and what it sees is run, and the explanation's
  weights times the feature maps are compared with the explanation, as a share of the map's largest
  value there;
- weights of a box: those that autograd gives on a crop with twice the reach around the box,
  relative to what was summed, max_k mean|G_k|;
- weights of everything: those that autograd gives on the upper left 1024 × 1024 pixels, and those
  of `explain_large` there with so little memory that it takes many crops.
"""

import argparse
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from measuring import begin_weighing, in_gib, in_seconds, markdown, resident_peak
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.cli.options import bytes_in
from napari_seggradcam.scenes.generators import TEST_SEEDS, generate
from napari_seggradcam.scenes.samples import DATA

TARGET = 1
BLOCK = 1024
BOX = 64
PATCHES, PATCH = 20, 64
CORNER = 1024
CORNER_MEMORY = 350_000_000  # for crops of 448 × 448
STRIDE, REACH = 16, 96  # of the shipped network, in whole strides
HEAD = ("image", "region", "threads", "memory", "computed on", "time", "Mpx/s", "peak")
CHECKED = ("maps differ by", "weights differ by")

Box = tuple[slice, slice]


def image_of(folder: Path, size: int) -> zarr.Array:
    """The image, written block by block if it is not there."""
    path = folder / f"nuclei-{size}.zarr"
    if path.exists():
        array = zarr.open_array(path, mode="r+")
    else:
        array = zarr.create_array(path, shape=(size, size), chunks=(BLOCK, BLOCK), dtype=np.uint16)
    done = array.attrs.get("blocks", 0)
    for number, box in enumerate(blocks(size)):
        if number >= done:
            scene = generate("nuclei", TEST_SEEDS.start + number, (BLOCK, BLOCK))
            array[box] = scene.image[: size - box[0].start, : size - box[1].start]
            array.attrs["blocks"] = number + 1
    return array


def blocks(size: int) -> Iterator[Box]:
    """All of an image, block by block."""
    for y in range(0, size, BLOCK):
        for x in range(0, size, BLOCK):
            yield slice(y, min(y + BLOCK, size)), slice(x, min(x + BLOCK, size))


@dataclass
class Plain:
    """The network in plain torch, with the normalisation of one image."""

    module: nn.Module
    layers: dict[str, str]
    low: float
    high: float

    @classmethod
    def of(cls, network: sgc.Network, image: Any) -> "Plain":
        """With percentiles from a histogram, as numpy's, which lie between two values."""
        counts = np.zeros(2**16, np.int64)
        for box in blocks(image.shape[0]):
            counts += np.bincount(np.asarray(image[box]).ravel(), minlength=2**16)
        below = np.cumsum(counts)

        def percentile(q: float) -> float:
            at = q / 100 * (below[-1] - 1)
            low, high = (int(np.searchsorted(below, n, "right")) for n in np.floor([at, at + 1]))
            return low + (high - low) * (at - np.floor(at))

        module = copy.deepcopy(network.module).double().eval().requires_grad_(False)
        for child in module.modules():
            if hasattr(child, "inplace"):
                child.inplace = False
        layers = {layer.name: layer.module for layer in network.select_layers("levels")}
        rule = network.normalisation
        return cls(module, layers, percentile(rule.low), percentile(rule.high))

    def maps(self, image: Any, window: Box, region: Box | None = None) -> dict[str, torch.Tensor]:
        """Feature maps of a window, with gradients of the score if there is a region in it."""
        values = (np.asarray(image[window], np.float64) - self.low) / (self.high - self.low)
        # Of the numbers that the network gets: with others, pooling may take another pixel.
        tensor = torch.from_numpy(values.astype(np.float32)).double()[None, None]
        found: dict[str, torch.Tensor] = {}
        hooks = []
        for name, path in self.layers.items():

            def keep(m: nn.Module, args: object, out: torch.Tensor, name: str = name) -> None:
                if region is not None:
                    out.retain_grad()
                found[name] = out

            hooks.append(self.module.get_submodule(path).register_forward_hook(keep))
        with torch.set_grad_enabled(region is not None):
            logits = self.module(tensor.requires_grad_(region is not None))
        if region is not None:
            logits[0, TARGET][region].sum().backward()
        for hook in hooks:
            hook.remove()
        return found

    def sums(self, image: Any, window: Box, region: Box) -> dict[str, tuple[np.ndarray, float]]:
        """Sums over a window of the gradient, and of its absolute values in the largest map."""
        gradients = {name: one.grad[0] for name, one in self.maps(image, window, region).items()}
        return {
            name: (one.sum((1, 2)).numpy(), float(one.abs().sum((1, 2)).max()))
            for name, one in gradients.items()
        }


def around(box: Box, halo: int, size: int) -> Box:
    """A box and what lies around it, in whole strides."""
    low = [max(0, (b.start - halo) // STRIDE * STRIDE) for b in box]
    high = [min(size, -(-(b.stop + halo) // STRIDE) * STRIDE) for b in box]
    return slice(low[0], high[0]), slice(low[1], high[1])


def within(box: Box, window: Box) -> Box:
    """A box as its window sees it."""
    y, x = (slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, window, strict=True))
    return y, x


def difference_of_maps(plain: Plain, image: Any, found: sgc.Explanation) -> float:
    """Largest difference at random places, corners among them."""
    size = image.shape[0]
    rng = np.random.default_rng(0)
    places = rng.integers(0, (size - PATCH) // STRIDE + 1, (PATCHES, 2)) * STRIDE
    places[0], places[1] = 0, size - PATCH
    worst = 0.0
    for y, x in places.tolist():
        box = slice(y, y + PATCH), slice(x, x + PATCH)
        window = around(box, REACH, size)
        for name, maps in plain.maps(image, window).items():
            heatmap = found[name]
            step = round(heatmap.scale[0])
            there = tuple(slice(b.start // step, b.stop // step) for b in box)
            here = tuple(slice(b.start // step, b.stop // step) for b in within(box, window))
            weights = np.asarray(heatmap.weights, np.float64)
            expected = np.einsum("k,kyx->yx", weights, maps[0, :, *here].numpy())
            largest = np.abs(expected).max() or 1.0
            worst = max(worst, float(np.abs(heatmap.signed[there] - expected).max() / largest))
    return worst


def difference_of_weights(
    found: sgc.Explanation, sums: dict[str, tuple[np.ndarray, float]]
) -> float:
    """Largest difference, relative to what was summed."""
    worst = 0.0
    for name, (total, size) in sums.items():
        positions = np.prod(found[name].signed.shape, dtype=np.float64)
        difference = np.abs(np.asarray(found[name].weights, np.float64) * positions - total).max()
        worst = max(worst, float(difference / size))
    return worst


def check_weights(given: argparse.Namespace, network: sgc.Network, image: Any, found: Any) -> float:
    """As the module says; `found` is the explanation of the whole image."""
    size = image.shape[0]
    if given.region == "box":
        box = middle(size)
        window = around(box, 2 * REACH, size)
        plain = Plain.of(network, image)
        return difference_of_weights(found, plain.sums(image, window, within(box, window)))
    side = min(size, CORNER)
    corner = np.asarray(image[:side, :side])
    plain, everything = Plain.of(network, corner), (slice(0, side), slice(0, side))
    sums = plain.sums(corner, everything, everything)
    small = sgc.explain_large(
        network,
        corner,
        sgc.everywhere(),
        given.out / "corner.sgc.zarr",
        target=TARGET,
        layers="levels",
        memory=CORNER_MEMORY,
    )
    return difference_of_weights(small, sums)


def middle(size: int) -> Box:
    """The box that is asked about."""
    first = (size - BOX) // 2
    return slice(first, first + BOX), slice(first, first + BOX)


class BoxOnly:
    """A boolean array of the image's size that is nowhere."""

    dtype = np.dtype(bool)

    def __init__(self, box: Box, size: int):
        self.shape = (size, size)
        self._box = box

    def __getitem__(self, window: Box) -> np.ndarray:
        rows = [
            (np.arange(w.start, w.stop) >= b.start) & (np.arange(w.start, w.stop) < b.stop)
            for w, b in zip(window, self._box, strict=True)
        ]
        return rows[0][:, None] & rows[1]


def run(given: argparse.Namespace) -> list[str]:
    """Compute, measure and check; returns the row."""
    image = image_of(given.out, given.size)
    network = sgc.open_network(DATA / "nuclei.safetensors", device="cpu")
    region: Any = sgc.everywhere()
    if given.region == "box":
        region = BoxOnly(middle(given.size), given.size)
    told = [time.monotonic()]

    def progress(done: int, total: int, what: str) -> None:
        if time.monotonic() > told[0] + 30:
            told[0] = time.monotonic()
            print(f"  {what} {done} of {total}", flush=True)

    begin_weighing()
    started = time.perf_counter()
    found = sgc.explain_large(
        network,
        image,
        region,
        given.out / f"{given.region}-{given.size}.sgc.zarr",
        target=TARGET,
        layers="levels",
        memory=given.memory,
        progress=progress,
    )
    seconds, peak = time.perf_counter() - started, resident_peak()
    computed = found.record["computed"]
    if computed["resumed"]:
        print("The time is that of the last part alone.")
    row = [
        f"{given.size}²",
        f"{BOX} × {BOX}" if given.region == "box" else "everywhere",
        str(given.threads),
        in_gib(given.memory),
        computed["on"],
        in_seconds(seconds),
        f"{given.size**2 / seconds / 1e6:.2f}",
        in_gib(peak),
    ]
    print(markdown(HEAD, [row]), flush=True)
    maps = difference_of_maps(Plain.of(network, image), image, found)
    weights = check_weights(given, network, image, found)
    return [*row, f"{maps:.0e}", f"{weights:.0e}"]


def rows_in(path: Path | None) -> list[list[str]]:
    """Rows of a table that was written before."""
    if path is None or not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=16384, help=f"a multiple of {STRIDE}")
    parser.add_argument("--region", choices=("box", "everywhere"), default="box")
    parser.add_argument("--memory", type=bytes_in, default=2**31)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("large-benchmark"))
    parser.add_argument("--write", type=Path, help="Markdown file that gets the row")
    given = parser.parse_args()
    if given.size % STRIDE:
        parser.error(f"--size {given.size} is no multiple of {STRIDE}, which the checks need")
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    row = run(given)
    others = [other for other in rows_in(given.write) if other[:4] != row[:4]]
    text = markdown((*HEAD, *CHECKED), [*others, row])
    print(text)
    if given.write:
        given.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
