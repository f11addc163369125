"""Channels by name: an order that names tell is found again, and nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_seggradcam.errors import OptionError, ShapeError
from napari_seggradcam.networks.channels import (
    checked_names,
    chosen_channels,
    match_channels,
    told_names,
)

WORDS = st.text("abcdefgh0123", min_size=1, max_size=5)
NAMES = st.lists(WORDS, min_size=1, max_size=6, unique=True)


@st.composite
def respelled(draw: st.DrawFn, name: str) -> str:
    """The same name with other capitals, and with spaces, underscores and hyphens in it."""
    parts = [draw(st.sampled_from([letter, letter.upper()])) for letter in name]
    return "".join(part + draw(st.sampled_from(["", "", " ", "_", "-"])) for part in parts)


@given(st.data(), NAMES)
def test_channels_are_found_by_name_wherever_they_are(
    data: st.DataObject, names: list[str]
) -> None:
    order = data.draw(st.permutations(range(len(names))))
    order = order[: data.draw(st.integers(1, len(names)))]
    wanted = [data.draw(respelled(names[index])) for index in order]
    found = match_channels(wanted, len(wanted), names, len(names))
    assert (found.indices, found.how) == (tuple(order), "by name")


@given(st.data(), NAMES)
def test_a_name_that_two_channels_have_tells_nothing(data: st.DataObject, names: list[str]) -> None:
    twice = data.draw(st.sampled_from(names))
    given_names = data.draw(st.permutations([*names, data.draw(respelled(twice))]))
    with pytest.raises(ShapeError, match="several channels"):
        match_channels(names, len(names), given_names, len(given_names))
    found = match_channels(given_names, len(given_names), [*names, "other"], len(names) + 1)
    assert found.indices == tuple(range(len(given_names)))
    assert found.how.startswith("by position: the network has several channels")


@given(st.data(), NAMES, NAMES)
def test_by_position_only_where_counts_are_equal(
    data: st.DataObject, wanted: list[str], given_names: list[str]
) -> None:
    missing = [name for name in wanted if name not in given_names]
    if not missing:
        wanted = [*wanted, "elsewhere"]
    if len(wanted) == len(given_names):
        found = match_channels(wanted, len(wanted), given_names, len(given_names))
        assert found.indices == tuple(range(len(wanted)))
        assert "by position: the image has no channel" in found.how
        return
    with pytest.raises(ShapeError) as raised:
        match_channels(wanted, len(wanted), given_names, len(given_names))
    for names in (wanted, given_names):
        assert f"({', '.join(names)})" in str(raised.value)
    assert "--channel-order" in str(raised.value)


@pytest.mark.parametrize("wanted", [None, ("a", "b")])
@pytest.mark.parametrize("given_names", [None, ("b", "a")])
def test_both_have_to_name_theirs(
    wanted: tuple[str, ...] | None, given_names: tuple[str, ...] | None
) -> None:
    found = match_channels(wanted, 2, given_names, 2)
    if wanted and given_names:
        assert found.indices == (1, 0)
        return
    assert found.indices == (0, 1)
    assert found.how.endswith("does not name its channels")
    with pytest.raises(ShapeError, match="does not name its channels"):
        match_channels(wanted, 2, None if given_names is None else (*given_names, "c"), 3)


def test_names_of_separators_alone_match_nothing() -> None:
    assert match_channels(("-", "a"), 2, ("_", "a"), 2).how.startswith("by position")


def test_chosen_channels() -> None:
    names = ("DAPI", "GFP", "488")
    assert chosen_channels(("gfp", "0"), 2, names, 3) == (1, 0)
    assert chosen_channels(("488", "d a p i"), 2, names, 3) == (2, 0)
    assert chosen_channels(("2", "2"), 2, None, 3) == (2, 2)
    with pytest.raises(OptionError, match=r"no channel '3'.*3 channels \(DAPI, GFP, 488\).*0 to 2"):
        chosen_channels(("3", "0"), 2, names, 3)
    with pytest.raises(OptionError, match="several channels 'DAPI'"):
        chosen_channels(("DAPI",), 1, ("dapi", "DAPI"), 2)
    with pytest.raises(OptionError, match=r"-1.* to 2"):
        chosen_channels(("-1",), 1, names, 3)
    with pytest.raises(OptionError, match="DAPI are 1 channels and the network takes 2"):
        chosen_channels(("DAPI",), 2, names, 3)


def test_names_that_say_nothing() -> None:
    assert told_names(["DAPI ", "GFP"], 2) == ("DAPI", "GFP")
    assert told_names(["channel0", "GFP"], 2) == ("channel0", "GFP")
    for names in (["channel0", "channel1"], ["c1", "c2"], ["0", "1"], ["GFP", ""], ["GFP"], []):
        assert told_names(names, 2) is None
    assert told_names(["image"], 1) is None


def test_one_name_for_each_channel() -> None:
    assert checked_names(["a", "b"], 2) == ("a", "b")
    with pytest.raises(
        OptionError, match=r"1 channel names were given \(a\) and the network takes"
    ):
        checked_names(["a"], 2)
