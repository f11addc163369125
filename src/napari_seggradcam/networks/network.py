"""The network that is explained, with the description of its input and output."""

import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from ..errors import OptionError
from . import layers as network_layers
from .anatomy import Anatomy
from .classes import class_index, class_names
from .colours import check_colour, class_colours
from .files import NetworkFile
from .images import PreparedImage, channels_first, normalised, pad
from .layers import NetworkLayer
from .normalisation import Normalisation
from .outputs import MapGrid, on_grid, output_grid, select_output
from .precision import autocast_to, check_precision, copy_in, name_of
from .running import FunctionCalls, as_found, call_module, cancellable, device_of, dtype_of
from .sizes import AxisRule, only_size
from .sliding import check_patch, pad_to_patch, predict_patches
from .unet import UNet

if TYPE_CHECKING:
    from .windows import WindowedImage


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
    file : NetworkFile or None
        What opening the file showed.
    output : str or None
        Which of several outputs is explained.
    sizes : tuple of (int, int), or None
        Smallest size and step of every spatial axis, as its file declares them.
    lock : threading.RLock
        Held while the module runs, because hooks and flags belong to one run at a time.
    origin : Network or None
        The network that `at_precision` made this one of.
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
        output: str | None = None,
        sizes: Sequence[tuple[int, int]] | None = None,
        patch: Sequence[int] | None = None,
        runs_at: Sequence[int] | None = None,
        name: str | None = None,
        path: Path | None = None,
        sha256: str | None = None,
        provenance: dict[str, Any] | None = None,
        file: NetworkFile | None = None,
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
        self.file = file
        self.output = output
        self.sizes = None if sizes is None else tuple(sizes)
        self.lock = threading.RLock()
        self._given_patch = None if patch is None else check_patch(patch, self.ndim)
        known = [tuple(size) for size in (self._given_patch, runs_at) if size is not None]
        self._anatomy = Anatomy(module, self.ndim, channels, output, self.sizes, known, self.lock)
        self._given_classes = None if classes is None else tuple(classes)
        self._given_colours = None if colours is None else tuple(map(check_colour, colours))
        self._given_precision: str | None = None
        self.origin: Network | None = None

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
        output: str | None = None,
        patch: Sequence[int] | None = None,
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
        output
            Which of several outputs is explained, as in `outputs`; None: ``"out"`` or
            ``"logits"``, else the first of the largest.
        patch
            Spatial shape of the patches on which it is explained, and predicts, as its own
            inference does; for a module that takes images of one size only, that size. None:
            whole images.
        name
            Short name for people; None: the module's class.

        Raises
        ------
        OptionError
            If axes, channels, colours or patch can't be.
        """
        return cls(
            module,
            axes=axes,
            channels=channels,
            classes=classes,
            colours=colours,
            normalisation=normalisation,
            output=output,
            patch=patch,
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
        if self.file is not None and self.file.architecture is not None:
            return self.file.architecture
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

    @property
    def precision(self) -> str:
        """Numbers that it computes in, such as ``"float32"``; see `at_precision`."""
        return self._given_precision or name_of(self.dtype)

    def at_precision(self, precision: str) -> "Network":
        """The same network computing in other numbers; nothing is probed again.

        Parameters
        ----------
        precision
            ``"float32"``; ``"float64"``, in which heatmaps and weights are float64, too; or
            ``"bfloat16"``, in which convolutions run under `torch.autocast`, which is for devices
            that are fast in it. The image is always normalised to float32 first.

        Returns
        -------
        Network
            This one if it computes so already. Otherwise one with a copy of the module as it is
            now, or for float32 parameters in bfloat16 with the module itself.

        Raises
        ------
        OptionError
            If there is no such precision, or the device does not know it.
        NetworkError
            If the module can't be copied.
        """
        check_precision(precision)
        if precision == self.precision:
            return self
        twin = copy.copy(self)
        twin._given_precision, twin.origin = precision, self.origin or self
        dtype = torch.float64 if precision == "float64" else torch.float32
        if self.dtype != dtype:
            with self.lock:
                twin.module = copy_in(self.module, dtype)
            twin.lock = threading.RLock()
        return twin

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

    @property
    def rules(self) -> tuple[AxisRule, ...]:
        """Sizes that every spatial axis may have, found by trying (0.1 to some seconds).

        Of those that run, they are the ones that the file declares, where it does.
        """
        return self._anatomy.rules

    @property
    def patch(self) -> tuple[int, ...] | None:
        """Spatial shape of the patches on which it is explained; None: on images of any size.

        It is what its own inference gives it at a time, where that is part of the answer, or the
        one size that it takes.
        """
        return self._given_patch or only_size(self.rules)

    @property
    def step(self) -> tuple[int, ...]:
        """Distance between sizes that run, per spatial axis; 0 where only one does."""
        return tuple(rule.step for rule in self.rules)

    @property
    def minimum_size(self) -> tuple[int, ...]:
        """Smallest input, per spatial axis; smaller images are padded to it."""
        return tuple(rule.minimum for rule in self.rules)

    @property
    def layers(self) -> tuple[NetworkLayer, ...]:
        """All network layers in order of execution, found by tracing forward passes."""
        return self._anatomy.layers

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that may be explained; `open_network` takes one of them."""
        return self._anatomy.outputs

    @property
    def activation(self) -> str | None:
        """Softmax or sigmoid at the network's end; it is left out to get at the logits."""
        return None if self._anatomy.activation is None else self._anatomy.activation[0]

    @property
    def bypass(self) -> int | None:
        """Which of the network's activation calls is left out, if any."""
        return None if self._anatomy.activation is None else self._anatomy.activation[1]

    @property
    def rows(self) -> int:
        """Rows of logits; one for a network with one channel for two classes."""
        if isinstance(self.module, UNet):
            return int(self.module.config["out_channels"])
        return self._anatomy.rows

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Name of every class, two for a network with one row of logits."""
        return class_names(self._given_classes, self.rows)

    @cached_property
    def colours(self) -> tuple[str, ...]:
        """Colour ``"#rrggbb"`` of every class."""
        return class_colours(self._given_colours, self.classes)

    def class_index(self, target: int | str) -> int:
        """Index of a class given by index or name.

        Raises
        ------
        TargetError
            If there is no such class.
        """
        return class_index(self.classes, target)

    def select_layers(self, wanted: str | Iterable[str]) -> tuple[NetworkLayer, ...]:
        """Layers for a preset, a name, a module's path, or a list of those.

        See Also
        --------
        napari_seggradcam.networks.layers.select_layers
        """
        return network_layers.select_layers(self.layers, wanted)

    def prepare(self, image: ArrayLike, axes: str | None = None) -> PreparedImage:
        """Image as the network sees it: channel first, normalised, padded by reflection.

        For a network with a `patch`, an image smaller than that is padded on both sides, with
        zeros unless the network takes no other size; larger ones are left as they are.

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
        OptionError
            If the network takes no images of the patch's size.
        """
        values = channels_first(image, axes, self.axes, self.channels)
        values = normalised(values, self.normalisation)
        if self.patch is None:
            return pad(values, self.rules)
        return pad_to_patch(values, self.patch, self.rules)

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
        return self.predict_prepared(self.prepare(image, axes), cancel)

    def predict_prepared(
        self, prepared: PreparedImage, cancel: Callable[[], bool] | None = None
    ) -> NDArray[np.float32]:
        """As `predict`, for what `prepare` has returned."""

        def run(part: PreparedImage) -> NDArray[np.float32]:
            logits = self.run(part.tensor, FunctionCalls(self.ndim, self.bypass))
            return self.on_image(logits, part)

        with self.lock, as_found(self.module), torch.no_grad(), cancellable(self.module, cancel):
            if self.patch is None:
                return run(prepared)
            return predict_patches(prepared, self.patch, run)

    def run(self, tensor: torch.Tensor, calls: FunctionCalls) -> torch.Tensor:
        """Logits (1, rows, *output) of a padded input, under the caller's gradient mode.

        Raises
        ------
        NetworkError
            If the module raises an error.
        """
        dtype = torch.float64 if self.precision == "float64" else self.dtype
        with calls, autocast_to(self._given_precision, self.device):
            output = call_module(self.module, tensor.to(self.device, dtype))
        logits = select_output(output, self.ndim, self.output)
        return logits if self._given_precision is None else logits.to(dtype)

    def output_grid(self, image: "PreparedImage | WindowedImage") -> MapGrid:
        """Where the positions of the logits of a padded input lie on the image."""
        return output_grid(image.padded_shape, image.before, self.rules)

    def on_image(self, logits: torch.Tensor, prepared: PreparedImage) -> NDArray[np.float32]:
        """Logits (1, rows, *output) as (classes, *spatial) on the image's grid."""
        window = tuple(slice(0, size) for size in prepared.shape)
        rows = on_grid(logits.detach().float(), self.output_grid(prepared), window)
        return np.concatenate([-rows, rows]) if len(rows) == 1 else rows

    def save(self, path: str | Path, dtype: str = "float32") -> Path:
        """Write the native file; see `napari_seggradcam.networks.formats.native.save_network`."""
        from .formats.native import save_network

        return save_network(self, path, dtype)
