"""Batches of random views, each decided by the seed and the number of its step alone.

So a training that goes on after an interrupt sees what it would have seen.
"""

import signal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..networks.normalisation import Normalisation
from .options import TrainingOptions
from .sources import TrainingSource

# Streams of random numbers that must differ although the seed is the same.
_ORDER, _VIEWS = 1, 2

Batch = tuple[torch.Tensor, torch.Tensor]


class Batches(Dataset[Batch]):
    """The batch of every step.

    Parameters
    ----------
    source
        Images and labels.
    normalisation
        Applied to whole images, as in prediction.
    options
        Crop, batch size, augmentation, seed and number of steps.
    """

    def __init__(
        self, source: TrainingSource, normalisation: Normalisation, options: TrainingOptions
    ):
        self.source = source
        self.normalisation = normalisation
        self.options = options
        self._order = (-1, np.zeros(0, int))

    def __len__(self) -> int:
        return self.options.steps

    def __getitem__(self, step: int) -> Batch:
        """Images (B, channels, *crop) float32 and labels (B, *crop) int64 of a step."""
        options = self.options
        rng = np.random.default_rng((options.seed, _VIEWS, step))
        crop = (options.crop,) * (len(self.source.axes) - 1)
        views = []
        for number in range(step * options.batch_size, (step + 1) * options.batch_size):
            image, labels = self.source[self._index(number)]
            views.append(options.augmentation(self.normalisation(image), labels, crop, rng))
        images, labels = (np.stack(arrays) for arrays in zip(*views, strict=True))
        return torch.from_numpy(images), torch.from_numpy(labels)

    def loader(self, first_step: int) -> "DataLoader[Batch]":
        """All batches from a step on, prepared by as many processes as the options say."""
        workers = self.options.num_workers
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(first_step, len(self)),
            num_workers=workers,
            worker_init_fn=_ignore_interrupts if workers else None,
            generator=torch.Generator(),  # leaves the global random state as it is
        )

    def _index(self, number: int) -> int:
        """Index of the image that is the ``number``-th of the whole training."""
        epoch, position = divmod(number, len(self.source))
        if self._order[0] != epoch:
            rng = np.random.default_rng((self.options.seed, _ORDER, epoch))
            self._order = (epoch, rng.permutation(len(self.source)))
        return int(self._order[1][position])


def _ignore_interrupts(worker: int) -> None:
    """Leave Ctrl-C to the process that trains, which finishes its step first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
