"""Ranking entries: n-grams, names in questions, and the fusion with meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.data.entries import Alias, Entry
from embedkit.models.resolve import resolve_model
from embedkit.models.vectors import Encoder
from embedkit.ranking.entries import EntryIndex, combine, meaning, scored, words
from embedkit.ranking.hybrid.shares import DEFAULT_SHARE
from embedkit.ranking.words import NameDictionary, NameFinder, NgramIndex, name_ngrams

ENTRIES = (
    Entry(term="capacitor", definition="a part that stores charge", aliases=(Alias("condenser", "synonym"),)),
    Entry(term="펄스 폭 변조", definition="신호의 폭을 바꾸어 전력을 조절하는 방법"),
    Entry(term="ADC", definition="a circuit that turns a voltage into a number"),
    *(Entry(term=f"thing {n}", definition=f"something of sort {n}") for n in range(8)),
)


def first(query: str) -> str:
    return ENTRIES[int(words(EntryIndex(ENTRIES), [query])[0].argmax())].term


@pytest.mark.parametrize(
    ("query", "term"),
    [
        ("what are capacitors for?", "capacitor"),
        ("CONDENSER meaning", "capacitor"),
        ("펄스폭변조가 뭐예요?", "펄스 폭 변조"),
        ("펄스 폭변조란", "펄스 폭 변조"),
        ("which circuit turns voltages into numbers", "ADC"),
        ("explain adc to me", "ADC"),
    ],
)
def test_words_find_the_entry(query: str, term: str) -> None:
    assert first(query) == term


def test_a_name_is_all_there_whatever_hangul_follows_it() -> None:
    finder = NameFinder(["펄스 폭 변조", "op amp"], ["some text"])
    share, weight = finder.find(["펄스폭변조가 뭐야", "an op amp?", "nothing"])
    assert share.round(3).tolist()[:2] == [[1, 0], [0, 1]]
    assert weight.shape == (3, 2)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("누설 전류가 3uA, 어디로 새나요", ["누설 전류"]),
        ("which pcb finish", ["PCB"]),
        ("10 pc bus cables", []),
        ("비아하나에 몇 암페어까지", ["비아"]),
        ("전압원 두 개를 병렬로", ["전압원"]),
        ("전압 강하", ["전압"]),
        ("is LED the same as PCB", ["PCB", "LED"]),
        ("led-lamp", ["LED"]),
        ("sealed", []),
        ("NAND게이트 하나로", ["NAND 게이트"]),
        ("", []),
    ],
)
def test_whole_names_are_found_where_a_word_begins_and_the_longest_counts(
    question: str, found: list[str]
) -> None:
    names = ["누설 전류", "전류", "PCB", "비아", "전압", "전압원", "LED", "NAND 게이트", "a"]
    weights = NameDictionary(names, ["전류가 흐르는 길"]).find([question])[0]
    assert [name for name, weight in zip(names, weights, strict=True) if weight] == found


def test_a_name_that_definitions_have_weighs_less_and_so_does_one_that_comes_late() -> None:
    dictionary = NameDictionary(["SMD", "led"], ["an led lamp", "a lamp"])
    (rare, common), (late, first) = dictionary.find(["smd led", "led smd"])
    assert rare == 1
    assert 0 < common < first < 0.25
    assert late < rare


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5), st.lists(st.text(max_size=12), max_size=3))
def test_any_text_gives_finite_scores_between_0_and_1(names: list[str], queries: list[str]) -> None:
    index = EntryIndex([Entry(term=name, definition=f"about {name}") for name in names])
    scores = words(index, queries)
    assert scores.shape == (len(queries), len(names))
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1.0001)).all()


def test_a_text_is_most_like_itself() -> None:
    index = NgramIndex(["capacitor", "resistor", ""])
    found = index.similarities(["resistor", "zzz", ""])
    assert found[0].argmax() == 1
    assert found[0, 1] == pytest.approx(1)
    assert not found[1:].any()


def test_single_hangul_syllables_and_latin_words_have_ngrams() -> None:
    assert list(name_ngrams("폐")) == ["폐"]
    assert " a " in list(name_ngrams("a"))


def test_definitions_alone_know_no_name(tiny_model: Path) -> None:
    index = EntryIndex(ENTRIES, names=False)
    assert index.texts == [entry.definition for entry in ENTRIES]
    assert not index.named(["capacitor"]).any()


def test_the_rankers_agree_with_their_parts(tiny_model: Path) -> None:
    encoder, index = Encoder(resolve_model(str(tiny_model))), EntryIndex(ENTRIES)
    queries = ["capacitor", "전력을 조절", "number"]
    near, by_words = meaning(index, encoder, queries), words(index, queries)
    both = combine(near, by_words, np.full(3, DEFAULT_SHARE, dtype=np.float32))
    expected = {"dense": near.nearest, "lexical": by_words, "hybrid": both, "auto": both}
    for ranker, scores in expected.items():
        found = np.array(list(scored(index, encoder, queries, ranker=ranker)))  # type: ignore[arg-type]
        assert np.allclose(found, scores, atol=1e-6)
    assert near.nearest[0, 0] == pytest.approx(1, abs=1e-5)
    assert (near.nearest >= near.definition).all()
