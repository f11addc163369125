"""Reading feature maps during a forward pass, and visiting their gradients in a backward pass.

Where gradients are wanted, the forward hook keeps the tensor and hands its clone on, so that later
in-place operations change the clone; of a tensor that a module has changed in place it keeps the
clone, because others may have that tensor, too. The graph starts at the shallowest kept tensor:
nothing above it is recorded. Gradients are handed over as they arrive and freed.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self

import torch
from torch import nn

from ..errors import LayerError, NetworkError, SegGradCamError
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.progress import Cancel
from ..networks.running import (
    FunctionCalls,
    cancellable,
    leaves,
    memory_of,
    replace_tensor,
    stop_if,
    tensors_in,
)
from .patches import Patch

Take = Callable[[str, torch.Tensor, bool], torch.Tensor]
Run = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
# Called with the name of a network layer and its feature maps.
OnMaps = Callable[[str, torch.Tensor], None]
OnGradient = Callable[[str, Patch], None]


class Taps(ABC):
    """Hands on the feature maps of the asked network layers during one forward pass.

    Use as a context manager around the forward pass.

    Parameters
    ----------
    module
        The module that will run.
    layers
        The network layers that are asked about.
    """

    def __init__(self, module: nn.Module, layers: Sequence[NetworkLayer]):
        self._module = module
        self._layers = layers
        self._hooks = ExitStack()

    def __enter__(self) -> Self:
        by_path: dict[str, dict[int, str]] = {}
        for layer in self._layers:
            if layer.module is not None:
                by_path.setdefault(layer.module, {})[layer.call] = layer.name
        modules = leaves(self._module)
        counts: Counter[str] = Counter()
        for path, names in by_path.items():

            def hook(
                m: nn.Module, args: Any, out: Any, path: str = path, names: Any = names
            ) -> Any:
                call, counts[path] = counts[path], counts[path] + 1
                if call not in names:
                    return None
                given = tensors_in(args)
                if any(out is tensor for tensor in given):
                    return self.take_in_place(names[call], out)
                shared = any(memory_of(out) == memory_of(tensor) for tensor in given)
                return self.take(names[call], out, shared)

            self._hooks.callback(modules[path].register_forward_hook(hook).remove)
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.close()

    def calls(self, ndim: int, bypass: int | None, run: Run | None = None) -> FunctionCalls:
        """Function mode that takes the asked skips; see `FunctionCalls`.

        Parameters
        ----------
        ndim, bypass
            As for `FunctionCalls`.
        run
            Runs functions, given name, function and arguments; None: torch does.
        """
        return _Calls(ndim, bypass, self._layers, self.take, run)

    @abstractmethod
    def take(self, name: str, tensor: torch.Tensor, shared: bool) -> torch.Tensor:
        """Take a layer's feature maps; returns what the network shall go on with.

        Parameters
        ----------
        name
            The network layer.
        tensor
            Its feature maps.
        shared
            Whether its memory is also something else's: a skip that the next level takes, too, or
            a view of the module's input.
        """

    @abstractmethod
    def take_in_place(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Take the feature maps of a layer that stand where the module's input was.

        Parameters
        ----------
        name
            The network layer.
        tensor
            Its feature maps. Who had the input has them, too.
        """


class Reading(Taps):
    """Feature maps that are read while they are there, without gradients.

    Parameters
    ----------
    module, layers
        As for `Taps`.
    on_maps
        Called with name and feature maps (1, channels, *spatial). Later operations may overwrite
        them in place; who keeps them compares their version afterwards.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[NetworkLayer],
        on_maps: OnMaps,
    ):
        super().__init__(module, layers)
        self._on_maps = on_maps

    def take(self, name: str, tensor: torch.Tensor, shared: bool) -> torch.Tensor:
        """Hand the maps over and go on with them."""
        # What the reader computes is none of the network's, which may run in half precision.
        with torch.autocast(tensor.device.type, enabled=False):
            self._on_maps(name, tensor)
        return tensor

    def take_in_place(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Hand the maps over and go on with them."""
        return self.take(name, tensor, True)


def read(
    network: Network,
    tensor: torch.Tensor,
    layers: Sequence[NetworkLayer],
    on_maps: OnMaps,
    cancel: Cancel | None,
    run: Run | None = None,
) -> torch.Tensor:
    """Logits of a padded input, without gradients, and on the way feature maps.

    Parameters
    ----------
    network, tensor
        What runs, and on what.
    layers, on_maps
        As for `Reading`.
    cancel
        Asked before each module.
    run
        As for `Taps.calls`.
    """
    taps = Reading(network.module, layers, on_maps)
    with torch.no_grad(), taps, cancellable(network.module, cancel):
        return network.run(tensor, taps.calls(network.ndim, network.bypass, run))


class Capture(Taps):
    """Feature maps that gradients can be taken of.

    Use with gradients enabled and parameters frozen, and call `backward` with the score
    afterwards.

    Parameters
    ----------
    module, layers
        As for `Taps`.
    on_kept
        Called with the name of each layer as its map arrives; may raise to stop the run.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[NetworkLayer],
        on_kept: Callable[[str], None],
    ):
        super().__init__(module, layers)
        self.maps: dict[str, torch.Tensor] = {}
        self._on_kept = on_kept
        self._roots: list[torch.Tensor] = []
        # What autograd knows the others by: later, they may have been changed in place.
        self._nodes: dict[str, tuple[Any, int]] = {}

    def take(self, name: str, tensor: torch.Tensor, shared: bool) -> torch.Tensor:
        """Keep a tensor of its own, and go on with its clone."""
        if shared:
            tensor = tensor.clone()
        if tensor.requires_grad:
            self._nodes[name] = tensor.grad_fn, tensor.output_nr
        else:
            tensor = tensor.detach().requires_grad_()
            self._roots.append(tensor)
        self.maps[name] = tensor
        self._on_kept(name)
        return tensor.clone()

    def take_in_place(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Keep a clone and go on with the tensor: all that is done with it counts."""
        maps = tensor.detach().clone()
        if tensor.requires_grad:
            self._nodes[name] = tensor.grad_fn, tensor.output_nr
        else:
            self._roots.append(maps.requires_grad_())
            tensor.copy_(maps)
        self.maps[name] = maps
        self._on_kept(name)
        return tensor

    def check(self) -> None:
        """Raise `LayerError` if the network did not run through every asked layer."""
        missing = [layer.name for layer in self._layers if layer.name not in self.maps]
        if missing:
            raise LayerError(
                f"The network did not run through {', '.join(missing)} on this image; it takes "
                "another path than on the image by which its layers were named."
            )

    def edge_of(self, name: str) -> tuple[Any, int]:
        """What autograd knows the maps of a layer by: a node of its graph, and which output."""
        if name in self._nodes:
            return self._nodes[name]
        edge = torch.autograd.graph.get_gradient_edge(self.maps[name])
        return edge.node, edge.output_nr

    def backward(
        self,
        score: torch.Tensor,
        on_gradient: OnGradient,
        cancel: Cancel | None,
        again: bool = False,
    ) -> None:
        """Visit every kept map's gradient once, from the logits up.

        Parameters
        ----------
        score
            Scalar made from the logits.
        on_gradient
            Called with name and gradient, on all positions. A layer that the score does not depend
            on gets no call.
        cancel
            Asked at every gradient.
        again
            Whether there will be a call with another score of the same logits.

        Raises
        ------
        Cancelled
            If ``cancel`` said so.
        """

        def visit(name: str, gradient: torch.Tensor) -> None:
            stop_if(cancel)
            with torch.no_grad():
                on_gradient(name, Patch((0,) * (gradient.ndim - 2), gradient))

        hooks = ExitStack()
        for name, (node, output) in self._nodes.items():

            def hook(gradients: Any, name: str = name, output: int = output) -> None:
                if gradients[output] is not None:
                    visit(name, gradients[output])

            hooks.callback(node.register_prehook(hook).remove)
        with hooks:
            if not score.requires_grad:
                return
            gradients = _gradients(score, self._roots, again)
        by_id = dict(zip(map(id, self._roots), gradients, strict=True))
        for name, tensor in reversed(self.maps.items()):
            gradient = by_id.get(id(tensor))
            if gradient is not None:
                visit(name, gradient)


def _gradients(
    score: torch.Tensor, roots: Sequence[torch.Tensor], again: bool
) -> tuple[torch.Tensor | None, ...]:
    try:
        return torch.autograd.grad(score, roots, allow_unused=True, retain_graph=again)
    except (SegGradCamError, torch.OutOfMemoryError):
        raise
    except RuntimeError as error:
        if "memory" in str(error):  # too little of it
            raise
        raise NetworkError(
            f"No gradient can be taken of the network: {error} Choose network layers behind that."
        ) from error


class _Calls(FunctionCalls):
    """Takes the tensors that enter the asked joins from the contracting side."""

    def __init__(
        self,
        ndim: int,
        bypass: int | None,
        layers: Sequence[NetworkLayer],
        take: Take,
        run: Run | None,
    ):
        super().__init__(ndim, bypass)
        self._take = take
        self._run = run
        self._wanted: dict[int, list[tuple[int, str]]] = {}
        for layer in layers:
            if layer.argument is not None:
                self._wanted.setdefault(layer.call, []).append((layer.argument, layer.name))

    def call(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return func(*args, **kwargs) if self._run is None else self._run(name, func, args, kwargs)

    def join(self, number: int, args: Any, kwargs: Any) -> tuple[Any, Any]:
        for argument, name in self._wanted.get(number, ()):
            both = (args, kwargs)
            skip = self._take(name, tensors_in(both)[argument], True)
            args, kwargs = replace_tensor(both, argument, skip)
        return args, kwargs
