"""A TorchScript network as ordinary modules.

A ScriptModule takes no forward hooks, and what happens inside it nobody sees. Its mirror is a tree
of modules with the same names, classes' names, parameters and buffers, which compute what the
methods of the ScriptModules say, node by node, through ordinary functions of torch. Children are
called as modules are, so that hooks fire.
"""

import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn

from ...errors import NetworkError, NetworkFileError, SegGradCamError
from .compiling import compile_method
from .programs import Program, walk
from .taps import Taps, plain_convolution


@dataclass
class Home:
    """Device and type of numbers of a network, now and when its file was made.

    Attributes
    ----------
    written
        Type of the parameters in the file.
    device, dtype
        Now; None before the first run.
    """

    written: torch.dtype
    device: torch.device | None = None
    dtype: torch.dtype | None = None

    def settle(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Note where a module is, or if it has no parameters, where its arguments are."""
        given = (a for a in arguments if isinstance(a, torch.Tensor))
        tensor: torch.Tensor | None = next(module.parameters(), None)
        tensor = next(given, None) if tensor is None else tensor
        if tensor is not None:
            self.device, self.dtype = tensor.device, tensor.dtype

    def dtype_for(self, dtype: torch.dtype) -> torch.dtype:
        """The type that stands for one in the file."""
        return self.dtype if self.dtype is not None and dtype == self.written else dtype


@dataclass
class Script:
    """What a mirror holds of its ScriptModule beside parameters, buffers and children.

    Attributes
    ----------
    home
        Shared by all modules of a network.
    is_root
        Whether it is the network's own module.
    programs
        By name of the method.
    attributes
        By name.
    """

    home: Home
    is_root: bool = False
    programs: dict[str, Program] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


class Interpreted(nn.Module):
    """Mirror of one ScriptModule; its class has the name of the original module's.

    Attributes
    ----------
    torchscript
        All that is not a module's usual; one name, because children have names of their own.
    """

    def __init__(self, torchscript: Script):
        super().__init__()
        self.torchscript = torchscript

    def forward(self, *arguments: Any, method: str = "forward") -> Any:
        """What the method returns; a traced module that is called again has one for each call."""
        if self.torchscript.is_root:
            self.torchscript.home.settle(self, arguments)
        return self.run_method(method, *arguments)

    def run_method(self, name: str, *arguments: Any) -> Any:
        """What any method returns.

        Raises
        ------
        NetworkError
            If there is no such method.
        """
        programs = self.torchscript.programs
        if name not in programs:
            raise NetworkError(
                f"The module {type(self).__name__} of the TorchScript network has no method "
                f"{name}: it was never called when the network was traced."
            )
        return programs[name].run(self, arguments)


@cache
def _class_named(name: str) -> type[Interpreted]:
    return type(name, (Interpreted,), {"__module__": __name__})


def mirror(scripted: torch.jit.ScriptModule) -> nn.Module:
    """Modules that compute what a TorchScript network computes.

    They share its parameters' memory until they are moved or converted, can be copied with
    `copy.deepcopy`, and take any size of image and batch that the network takes. What works in
    place there does so here. Of a frozen network, which has no modules left, every convolution,
    norm, activation, pooling and upsampling becomes a module.

    Parameters
    ----------
    scripted
        As `read_scripted` gives it.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    Raises
    ------
    NetworkFileError
        If the network does something that is not supported; the message names it.
    """
    try:
        written = next((p.dtype for p in scripted.parameters()), torch.get_default_dtype())
        root = _Mirroring(Home(written)).interpreted(scripted, is_root=True)
    except SegGradCamError:
        raise
    except Exception as error:
        raise NetworkFileError(
            f"The TorchScript network can't be rebuilt from modules: {type(error).__name__}: "
            f"{error}"
        ) from error
    return root.eval()


class _Mirroring:
    """Mirrors modules, each once, as far as it can be told that two are the same."""

    def __init__(self, home: Home):
        self._home = home
        self._known: dict[tuple[Any, ...], nn.Module] = {}

    def module(self, scripted: Any) -> nn.Module:
        """Mirror of a child."""
        key = _identity(scripted)
        if key is not None and key in self._known:
            return self._known[key]
        found = plain_convolution(scripted)
        if found is None:
            found = self.interpreted(scripted)
        if key is not None:
            self._known[key] = found
        return found

    def interpreted(self, scripted: Any, is_root: bool = False) -> Interpreted:
        """Mirror that runs the methods' programs."""
        module = _class_named(str(scripted.original_name))(Script(self._home, is_root))
        for name, parameter in scripted.named_parameters(recurse=False):
            frozen = nn.Parameter(parameter.detach(), parameter.requires_grad)
            module.register_parameter(name, frozen)
        for name, buffer in scripted.named_buffers(recurse=False):
            module.register_buffer(name, buffer)
        for name, child in scripted.named_children():
            module.add_module(name, self.module(child))
        held = scripted._c
        taps = Taps(module) if is_root and not _calls_modules(scripted) else None
        for name in held._method_names():
            method = held._get_method(name)
            program = compile_method(method, name, None if taps is None else taps.tap)
            module.torchscript.programs[name] = program
            for key, tensor in program.tensors.items():
                module.register_buffer(key, tensor, persistent=False)
            self._attributes(module, held, method.graph)
        return module

    def _attributes(self, module: Interpreted, held: Any, graph: Any) -> None:
        """Copy the attributes that a method reads or writes."""
        own = next(graph.inputs()).unique()
        for node in walk(graph):
            if node.kind() not in ("prim::GetAttr", "prim::SetAttr"):
                continue
            name = node.s("name")
            is_own = next(node.inputs()).unique() == own
            known = (module._parameters, module._buffers, module._modules)
            if is_own and name != "training" and not any(name in names for names in known):
                value = held.getattr(name)
                if isinstance(value, torch._C.ScriptObject):
                    raise NetworkFileError(
                        f"The TorchScript network holds an object of a class, {name!r}, which is "
                        "not supported, such as the packed weights of a quantised network."
                    )
                module.torchscript.attributes[name] = copy.copy(value)


def _identity(scripted: Any) -> tuple[Any, ...] | None:
    """What is the same for two names of one module; None for modules without tensors."""
    tensors = [*scripted.parameters(), *scripted.buffers()]
    memory = tuple(tensor.data_ptr() for tensor in tensors if tensor.numel())
    return (scripted._c._type().str(), memory) if memory else None


def _calls_modules(scripted: Any) -> bool:
    graph = scripted._c._get_method("forward").graph
    return any(node.kind() == "prim::CallMethod" for node in walk(graph))
