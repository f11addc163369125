from dataclasses import replace

import numpy as np
import torch

from napari_seggradcam.networks.normalisation import ZeroMeanUnitVariance
from napari_seggradcam.training.augmentation import Augmentation
from napari_seggradcam.training.batches import Batches

STILL = Augmentation(
    upright=True, scale=(1, 1), gamma=1, contrast=0, brightness=0, colour=0, noise=0
)


def test_batch_depends_on_nothing_but_its_step(squares, quick_options):
    batches = Batches(squares(), ZeroMeanUnitVariance(), quick_options)
    forward = [batches[step] for step in range(6)]
    for step in (5, 0, 3):
        images, labels = batches[step]
        assert torch.equal(images, forward[step][0])
        assert torch.equal(labels, forward[step][1])
    assert not torch.equal(forward[0][0], forward[1][0])


def test_loader_starts_at_any_step_with_any_number_of_processes(squares, quick_options):
    expected = [Batches(squares(), ZeroMeanUnitVariance(), quick_options)[s][0] for s in (4, 5)]
    state = torch.get_rng_state()
    for workers in (0, 2):
        options = replace(quick_options, num_workers=workers)
        loader = Batches(squares(), ZeroMeanUnitVariance(), options).loader(4)
        for (images, _), same in zip(loader, expected, strict=True):
            assert torch.equal(images, same)
    assert torch.equal(state, torch.get_rng_state())


def test_every_image_comes_once_per_epoch(squares, quick_options):
    """Six images in batches of two: steps 0 to 2 and 3 to 5 are one epoch each."""
    source = squares(6)
    options = replace(quick_options, crop=32, augmentation=STILL)
    batches = Batches(source, ZeroMeanUnitVariance(), options)
    # Mirroring left to right leaves the sums of the rows.
    known = {tuple(source[i][1].sum(1).tolist()): i for i in range(6)}
    orders = [
        [known[tuple(one.sum(1).tolist())] for step in steps for one in batches[step][1]]
        for steps in (range(3), range(3, 6))
    ]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(6))
    assert orders[0] != orders[1]


def test_whole_image_is_normalised_before_the_crop(squares, quick_options):
    options = replace(quick_options, crop=8, augmentation=STILL, batch_size=1)
    image, _ = Batches(squares(1), ZeroMeanUnitVariance(), options)[0]
    whole = ZeroMeanUnitVariance()(squares(1)[0][0])
    distance = np.abs(image.numpy().reshape(-1, 1) - whole.reshape(1, -1)).min(1)
    assert distance.max() < 1e-5
