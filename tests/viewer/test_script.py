"""The script of a question: valid Python that says what was asked, and the arrays it reads."""

import ast
from pathlib import Path

import numpy as np
import pytest

from napari_seggradcam.errors import ExplanationFileError
from napari_seggradcam.viewer.script import ScriptedQuestion, save_question, script

QUESTION = ScriptedQuestion(
    network="/data/it's mine/nuclei.safetensors",
    device="cpu",
    data="/data/question.npz",
    axes="YX",
    target="predicted",
    layers=["bottleneck relu 2", "skip 1"],
    how={"method": "seg-xres-cam", "truncate": ("mass", 0.9), "window": 2},
    origin="Image: cells, 512 × 512 pixels",
    options={"factory": "package.module:build", "normalisation": {"kind": "percentile"}},
)


def calls(text: str) -> dict[str, ast.Call]:
    """Calls in a script by the name that is called."""
    return {
        ast.unparse(node.func): node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
    }


def arguments(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def test_the_script_says_what_was_asked() -> None:
    made = calls(script(QUESTION))
    opening = made["sgc.open_network"]
    assert ast.literal_eval(opening.args[0]) == QUESTION.network
    assert arguments(opening) == {
        "factory": "'package.module:build'",
        "normalisation": "normalisation_from_dict({'kind': 'percentile'})",
        "device": "'cpu'",
    }
    assert arguments(made["sgc.Explainer"]) == {"axes": "'YX'"}
    assert arguments(made["explainer.explain"]) == {
        "target": "'predicted'",
        "layers": "['bottleneck relu 2', 'skip 1']",
        "method": "'seg-xres-cam'",
        "truncate": "('mass', 0.9)",
        "window": "2",
    }


def test_arrays_are_written_as_they_are(tmp_path: Path) -> None:
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    path = save_question(tmp_path / "new folder" / "question.npz", image, image > 5)
    stored = np.load(path)
    assert stored["image"].dtype == np.uint16
    np.testing.assert_array_equal(stored["image"], image)
    np.testing.assert_array_equal(stored["region"], image > 5)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ExplanationFileError, match="can't be written"):
        save_question(tmp_path / "file" / "question.npz", np.zeros((2, 2)), np.ones((2, 2), bool))
