import pytest
import torch
from torch.nn import functional

from napari_seggradcam.training.loss import SegmentationLoss, narrow_gaps
from napari_seggradcam.training.sources import IGNORE

torch.manual_seed(0)
LABELS = torch.randint(0, 3, (2, 8, 8))
LOGITS = torch.randn(2, 3, 8, 8)


def certain(labels, classes=3):
    return 100.0 * functional.one_hot(labels, classes).movedim(-1, 1)


@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 4, 4, 4)])
def test_loss_is_zero_for_a_certain_right_answer_only(shape):
    labels = torch.randint(0, 3, shape)
    loss = SegmentationLoss(None)
    assert float(loss(certain(labels), labels)) == pytest.approx(0, abs=1e-5)
    assert float(loss(certain((labels + 1) % 3), labels)) > 1.9


def test_ignored_pixels_do_not_count():
    labels = LABELS.clone()
    labels[:, :3] = IGNORE
    changed = LOGITS.clone()
    changed[:, :, :3] = 50 * torch.randn(2, 3, 3, 8)
    for loss in (SegmentationLoss(None), SegmentationLoss((1, 2, 3), gap_weight=2, gap_width=1)):
        torch.testing.assert_close(loss(LOGITS, labels), loss(changed, labels))
    everything = torch.full_like(labels, IGNORE)
    assert float(SegmentationLoss(None)(LOGITS, everything)) == 0


def test_class_weights_are_those_of_torch():
    weights = torch.tensor([0.2, 1.0, 3.0])
    plain, weighted = SegmentationLoss(None), SegmentationLoss(weights.tolist())
    difference = weighted(LOGITS, LABELS) - plain(LOGITS, LABELS)
    expected = functional.cross_entropy(LOGITS, LABELS, weights) - functional.cross_entropy(
        LOGITS, LABELS
    )
    torch.testing.assert_close(difference, expected)


def test_gaps_are_found_up_to_their_width():
    labels = torch.zeros(1, 20, 30, dtype=torch.long)
    labels[:, 5:15, 4:10], labels[:, 5:15, 13:19], labels[:, 5:15, 24:28] = 1, 1, 1
    gaps = narrow_gaps(labels, 5)
    expected = torch.zeros_like(gaps)
    expected[:, 5:15, 10:13] = True
    assert torch.equal(gaps, expected)
    assert not narrow_gaps(labels, 3).any()


def test_gap_weight_counts_wrong_gaps_more():
    labels = torch.zeros(1, 12, 12, dtype=torch.long)
    labels[:, 3:9, 1:5], labels[:, 3:9, 7:11] = 1, 1
    merged = labels.clone()
    merged[:, 3:9, 5:7] = 1
    logits = certain(merged, 2) / 20
    plain, weighted = (
        float(SegmentationLoss(None, weight, 3)(logits, labels)) for weight in (0.0, 4.0)
    )
    wrong, weight = 12, 1 + 4.0
    # Mean of the cross entropy with 12 wrong pixels of 144, each counted five times.
    error, right = (float(functional.softplus(torch.tensor(s * 5.0))) for s in (1, -1))
    expected = [
        (wrong * w * error + (144 - wrong) * right) / (wrong * w + 144 - wrong) for w in (1, weight)
    ]
    assert weighted - plain == pytest.approx(expected[1] - expected[0], rel=1e-4)
