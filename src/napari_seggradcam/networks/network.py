"""The network that is explained, and how it is run."""

import copy
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import NetworkError, OptionError
from .description import NetworkDescription
from .images import PreparedImage, channels_first, normalised, pad
from .outputs import MapGrid, on_grid, output_grid, select_output
from .precision import autocast_to, check_precision, copy_in, name_of
from .progress import Cancel
from .running import FunctionCalls, as_found, call_module, cancellable, device_of, dtype_of
from .sliding import pad_to_patch, predict_patches

if TYPE_CHECKING:
    from .windows import WindowedImage


class Network(NetworkDescription):
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
    channel_names : tuple of str, or None
        Their names, in its order; None: it does not name them.
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

    origin: "Network | None" = None
    _given_precision: str | None = None

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
        cancel: Cancel | None = None,
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
        self, prepared: PreparedImage, cancel: Cancel | None = None
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


def check_network(given: object) -> None:
    """Raise `NetworkError` unless a `Network` is given."""
    if not isinstance(given, Network):
        raise NetworkError(
            f"The network is of type {type(given).__name__}; expected a Network, as open_network "
            "makes of a file and Network.from_module of a torch module."
        )
