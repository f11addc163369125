"""How an explanation is shown and saved by the commands that make one."""

import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import table, write, write_rich

if TYPE_CHECKING:
    from ..explain.explanation import Explanation
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
    question = explanation.record["question"]
    score = explanation.score
    score_text = f"{score:,.0f}" if abs(score) >= 1000 else f"{score:.4g}"
    pixels = f"{size:,} pixel{'s' if size != 1 else ''} ({share:.3g} %)"
    extent = _extent(question)
    parts = [
        _method(question),
        f"network {network.name}",
        f"region {question['region']}, {pixels}",
        f"{_score(question, network)} {score_text}",
        *([] if extent is None else [extent]),
    ]
    return f"Why “{explanation.class_name}” in this region? {image_name}", " · ".join(parts)


def _method(question: dict[str, Any]) -> str:
    """Name of the method, with the options that are not as by custom."""
    from ..explain.methods.known import METHODS

    usual = {field.name: field.default for field in fields(METHODS[question["method"]])}  # type: ignore[arg-type]
    changed = {name: one for name, one in question["options"].items() if one != usual[name]}
    options = ", ".join(f"{name} {value}" for name, value in changed.items())
    return f"{question['method']} ({options})" if options else str(question["method"])


def _score(question: dict[str, Any], network: "Network") -> str:
    """What the score is: the function of the logits, and how it is added up."""
    words = f"{question['reduce']} of {question['score']}"
    versus = question["versus"]
    return words if versus is None else f"{words} against {network.classes[versus]}"


def _extent(question: dict[str, Any]) -> str | None:
    """What heatmaps were truncated to; None where they were not."""
    truncate = question["truncate"]
    if truncate is None:
        return None
    if isinstance(truncate, str):
        return f"truncated to {truncate}"
    name, share = truncate
    return f"truncated to {share:.4g} of the {name}"


def show(explanation: "Explanation", network: "Network", image_name: str) -> None:
    """Write the question and a line per heatmap."""
    title, subtitle = headline(explanation, network, image_name)
    write(title)
    write(subtitle)
    truncated = explanation.record["question"]["truncate"] is not None
    rows = []
    for name in explanation:
        heatmap = explanation[name]
        shape = " × ".join(str(n) for n in heatmap.heatmap.shape)
        kept = ["" if heatmap.kept_share is None else f"{heatmap.kept_share:.1%}"]
        notes = " ".join(said for said in (heatmap.empty, heatmap.note) if said is not None)
        rows.append((name, shape, f"{heatmap.largest:.4g}", *kept * truncated, notes))
    columns = ("network layer", "shape", "max", *["kept"] * truncated, "note")
    write_rich(table(columns, rows))


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
                "max": heatmap.largest,
                "kept": None if heatmap.kept_share is None else float(heatmap.kept_share),
                "empty": heatmap.empty,
                "note": heatmap.note,
            }
        )
    question = explanation.record["question"]
    return {
        "method": question["method"],
        "options": question["options"],
        "score": explanation.score,
        "score_of": {key: question[key] for key in ("score", "versus", "reduce")},
        "truncate": question["truncate"],
        "target": explanation.target,
        "class": explanation.class_name,
        "region_size": explanation.region_size,
        "layers": layers,
        "record": explanation.record,
        "written": [str(path) for path in written],
    }
