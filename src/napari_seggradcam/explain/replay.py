"""Gradients on crops of an image from the tape of the whole."""

from collections.abc import Callable, Mapping, Sequence

import torch

from ..networks.progress import Cancel
from ..networks.running import stop_if
from .capture import OnGradient
from .patches import Patch, Sizes
from .regions.region import Box, box_at
from .steps import Crops
from .tape import Path


class Replay:
    """A batch of crops of an image on which a network has run, instead of a run on them.

    Parameters
    ----------
    path
        To the network layers whose gradients will be wanted, on the tape of the whole image.
    kept
        Values on the whole by number; those that the path needs.
    logits
        Of the whole image, (1, rows, *output).
    windows
        The crops, all of one shape, of which all are wide enough for the regions' reach.

    Attributes
    ----------
    logits : torch.Tensor
        Of the crops, (batch, rows, *output), that gradients can be taken of.

    Raises
    ------
    UnevenShift
        If a value does not shift with the windows by whole positions.
    """

    def __init__(
        self,
        path: Path,
        kept: Mapping[int, torch.Tensor],
        logits: torch.Tensor,
        windows: Sequence[Box],
    ):
        self._path = path
        self._kept = kept
        self._places = path.tape.places(windows)
        self._layers: dict[int, list[str]] = {}
        for name in path.names:
            self._layers.setdefault(path.tape.layers[name], []).append(name)
        number, first = path.tape.logits, (0,) * len(windows[0])
        crops = self._crops(logits, number, first, self._places[number].size)
        self.logits = crops.clone().requires_grad_()

    def backward(self, score: torch.Tensor, on_gradient: OnGradient, cancel: Cancel | None) -> None:
        """Visit every network layer's gradient once, from the logits up.

        Parameters
        ----------
        score
            Scalar made from the logits.
        on_gradient
            Called with name and gradient: what of it is not zero. A layer that the score does not
            depend on gets no call.
        cancel
            Asked at every step.

        Raises
        ------
        Cancelled
            If ``cancel`` said so.
        """
        patch = Patch.of(torch.autograd.grad(score, self.logits)[0])
        gradients = {} if patch is None else {self._path.tape.logits: patch}
        with torch.no_grad():
            for entry in reversed(self._path.entries):
                patch = gradients.pop(entry.output, None)
                if patch is None:
                    continue
                stop_if(cancel)
                self._visit(entry.output, patch, on_gradient)
                crops = Crops(
                    [self._places[number].size for number in entry.inputs],
                    [self._cut(number) for number in entry.inputs],
                    self._cut(entry.output),
                )
                for which, number in enumerate(entry.inputs):
                    if number not in self._path.values:
                        continue
                    found, other = entry.step.back(patch, which, crops), gradients.get(number)
                    if found is not None:
                        gradients[number] = found if other is None else other + found
            for number, patch in gradients.items():
                stop_if(cancel)
                self._visit(number, patch, on_gradient)

    def _visit(self, number: int, patch: Patch, on_gradient: OnGradient) -> None:
        for name in self._layers.get(number, ()):
            on_gradient(name, patch)

    def _cut(self, number: int) -> Callable[[Sizes, Sizes], torch.Tensor]:
        return lambda first, size: self._crops(self._kept[number], number, first, size)

    def _crops(self, whole: torch.Tensor, number: int, first: Sizes, size: Sizes) -> torch.Tensor:
        """A box of a value in all crops."""
        parts = []
        for start in self._places[number].starts:
            low = [s + f for s, f in zip(start, first, strict=True)]
            parts.append(whole[:, :, *box_at(low, size)])
        return parts[0] if len(parts) == 1 else torch.cat(parts)
