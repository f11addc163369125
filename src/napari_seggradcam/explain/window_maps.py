"""The maps of an image that is larger than memory, computed and written tile by tile."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..networks.layers import LOGITS
from ..store.growing import GrowingExplanation
from .methods.answering import signed_maps
from .placing import Placement
from .regions.parts import RegionParts
from .regions.region import Prediction
from .scores import Score
from .tiles import Tile, Tiling
from .window_passes import WindowPasses
from .work import Work


class MapSweep:
    """A pass over tiles that writes Σ_k α_k A_k of every network layer.

    Parameters
    ----------
    passes
        Passes over windows of the image.
    region, prediction
        M, and what is predicted where M depends on it.
    placements
        Where the maps lie on the image, by name of the network layer.
    score
        What is added up over M.
    """

    def __init__(
        self,
        passes: WindowPasses,
        region: RegionParts,
        prediction: Prediction,
        placements: Mapping[str, Placement],
        score: Score,
    ):
        self._passes = passes
        self._region = region
        self._prediction = prediction
        self._placements = placements
        self._score = score

    def run(
        self,
        tiling: Tiling,
        alphas: Mapping[str, torch.Tensor],
        target: int,
        work: Work,
        growing: GrowingExplanation,
        on_tile: Callable[[int], None],
    ) -> None:
        """Write what is not there yet.

        What is noted of every tile: its part of the score, its largest logit, and the network
        layers that are somewhere positive in it.

        Parameters
        ----------
        tiling
            The tiles.
        alphas
            Weights by name of the network layer, float32.
        target
            The class c.
        work
            What is done.
        growing
            Where to write.
        on_tile
            Called with the number of tiles that are done.
        """
        for number, tile in enumerate(tiling, start=1):
            step = f"tile {number}"
            if step not in work.done:
                work.note(step, **self._write(tile, alphas, target, growing))
            on_tile(number)

    def _write(
        self,
        tile: Tile,
        alphas: Mapping[str, torch.Tensor],
        target: int,
        growing: GrowingExplanation,
    ) -> dict[str, Any]:
        positive = []

        def on_maps(name: str, maps: torch.Tensor) -> None:
            place, keep = tile.places[name], self._placements[name].keep
            window, part = [], []
            for whole, here, kept in zip(place.whole, place.tile, keep, strict=True):
                low, high = max(whole.start, kept.start), min(whole.stop, kept.stop)
                window.append(slice(low - kept.start, max(low, high) - kept.start))
                shift = here.start - whole.start
                part.append(slice(low + shift, max(low, high) + shift))
            if all(w.start < w.stop for w in window):
                signed = signed_maps(alphas[name][None], maps[:, :, *part])[0]
                growing.write_map(name, tuple(window), signed)
                if (signed > 0).any():
                    positive.append(name)

        logits = self._passes.read(tile.window, on_maps)
        place = tile.places[LOGITS]
        here = logits[:, :, *place.tile]
        region = self._region.on_output(place.whole, self._prediction)
        region = region.seen_from(tuple(whole.start for whole in place.whole))
        return {
            "score": float(self._score(here, target, region)),
            "largest": float(here.abs().max()) if here.numel() else 0.0,
            "positive": positive,
        }
