"""A question from the viewer as a Python script that asks it again.

The script reads the question's image and region from a file beside it, because
neither can be found again from what napari shows: the plane that was chosen, the
strokes that were painted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import ExplanationFileError


@dataclass(frozen=True)
class ScriptedQuestion:
    """What the script says.

    Attributes
    ----------
    network : str
        Path of the network file.
    options : dict
        Keyword arguments of ``open_network`` beside ``device``, in JSON types.
    device : str
        Where it was computed.
    data : str
        Path of the file that `save_question` wrote.
    axes : str
        Of the image: "YX", "YXC", …
    channel_names : sequence of str, or None
        What the channels of the image are, for the record.
    target : int or str
        Class index or "predicted".
    layers : str or list of str
        Preset or names.
    how : dict
        Keyword arguments of ``explain`` beside these: method, score, truncation and options.
    origin : str
        Image and region in words, for the comment.
    """

    network: str
    device: str
    data: str
    axes: str
    target: int | str
    layers: str | Sequence[str]
    how: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""
    channel_names: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def save_question(path: Path, image: NDArray[Any], region: NDArray[Any]) -> Path:
    """Write image and region of a question.

    Parameters
    ----------
    path : Path
        File to write, ``*.npz``; its folder is made.
    image : ndarray
        As the network gets it, before normalisation.
    region : ndarray of bool or float32
        What every pixel counts, on the image's spatial grid.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ExplanationFileError
        If it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, image=image, region=region)
    except OSError as error:
        raise ExplanationFileError(
            f"The question's image and region can't be written to {path}: {error}."
            " Choose a folder that can be written."
        ) from error
    return path


def script(question: ScriptedQuestion) -> str:
    """Return Python code that makes the same arrays.

    Parameters
    ----------
    question : ScriptedQuestion
        What was asked.

    Returns
    -------
    str
        A whole script; it leaves ``explanation`` behind.
    """
    options = dict(question.options)
    imports = ["import numpy as np", "", "import napari_seggradcam as sgc"]
    normalisation = options.pop("normalisation", None)
    arguments = [repr(question.network)]
    arguments += [f"{name}={value!r}" for name, value in options.items()]
    if normalisation is not None:
        imports.append(
            "from napari_seggradcam.networks.normalisation import normalisation_from_dict"
        )
        arguments.append(f"normalisation=normalisation_from_dict({normalisation!r})")
    arguments.append(f"device={question.device!r}")
    image = ["network", 'data["image"]', f"axes={question.axes!r}"]
    if question.channel_names is not None:
        image.append(f"channel_names={list(question.channel_names)!r}")
    layers = question.layers if isinstance(question.layers, str) else list(question.layers)
    lines = [
        f"# Written by napari-seggradcam {__version__}.",
        *([f"# {question.origin}"] if question.origin else []),
        *imports,
        "",
        f"data = np.load({question.data!r})",
        _call("network = sgc.open_network", arguments),
        _call("explainer = sgc.Explainer", image),
        _call(
            "explanation = explainer.explain",
            [
                'data["region"]',
                f"target={question.target!r}",
                f"layers={layers!r}",
                *(f"{name}={value!r}" for name, value in question.how.items()),
            ],
        ),
        "for name in explanation.layers:",
        "    heatmap = explanation[name]",
        '    print(f"{name}: {heatmap.signed.shape}, maximum {heatmap.heatmap.max():.4g}")',
        '# explanation.save("explanation.sgc.zarr")',
    ]
    return "\n".join(lines) + "\n"


def _call(start: str, arguments: Sequence[str]) -> str:
    return "\n".join([f"{start}(", *(f"    {argument}," for argument in arguments), ")"])
