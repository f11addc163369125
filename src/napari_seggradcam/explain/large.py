"""Explaining images that are larger than memory, tile by tile.

Nothing is ever there as a whole: the image, the region and the maps are read and written by
windows. First passes forward and backward over crops that together have all of M give the weights;
then a pass forward over tiles that together have all of the image gives the maps, which need the
weights. Crops and tiles have a halo as wide as the reach, so that both are what the whole image
would give. What is done is noted, and a computation that was ended goes on from there.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import NetworkError
from ..networks.layers import LOGITS
from ..networks.network import Network, check_network
from ..networks.progress import Cancel, Progress, silent
from ..networks.running import as_found, digest_of, stop_if
from ..networks.windows import WindowedImage
from ..store.growing import GrowingExplanation, MapPlan
from . import scores
from .agreement import TOLERANCES
from .axis_reach import AxisReach
from .crops import Blocks, CropPlanner
from .explanation import Explanation, open_explanation
from .fitting import bytes_per_pixel, default_memory
from .methods.cams import SegGradCam
from .methods.gradient import LayerGradient
from .methods.weighting import NO_POSITIVE_EVIDENCE
from .options import check_count
from .placing import placement_of
from .questions import AnswerFacts, ImageFacts, Question, record_of
from .reach import layer_shapes, reach_of
from .regions.output import in_words, none_on_output
from .regions.parts import RegionParts, pieces
from .regions.region import Box, Prediction, Region, no_pixel
from .tiles import Tiling
from .window_maps import MapSweep
from .window_passes import SumsByLayer, WindowPasses
from .window_prediction import PredictionSweep, no_prediction
from .work import Work

# A pass without gradients lets go of feature maps on the way, and needs a third of the memory.
_FORWARD = 2
_PIECE = {2: 1024, 3: 96}


def explain_large(
    network: Network,
    image: Any,
    region: Region | ArrayLike,
    out: str | Path,
    *,
    axes: str | None = None,
    channel_names: Sequence[str] | None = None,
    target: int | str = "predicted",
    layers: str | Iterable[str] = "bottleneck",
    score: str = scores.LOGIT,
    versus: int | str | None = None,
    reduce: str = scores.SUM,
    memory: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Explanation:
    """Ask one question of an image that is larger than memory, and write the answer to disk.

    The answer is the one that `explain` would give. If the call is cancelled, or its process
    killed, the same call goes on where that one was.

    Parameters
    ----------
    network
        A network that sees locally.
    image
        Raw values: a numpy array or memmap, a zarr array or a dask array. It is read by windows.
    region
        The pixels M: a region, or a boolean array as `image` may be one.
    out
        Folder to write, by custom named ``*.sgc.zarr``. An explanation that is there is replaced.
    axes, channel_names, target, layers, score, versus, reduce
        As for `Explainer` and `Explainer.explain`. The method is Seg-Grad-CAM, and the heatmaps
        keep their whole extent.
    memory
        Bytes that a pass of the network may take; None: 1 GiB, or a quarter of what the machine
        has. The whole computation takes some hundred megabytes more.
    progress
        Called with steps done, steps in all and what is done, in the calling thread.
    cancel
        Asked before every step and between modules.

    Returns
    -------
    Explanation
        Its arrays are dask arrays that are read from ``out`` when they are needed; see
        `open_explanation`.

    Raises
    ------
    NetworkError
        If the network does not see locally, or fails; or if what is given as network is none.
    RegionError
        If the region is empty or does not fit the image.
    ExplanationFileError
        If something else is at ``out``, or it can't be written.
    ShapeError, ImageError, TargetError, LayerError, OptionError, Cancelled
        As for `Explainer.explain`.

    See Also
    --------
    Explainer : for images that fit in memory.
    """
    check_network(network)
    if memory is not None:
        check_count("memory (bytes)", memory)
        memory = int(memory)  # of numpy's numbers the notes on disk know nothing
    question = Question.of(
        network,
        region,
        target,
        layers,
        method=SegGradCam.name,
        score=score,
        versus=versus,
        reduce=reduce,
        truncate=None,
        options={},
    )
    windowed = WindowedImage(
        image, axes, network.axes, network.channels, network.rules, network.normalisation
    )
    facts = ImageFacts(
        image.shape, image.dtype, axes, windowed.before, windowed.after, None, channel_names
    )
    with network.lock, as_found(network.module), torch.enable_grad():
        large = _Large(network, windowed, question, memory or default_memory(), cancel)
        path = large.answer(out, facts, progress or silent)
    return open_explanation(path, lazy=True)


@dataclass(frozen=True)
class _Asked:
    """The question, when the region has been looked at.

    Attributes
    ----------
    target
        The class c.
    pixels
        Pixels of M.
    blocks
        Blocks of outputs with pixels of M.
    lost
        Pixels of M that lie outside the output.
    """

    target: int
    pixels: int
    blocks: Blocks
    lost: int


class _Large:
    """One question about one large image, on its way to the answer."""

    def __init__(
        self,
        network: Network,
        image: WindowedImage,
        question: Question,
        memory: int,
        cancel: Cancel | None,
    ):
        reach = reach_of(network, image.padded_shape)
        if reach.axes is None:
            raise NetworkError(
                f"The image can't be computed in parts. {reach.why_not} Expected a network that "
                "sees locally. Choose a part of the image that fits in memory, and use Explainer."
            )
        self._network = network
        self._image = image
        self._question = question
        self._layers = question.layers
        self._cancel = cancel
        self._reach = reach.axes
        self._grid = network.output_grid(image)
        self._piece = tuple(min(_PIECE[network.ndim], size) for size in image.shape)
        self._region = RegionParts(question.region, image.shape, self._grid, self._piece)
        self._most = max(1, memory // bytes_per_pixel(network))
        self._planner = CropPlanner(reach.axes, network.rules, image.padded_shape, self._most)
        shapes = layer_shapes(network, question.layers, image.padded_shape)
        self._positions = {name: math.prod(shape) for name, shape in shapes.items()}
        self._placements = {
            layer.name: placement_of(layer, shapes[layer.name], image.before, image.shape)
            for layer in question.layers
        }
        reaches = {layer.name: reach.layers[layer.name] for layer in question.layers}
        self._tiling = self._divide(
            {**reaches, LOGITS: reach.axes}, {**shapes, LOGITS: self._grid.shape}
        )
        self._prediction: Prediction = no_prediction
        self._passes = WindowPasses(network, image, question.layers, cancel)

    def _divide(
        self, reaches: Mapping[str, Sequence[AxisReach]], shapes: Mapping[str, tuple[int, ...]]
    ) -> Tiling:
        most = _FORWARD * self._most
        return Tiling(reaches, shapes, self._network.rules, self._image.padded_shape, most)

    def answer(self, path: str | Path, facts: ImageFacts, progress: Progress) -> Path:
        """Compute, and write; returns the folder."""
        started = time.perf_counter()
        self._image.fit(progress, self._cancel)
        begun = GrowingExplanation.begin(
            path, self._plans(), self._image.shape, self._piece, self._fingerprint()
        )
        with closing(begun) as growing:
            work = Work(growing.folder / "work")
            self._prediction = self._predict(work, progress)
            asked = self._look_at_region(growing, work)
            boxes = self._planner.boxes(asked.blocks)
            weights = self._weigh(boxes, asked, work, progress)
            alphas = self._write_weights(weights, growing)
            score = self._write_maps(alphas, asked, work, growing, progress)
            computed = {
                "on": f"{_count(len(boxes), 'crop')} and {_count(len(self._tiling), 'tile')}",
                "seconds": round(time.perf_counter() - started, 3),
                "resumed": growing.resumed,
            }
            on_output = in_words(self._grid, asked.lost)
            answer = AnswerFacts(asked.pixels, on_output, asked.target, score, computed)
            record = record_of(self._network, facts, self._question, answer)
            return growing.finish(record, self._attributes(weights, work))

    def _plans(self) -> list[MapPlan]:
        """What is known of the maps before they are computed."""
        plans = []
        for layer in self._layers:
            place = self._placements[layer.name]
            shape = tuple(keep.stop - keep.start for keep in place.keep)
            chunk = tuple(map(min, self._tiling.positions(layer.name), shape))
            plans.append(
                MapPlan(layer.name, shape, place.scale, place.translate, layer.channels, chunk)
            )
        return plans

    def _fingerprint(self) -> dict[str, Any]:
        """What the answer depends on."""
        return {
            "network": digest_of(self._network.module),
            "precision": self._network.precision,
            "image": self._image.digest(self._cancel),
            "region": self._region.digest(len(self._network.classes)),
            "target": self._question.target,
            "score": self._question.score.describe(),
            "most": self._most,
        }

    def _predict(self, work: Work, progress: Progress) -> Prediction:
        """The class that is predicted at every pixel, if anything depends on it."""
        if self._question.target != "predicted" and not self._region.depends_on_prediction:
            return no_prediction
        # One output more to all sides, from which strided logits are interpolated.
        reach = tuple(axis.widened() for axis in self._reach)
        tiling = self._divide({LOGITS: reach}, {LOGITS: self._grid.shape})
        sweep = PredictionSweep(self._passes, self._image.shape, self._grid, self._piece)
        return sweep.run(tiling, work, progress)

    def _look_at_region(self, growing: GrowingExplanation, work: Work) -> _Asked:
        """Write the region, and find out where it is and which class is asked about."""
        if "region" not in work.done:
            counts = np.zeros(len(self._network.classes), np.int64)
            pixels = 0
            for window in pieces(self._image.shape, self._piece):
                stop_if(self._cancel)
                inside = self._region.part(window, self._prediction)
                growing.write_region(window, inside)
                pixels += int(np.count_nonzero(inside))
                if self._question.target == "predicted" and inside.any():
                    counts += np.bincount(self._prediction(window)[inside], minlength=len(counts))
            work.note("region", pixels=pixels, target=int(counts.argmax()))
        pixels = work.done["region"]["pixels"]
        if not pixels:
            raise no_pixel(self._question.region)
        blocks, covered = self._region.blocks(
            [axis.outputs for axis in self._reach], self._prediction
        )
        per_output = math.prod(round(scale) for scale in self._grid.scale)
        on_output = round(covered * per_output)
        if not on_output:
            raise none_on_output(pixels, self._grid)
        if self._question.score.reduce == scores.MEAN:
            self._region.factor = 1 / covered
        target = self._question.target
        target = work.done["region"]["target"] if target == "predicted" else int(target)
        self._question.score.check(target)
        return _Asked(target, pixels, blocks, pixels - on_output)

    def _weigh(
        self, boxes: Sequence[Box], asked: _Asked, work: Work, progress: Progress
    ) -> dict[str, LayerGradient]:
        """Weights from passes over crops that together have all of M."""
        weights = {layer.name: LayerGradient() for layer in self._layers}
        total = len(boxes) + len(self._tiling)
        for number, box in enumerate(boxes, start=1):
            name = f"crop {number}"
            if name not in work.done:
                crop = self._planner.crop(self._region.on_output(box, self._prediction))
                found, score = self._passes.weigh(crop, asked.target, self._question.score)
                work.save(name, self._packed(found))
                work.note(name, score=score)
            # From the file in any case, so that the sum does not depend on where it was ended.
            packed = work.load(name)
            for layer in self._layers:
                now, packed = np.split(packed, [layer.channels], axis=1)
                weights[layer.name].add_sums(*torch.from_numpy(now))
            progress(number, total, "weights")
        return weights

    def _packed(self, found: SumsByLayer) -> NDArray[np.float64]:
        """Sums of all network layers in one array; zeros for what the score does not depend on."""
        rows = [
            torch.stack(found[layer.name])
            if layer.name in found
            else torch.zeros(2, layer.channels, dtype=torch.float64)
            for layer in self._layers
        ]
        return torch.cat(rows, dim=1).numpy()

    def _write_weights(
        self, weights: Mapping[str, LayerGradient], growing: GrowingExplanation
    ) -> dict[str, torch.Tensor]:
        alphas = {}
        for layer in self._layers:
            alpha, _ = weights[layer.name].means(layer.channels, self._positions[layer.name])
            alphas[layer.name] = alpha.float()
            growing.write_weights(layer.name, alphas[layer.name].numpy())
        return alphas

    def _write_maps(
        self,
        alphas: Mapping[str, torch.Tensor],
        asked: _Asked,
        work: Work,
        growing: GrowingExplanation,
        progress: Progress,
    ) -> float:
        """Write the maps tile by tile; returns S, which has to be what the crops gave."""
        crops = sum(name.startswith("crop ") for name in work.done)

        def on_tile(done: int) -> None:
            progress(crops + done, crops + len(self._tiling), "maps")

        sweep = MapSweep(
            self._passes,
            self._region,
            self._prediction,
            self._placements,
            self._question.score,
        )
        sweep.run(self._tiling, alphas, asked.target, work, growing, on_tile)
        tiles = [facts for name, facts in work.done.items() if name.startswith("tile ")]
        score = math.fsum(f["score"] for name, f in work.done.items() if name.startswith("crop "))
        largest = max(facts["largest"] for facts in tiles)
        difference = abs(score - math.fsum(facts["score"] for facts in tiles))
        if (
            difference
            > TOLERANCES[self._network.precision] * largest * asked.pixels * self._region.factor
        ):
            raise NetworkError(
                f"The logits of crops add up to {score:g} over the region, and differ from those "
                f"of tiles by {difference:g}: what this network gives depends on the size of its "
                "input. It can only be explained on an image that fits in memory."
            )
        return score

    def _attributes(
        self, weights: Mapping[str, LayerGradient], work: Work
    ) -> dict[str, dict[str, Any]]:
        """What else the file says of every map."""
        positive = {name for facts in work.done.values() for name in facts.get("positive", ())}
        attributes = {}
        for layer in self._layers:
            positions = self._positions[layer.name]
            _, empty = weights[layer.name].means(layer.channels, positions)
            if empty is None and layer.name not in positive:
                empty = NO_POSITIVE_EVIDENCE
            attributes[layer.name] = {"layer": asdict(layer), "empty": empty}
        return attributes


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
