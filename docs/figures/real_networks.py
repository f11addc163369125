"""Draw heatmaps of two published networks that nobody here has trained, and check them.

``python docs/figures/real_networks.py`` fetches the wheels of mouse-pupil-analysis and
ukis-csmask with pip (or takes them from ``--wheels``), opens the network files in them, and writes
``docs/images/real-pupil.png`` and ``docs/images/real-clouds.png``; the images are generated
(`real_scenes`). It prints how far heatmaps are from those of the authors' own class and of plain
autograd, and logits from onnxruntime's.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from real_scenes import eye, scene

import napari_seggradcam as sgc
from napari_seggradcam.networks.normalisation import MeanStd

DOCS = Path(__file__).parents[1]
WHEELS = ("mouse-pupil-analysis==0.3.0", "ukis-csmask==1.0.0")
PUPIL = "mouse_pupil_analysis/checkpoints/615pupils_thresh=0.5_iou=0.6080.pth"
CLOUDS = "ukis_csmask/model_6b_l1c"
PUPIL_LAYERS = ["encoder 0", "encoder 1", "bottleneck", "decoder 1", "decoder 0"]
CLOUD_LAYERS = ["encoder 2", "encoder 4", "bottleneck", "decoder 3", "decoder 1"]
COLORMAP = "inferno"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, help="folder with both wheels; default: fetched")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheels = given.wheels or fetch(Path(folder) / "wheels")
        for wheel in wheels.glob("*.whl"):
            if wheel.name.startswith(("mouse_pupil_analysis-0.3.0", "ukis_csmask-1.0.0")):
                zipfile.ZipFile(wheel).extractall(folder)
        pupil(Path(folder))
        clouds(Path(folder))


def fetch(folder: Path) -> Path:
    """Download both wheels and nothing that they depend on."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder)]
    subprocess.run([*command, *WHEELS], check=True)
    return folder


def pupil(folder: Path) -> None:
    """The state dict: which pixels speak for the pupil?"""
    image, truth = eye()
    network = sgc.open_network(
        folder / PUPIL,
        factory=f"{folder / 'mouse_pupil_analysis/unet.py'}:UNet",
        kwargs={"use_attention": True},
        classes=("other", "pupil"),
        normalisation=MeanStd((0.0,), (1.0,), divide=255),
    )
    logits = network.predict(image)
    found = logits.argmax(0)
    print(f"pupil: Dice {dice(found == 1, truth):.3f}, {int((found == 1).sum())} pixels")
    explanation = sgc.explain(network, image, sgc.predicted(1), target="pupil", layers="levels")
    compare_with_authors(network, folder, image, explanation)
    figure = draw(image, found == 1, explanation, PUPIL_LAYERS, "Predicted pupil (white)")
    figure.suptitle("M = the predicted pupil, class pupil (mouse-pupil-analysis 0.3.0)", x=0.5)
    figure.savefig(DOCS / "images" / "real-pupil.png", dpi=110)


def compare_with_authors(
    network: sgc.Network, folder: Path, image: NDArray[np.uint8], explanation: sgc.Explanation
) -> None:
    """Print how far heatmaps are from those of the class in the wheel, and of plain autograd."""
    spec = importlib.util.spec_from_file_location("theirs", folder / "mouse_pupil_analysis/unet.py")
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    module = theirs.UNet(use_attention=True).eval()
    module.load_state_dict(torch.load(folder / PUPIL, map_location="cpu", weights_only=True))
    own = sgc.Network.from_module(
        module, axes="CYX", channels=1, normalisation=network.normalisation
    )
    region = network.predict(image).argmax(0) == 1
    other = sgc.explain(own, image, region, target=1, layers=list(explanation))
    print("  maps of the authors' class differ by", worst(explanation, other))
    layer = next(x for x in network.layers if x.name == name_at(explanation, "decoder 1"))
    kept: list[torch.Tensor] = []
    # Cloned, because the next ReLU works in place.
    hook = module.get_submodule(layer.module).register_forward_hook(
        lambda _m, _i, out: kept.append(out.clone()) or kept[-1]
    )
    logits = module(torch.from_numpy(image / np.float32(255))[None, None])
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[0, 0][torch.from_numpy(region)].sum(), kept[0])
    signed = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)[0].detach().numpy()
    mine = explanation[layer.name].signed
    print(f"  plain autograd at {layer.name}:", f"{relative(mine, signed):.1e}")


def clouds(folder: Path) -> None:
    """The ONNX graph: which pixels speak for the shadow of clouds?"""
    image, truth = scene()
    statistics = json.loads((folder / f"{CLOUDS}.json").read_text())["data"]["dataset_statistics"]
    mean, deviation = statistics["img"]
    network = sgc.open_network(
        folder / f"{CLOUDS}.onnx",
        classes=("clear", "cloud", "shadow"),
        normalisation=MeanStd(tuple(mean), tuple(deviation)),
    )
    logits = network.predict(image)
    found = logits.argmax(0)
    scores = [f"{dice(found == row, truth == row):.3f}" for row in range(3)]
    print("clouds: Dice of clear, cloud and shadow", ", ".join(scores))
    tensor = network.prepare(image, "CYX").tensor.numpy()
    session = onnxruntime.InferenceSession(folder / f"{CLOUDS}.onnx")
    (theirs,) = session.run(None, {session.get_inputs()[0].name: tensor})
    difference = float(np.abs(theirs[0] - logits).max())
    same = float((theirs[0].argmax(0) == found).mean())
    print(f"  logits from {logits.min():.1f} to {logits.max():.1f}, those of onnxruntime differ")
    print(f"  by {difference:.1e} at most; {same:.2%} of the pixels have the same class")
    explanation = sgc.explain(network, image, sgc.predicted(2), target="shadow", layers="levels")
    # Red, green and blue, brighter than they are.
    colours = (image[[2, 1, 0]].transpose(1, 2, 0) * 2.5).clip(0, 1)
    figure = draw(colours, found, explanation, CLOUD_LAYERS, "Cloud (white) and shadow (blue)")
    figure.suptitle("M = the predicted shadow, class shadow (ukis-csmask 1.0.0, 6 bands)", x=0.5)
    figure.savefig(DOCS / "images" / "real-clouds.png", dpi=110)


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def relative(mine: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Largest difference, as a share of the largest value."""
    return float(np.abs(mine - theirs).max() / np.abs(theirs).max())


def worst(mine: sgc.Explanation, theirs: sgc.Explanation) -> str:
    return f"{max(relative(mine[name].signed, theirs[name].signed) for name in mine):.1e} at most"


def name_at(explanation: sgc.Explanation, stage: str) -> str:
    """The network layer of a stage that was explained."""
    return next(name for name in explanation if name.startswith(stage))


def draw(
    image: NDArray[np.generic],
    found: NDArray[np.generic],
    explanation: sgc.Explanation,
    stages: list[str],
    title: str,
) -> Figure:
    """The image, what the network predicts, and a heatmap for every stage, on the image."""
    figure = Figure(figsize=(12, 2.4), layout="constrained")
    panels = figure.subplots(1, 2 + len(stages))
    show(panels[0], image, "Image, generated")
    show(panels[1], image, title)
    tints = ListedColormap([(0, 0, 0, 0), (1, 1, 1, 0.75), (0.1, 0.4, 1, 0.6)])
    panels[1].imshow(found, cmap=tints, vmin=0, vmax=2, interpolation="nearest")
    for axes, stage in zip(panels[2:], stages, strict=True):
        name = name_at(explanation, stage)
        heat = explanation[name].resized()
        top = float(heat.max()) or 1.0
        show(axes, image, f"{name}" + ("" if heat.any() else "\n(empty)"))
        axes.imshow(heat, cmap=COLORMAP, vmin=0, vmax=top, alpha=0.85 * (heat / top))
    return figure


def show(axes: Axes, image: NDArray[np.generic], title: str) -> None:
    axes.imshow(image, cmap="gray", interpolation="nearest")
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()


if __name__ == "__main__":
    main()
