"""Which image a module takes, found by trying, where its file does not tell."""

from collections.abc import Iterator

import torch
from torch import nn

from ...errors import NetworkError, NetworkFileError
from ..running import as_found, call_module

_SIZES = {2: (64, 128, 256), 3: (32, 64)}
_MOST_CHANNELS = 4


def image_for(module: nn.Module, where: str) -> torch.Tensor:
    """A random image, (1, channels, *spatial), on which the module runs.

    Parameters
    ----------
    module
        Any torch module; its weights tell what may be tried.
    where
        The file, for people.

    Raises
    ------
    NetworkFileError
        If it runs on none that was tried.
    """
    said = ""
    with as_found(module), torch.no_grad():
        for ndim, channels in _candidates(module):
            for size in _SIZES[ndim]:
                generator = torch.Generator().manual_seed(0)
                image = torch.rand((1, channels, *[size] * ndim), generator=generator)
                try:
                    call_module(module, image.clone())
                except NetworkError as error:
                    said = said or str(error)
                    continue
                return image
    raise NetworkFileError(
        f"The network in {where} ran on no image that was tried; expected one that takes a tensor "
        f"(batch, channels, 2 or 3 spatial axes). {said}"
    )


def _candidates(module: nn.Module) -> Iterator[tuple[int, int]]:
    """Numbers of spatial axes and channels, the likely ones first, each once."""
    weights = [p for p in module.parameters() if p.ndim in (4, 5)]
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    ndims = dict.fromkeys([w.ndim - 2 for w in weights] or [2])
    inner = [(c.weight.ndim - 2, c.in_channels) for c in convolutions[:1]]
    first = [(w.ndim - 2, w.shape[1]) for w in weights[:1]]
    others = [(n, c) for n in ndims for c in range(1, _MOST_CHANNELS + 1)]
    rest = [(w.ndim - 2, w.shape[1]) for w in weights]
    yield from dict.fromkeys([*inner, *first, *others, *rest])
