"""Which image a module takes, found by trying, where its file does not tell."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ...errors import NetworkError, NetworkFileError
from ..running import as_found, call_module

# The last ones are for networks of one size.
_SIZES = {2: (64, 128, 256, 512, 224, 384, 320, 192, 96), 3: (32, 64, 96, 128)}
_MOST_CHANNELS = 4
_MOST_VALUES = 2**28


def image_for(
    module: nn.Module,
    where: str,
    declared: Sequence[int | None] = (),
    patch: Sequence[int] | None = None,
) -> torch.Tensor:
    """A random image, (1, channels, *spatial), on which the module runs.

    Parameters
    ----------
    module
        Any torch module; its weights tell what may be tried.
    where
        The file, for people.
    declared
        What the file says of (channels, *spatial), with None for what it does not; empty: nothing.
    patch
        Spatial shape that the caller gave, for what the file does not say.

    Raises
    ------
    NetworkFileError
        If it runs on none that was tried.
    """
    said, given = "", (None, *(patch or ()))
    if len(given) == len(declared):
        declared = [size or other for size, other in zip(declared, given, strict=True)]
    elif len(declared) - 1 not in _SIZES:
        declared = given if patch else ()
    with as_found(module), torch.no_grad():
        for shape in _shapes(module, declared):
            generator = torch.Generator().manual_seed(0)
            image = torch.rand((1, *shape), generator=generator)
            try:
                call_module(module, image.clone())
            except NetworkError as error:
                said = said or str(error)
                continue
            return image
    raise NetworkFileError(
        f"The network in {where} ran on no image that was tried; expected one that takes a tensor "
        "(batch, channels, 2 or 3 spatial axes). If it takes images of one size only, give that "
        f"as patch= (--patch). {said}"
    )


def _shapes(module: nn.Module, known: Sequence[int | None]) -> Sequence[tuple[int, ...]]:
    """Shapes (channels, *spatial) to try, the likely ones first, each once."""
    shapes: list[tuple[int, ...]] = []
    for ndim, likely in _candidates(module):
        channels, *spatial = known or (None,) * (ndim + 1)
        shapes += [
            (channels or likely, *(given or size for given in spatial))
            for size in _SIZES[len(spatial)]
        ]
    return [shape for shape in dict.fromkeys(shapes) if math.prod(shape) <= _MOST_VALUES]


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
