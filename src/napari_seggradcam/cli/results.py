"""How an explanation is shown and saved by the commands that make one."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import table, write, write_rich

if TYPE_CHECKING:
    from ..explain.explanation import Explanation, Heatmap
    from ..networks.network import Network


def save(
    explanation: "Explanation",
    network: "Network",
    *,
    out: Path | None,
    figure: Path | None,
    image_name: str,
) -> list[Path]:
    """Write what was asked for, and return the paths."""
    written = []
    if out is not None:
        written.append(Path(explanation.save(out)))
    if figure is not None:
        from ..store.figure import save_figure

        title, subtitle = headline(explanation, network, image_name)
        maps = [explanation[name] for name in explanation]
        region = explanation.mask
        written.append(
            save_figure(figure, explanation.image, region, maps, title, subtitle=subtitle)
        )
    return written


def headline(explanation: "Explanation", network: "Network", image_name: str) -> tuple[str, str]:
    """What was asked, as title and subtitle of a figure."""
    size = explanation.region_size
    share = 100 * size / max(math.prod(explanation.image_shape), 1)
    region = explanation.record["question"]["region"]
    score = explanation.score
    score_text = f"{score:,.0f}" if abs(score) >= 1000 else f"{score:.4g}"
    pixels = f"{size:,} pixel{'s' if size != 1 else ''} ({share:.3g} %)"
    return (
        f"Why “{explanation.class_name}” in this region? {image_name}",
        f"Seg-Grad-CAM · network {network.name} · region {region}, {pixels} · score {score_text}",
    )


def show(explanation: "Explanation", network: "Network", image_name: str) -> None:
    """Write the question and a line per network layer."""
    title, subtitle = headline(explanation, network, image_name)
    write(title)
    write(subtitle)
    rows = []
    for name in explanation:
        heatmap = explanation[name]
        shape = " × ".join(str(n) for n in heatmap.heatmap.shape)
        rows.append((name, shape, f"{_highest(heatmap):.4g}", heatmap.empty or ""))
    write_rich(table(("network layer", "shape", "max", "note"), rows))


def _highest(heatmap: "Heatmap") -> float:
    """Largest value of a heatmap, which a file knows without being read."""
    if heatmap.empty is not None:
        return 0.0
    return float(heatmap.heatmap.max(initial=0.0)) if heatmap.top is None else heatmap.top


def as_json(explanation: "Explanation", written: list[Path]) -> dict[str, Any]:
    """The same for scripts."""
    layers = []
    for name in explanation:
        heatmap = explanation[name]
        layers.append(
            {
                "name": name,
                "module": heatmap.layer.module,
                "role": heatmap.layer.role,
                "level": heatmap.layer.level,
                "shape": list(heatmap.heatmap.shape),
                "scale": list(heatmap.scale),
                "translate": list(heatmap.translate),
                "max": _highest(heatmap),
                "empty": heatmap.empty,
            }
        )
    return {
        "score": explanation.score,
        "target": explanation.target,
        "class": explanation.class_name,
        "region_size": explanation.region_size,
        "layers": layers,
        "record": explanation.record,
        "written": [str(path) for path in written],
    }
