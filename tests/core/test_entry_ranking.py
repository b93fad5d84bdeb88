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
from embedkit.ranking.lexical import stored
from embedkit.ranking.lexical.names import NameDictionary
from embedkit.ranking.lexical.words import NameFinder, NgramIndex, name_ngrams

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


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("what is a capactior", ["capacitor"]),
        ("which apacitor", ["capacitor"]),
        ("two capacitors", ["capacitor"]),
        ("my capacicator", []),
        ("low noise amplifer", ["low-noise amplifier"]),
        ("low niose amplifer", ["low-noise amplifier"]),
        ("noise, low", ["noise"]),
        ("a class D amplifier", []),
        ("class A amplifer", ["class A amplifier"]),
        ("the tuve", []),
        ("around it", []),
        ("인덕타가 뭐예요", ["인덕터"]),
        ("인덕터가 뭐예요", ["인덕터"]),
        ("인덕 타", ["인덕터"]),
        ("저헝계는", ["저항계"]),
        ("반으중 통신", ["반이중 통신"]),
    ],
)
def test_names_are_found_with_a_slip_but_no_other_word_is_taken_for_one(
    question: str, found: list[str]
) -> None:
    names = [
        "capacitor", "low-noise amplifier", "noise", "class A amplifier", "tube", "ground", "인덕터", "저항계",
        "반이중 통신",
    ]  # fmt: skip
    weights = NameDictionary(names, ["a coil wound around iron"]).find([question])[0]
    assert [name for name, weight in zip(names, weights, strict=True) if weight] == found


def test_a_name_with_a_slip_counts_less_than_one_without() -> None:
    dictionary = NameDictionary(["capacitor"], ["a part"])
    (whole,), (with_slip,) = dictionary.find(["capacitor", "capactior"])
    assert with_slip == pytest.approx(0.8 * whole)


def test_the_nearest_name_is_meant() -> None:
    dictionary = NameDictionary(
        ["full-wave rectifier", "half-wave rectifier", "half-wave rectifiers"], ["a part"]
    )
    assert dictionary.find(["half-wave rectifierss"])[0].nonzero()[0].tolist() == [2]


def test_of_entries_with_the_same_name_the_one_in_the_questions_script_comes_first() -> None:
    entries = [
        Entry(
            term="analog-to-digital converter",
            definition="turns a voltage into a number",
            aliases=(Alias("ADC", "abbreviation"),),
        ),
        Entry(
            term="아날로그-디지털 변환기",
            definition="전압을 수로 바꾸는 회로",
            aliases=(Alias("ADC", "abbreviation"),),
        ),
    ]
    index = EntryIndex(entries)
    scores = words(index, ["ADC 값이 튀어요", "my ADC jumps"])
    assert scores.argmax(axis=1).tolist() == [1, 0]


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


def test_a_large_index_is_kept_and_damage_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path))
    queries = ["what are capacitors for?", "펄스폭변조가 뭐예요?", "which circuit turns voltages", "x"]
    wanted = [words(EntryIndex(ENTRIES, names=names), queries) for names in (True, False)]
    monkeypatch.setattr(stored, "LEAST_TEXTS", 1)
    for _ in ("made", "read"):
        found = [words(EntryIndex(ENTRIES, names=names), queries) for names in (True, False)]
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    folders = sorted((tmp_path / "vectors").iterdir())
    assert [folder.suffix for folder in folders] == [".words", ".words"]
    monkeypatch.setattr(stored, "_built", lambda *_: pytest.fail("it was not read"))
    assert EntryIndex(ENTRIES).words.ngrams
    monkeypatch.undo()
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(stored, "LEAST_TEXTS", 1)
    for folder in folders:
        (folder / "ngrams.data.npy").write_bytes(b"")
        (folder / "finder.place.npy").unlink()
    assert np.array_equal(words(EntryIndex(ENTRIES), queries), wanted[0])


@given(st.lists(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=4), min_size=1, max_size=6))
def test_an_entry_is_as_near_as_its_nearest_text(cosines: list[list[float]]) -> None:
    index = EntryIndex(
        [
            Entry(term="t", definition="d", aliases=tuple(Alias(str(n), "synonym") for n in row[1:]))
            for row in cosines
        ]
    )
    values = np.array([[value for row in cosines for value in (row[0], *row)]], dtype=np.float32)
    near = index.nearness(values)
    assert near.definition[0].tolist() == [row[0] for row in cosines]
    assert near.nearest[0].tolist() == [max(row) for row in cosines]


def test_one_query_is_compared_as_many_are() -> None:
    index = NgramIndex([f"{entry.term} {entry.definition}" for entry in ENTRIES])
    queries = ["a capacitor", "신호의 폭", "", "circuit", "zzz"]
    many, alone = index.similarities(queries), [index.similarities([query])[0] for query in queries]
    np.testing.assert_allclose(many, alone, atol=1e-6)
