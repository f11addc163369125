"""The fields of method, score and extent, with every method that there is."""

from typing import Any

import pytest

from napari_seggradcam.explain.methods.described import described_methods
from napari_seggradcam.explain.methods.known import METHODS, method_of
from napari_seggradcam.widgets.how import How
from napari_seggradcam.widgets.method import MethodFields


@pytest.fixture
def fields(qtbot: Any) -> MethodFields:
    found = MethodFields(How())
    qtbot.addWidget(found)
    found.offer_methods(described_methods())
    return found


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_chosen_and_begins_with_its_own_values(
    fields: MethodFields, name: str
) -> None:
    fields.method.value = name
    how = fields.how
    assert how.method == name
    given = {
        key: pytest.approx(value) if isinstance(value, float) else value
        for key, value in METHODS[name]().options().items()
    }
    assert how.options == given
    assert method_of(name, how.options).options() == given


def test_titles_are_all_different(fields: MethodFields) -> None:
    titles = [facts.title for facts in described_methods()]
    assert len(set(titles)) == len(METHODS)
