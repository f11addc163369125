import numpy as np
import pytest
import torch
from torch import nn

from napari_seggradcam import Network
from napari_seggradcam.errors import Cancelled
from napari_seggradcam.training.validation import validate


class Threshold(nn.Module):
    """Class 1 where the image is above 50."""

    def __init__(self):
        super().__init__()
        self.unit = nn.Conv2d(1, 2, 1)
        self.unit.weight.data = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)
        self.unit.bias.data = torch.tensor([50.0, -50.0])

    def forward(self, image):
        return self.unit(image)


class Ignoring:
    """A source whose upper half is ignored or wrong."""

    def __init__(self, source, value):
        self.source, self.value = source, value
        self.classes = source.classes

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        image, labels = self.source[index]
        labels = labels.copy()
        labels[: len(labels) // 2] = (
            self.value if self.value is not None else 1 - labels[: len(labels) // 2]
        )
        return image, labels


def test_score_is_intersection_over_union(squares):
    network = Network.from_module(Threshold())
    source = squares(3)
    assert validate(network, source, 3).per_class == (1.0, 1.0)
    assert validate(network, Ignoring(source, 255), 3).mean == 1.0
    wrong = validate(network, Ignoring(source, None), 3)
    truths = [Ignoring(source, None)[i][1] for i in range(3)]
    predictions = [source[i][1] for i in range(3)]
    for value, iou in enumerate(wrong.per_class):
        one, other = np.array(truths) == value, np.array(predictions) == value
        assert iou == pytest.approx((one & other).sum() / (one | other).sum())


def test_class_that_is_nowhere_does_not_count(squares):
    source = Ignoring(squares(2), 0)
    source.source.side = 16
    score = validate(Network.from_module(Threshold()), squares(2, classes=("a", "b", "c")), 2)
    assert np.isnan(score.per_class[2])
    assert score.mean == 1.0


def test_limit_and_cancel(squares):
    asked = []

    def cancel():
        asked.append(1)
        return len(asked) > 2

    network = Network.from_module(Threshold())
    validate(network, squares(50), 2, cancel)
    assert len(asked) == 2
    with pytest.raises(Cancelled):
        validate(network, squares(50), 2, cancel)
