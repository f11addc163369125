"""One picture of many heatmaps: tiles of image, heatmap and outline of M.

napari draws a grid of many layers slowly; a mosaic has four layers however
many network layers it shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import Dims
from napari.layers import Image, Layer, Points
from numpy.typing import NDArray
from scipy import ndimage

from ..explain.words import share_in_words
from ..geometry.grid import nearest_pixels
from .cells import outline_layer, shown_image, spread_image
from .heatmaps import (
    DEFAULT_SETTINGS,
    OUTLINE_WIDTH,
    ResultSettings,
    shown_largest,
    shown_scale,
    sides_of,
)
from .inputs import ImageInput
from .ownership import mark
from .placement import last_axes, transform_grid
from .planes import in_units_of
from .replacing import Values

if TYPE_CHECKING:
    from ..explain.explanation import Explanation, Heatmap

HEAT = "heatmaps"
NAMES = "names"
"""Keys of the layers that show values."""

_GAP = 0.04
"""Space between tiles, as a share of a tile's longer side."""

_CANVAS = 1.3
"""Width by height that a mosaic should have."""


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Arrays of a mosaic; the last two spatial axes are tiled.

    Attributes
    ----------
    image : ImageInput
        The image that was asked about.
    names : tuple of str
        Network layers, one tile each, row by row.
    largest : tuple of float
        Value that is drawn brightest, per tile, in raw units.
    corners : (tiles, 2) int array
        First row and column of each tile.
    picture : ndarray
        The image in every tile.
    style : dict
        How the image is shown.
    shares : (*spatial) float32 array
        Maps, each divided by its largest value; 0 between the tiles.
    outlines : (*spatial) uint8 array
        1 along the inside of the region's border in every tile, 2 along that of its side that
        counts against the score. napari would look for it in the whole mosaic each time that it
        draws.
    said : tuple of str
        What stands below the name, per tile.
    signed : bool
        Whether the maps are signed.
    """

    image: ImageInput
    names: tuple[str, ...]
    largest: tuple[float, ...]
    corners: NDArray[np.intp]
    picture: NDArray[Any]
    style: dict[str, Any]
    shares: NDArray[np.float32]
    outlines: NDArray[np.uint8]
    said: tuple[str, ...]
    signed: bool = False

    @property
    def heat(self) -> Values:
        """What the layer of all maps shows."""
        what = "signed maps" if self.signed else "heatmaps"
        return Values(
            self.image.spread(self.shares),
            (-1.0 if self.signed else 0.0, 1.0),
            f"mosaic · {what}, each as a share of its largest value",
        )

    @property
    def titles(self) -> dict[str, list[str]]:
        """Features of the layer of names."""
        return {"name": list(self.names), "said": list(self.said)}

    def layers(self, settings: ResultSettings) -> Iterator[Layer]:
        """Make the napari layers, from the bottom up."""
        image, transform = self.image, self.image.transform()
        picture = spread_image(self.picture, image, rgb=self.style["rgb"])
        yield mark(
            Image(picture, name="mosaic · image", **self.style, **transform), "view", "image"
        )
        heat = self.heat
        layer = Image(
            heat.data,
            name=heat.name,
            colormap=settings.colours,
            opacity=settings.opacity,
            blending=settings.blending,
            contrast_limits=heat.limits,
            rgb=False,
            **transform,
        )
        yield mark(layer, "view", HEAT)
        yield outline_layer(image.spread(self.outlines), "mosaic · region", transform, contour=0)
        yield self._titles(transform)

    def reading(self, position: Sequence[float], dims: Dims) -> str:
        """Network layer and value in raw units under the pointer; empty between the tiles.

        Parameters
        ----------
        position : sequence of float
            ``viewer.cursor.position``.
        dims : napari.components.Dims
            ``viewer.dims``.
        """
        found = self._under(position, dims)
        if found is None:
            return ""
        tile, index = found
        value = float(self.shares[tuple(index)]) * self.largest[tile]
        return f"{self.names[tile]}: {value:.3g} (largest {self.largest[tile]:.3g})"

    def pixel_at(self, position: Sequence[float], dims: Dims) -> tuple[int, ...] | None:
        """Image pixel that the tile under the pointer shows there; None between the tiles.

        Parameters
        ----------
        position : sequence of float
            ``event.position`` of a mouse callback, or ``viewer.cursor.position``.
        dims : napari.components.Dims
            ``viewer.dims``.
        """
        found = self._under(position, dims)
        if found is None:
            return None
        tile, index = found
        index[-2:] -= self.corners[tile]
        return tuple(int(number) for number in index)

    def _under(self, position: Sequence[float], dims: Dims) -> tuple[int, NDArray[np.intp]] | None:
        """Tile and element of the tiled arrays under the pointer."""
        grid = transform_grid(self.image.transform(), self.image.grid.shape)
        world = in_units_of(grid, np.asarray(position)[-grid.ndim :], dims)
        index = nearest_pixels(grid.to_pixels(world))[list(self.image.spatial_axes)]
        if ((index < 0) | (index >= self.shares.shape)).any():
            return None
        within = index[-2:] - self.corners
        found = np.flatnonzero(((within >= 0) & (within < self.image.shape[-2:])).all(axis=1))
        return None if found.size == 0 else (int(found[0]), index)

    def _titles(self, transform: dict[str, Any]) -> Points:
        """Name and largest value at the top left of every tile."""
        # Only the tiled axes and those behind them, so that the names show in every plane.
        first = self.image.spatial_axes[-2]
        count = self.image.grid.ndim - first
        points = np.zeros((len(self.names), count))
        points[:, [axis - first for axis in self.image.spatial_axes[-2:]]] = self.corners
        layer = Points(
            points,
            name="mosaic · names",
            size=1,
            opacity=1.0,
            face_color="transparent",
            border_color="transparent",
            features=self.titles,
            text={
                "string": "{name}\n{said}",
                "anchor": "lower_left",
                "color": "white",
                "size": 9,
            },
            **last_axes(transform, count),
        )
        layer.editable = False
        return mark(layer, "view", NAMES)


def build_mosaic(
    explanation: "Explanation", image: ImageInput, settings: ResultSettings = DEFAULT_SETTINGS
) -> Mosaic:
    """Make the arrays of a mosaic; safe in a worker.

    Parameters
    ----------
    explanation : Explanation
        All its heatmaps become tiles.
    image : ImageInput
        The image that was asked about.
    settings : ResultSettings
        Whether its signed maps do so instead.
    """
    tile = np.array(image.shape[-2:])
    gap = max(2, round(_GAP * int(tile.max())))
    corners = _corners(len(explanation), tile, gap)
    extent = (*image.shape[:-2], *(corners.max(axis=0) + tile))
    shown, style = shown_image(image)
    colours = shown.shape[-1:] if style["rgb"] else ()
    picture = np.zeros(extent + colours, dtype=shown.dtype)
    outlines = np.zeros(extent, dtype=np.uint8)
    sides = sides_of(explanation.region)
    outline = sum(side * _inner_border(sides == side) for side in (1, 2) if (sides == side).any())
    for here in _tiles(corners, tile):
        outlines[here] = outline
        picture[(*here, slice(None)) if colours else here] = shown
    largest, shares, said = _values(explanation, corners, extent, tile, settings)
    return Mosaic(
        image,
        tuple(explanation),
        largest,
        corners,
        picture,
        style,
        shares,
        outlines,
        said,
        settings.signed,
    )


def with_values(mosaic: Mosaic, explanation: "Explanation", settings: ResultSettings) -> Mosaic:
    """Return a mosaic of the same image, region and network layers with other values.

    Parameters
    ----------
    mosaic : Mosaic
        As it was; its picture and outlines are taken over.
    explanation, settings
        As for `build_mosaic`.
    """
    tile = np.array(mosaic.image.shape[-2:])
    largest, shares, said = _values(
        explanation, mosaic.corners, mosaic.shares.shape, tile, settings
    )
    return replace(mosaic, largest=largest, shares=shares, said=said, signed=settings.signed)


def _values(
    explanation: "Explanation",
    corners: NDArray[np.intp],
    extent: tuple[int, ...],
    tile: NDArray[np.intp],
    settings: ResultSettings,
) -> tuple[tuple[float, ...], NDArray[np.float32], tuple[str, ...]]:
    """Largest value of every tile, all tiles as shares of them, and what is said of each."""
    shares = np.zeros(extent, dtype=np.float32)
    largest, said = [], []
    for here, heatmap in zip(_tiles(corners, tile), explanation.values(), strict=True):
        # The same scale as of the map's own layer; interpolation may stay below it.
        top = shown_scale(heatmap, settings)[1]
        np.divide(heatmap.resized(signed=settings.signed), np.float32(top), out=shares[here])
        largest.append(top)
        said.append(_said_of(heatmap, settings))
    return tuple(largest), shares, tuple(said)


def _said_of(heatmap: "Heatmap", settings: ResultSettings) -> str:
    largest, kept = shown_largest(heatmap, settings), heatmap.kept_share
    if largest == 0:
        return "all zero"
    if settings.signed:
        return f"±{largest:.2g}"
    return f"max {largest:.2g}" + ("" if kept is None else f", {share_in_words(kept)}")


def _tiles(corners: NDArray[np.intp], tile: NDArray[np.intp]) -> Iterator[Any]:
    """Index of every tile."""
    for row, column in corners:
        yield (..., slice(row, row + tile[0]), slice(column, column + tile[1]))


def _inner_border(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of the region next to its border, plane by plane, as wide as napari's contours."""
    plane = ndimage.generate_binary_structure(2, 1)
    structure = plane.reshape((1,) * (region.ndim - 2) + plane.shape)
    inside = ndimage.binary_erosion(region, structure, OUTLINE_WIDTH, border_value=1)
    return np.asarray(region & ~inside)


def _corners(count: int, tile: NDArray[np.intp], gap: int) -> NDArray[np.intp]:
    """First row and column of each tile: shape of a window, few tiles left empty."""
    order = np.arange(count)

    def waste(across: int) -> float:
        down = -(-count // across)
        shape = across * tile[1] / (down * tile[0])
        return abs(float(np.log(shape / _CANVAS))) + (across * down - count) / count

    across = min(range(1, count + 1), key=waste)
    return np.stack([order // across, order % across], axis=1) * (tile + gap)
