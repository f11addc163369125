"""What a network is: its module, what it takes and returns, and its network layers."""

import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from torch import nn

from ..errors import OptionError
from . import layers as network_layers
from .anatomy import Anatomy
from .channels import checked_names
from .classes import class_index, class_names
from .colours import check_colour, class_colours
from .files import NetworkFile
from .layers import NetworkLayer
from .normalisation import Normalisation
from .sizes import AxisRule, only_size
from .sliding import check_patch
from .unet import UNet


class NetworkDescription:
    """A segmentation network as its user describes it, and what is found by looking at it.

    Parameters
    ----------
    module, axes, channels, channel_names, normalisation, output, sizes, patch
        Attributes of `napari_seggradcam.Network`, where each is explained.
    runs_at
        Spatial shape on which it is said to run; it counts where it runs on no other.
    name, path, sha256, provenance, file
        Where it comes from, explained there as well.
    classes, colours
        As for `from_module`.

    Raises
    ------
    OptionError
        If axes, channels, their names, colours or patch can't be.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        axes: str,
        channels: int,
        channel_names: Sequence[str] | None = None,
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
        self.channel_names = (
            None if channel_names is None else checked_names(channel_names, channels)
        )
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

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        axes: str = "CYX",
        channels: int = 1,
        channel_names: Sequence[str] | None = None,
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
        channel_names
            Names of these channels, by which they are found in images that name theirs; None: they
            have none.
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
            If axes, channels, their names, colours or patch can't be.
        """
        return cls(
            module,
            axes=axes,
            channels=channels,
            channel_names=channel_names,
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
