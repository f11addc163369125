"""Draw every method, score, region and truncation on parts of the two samples.

``python docs/figures/method_figures.py`` asks the shipped networks about one nucleus and one car
and writes ``docs/images/methods/*.png``; with names (``grad-cam-plus-plus support``), these alone.
"""

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

import napari_seggradcam as sgc
from napari_seggradcam.explain.methods.known import METHODS
from napari_seggradcam.scenes.samples import Sample, open_sample

IMAGES = Path(__file__).parents[1] / "images" / "methods"
COLORMAP = "inferno"
MOST_OPAQUE = 0.85
FOR, AGAINST, KEPT = "#00d5ff", "#ff4d8d", "#7dff6a"  # outlines
OF_100 = 99.8  # percentile of a map of pixels at which its colours end
CUT = {"nuclei": np.s_[288:400, 128:240], "streets": np.s_[96:208, 256:400]}
WIDE = {"nuclei": np.s_[208:464, 40:296], "streets": np.s_[:, :]}
LAYER = {"nuclei": "skip 1", "streets": "skip 2"}
CLASS = {"nuclei": "nucleus", "streets": "vehicle"}
FILE_NAMES = {"grad-cam++": "grad-cam-plus-plus"}
TITLES = {
    "seg-grad-cam": "Seg-Grad-CAM",
    "seg-hires-grad-cam": "Seg-HiRes-Grad-CAM",
    "seg-xres-cam": "Seg-XRes-CAM",
    "layer-cam": "LayerCAM",
    "xgrad-cam": "XGrad-CAM",
    "grad-cam++": "Grad-CAM++",
    "ablation-cam": "Ablation-CAM",
    "layer-integrated-gradients": "Layer integr. gradients",
    "lrp": "LRP, epsilon",
    "input-x-gradient": "Input × gradient",
    "random-weights": "Random weights",
    "mean-activation": "Mean activation",
    "smooth-grad": "SmoothGrad",
    "sobel": "Edges",
}


@dataclass(frozen=True)
class Scene:
    """A part of a sample, or all of it, ready for questions."""

    name: str
    explainer: sgc.Explainer
    picture: NDArray[Any]
    region: NDArray[np.bool_]
    truth: NDArray[Any]
    instances: NDArray[np.int32]

    @classmethod
    def of(cls, sample: Sample, part: tuple[slice, slice]) -> "Scene":
        image = sample.image[part]
        explainer = sgc.Explainer(sgc.open_network(sample.network_path), image, sample.axes)
        picture = image if image.ndim == 3 else image / np.percentile(image, 99.5)
        return cls(
            sample.name,
            explainer,
            picture,
            sample.region[part],
            sample.labels[part],
            sample.instances[part],
        )

    @property
    def layer(self) -> str:
        return LAYER[self.name]

    @property
    def ratio(self) -> float:
        """Width by height."""
        rows, columns = self.region.shape
        return columns / rows

    def ask(self, region: Any = None, **options: Any) -> sgc.Heatmap:
        """Answer at this scene's network layer, or at the input where there is none."""
        options = {"target": CLASS[self.name], "layers": self.layer, **options}
        answer = self.explainer.explain(self.region if region is None else region, **options)
        return answer["input"] if "input" in answer else answer[self.layer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="figures to draw; none: all")
    chosen = parser.parse_args().names
    IMAGES.mkdir(parents=True, exist_ok=True)
    samples = [open_sample(name) for name in CUT]
    parts = [Scene.of(sample, CUT[sample.name]) for sample in samples]
    wholes = [Scene.of(sample, WIDE[sample.name]) for sample in samples]
    for name, draw in figures(parts, wholes).items():
        if not chosen or name in chosen:
            write(draw(), IMAGES / f"{name}.png")
            print(name, flush=True)


def figures(parts: list[Scene], wholes: list[Scene]) -> dict[str, Callable[[], Figure]]:
    """What draws each figure, by the name of its file."""
    found: dict[str, Callable[[], Figure]] = {}
    for method in METHODS:
        found[FILE_NAMES.get(method, method)] = lambda method=method: of_question(
            parts, TITLES.get(method, method.replace("-", " ").capitalize()), method=method
        )
    for score in ("logit", "margin", "log-probability", "probability"):
        found[f"score-{score}"] = lambda score=score: of_question(parts, score, score=score)
    found["seg-grad-cam-weights"] = lambda: of_weights(parts)
    found["regions-weighted"] = lambda: of_regions(parts[0])
    found["regions-errors"] = lambda: of_errors(wholes[1])
    for file, truncate in {
        "support": "support",
        "mass": ("mass", 0.5),
        "distance": "distance",
    }.items():
        found[f"truncated-{file}"] = lambda truncate=truncate: of_truncation(wholes, truncate)
    return found


def of_question(scenes: list[Scene], title: str, **options: Any) -> Figure:
    """One question asked of both scenes: the region, and the heatmap."""
    widths = [ratio for scene in scenes for ratio in (scene.ratio, 1.12 * scene.ratio)]
    figure, axes = strip(4, widths=widths)
    for scene, (left, right) in zip(scenes, (axes[:2], axes[2:]), strict=True):
        draw_region(left, scene, f"M, class {CLASS[scene.name]}")
        heatmap = scene.ask(**options)
        draw_heatmap(right, scene, heatmap, f"{title}, {heatmap.name}")
    return figure


def of_weights(scenes: list[Scene]) -> Figure:
    """What is done with the sign of the weights."""
    figure, axes = strip(4)
    draw_region(axes[0], scenes[1], "M, class vehicle")
    for place, weights in zip(axes[1:], ("signed", "absolute", "positive"), strict=True):
        draw_heatmap(place, scenes[1], scenes[1].ask(weights=weights), f"weights={weights}")
    return figure


def of_regions(scene: Scene) -> Figure:
    """Two nuclei against each other, a border, and soft weights."""
    figure, axes = strip(6)
    other = scene.instances == second_label(scene)
    y, x = np.nonzero(scene.region)
    rows, columns = np.indices(scene.region.shape)
    distance = np.hypot(rows - y.mean(), columns - x.mean())
    soft = np.exp(-0.5 * (distance / 8) ** 2).astype(np.float32)
    soft[soft < 0.01] = 0
    asked = {
        "contrast": (sgc.contrast(scene.region, other), [(scene.region, FOR), (other, AGAINST)]),
        "border": (sgc.border(scene.region, 2), None),
        "soft weights": (soft, [(soft > level, FOR) for level in (0.05, 0.3, 0.6, 0.9)]),
    }
    for (title, (region, lines)), left, right in zip(
        asked.items(), axes[::2], axes[1::2], strict=True
    ):
        answer = scene.explainer.explain(
            region, "nucleus", scene.layer, method="seg-hires-grad-cam", reduce="mean"
        )
        given = [(answer.region > 0, FOR), (answer.region < 0, AGAINST)]
        draw_region(left, scene, title, lines or given, filled=title == "border")
        draw_heatmap(right, scene, answer[scene.layer], scene.layer)
    return figure


def of_errors(scene: Scene) -> Figure:
    """Pixels that were wrongly found, and those that were missed."""
    figure, axes = strip(4, wide=True)
    target = scene.explainer.network.class_index("vehicle")
    for region, title, places in (
        (sgc.false_positives(scene.truth, target), "false positives", axes[:2]),
        (sgc.false_negatives(scene.truth, target), "false negatives", axes[2:]),
    ):
        answer = scene.explainer.explain(
            region, "vehicle", scene.layer, score="margin", truncate="support"
        )
        draw_region(places[0], scene, f"{title}, vehicle", [(answer.mask, FOR)], filled=True)
        draw_heatmap(places[1], scene, answer[scene.layer], f"margin, {scene.layer}, support")
        for place in places:
            place.set(xlim=(208, 400), ylim=(196, 80))
    return figure


def of_truncation(scenes: list[Scene], truncate: Any) -> Figure:
    """The whole heatmap, and what is kept of it."""
    widths = [ratio for scene in scenes for ratio in (scene.ratio, scene.ratio)]
    figure, axes = strip(4, wide=True, widths=widths)
    words = truncate if isinstance(truncate, str) else f"{truncate[0]} {truncate[1]}"
    for scene, (left, right) in zip(scenes, (axes[:2], axes[2:]), strict=True):
        draw_heatmap(left, scene, scene.ask(), f"{scene.layer}, all of it")
        kept = scene.ask(truncate=truncate)
        draw_heatmap(right, scene, kept, f"{words}: {kept.kept_share:.1%} kept")
        draw_kept(right, kept)
    return figure


def second_label(scene: Scene) -> int:
    """The largest other object of a scene."""
    others = scene.instances[(scene.instances > 0) & ~scene.region]
    return int(np.bincount(others).argmax())


def strip(
    count: int, wide: bool = False, widths: list[float] | None = None
) -> tuple[Figure, list[Axes]]:
    size = (10, 1.9) if wide else (10, 2.2)
    figure = Figure(figsize=(10, 1.75) if count == 6 else size, layout="constrained")
    return figure, list(figure.subplots(1, count, width_ratios=widths))


def draw_picture(axes: Axes, scene: Scene, title: str, grey: bool = False) -> None:
    picture = scene.picture
    if grey and picture.ndim == 3:  # so that the colours are those of the heatmap
        picture = 0.8 * picture.mean(-1) / 255
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, loc="left", fontsize=8)
    axes.set_axis_off()


def draw_region(
    axes: Axes,
    scene: Scene,
    title: str,
    outlines: list[tuple[NDArray[np.bool_], str]] | None = None,
    filled: bool = False,
) -> None:
    draw_picture(axes, scene, title)
    for mask, colour in outlines or [(scene.region, FOR)]:
        if filled:
            axes.contourf(mask, levels=[0.5, 1.5], colors=[colour])
        elif mask.any():
            axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.2)


def draw_heatmap(axes: Axes, scene: Scene, heatmap: sgc.Heatmap, title: str) -> None:
    draw_picture(axes, scene, title, grey=True)
    heat = heatmap.resized()
    pixels = heatmap.signed.shape == heat.shape
    top = float(np.percentile(heat, OF_100) if pixels else heat.max()) or float(heat.max()) or 1.0
    opaque = MOST_OPAQUE * np.clip(heat / top, 0, 1)
    shown = axes.imshow(heat, cmap=COLORMAP, vmin=0, vmax=top, alpha=opaque)
    extend = "max" if heat.max() > top else "neither"
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, extend=extend)
    bar.solids.set_alpha(1)
    bar.ax.tick_params(labelsize=6)
    bar.formatter.set_powerlimits((-2, 3))
    bar.ax.yaxis.get_offset_text().set_fontsize(6)
    if heatmap.empty:
        axes.text(
            0.5, 0.5, heatmap.empty.split(":")[0], transform=axes.transAxes, ha="center",
            fontsize=7, color="white", wrap=True,
        )  # fmt: skip


def draw_kept(axes: Axes, heatmap: sgc.Heatmap) -> None:
    """Outline of what truncation has kept."""
    rows, columns = (
        np.arange(size) * scale + translate
        for size, scale, translate in zip(
            heatmap.signed.shape, heatmap.scale, heatmap.translate, strict=True
        )
    )
    if not heatmap.kept.all():
        axes.contour(columns, rows, heatmap.kept, levels=[0.5], colors=[KEPT], linewidths=0.7)


def write(figure: Figure, path: Path) -> None:
    """Write a small PNG: 256 colours are enough for a strip."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    Image.open(buffer).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2).save(
        path, optimize=True
    )


if __name__ == "__main__":
    main()
