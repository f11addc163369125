"""Names that people read: of methods, scores and extents, without torch.

They are said of a record's ``question``, so that what a file says of itself reads as what a run
has just found. Records of files that know no methods are of Seg-Grad-CAM of the class logit.
"""

from collections.abc import Mapping
from typing import Any

_METHODS = {
    "seg-grad-cam": "Seg-Grad-CAM",
    "seg-hires-grad-cam": "Seg-HiRes-Grad-CAM",
    "seg-xres-cam": "Seg-XRes-CAM",
    "layer-cam": "LayerCAM",
    "xgrad-cam": "XGrad-CAM",
    "grad-cam++": "Grad-CAM++",
    "input-x-gradient": "Input × gradient",
    "smooth-grad": "SmoothGrad",
    "sobel": "Edges (Sobel)",
}


def method_title(name: str) -> str:
    """How people write a method's name.

    Of methods that this module does not know, "ablation-cam" becomes Ablation-CAM, and
    "integrated-gradients" Integrated gradients; a word of three letters or less is an abbreviation.
    """
    if name in _METHODS:
        return _METHODS[name]
    words = name.split("-")
    shown = [word.upper() if len(word) <= 3 else word for word in words]
    shown = [shown[0][:1].upper() + shown[0][1:], *shown[1:]]
    return ("-" if words[-1] == "cam" else " ").join(shown)


def method_in_words(question: Mapping[str, Any]) -> str:
    """The method of a record's question."""
    return method_title(question.get("method", "seg-grad-cam"))


def score_in_words(question: Mapping[str, Any], classes: list[str] | None = None) -> str:
    """The score of a record's question, such as "logit" or "mean margin against background".

    Parameters
    ----------
    question
        Of a record.
    classes
        Names of the network's classes; without, the class that is asked against is a number.
    """
    score, versus = question.get("score", "logit"), question.get("versus")
    words = f"mean {score}" if question.get("reduce") == "mean" else str(score)
    if versus is None:
        return words
    return f"{words} against {classes[versus] if classes else f'class {versus}'}"


def extent_in_words(question: Mapping[str, Any]) -> str:
    """What truncation keeps: "the support", "95 % of the mass"; empty where all is kept."""
    truncate = question.get("truncate")
    if truncate is None:
        return ""
    if isinstance(truncate, str):
        return f"the {truncate}"
    return f"{100 * truncate[1]:g} % of the mass"


def share_in_words(kept_share: float) -> str:
    """Share of a heatmap that truncation has kept, such as "kept 12 %"."""
    percent = 100 * kept_share
    if percent >= 9.95 or percent == 0:
        return f"kept {percent:.0f} %"
    return f"kept {percent:.1f} %" if percent >= 0.1 else "kept < 0.1 %"
