"""`seggradcam explain` with other methods, scores, extents and regions: as the API answers."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import tifffile
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.cli import methods
from napari_seggradcam.explain.methods.known import METHODS
from napari_seggradcam.explain.scores import REDUCTIONS, SCORES

Call = Callable[..., Result]


def asked(call: Call, files: SimpleNamespace, *words: object) -> dict[str, Any]:
    done = call("explain", files.image, "--network", files.network, *words, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("--method", "seg-hires-grad-cam"), {"method": "seg-hires-grad-cam"}),
        (
            ("--method", "seg-xres-cam", "--option", "window=3", "--option", "pool=max"),
            {"method": "seg-xres-cam", "window": 3, "pool": "max"},
        ),
        (("--option", "weights=positive"), {"weights": "positive"}),
        (
            ("--method", "random-weights", "--option", "seed=4"),
            {"method": "random-weights", "seed": 4},
        ),
        (("--score", "margin", "--versus", "background"), {"score": "margin", "versus": 0}),
        (
            ("--score", "probability", "--reduce", "mean"),
            {"score": "probability", "reduce": "mean"},
        ),
        (("--truncate", "support"), {"truncate": "support"}),
        (("--truncate", "mass:0.5"), {"truncate": ("mass", 0.5)}),
    ],
)
def test_what_was_asked_is_what_the_api_answers(
    call: Call,
    files: SimpleNamespace,
    explainer: sgc.Explainer,
    words: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    result = asked(call, files, "--label", 7, "--labels", files.labels, "--target", 1, *words)
    region = tifffile.imread(files.labels) == 7
    expected = explainer.explain(region, 1, "levels", **options)
    question = expected.record["question"]
    assert result["score"] == pytest.approx(expected.score, rel=1e-6)
    assert result["method"] == question["method"]
    assert result["options"] == question["options"]
    assert result["score_of"] == {k: question[k] for k in ("score", "versus", "reduce")}
    assert result["truncate"] == question["truncate"]
    for layer in result["layers"]:
        heatmap = expected[layer["name"]]
        assert layer["max"] == pytest.approx(float(heatmap.heatmap.max()), rel=1e-4, abs=1e-12)
        assert layer["kept"] == heatmap.kept_share


def test_what_was_asked_is_said(call: Call, files: SimpleNamespace, tmp_path: Path) -> None:
    words = ("explain", files.image, "--network", files.network, "--pixel", "9,9")
    done = call(
        *words, "--target", "nucleus", "--layers", "bottleneck", "--method", "seg-xres-cam",
        "--option", "window=2", "--score", "margin", "--versus", "background", "--reduce", "mean",
        "--truncate", "mass:0.9", "--figure", tmp_path / "f.png",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    for said in (
        "seg-xres-cam (window 2)",
        "mean of margin against background",
        "truncated to 0.9 of the mass",
        "kept",
        "%",
    ):
        assert said in done.stdout
    assert "logit" not in done.stdout
    plain = call(*words, "--layers", "bottleneck").stdout
    assert "seg-grad-cam · " in plain
    assert "sum of logit" in plain
    assert "kept" not in plain


def test_the_input_has_a_line_and_a_cell(
    call: Call, files: SimpleNamespace, tmp_path: Path
) -> None:
    figure = tmp_path / "f.png"
    done = call(
        "explain", files.image, "--network", files.network, "--everywhere",
        "--method", "input-x-gradient", "--figure", figure,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "input          48 × 64" in done.stdout
    assert "Seg-Grad-CAM" not in done.stdout
    assert figure.stat().st_size > 0


def test_regions_against_others(
    call: Call, files: SimpleNamespace, explainer: sgc.Explainer, tmp_path: Path
) -> None:
    labels = tifffile.imread(files.labels)
    np.save(tmp_path / "other.npy", labels == 3)
    truth = (labels > 0).astype(np.uint8)
    np.save(tmp_path / "truth.npy", truth)
    one = ("--label", 7, "--labels", files.labels)
    cases: list[tuple[tuple[object, ...], Any]] = [
        ((*one, "--against", tmp_path / "other.npy"), sgc.contrast(labels == 7, labels == 3)),
        ((*one, "--border", 2), sgc.border(labels == 7, 2)),
        (
            ("--false-positives", "nucleus", "--truth", tmp_path / "truth.npy"),
            sgc.false_positives(truth, 1),
        ),
        (
            ("--false-negatives", 0, "--truth", tmp_path / "truth.npy"),
            sgc.false_negatives(truth, 0),
        ),
    ]
    for words, region in cases:
        result = asked(call, files, *words, "--target", "nucleus", "--layers", "bottleneck")
        expected = explainer.explain(region, 1)
        assert result["score"] == pytest.approx(expected.score, rel=1e-6)
        assert result["region_size"] == expected.region_size


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "gradcam"), "'seg-hires-grad-cam'"),
        (("--method", "gradcam", "--option", "window=2"), "'seg-hires-grad-cam'"),
        (("--option", "window=2"), "it takes weights"),
        (("--method", "seg-xres-cam", "--option", "window"), "KEY=VALUE"),
        (("--method", "seg-xres-cam", "--option", "window=two"), "a whole number"),
        (("--method", "seg-xres-cam", "--option", "window=2,3"), "a whole number"),
        (("--method", "seg-xres-cam", "--option", "pool=min"), "'mean'"),
        (("--method", "smooth-grad", "--option", "noise=much"), "a number"),
        (("--score", "logits"), "'log-probability'"),
        (("--reduce", "max"), "'mean'"),
        (("--versus", "background"), "--score margin"),
        (("--truncate", "half"), "support, distance"),
        (("--truncate", "mass:2"), "at most 1"),
        (("--truncate", "mass:all"), "at most 1"),
        (("--against", "a.tif", "--border", "1"), "one of them at most"),
        (("--truth", "a.tif"), "belongs to"),
        (("--large", "--out", "x", "--method", "layer-cam"), "Seg-Grad-CAM"),
        (("--large", "--out", "x", "--truncate", "support"), "--truncate out"),
        (("--large", "--out", "x", "--border", "1"), "--border out"),
    ],
)
def test_what_is_not_known_is_bad_usage(
    call: Call, files: SimpleNamespace, words: tuple[str, ...], said: str
) -> None:
    done = call("explain", files.image, "--network", files.network, "--everywhere", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


def test_a_class_that_versus_does_not_know_is_told(call: Call, files: SimpleNamespace) -> None:
    words = ("explain", files.image, "--network", files.network, "--everywhere")
    for word in ("cell", "predicted"):
        done = call(*words, "--score", "margin", "--versus", word)
        assert done.exit_code == 1
        assert "class" in done.stderr


def test_scores_of_large_images(call: Call, files: SimpleNamespace, tmp_path: Path) -> None:
    done = call(
        "explain", files.image, "--network", files.network, "--pixel", "5,6", "--large",
        "--score", "margin", "--target", 1, "--layers", "bottleneck",
        "--out", tmp_path / "e.sgc.zarr",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "sum of margin" in done.stdout
    assert sgc.open_explanation(tmp_path / "e.sgc.zarr").record["question"]["score"] == "margin"


def test_values_have_the_types_of_the_methods_fields() -> None:
    def values(method: str, *options: str) -> dict[str, Any]:
        return methods.MethodChoice(method, list(options))._options()

    assert values("occlusion", "window=8,4", "stride=2", "baseline=blur") == {
        "window": (8, 4),
        "stride": 2,
        "baseline": "blur",
    }
    assert values("smooth-grad", "noise=1e-1", "seed=3") == {"noise": 0.1, "seed": 3}
    assert values("prediction", "values=logit") == {"values": "logit"}


def test_words_are_those_of_the_library() -> None:
    hints = methods.MethodChoice.__annotations__
    assert get_args(get_args(hints["score"])[0]) == SCORES
    assert get_args(get_args(hints["reduce"])[0]) == REDUCTIONS
    assert methods.SEG_GRAD_CAM in METHODS
