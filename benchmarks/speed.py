"""Time of Seg-Grad-CAM heatmaps beside the libraries that can make them.

Usage: python benchmarks/speed.py [--sizes 512 1024] [--repeats 5] [--threads 2]
    [--peers captum pytorch-grad-cam torch-cam] [--write FILE]

One process, one network (U-Net, depth 4, base width 32, batch norm, in-place ReLU, 1 channel, 3
classes), the same images and regions of 32 × 32 pixels, and nine network layers: the second
convolution of every block. Every repeat has another image or region. Each library is called in the
fastest way that it documents, in evaluation mode with frozen parameters where it allows that, and
has to give the same maps: captum runs forward and backward for every layer; pytorch-grad-cam, whose
call for several layers averages them, too; torch-cam gives several layers' maps in one call. Only
captum's maps have a sign; the others are compared after the ReLU, each map as a share of its
largest value, because those two scale maps by their range.

Needs captum, grad-cam and torchcam; what is not installed is left out, and said.
"""

import argparse
import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import napari_seggradcam as sgc

TARGET = 1
SIDE = 32

Maps = dict[str, np.ndarray]


@dataclass
class Times:
    """Seconds of one contestant in one case."""

    processor: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def run(self, call: Callable[[], Any]) -> Any:
        """Time one call."""
        gc.collect()
        wall, processor = time.perf_counter(), time.process_time()
        result = call()
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)
        return result


class Case:
    """The network, and images and regions that are new every time."""

    def __init__(self, size: int):
        torch.manual_seed(0)
        self.size = size
        self.module = sgc.UNet(in_channels=1, out_channels=3, depth=4, base_width=32).eval()
        self.network = sgc.Network.from_module(self.module)
        self.layers = {
            layer.name: layer.module
            for layer in self.network.layers
            if layer.kind == "conv" and layer.name.endswith(" 2")
        }
        assert len(self.layers) == 9
        self._random = np.random.default_rng(0)

    def image(self) -> np.ndarray:
        """A new image."""
        return self._random.random((self.size, self.size), np.float32)

    def region(self) -> np.ndarray:
        """A new region of 32 × 32 pixels."""
        y, x = self._random.integers(0, self.size - SIDE, 2)
        mask = np.zeros((self.size, self.size), bool)
        mask[y : y + SIDE, x : x + SIDE] = True
        return mask

    def modules(self) -> Iterable[tuple[str, nn.Module]]:
        """The nine network layers as torch modules."""
        return ((name, self.module.get_submodule(path)) for name, path in self.layers.items())


def captum(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """LayerGradCam, once for every layer."""
    from captum.attr import LayerGradCam

    case.module.requires_grad_(False)
    # With frozen parameters captum needs an input with gradient.
    tensor = torch.from_numpy(image)[None, None].requires_grad_()
    inside = torch.from_numpy(mask)

    def score(x: torch.Tensor) -> torch.Tensor:
        return case.module(x)[:, TARGET][:, inside].sum(1)

    return {
        name: LayerGradCam(score, module).attribute(tensor)[0, 0].detach().numpy()
        for name, module in case.modules()
    }


def grad_cam(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """pytorch-grad-cam's GradCAM, once for every layer; it needs parameters with gradient."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget

    case.module.requires_grad_(True)
    tensor = torch.from_numpy(image)[None, None]
    target = [SemanticSegmentationTarget(TARGET, mask.astype(np.float32))]
    maps = {}
    for name, module in case.modules():
        with GradCAM(case.module, [module]) as cam:
            maps[name] = cam(tensor, target)[0]
    case.module.zero_grad()
    return maps


def torch_cam(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """torch-cam's GradCAM, all layers in one call."""
    from torchcam.methods import GradCAM

    case.module.requires_grad_(False)
    tensor = torch.from_numpy(image)[None, None].requires_grad_()
    inside = torch.from_numpy(mask)
    layers = dict(case.modules())
    with GradCAM(case.module, list(layers.values()), input_shape=tensor.shape[1:]) as cam:
        scores = case.module(tensor)
        maps = cam(scores=scores, targets=[lambda output: output[TARGET][inside].sum()])
    return {name: found[0].numpy() for name, found in zip(layers, maps, strict=True)}


PEERS: dict[str, Callable[[Case, np.ndarray, np.ndarray], Maps]] = {
    "captum": captum,
    "pytorch-grad-cam": grad_cam,
    "torch-cam": torch_cam,
}
_IMPORTS = {
    "captum": "captum.attr",
    "pytorch-grad-cam": "pytorch_grad_cam",
    "torch-cam": "torchcam",
}


def installed() -> list[str]:
    """Peers that can be imported; what can't is said."""
    found = []
    for name, module in _IMPORTS.items():
        try:
            __import__(module)
        except Exception as error:
            print(f"{name} is left out: {error}")
        else:
            found.append(name)
    return found


def stand_in_for_torchvision() -> None:
    """torchvision does not import beside a torch without CUDA unless two operators exist."""
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        with suppress(RuntimeError):
            library.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
    globals()["_library"] = library  # the operators live as long as it does


def ours(case: Case, explainer: sgc.Explainer, mask: np.ndarray) -> sgc.Explanation:
    """Nine maps, all of them read."""
    explanation = explainer.explain(mask, TARGET, list(case.layers))
    for heatmap in explanation.values():
        heatmap.signed.sum()
    return explanation


def ours_new(case: Case, image: np.ndarray, mask: np.ndarray) -> sgc.Explanation:
    """Nine maps of an image that was never seen before."""
    return ours(case, sgc.Explainer(case.network, image, once=True), mask)


def disagreement(peer: str, theirs: Maps, explanation: sgc.Explanation) -> float:
    """Largest difference of any map, as a share of the map's largest value."""
    worst = 0.0
    for name, found in theirs.items():
        heatmap = explanation[name]
        mine = heatmap.signed
        if peer != "captum":
            if mine.shape != found.shape:
                continue  # pytorch-grad-cam gives the image's size alone, and scales before
            mine, found = in_range(heatmap.heatmap), in_range(found)
        worst = max(worst, float(np.abs(mine - found).max() / (np.abs(mine).max() or 1)))
    return worst


def in_range(values: np.ndarray) -> np.ndarray:
    """From 0 to 1, as pytorch-grad-cam and torch-cam do, which add a constant to the range."""
    lowest, span = values.min(), values.max() - values.min()
    return (values - lowest) / (span or 1)


def measure(size: int, repeats: int, peers: list[str]) -> dict[str, dict[str, Times]]:
    """Times of all contestants in all cases."""
    case = Case(size)
    times: dict[str, dict[str, Times]] = {
        name: {who: Times() for who in ["ours", *peers]} for name in CASES
    }
    whole = np.ones((size, size), bool)
    ours(case, sgc.Explainer(case.network, case.image()), case.region())  # measures the reach
    for number in range(repeats):
        image, mask = case.image(), case.region()
        new, kept, everywhere = (times[name] for name in CASES)
        first = new["ours"].run(lambda i=image, m=mask: ours_new(case, i, m))
        explainer = sgc.Explainer(case.network, image)
        ours(case, explainer, case.region())
        for _ in range(3):
            kept["ours"].run(lambda e=explainer: ours(case, e, case.region()))
        del explainer
        all_over = everywhere["ours"].run(lambda i=image: ours_new(case, i, whole))
        for peer in peers:
            if number and peer != "captum":
                continue  # one repeat is minutes
            call = PEERS[peer]
            theirs = new[peer].run(lambda c=call, i=image, m=mask: c(case, i, m))
            difference = disagreement(peer, theirs, first)
            theirs = everywhere[peer].run(lambda c=call, i=image: c(case, i, whole))
            difference = max(difference, disagreement(peer, theirs, all_over))
            print(f"  {size}²: {peer} differs by {difference:.1e}", flush=True)
            # Maps of random weights are small differences of large sums, and peers add a constant.
            assert difference < 2e-2
    # A peer keeps nothing, so that a region on a kept image costs it the same again.
    times["kept image"] |= {peer: times["new image"][peer] for peer in peers}
    return times


CASES = ("new image", "kept image", "everywhere")


def table(sizes: dict[int, dict[str, dict[str, Times]]], peers: list[str]) -> str:
    """Medians and ratios as a table."""
    head = ["case", "image", "ours, processor", "ours, wall", *(f"{p}, processor" for p in peers)]
    head += [f"ratio to {peer}" for peer in peers]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for size, cases in sizes.items():
        for name, times in cases.items():
            mine = statistics.median(times["ours"].processor)
            theirs = [statistics.median(times[peer].processor) for peer in peers]
            cells = [name, f"{size}²", f"{mine:.2f} s"]
            cells += [f"{statistics.median(times['ours'].wall):.2f} s"]
            cells += [f"{seconds:.1f} s" for seconds in theirs]
            cells += [f"{seconds / mine:.1f}" for seconds in theirs]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path, help="Markdown file for the table")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    stand_in_for_torchvision()
    peers = [peer for peer in installed() if peer in given.peers]
    sizes = {size: measure(size, given.repeats, peers) for size in given.sizes}
    text = table(sizes, peers)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{text}\n\nPeak memory of the whole run: {memory:.1f} GiB")
    if given.write:
        given.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
