"""What people are told of methods, scores and extents."""

from dataclasses import fields

import pytest

from napari_seggradcam.explain.methods.described import described_methods
from napari_seggradcam.explain.methods.known import METHODS, method_of
from napari_seggradcam.explain.truncation import Truncation
from napari_seggradcam.explain.words import (
    extent_in_words,
    method_in_words,
    method_title,
    score_in_words,
    share_in_words,
)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("seg-grad-cam", "Seg-Grad-CAM"),
        ("ablation-cam", "Ablation-CAM"),
        ("lrp", "LRP"),
        ("integrated-gradients", "Integrated gradients"),
    ],
)
def test_methods_have_titles(name: str, title: str) -> None:
    assert method_title(name) == title


def test_a_record_without_method_is_of_the_paper() -> None:
    assert (method_in_words({}), score_in_words({}), extent_in_words({})) == (
        "Seg-Grad-CAM",
        "logit",
        "",
    )


def test_scores_and_extents_in_words() -> None:
    asked = {"score": "margin", "versus": 1, "reduce": "mean"}
    assert score_in_words(asked, ["a", "b"]) == "mean margin against b"
    assert score_in_words(asked) == "mean margin against class 1"
    for given, words in (
        ("support", "the support"),
        ("distance", "the distance"),
        (("mass", 0.95), "95 % of the mass"),
    ):
        assert extent_in_words({"truncate": Truncation.of(given).describe()}) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.12, "kept 12 %"), (1, "kept 100 %"), (0.041, "kept 4.1 %"), (1e-5, "kept < 0.1 %")],
)
def test_shares_have_two_digits(share: float, words: str) -> None:
    assert share_in_words(share) == words


def test_every_method_is_described_with_values_that_it_takes() -> None:
    described = {facts.name: facts for facts in described_methods()}
    assert list(described) == list(METHODS)
    for name, facts in described.items():
        assert facts.what
        assert [option.name for option in facts.options] == [f.name for f in fields(METHODS[name])]
        for option in facts.options:
            assert option.what
            for value in option.choices or (option.default,):
                assert isinstance(value, option.kind)
                method_of(name, {option.name: value})
