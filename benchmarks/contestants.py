"""Who computes the heatmaps in the benchmarks.

Every library is called in the fastest way that it documents, in evaluation mode with frozen
parameters where it allows that: captum runs forward and backward for every layer; so does
pytorch-grad-cam, whose call for several layers averages them; torch-cam gives several layers' maps
in one call. *By hand* is what one would write in plain torch who knows the method, the network and
its reach, and has the time: a crop's gradients, and the nine maps read as the network runs.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import torch
from cases import TARGET, Case
from torch import nn

import napari_seggradcam as sgc

Maps = dict[str, np.ndarray]
Box = tuple[slice, slice]

# Of the reference network.
_STRIDE, _REACH = 16, 94


# ----------------------------------------------------------------------------------------- ours


def ours(case: Case, explainer: sgc.Explainer, mask: np.ndarray) -> Maps:
    """All maps, read, of an image that an explainer may know."""
    return _read(explainer.explain(mask, TARGET, list(case.layers)))


def ours_new(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """All maps of an image that was never seen before."""
    return ours(case, sgc.Explainer(case.network, image, once=True), mask)


def ours_each(case: Case, explainer: sgc.Explainer, labels: np.ndarray) -> list[Maps]:
    """All maps of every label."""
    each = explainer.explain_each(labels, TARGET, list(case.layers))
    return [_read(explanation) for explanation in each.values()]


def _read(explanation: sgc.Explanation) -> Maps:
    maps = {name: heatmap.signed for name, heatmap in explanation.items()}
    for signed in maps.values():
        signed.sum()
    return maps


# -------------------------------------------------------------------------------------- by hand


def by_hand(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """A new image: the weights by a crop, then one run that reads the maps as they come."""
    crop = _crop(case, mask)
    if crop is None:
        return _by_hand_on_whole(case, image, mask)
    alphas = _weights(case, image, mask, crop)
    maps: Maps = {}

    def read(name: str, values: torch.Tensor) -> None:
        maps[name] = torch.tensordot(alphas[name], values[0], dims=1).numpy()

    _run(case, _tensor(case, image), read, gradients=False)
    return maps


class ByHand:
    """Keeps the maps of an image, and asks about regions that are small enough for a crop."""

    def __init__(self, case: Case, image: np.ndarray):
        self._case, self._image = case, image
        self._maps: dict[str, torch.Tensor] = {}
        if case.is_local:
            _run(case, _tensor(case, image), self._maps.__setitem__, gradients=False)

    def ask(self, mask: np.ndarray) -> Maps:
        """The maps for a region."""
        crop = _crop(self._case, mask)
        if crop is None:
            return _by_hand_on_whole(self._case, self._image, mask)
        alphas = _weights(self._case, self._image, mask, crop)
        return {
            name: torch.tensordot(alphas[name], values[0], dims=1).numpy()
            for name, values in self._maps.items()
        }


def by_hand_each(case: Case, image: np.ndarray, labels: np.ndarray) -> list[Maps]:
    """A new image, and every label for itself."""
    kept = ByHand(case, image)
    return [kept.ask(labels == label) for label in range(1, labels.max() + 1)]


def _by_hand_on_whole(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    maps, gradients = _gradients(case, image, mask, (slice(None), slice(None)))
    return {
        name: torch.tensordot(gradients[name][0].mean((1, 2)), values.detach()[0], dims=1).numpy()
        for name, values in maps.items()
    }


def _weights(case: Case, image: np.ndarray, mask: np.ndarray, crop: Box) -> dict[str, torch.Tensor]:
    """Sum of a crop's gradient ÷ the positions of the whole map."""
    maps, gradients = _gradients(case, image, mask, crop)
    share = mask[crop].size / mask.size  # of the whole map's positions, at every level
    return {
        name: gradient[0].sum((1, 2)) * (share / maps[name][0, 0].numel())
        for name, gradient in gradients.items()
    }


def _gradients(
    case: Case, image: np.ndarray, mask: np.ndarray, crop: Box
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Maps of the network layers, and the score's gradient to them."""
    case.module.requires_grad_(False)
    maps: dict[str, torch.Tensor] = {}
    logits = _run(case, _tensor(case, image[crop]), maps.__setitem__, gradients=True)
    score = logits[0, TARGET][torch.from_numpy(mask[crop])].sum()
    found = torch.autograd.grad(score, list(maps.values()))
    return maps, dict(zip(maps, found, strict=True))


def _run(
    case: Case,
    tensor: torch.Tensor,
    read: Callable[[str, torch.Tensor], None],
    gradients: bool,
) -> torch.Tensor:
    """Run the network; the graph begins at the first network layer."""

    def hook(name: str) -> Callable[..., None]:
        def on_output(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            if gradients and not output.requires_grad:
                output.requires_grad_()
            read(name, output)

        return on_output

    with ExitStack() as hooks, torch.set_grad_enabled(gradients):
        for name, module in case.modules():
            hooks.enter_context(module.register_forward_hook(hook(name)))
        return case.module(tensor)


def _crop(case: Case, mask: np.ndarray) -> Box | None:
    """What the region sees, in whole strides; None if that is everything."""
    box = []
    for axis, size in enumerate(mask.shape):
        inside = np.flatnonzero(mask.any(1 - axis))
        start = max(0, (int(inside[0]) - _REACH) // _STRIDE * _STRIDE)
        stop = min(size, -(-(int(inside[-1]) + 1 + _REACH) // _STRIDE) * _STRIDE)
        box.append(slice(start, stop))
    found = (box[0], box[1])
    return found if case.is_local and mask[found].size < mask.size else None


def _tensor(case: Case, image: np.ndarray) -> torch.Tensor:
    """The image with the channels last, which convolutions like and instance norm doesn't."""
    tensor = torch.from_numpy(np.ascontiguousarray(image))[None, None]
    if not case.is_local:
        return tensor
    height, width = image.shape
    # With one channel, `contiguous` sees no difference, and convolutions look at the strides.
    return tensor.as_strided(tensor.shape, (height * width, 1, width, 1))


# ---------------------------------------------------------------------------------------- peers


def captum(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """LayerGradCam, once for every layer."""
    from captum.attr import LayerGradCam

    case.module.requires_grad_(False)
    # With frozen parameters captum needs an input with gradient.
    tensor = torch.from_numpy(image)[None, None].requires_grad_()
    inside = torch.from_numpy(mask)

    def score(x: torch.Tensor) -> torch.Tensor:
        return case.module(x)[:, TARGET][:, inside].sum(1)

    return {
        name: LayerGradCam(score, module).attribute(tensor)[0, 0].detach().numpy()
        for name, module in case.modules()
    }


def grad_cam(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """pytorch-grad-cam's GradCAM, once for every layer; it needs parameters with gradient."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget

    case.module.requires_grad_(True)
    tensor = torch.from_numpy(image)[None, None]
    target = [SemanticSegmentationTarget(TARGET, mask.astype(np.float32))]
    maps = {}
    for name, module in case.modules():
        with GradCAM(case.module, [module]) as cam:
            maps[name] = cam(tensor, target)[0]
    case.module.zero_grad()
    return maps


def torch_cam(case: Case, image: np.ndarray, mask: np.ndarray) -> Maps:
    """torch-cam's GradCAM, all layers in one call."""
    from torchcam.methods import GradCAM

    case.module.requires_grad_(False)
    tensor = torch.from_numpy(image)[None, None].requires_grad_()
    inside = torch.from_numpy(mask)
    layers = dict(case.modules())
    with GradCAM(case.module, list(layers.values()), input_shape=tensor.shape[1:]) as cam:
        scores = case.module(tensor)
        maps = cam(scores=scores, targets=[lambda output: output[TARGET][inside].sum()])
    return {name: found[0].numpy() for name, found in zip(layers, maps, strict=True)}


PEERS: dict[str, Callable[[Case, np.ndarray, np.ndarray], Maps]] = {
    "captum": captum,
    "pytorch-grad-cam": grad_cam,
    "torch-cam": torch_cam,
}
_IMPORTS = {
    "captum": "captum.attr",
    "pytorch-grad-cam": "pytorch_grad_cam",
    "torch-cam": "torchcam",
}


def installed(wanted: Sequence[str]) -> list[str]:
    """Peers that can be imported; what can't is said."""
    _stand_in_for_torchvision()
    found = []
    for name in wanted:
        try:
            __import__(_IMPORTS[name])
        except Exception as error:
            print(f"{name} is left out: {error}")
        else:
            found.append(name)
    return found


def _stand_in_for_torchvision() -> None:
    """torchvision does not import beside a torch without CUDA unless two operators exist."""
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        with suppress(RuntimeError):
            library.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
    globals()["_library"] = library  # the operators live as long as it does


def warm_up(case: Case, peers: Sequence[str]) -> None:
    """Have everyone answer once, on a small image, whatever they do only the first time.

    Our reach is measured then, once for a network.
    """
    small = case.with_size(128)
    image, mask = small.image(), small.region()
    explainer = sgc.Explainer(small.network, image)
    for call in (ours_new, by_hand, *(PEERS[peer] for peer in peers)):
        call(small, image, mask)
    ours(small, explainer, mask)
    ByHand(small, image).ask(mask)
