"""Opening TorchScript files, exports in training mode, and the comparison with a mirror."""

from pathlib import Path

import pytest
import torch
from torch import nn

from napari_seggradcam.errors import NetworkError, NetworkFileError
from napari_seggradcam.networks.comparing import difference
from napari_seggradcam.networks.torchscript.mirroring import mirror
from napari_seggradcam.networks.torchscript.reading import (
    read_scripted,
    trained_mode,
)
from torchscript_files import SmallUNet, export, noisy, save, written

IMAGE = torch.rand(1, 1, 8, 8)


def test_a_network_is_read_in_evaluation_mode(tmp_path: Path) -> None:
    scripted = export(SmallUNet().train(), IMAGE, "scripted")
    assert not read_scripted(save(scripted, tmp_path / "a.pt")).training


def test_broken_files_say_so(tmp_path: Path) -> None:
    path = save(export(noisy(SmallUNet), IMAGE, "traced"), tmp_path / "a.pt")
    content = path.read_bytes()
    tensors = tmp_path / "tensors.pt"
    torch.save({"a": IMAGE}, tensors)
    path.write_bytes(content[: len(content) // 2])
    for broken in (path, tensors, tmp_path / "missing.pt"):
        with pytest.raises(NetworkFileError, match="can't be loaded"):
            read_scripted(broken)


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.norm(self.conv(x)))


def test_an_export_in_training_mode_is_told(tmp_path: Path) -> None:
    traced = save(export(Dropping().train(), IMAGE, "traced"), tmp_path / "a.pt")
    told = trained_mode(read_scripted(traced))
    assert told is not None
    assert "batch norm and dropout" in told
    # Scripting keeps the switch.
    scripted = save(export(Dropping().train(), IMAGE, "scripted"), tmp_path / "b.pt")
    assert trained_mode(read_scripted(scripted)) is None


@pytest.mark.parametrize("how", ["traced", "scripted"])
def test_a_norm_without_statistics_does_not_train(how: str, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False))
    assert trained_mode(written(module, IMAGE, how, tmp_path)) is None


def test_difference_is_the_largest(tmp_path: Path) -> None:
    scripted = written(noisy(SmallUNet), IMAGE, "scripted", tmp_path)
    mirrored = mirror(scripted)
    assert difference(mirrored, scripted, IMAGE) == 0
    mirrored.head.bias = nn.Parameter(mirrored.head.bias + torch.tensor([0.5, -0.25]))
    assert difference(mirrored, scripted, IMAGE) == pytest.approx(0.5)
    assert difference(nn.Conv2d(1, 3, 1), scripted, IMAGE) == float("inf")
    with pytest.raises(NetworkError):
        difference(nn.Conv2d(2, 2, 1), scripted, IMAGE)
