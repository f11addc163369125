"""One picture of many heatmaps: tiles of image, heatmap and outline of M.

napari draws a grid of many layers slowly; a mosaic has four layers however
many network layers it shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from .on_demand import planes_on_demand
from .ownership import mark
from .placement import last_axes, transform_grid
from .planes import in_units_of
from .replacing import Values
from .tiling import Tiling

if TYPE_CHECKING:
    from ..explain.explanation import Explanation, Heatmap

HEAT = "heatmaps"
NAMES = "names"
"""Keys of the layers that show values."""

_CENTRED = (0.12, 0.5)
"""Middle of a centred name, as shares of a tile's rows and columns."""

_BAND = 128
"""Rows that are interpolated at a time: what that takes is small enough for memory to be at hand,
and getting it anew may take several times as long as filling it."""


@dataclass(frozen=True, eq=False)
class TileValues:
    """What the tiles of a mosaic show.

    Attributes
    ----------
    maps : tuple of Heatmap
        One per tile.
    signed : bool
        Whether their signed maps are meant.
    largest : tuple of float
        Value that is drawn brightest, per tile, in raw units.
    said : tuple of str
        What stands below the name, per tile.
    """

    maps: tuple["Heatmap", ...]
    signed: bool
    largest: tuple[float, ...]
    said: tuple[str, ...]

    @classmethod
    def of(cls, explanation: "Explanation", settings: ResultSettings) -> "TileValues":
        """Return the values of an answer."""
        maps = tuple(explanation.values())
        # The same scale as of the map's own layer; interpolation may stay below it.
        largest = tuple(shown_scale(one, settings)[1] for one in maps)
        return cls(maps, settings.signed, largest, tuple(_said_of(one, settings) for one in maps))

    def on_grid(self, tile: int, within: Sequence[slice] | None = None) -> NDArray[np.float32]:
        """Values of a tile in raw units; parameters as of `Heatmap.resized`."""
        return np.asarray(self.maps[tile].resized(self.signed, within))

    def tiled(self, tiling: Tiling, shape: tuple[int, ...]) -> Any:
        """Shares of all tiles in one array, of a volume plane by plane as they are looked at."""

        def planes(where: tuple[slice, ...]) -> NDArray[np.float32]:
            sizes = [len(range(*part.indices(n))) for part, n in zip(where, shape, strict=False)]
            found = np.zeros((*sizes, *tiling.extent), np.float32)
            self.put(tiling, found, where)
            return found

        return planes_on_demand(shape, np.float32, planes)

    def put(
        self, tiling: Tiling, shares: NDArray[np.float32], where: tuple[slice, ...] = ()
    ) -> None:
        """Put values, each divided by its tile's largest, into an array of all tiles.

        Parameters
        ----------
        tiling : Tiling
            Where the tiles lie.
        shares : (*planes, rows, columns) array of float32
            To be changed.
        where : tuple of slice
            Which planes of a volume these are.
        """
        for tile, here in enumerate(tiling):
            whole, largest = shares[here], np.float32(self.largest[tile])
            for first in range(0, whole.shape[-2], _BAND):
                rows = slice(first, first + _BAND)
                values = self.on_grid(tile, (*where, rows, slice(None)))
                np.divide(values, largest, out=whole[..., rows, :])


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Arrays of a mosaic; the last two spatial axes are tiled.

    Attributes
    ----------
    image : ImageInput
        The image that was asked about.
    values : TileValues
        What the tiles show.
    tiling : Tiling
        Where the tiles lie.
    picture : ndarray or dask array
        The image in every tile.
    style : dict
        How the image is shown.
    shares : (*spatial) array of float32
        Maps, each divided by its largest value; 0 between the tiles.
    outlines : (*spatial) array of uint8
        1 along the inside of the region's border in every tile, 2 along that of its side that
        counts against the score. napari would look for it in the whole mosaic each time that it
        draws.
    spare : list of array of float32
        Arrays like `shares` that nobody shows any more, for the next values; one list for all
        mosaics that come from each other by `with_values`.

    Notes
    -----
    Of a volume the arrays are dask arrays: their planes are made when they are looked at.
    """

    image: ImageInput
    values: TileValues
    tiling: Tiling
    picture: NDArray[Any]
    style: dict[str, Any]
    shares: NDArray[np.float32]
    outlines: NDArray[np.uint8]
    spare: list[NDArray[np.float32]] = field(default_factory=list)

    def give_back(self) -> None:
        """Leave the array of `shares` to the mosaic after the next; nobody may show it any more."""
        if self.shares.ndim == 2:
            self.spare.append(self.shares)

    @property
    def heat(self) -> Values:
        """What the layer of all maps shows."""
        signed = self.values.signed
        what = "signed maps" if signed else "heatmaps"
        return Values(
            self.image.spread(self.shares),
            (-1.0 if signed else 0.0, 1.0),
            f"mosaic · {what}, each as a share of its largest value",
        )

    @property
    def titles(self) -> dict[str, list[str]]:
        """Features of the layer of names."""
        return {"name": [one.name for one in self.values.maps], "said": list(self.values.said)}

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
            cache=False,  # planes of old answers are of no use
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
        tile, pixel = found
        value = self.values.on_grid(tile, tuple(slice(i, i + 1) for i in pixel)).item()
        name, largest = self.values.maps[tile].name, self.values.largest[tile]
        return f"{name}: {value:.3g} (largest {largest:.3g})"

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
        return None if found is None else found[1]

    def _under(self, position: Sequence[float], dims: Dims) -> tuple[int, tuple[int, ...]] | None:
        """Tile under the pointer, and the image pixel that it shows there."""
        grid = transform_grid(self.image.transform(), self.image.grid.shape)
        world = in_units_of(grid, np.asarray(position)[-grid.ndim :], dims)
        index = nearest_pixels(grid.to_pixels(world))[list(self.image.spatial_axes)]
        if ((index < 0) | (index >= self.shares.shape)).any():
            return None
        tile = self.tiling.under(index[-2:])
        if tile is None:
            return None
        index[-2:] -= self.tiling.corners[tile]
        return tile, tuple(int(number) for number in index)

    def title_places(self, ndisplay: int) -> NDArray[np.float64]:
        """Data of the layer of names: where they stand when so many axes are displayed.

        At the top left of every tile, and in 3D, where napari centres text, inside its upper edge.
        """
        # Only the tiled axes and those behind them, so that the names show in every plane.
        first = self.image.spatial_axes[-2]
        points = np.zeros((len(self.values.maps), self.image.grid.ndim - first))
        within = self.tiling.tile * _CENTRED if ndisplay == 3 else 0
        places = self.tiling.corners + within
        points[:, [axis - first for axis in self.image.spatial_axes[-2:]]] = places
        return points

    def _titles(self, transform: dict[str, Any]) -> Points:
        """Name and largest value in every tile."""
        points = self.title_places(2)
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
                "blending": "translucent_no_depth",  # else volumes hide it
            },
            **last_axes(transform, points.shape[1]),
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
    tiling = Tiling.of(len(explanation), image.shape[-2:])
    shape = (*image.shape[:-2], *tiling.extent)
    shown, style = shown_image(image)
    colours = style["rgb"]
    picture = planes_on_demand(
        (*shape, *shown.shape[-1:]) if colours else shape,
        shown.dtype,
        lambda where: tiling.repeated(shown[where], colours),
        plane_ndim=2 + colours,
    )
    region = explanation.region
    outlines = planes_on_demand(
        shape, np.uint8, lambda where: tiling.repeated(_outline(region[where]))
    )
    values = TileValues.of(explanation, settings)
    shares = values.tiled(tiling, shape)
    return Mosaic(image, values, tiling, picture, style, shares, outlines)


def with_values(mosaic: Mosaic, explanation: "Explanation", settings: ResultSettings) -> Mosaic:
    """Return a mosaic of the same image, region and network layers with other values.

    Parameters
    ----------
    mosaic : Mosaic
        As it was; its picture and outlines are taken over.
    explanation, settings
        As for `build_mosaic`.
    """
    values = TileValues.of(explanation, settings)
    if mosaic.shares.ndim > 2:
        shares = values.tiled(mosaic.tiling, mosaic.shares.shape)
        return replace(mosaic, values=values, shares=shares)
    # To get an array for every answer would take several times as long as to fill it.
    try:
        shares = mosaic.spare.pop()
    except IndexError:
        shares = np.zeros_like(mosaic.shares)
    values.put(mosaic.tiling, shares)
    return replace(mosaic, values=values, shares=shares)


def _said_of(heatmap: "Heatmap", settings: ResultSettings) -> str:
    largest, kept = shown_largest(heatmap, settings), heatmap.kept_share
    if largest == 0:
        return "all zero"
    if settings.signed:
        return f"±{largest:.2g}"
    return f"max {largest:.2g}" + ("" if kept is None else f", {share_in_words(kept)}")


def _outline(region: NDArray[Any]) -> NDArray[np.uint8]:
    """Outlines of both sides of a region, as in `Mosaic`."""
    sides = sides_of(region)
    found = np.zeros_like(sides)
    for side in (1, 2):
        found[_inner_border(sides == side)] = side
    return found


def _inner_border(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of the region next to its border, plane by plane, as wide as napari's contours."""
    plane = ndimage.generate_binary_structure(2, 1)
    structure = plane.reshape((1,) * (region.ndim - 2) + plane.shape)
    inside = ndimage.binary_erosion(region, structure, OUTLINE_WIDTH, border_value=1)
    return np.asarray(region & ~inside)
