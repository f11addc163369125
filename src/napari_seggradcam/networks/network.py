"""The network that is explained, with the description of its input and output."""

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torch.nn import functional

from ..errors import OptionError, ShapeError, TargetError
from . import layers as network_layers
from .colours import check_colour, palette
from .images import PreparedImage, channels_first, normalised, pad
from .layers import NetworkLayer
from .normalisation import Normalisation
from .outputs import MapGrid, select_output
from .probing import Prober
from .roles import find_layers
from .running import FunctionCalls, as_found, call_module, cancellable, device_of, dtype_of
from .sizes import AxisRule
from .tracing import Trace
from .unet import UNet

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Network:
    """A segmentation network with what one must know to ask about it.

    Made by `Network.from_module` or `napari_seggradcam.open_network`. The module is never
    changed: it runs in evaluation mode with frozen parameters and is put back afterwards.

    Attributes
    ----------
    module : torch.nn.Module
        As the user gave it.
    axes : str
        ``"CYX"`` or ``"CZYX"``.
    channels : int
        Channels of the image that it takes.
    normalisation : Normalisation or None
        What is done to raw values first.
    name : str
        Short name for people.
    path : pathlib.Path or None
        File that it came from.
    sha256 : str or None
        Of that file.
    provenance : dict
        How it was made, as its file tells.
    lock : threading.RLock
        Held while the module runs, because hooks and flags belong to one run at a time.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        axes: str,
        channels: int,
        classes: Sequence[str] | None = None,
        colours: Sequence[str] | None = None,
        normalisation: Normalisation | None = None,
        name: str | None = None,
        path: Path | None = None,
        sha256: str | None = None,
        provenance: dict[str, Any] | None = None,
    ):
        if axes not in ("CYX", "CZYX"):
            raise OptionError(f"Network axes are {axes!r}; expected 'CYX' (2D) or 'CZYX' (3D).")
        if channels < 1:
            raise OptionError(f"The network has {channels} channels; expected 1 or more.")
        self.module = module
        self.axes = axes
        self.channels = channels
        self.normalisation = normalisation
        self.name = name or type(module).__name__
        self.path = path
        self.sha256 = sha256
        self.provenance = provenance or {}
        self.lock = threading.RLock()
        self._given_classes = None if classes is None else tuple(classes)
        self._given_colours = None if colours is None else tuple(map(check_colour, colours))

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        axes: str = "CYX",
        channels: int = 1,
        classes: Sequence[str] | None = None,
        colours: Sequence[str] | None = None,
        normalisation: Normalisation | None = None,
        name: str | None = None,
    ) -> Self:
        """Network from any torch module that maps an image to logits.

        Parameters
        ----------
        module
            Takes a float tensor (1, channels, *spatial) and returns logits (1, rows, *spatial),
            alone or in a dict, tuple or list. It is left as it is, on its device.
        axes
            ``"CYX"`` for 2D, ``"CZYX"`` for 3D.
        channels
            Channels of the image.
        classes
            Names, one for each row of logits; for one row (a sigmoid network) two names, class 0
            with the logit -z and class 1 with z. None: ``"class 0"``, ``"class 1"``, …
        colours
            ``"#rrggbb"`` for each class; None: a palette.
        normalisation
            What is done to raw values first, such as `Percentile`; None: nothing.
        name
            Short name for people; None: the module's class.

        Raises
        ------
        OptionError
            If axes, channels or colours can't be.
        """
        return cls(
            module,
            axes=axes,
            channels=channels,
            classes=classes,
            colours=colours,
            normalisation=normalisation,
            name=name,
        )

    def __repr__(self) -> str:
        return f"<Network {self.name!r}: {self.architecture}, {self.parameters:,} parameters>"

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.axes) - 1

    @property
    def architecture(self) -> str:
        """One line about the module."""
        if isinstance(self.module, UNet):
            return self.module.describe()
        return f"{type(self.module).__name__} {self.ndim}D"

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def device(self) -> torch.device:
        """Where the module's parameters are."""
        return device_of(self.module)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the module's parameters."""
        return dtype_of(self.module)

    def to(self, device: str | torch.device) -> Self:
        """Move the module to a device, such as ``"cpu"`` or ``"cuda"``.

        Raises
        ------
        OptionError
            If torch knows no such device or can't use it here.
        """
        try:
            with self.lock:
                self.module.to(device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise OptionError(
                f"The network can't be moved to the device {str(device)!r}: {error}. Choose "
                "'cpu', or a device from available_devices()."
            ) from error
        return self

    @cached_property
    def rules(self) -> tuple[AxisRule, ...]:
        """Sizes that every spatial axis may have, found by trying (0.1 to some seconds)."""
        with self.lock:
            return self._prober.rules()

    @property
    def step(self) -> tuple[int, ...]:
        """Distance between sizes that run, per spatial axis."""
        return tuple(rule.step for rule in self.rules)

    @property
    def minimum_size(self) -> tuple[int, ...]:
        """Smallest input, per spatial axis; smaller images are padded to it."""
        return tuple(rule.minimum for rule in self.rules)

    @cached_property
    def _prober(self) -> Prober:
        return Prober(self.module, self.ndim, self.channels)

    @cached_property
    def _traces(self) -> tuple[Trace, Trace]:
        small, large = self._prober.probe_sizes(self.rules)
        with self.lock:
            return self._prober.trace(small), self._prober.trace(large)

    @cached_property
    def layers(self) -> tuple[NetworkLayer, ...]:
        """All network layers in order of execution, found by tracing two forward passes."""
        return find_layers(*self._traces, self._prober.probe_sizes(self.rules))

    @property
    def activation(self) -> str | None:
        """Softmax or sigmoid at the network's end; it is left out to get at the logits."""
        trailing = self._traces[0].activation
        return None if trailing is None else trailing[0]

    @property
    def bypass(self) -> int | None:
        """Which of the network's activation calls is left out, if any."""
        trailing = self._traces[0].activation
        return None if trailing is None else trailing[1]

    @property
    def rows(self) -> int:
        """Rows of logits; one for a network with one channel for two classes."""
        if isinstance(self.module, UNet):
            return int(self.module.config["out_channels"])
        return self._traces[0].rows

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Name of every class, two for a network with one row of logits."""
        count = max(2, self.rows)
        if self._given_classes is None:
            return tuple(f"class {number}" for number in range(count))
        if len(self._given_classes) != count:
            raise ShapeError(
                f"{len(self._given_classes)} class names were given ("
                f"{', '.join(self._given_classes)}) and the network has {self.rows} rows of "
                f"logits; expected {count} names."
            )
        return self._given_classes

    @cached_property
    def colours(self) -> tuple[str, ...]:
        """Colour ``"#rrggbb"`` of every class."""
        count = len(self.classes)
        if self._given_colours is None:
            return palette(count)
        if len(self._given_colours) != count:
            raise ShapeError(
                f"{len(self._given_colours)} colours were given ("
                f"{', '.join(self._given_colours)}) and the network has {count} classes; expected "
                f"one colour for each of {', '.join(self.classes)}."
            )
        return self._given_colours

    def class_index(self, target: int | str) -> int:
        """Index of a class given by index or name.

        Raises
        ------
        TargetError
            If there is no such class.
        """
        if isinstance(target, str) and target in self.classes:
            return self.classes.index(target)
        is_index = isinstance(target, int | np.integer) and not isinstance(target, bool)
        if is_index and 0 <= int(target) < len(self.classes):
            return int(target)
        names = ", ".join(f"{i} ({name})" for i, name in enumerate(self.classes))
        raise TargetError(f"The network has no class {target!r}; its classes are {names}.")

    def select_layers(self, wanted: str | Iterable[str]) -> tuple[NetworkLayer, ...]:
        """Layers for a preset, a name, a module's path, or a list of those.

        See Also
        --------
        napari_seggradcam.networks.layers.select_layers
        """
        return network_layers.select_layers(self.layers, wanted)

    def prepare(self, image: ArrayLike, axes: str | None = None) -> PreparedImage:
        """Image as the network sees it: channel first, normalised, padded by reflection.

        Parameters
        ----------
        image
            Raw values.
        axes
            One letter an axis, such as ``"YX"`` or ``"YXC"``; see
            `napari_seggradcam.networks.images.channels_first`.

        Raises
        ------
        ShapeError
            If axes or channels do not fit.
        ImageError
            If values are not finite.
        """
        values = channels_first(image, axes, self.axes, self.channels)
        return pad(normalised(values, self.normalisation), self.rules)

    def predict(
        self,
        image: ArrayLike,
        axes: str | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> NDArray[np.float32]:
        """Logits of an image on the image's own grid.

        Parameters
        ----------
        image, axes
            As for `prepare`.
        cancel
            Asked before each module; the call stops when it returns True.

        Returns
        -------
        ndarray of float32, shape (classes, *spatial)
            For a network with one row z of logits, the rows -z and z.

        Raises
        ------
        NetworkError
            If the network fails on the image.
        Cancelled
            If ``cancel`` said so.
        """
        prepared = self.prepare(image, axes)
        with self.lock, as_found(self.module), torch.no_grad(), cancellable(self.module, cancel):
            logits = self.run(prepared.tensor, FunctionCalls(self.ndim, self.bypass))
        return self.on_image(logits, prepared)

    def run(self, tensor: torch.Tensor, calls: FunctionCalls) -> torch.Tensor:
        """Logits (1, rows, *output) of a padded input, under the caller's gradient mode.

        Raises
        ------
        NetworkError
            If the module raises an error.
        """
        with calls:
            output = call_module(self.module, tensor.to(self.device, self.dtype))
        return select_output(output, self.ndim)

    def output_grid(self, prepared: PreparedImage) -> MapGrid:
        """Where the positions of the logits of a padded input lie on the image."""
        sizes = prepared.padded_shape
        shape = tuple(
            (size - rule.margin) // rule.output_stride
            for size, rule in zip(sizes, self.rules, strict=True)
        )
        scale = tuple(float(rule.output_stride) for rule in self.rules)
        translate = tuple(
            ((size - 1) - (n - 1) * step) / 2 - lead
            for size, n, step, lead in zip(sizes, shape, scale, prepared.before, strict=True)
        )
        return MapGrid(shape, scale, translate)

    def on_image(self, logits: torch.Tensor, prepared: PreparedImage) -> NDArray[np.float32]:
        """Logits (1, rows, *output) as (classes, *spatial) on the image's grid."""
        logits = logits.detach().float()
        grid = self.output_grid(prepared)
        if any(scale != 1 for scale in grid.scale):
            size = [n * int(s) for n, s in zip(grid.shape, grid.scale, strict=True)]
            logits = functional.interpolate(logits, size, mode=_LINEAR[self.ndim])
        # Position 0 of the enlarged logits lies half a cell before that of the small ones.
        start = [
            round((scale - 1) / 2 - translate)
            for scale, translate in zip(grid.scale, grid.translate, strict=True)
        ]
        window = tuple(slice(a, a + n) for a, n in zip(start, prepared.shape, strict=True))
        rows = logits[0].cpu().numpy()[:, *window]
        return np.concatenate([-rows, rows]) if len(rows) == 1 else rows

    def save(self, path: str | Path, dtype: str = "float32") -> Path:
        """Write the native file; see `napari_seggradcam.networks.native.save_network`."""
        from .native import save_network

        return save_network(self, path, dtype)
