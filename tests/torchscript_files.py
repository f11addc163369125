"""TorchScript files that the tests write and open again, and networks that can be written."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from architectures import two_convolutions
from napari_seggradcam.networks.torchscript.reading import read_scripted


class SmallUNet(nn.Module):
    """A U-Net of one level that torch can also script."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.inc = two_convolutions(1, width)
        self.pool = nn.MaxPool2d(2)
        self.deep = two_convolutions(width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.out = two_convolutions(2 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.inc(x)
        x = self.up(self.deep(self.pool(skip)))
        if x.shape[2:] != skip.shape[2:]:
            x = functional.interpolate(x, size=skip.shape[2:], mode="bilinear")
        return self.head(self.out(torch.cat([skip, x], 1)))


def export(module: nn.Module, image: torch.Tensor, how: str) -> torch.jit.ScriptModule:
    """Traced or scripted, and frozen if ``how`` says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and the tracer talks a lot
        if "traced" in how:
            found = torch.jit.trace(module, image, check_trace=False, strict=False)
        else:
            found = torch.jit.script(module)
        return torch.jit.freeze(found) if "frozen" in how else found


def save(scripted: torch.jit.ScriptModule, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(scripted, str(path))
    return path


def written(
    module: nn.Module, image: torch.Tensor, how: str, folder: Path
) -> torch.jit.ScriptModule:
    """A module exported, saved and opened again."""
    return read_scripted(save(export(module.eval(), image, how), folder / "network.pt"))


def noisy(make: Callable[[], nn.Module]) -> nn.Module:
    """A network in evaluation mode whose norms do something and whose biases are not zero."""
    torch.manual_seed(1)
    module = make().eval()
    for parameter in module.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn(parameter.shape)
    return module


# Networks that do what no network should, at a path of their own.


class Writing(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x


class WritingWhileLoading(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.zeros(1), self.path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Mapping(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file(self.path, True, 1)
