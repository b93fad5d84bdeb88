"""How the models see the terms: which names are drawn, and what their cosines and places are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedkit.data.records import Pair
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.measure.terms import MOST_NAMES, named_concepts, term_view
from embedkit.models.resolve import resolve_model
from embedkit.models.vectors import Encoder


def _rows(count: int = 30) -> list[Pair]:
    rows = []
    for i in range(count):
        group, lang = str(i), "en"
        definition = f"the {i}th of the words defined at some length"
        rows += [
            Pair(anchor=f"word {i}", positive=definition, group=group, kind="term-definition", lang=lang),
            Pair(anchor=f"word {i}", positive=f"말 {i}", group=group, kind="term-translation", lang=lang),
        ]
    return rows


def test_names_are_anchors_and_positives_of_named_kinds() -> None:
    (concept,) = named_concepts(_rows(1))
    assert concept.names == ("word 0", "말 0")
    assert concept.definitions == ("the 0th of the words defined at some length",)


def test_rows_without_a_kind_give_their_anchors() -> None:
    (concept,) = named_concepts([Pair(anchor="a", positive="b")])
    assert concept.names == ("a",)


def test_long_questions_are_no_names() -> None:
    assert not list(named_concepts([Pair(anchor="why " * 20, positive="b")]))


def test_the_first_name_of_each_language_leads() -> None:
    rows = [Pair(anchor="a", positive=name, group="g", kind="synonym") for name in ("b", "가", "나")]
    (concept,) = named_concepts(rows)
    assert concept.names == ("a", "가", "b", "나")


def test_cosines_and_places_are_the_models_own(tiny_model: Path) -> None:
    encoder = Encoder(resolve_model(str(tiny_model)))
    view = term_view(_rows(), ModelPair(encoder, encoder))
    assert view is not None
    assert len(view.names) == MOST_NAMES
    assert view.concepts == tuple(i // 2 for i in range(MOST_NAMES))
    vectors = encoder.encode(view.names)
    np.testing.assert_allclose(view.before, vectors @ vectors.T, atol=1e-3)
    assert view.before == view.after
    assert {(point.is_name, point.lang) for point in view.points} == {
        (True, "en"),
        (True, "ko"),
        (False, "en"),
    }
    np.testing.assert_allclose([p.before for p in view.points], [p.after for p in view.points], atol=2e-3)


def test_the_order_of_the_rows_changes_nothing(tiny_model: Path) -> None:
    encoder = Encoder(resolve_model(str(tiny_model)))
    first, second = (term_view(rows, ModelPair(encoder, encoder)) for rows in (_rows(), _rows()[::-1]))
    assert first is not None
    assert second is not None
    assert set(first.names) == set(second.names)


@pytest.mark.parametrize("rows", [[], [Pair(anchor="a", positive="b")]])
def test_a_single_name_is_no_view(tiny_model: Path, rows: list[Pair]) -> None:
    encoder = Encoder(resolve_model(str(tiny_model)))
    assert term_view(rows, ModelPair(encoder, encoder)) is None
