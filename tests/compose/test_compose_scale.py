"""What lets a million rows through: rows on disk, retrieval within a budget, blocks that decide nothing."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.compose import ComposeOptions, compose
from embedkit.compose.mine.candidates.base import NO_INDICES, Question
from embedkit.compose.mine.candidates.lexical import LexicalMiner
from embedkit.compose.rows.drafts import draft_rows
from embedkit.compose.rows.records import records_spool
from embedkit.compose.rows.spool import Picked
from embedkit.compose.rows.texts import distinct_texts
from embedkit.data.entries import ALIAS_KINDS, Alias, Entry, Record
from embedkit.ranking.near_duplicates import near_pairs

from .conftest import made_glossary

_TEXT = st.text(max_size=12)
_ALIASES = st.lists(st.builds(Alias, _TEXT, st.sampled_from(ALIAS_KINDS), _TEXT), max_size=2).map(tuple)
_ENTRIES = st.builds(Entry, term=_TEXT, definition=_TEXT, aliases=_ALIASES, lang=_TEXT, license=_TEXT)
_RECORDS = st.builds(Record, _TEXT, st.integers(1, 10**9), _ENTRIES, st.booleans())


@given(st.lists(_RECORDS, min_size=1, max_size=6), st.integers(0, 5))
def test_what_is_spooled_comes_back(records: list[Record], at: int) -> None:
    spool = records_spool()
    for record in records:
        spool.append(record)
    assert list(spool) == spool[:] == records
    spool.replace(at % len(records), records[0])
    records[at % len(records)] = records[0]
    assert list(spool) == records
    assert Picked(spool, array("i", [len(records) - 1]))[0] == records[-1]


def test_texts_are_read_where_they_stand() -> None:
    pairs = [("b", "a"), ("c", "a"), ("b", "d")]
    drafts = list(draft_rows([Record("t", 1, Entry(term=a, definition=b), True) for a, b in pairs]))
    assert list(distinct_texts(drafts)) == ["b", "a", "c", "d"]
    assert list(distinct_texts(drafts).in_order()) == ["a", "b", "c", "d"]


def question(anchor: str) -> Question:
    return Question(anchor, "", NO_INDICES)


def test_a_frequent_feature_keeps_the_texts_where_it_weighs_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedkit.compose.mine.candidates.lexical.MAX_POSTINGS", 3)
    pool = ["lamp " + "word " * n for n in range(10)]
    ranked = next(LexicalMiner(pool, spelled=False).rank([question("lamp")], 10))
    assert ranked.indices.tolist() == [0, 1, 2]


def test_the_budget_goes_to_the_rarest_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedkit.compose.mine.candidates.lexical.BUDGET", 5)
    pool = ["common rare", "common rare", *["common"] * 5]
    ranked = next(LexicalMiner(pool, spelled=False).rank([question("common rare")], 10))
    assert ranked.indices.tolist() == [0, 1]
    alone = next(LexicalMiner(pool, spelled=False).rank([question("common")], 10))
    assert len(alone.indices) == 7


def test_near_duplicates_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    words = [f"word{n}" for n in range(30)]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(80)]
    texts += [f"{text} more" for text in texts[:30]]
    whole = list(near_pairs(texts))
    assert len(whole) >= 30
    monkeypatch.setattr("embedkit.ranking.near_duplicates.BLOCK", 7)
    assert list(near_pairs(texts)) == whole


def test_the_letters_bound_refuses_no_near_duplicate() -> None:
    text = "zzzz " * 60 + "one two three four five"
    other = text.replace("one", "qne") + "!"
    assert list(near_pairs([text, other])) == [(0, 1)]


def test_blocks_do_not_change_a_byte_of_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = made_glossary(tmp_path / "g.csv")
    made = []
    for name, block in (("one", 1 << 20), ("two", 1)):
        monkeypatch.setattr("embedkit.compose.mine.candidates.lexical.BLOCK_CELLS", block)
        monkeypatch.setattr("embedkit.compose.mine.select.CHUNK", 8 if block == 1 else 2048)
        monkeypatch.setattr("embedkit.ranking.near_duplicates.BLOCK", 9 if block == 1 else 1 << 17)
        compose(
            ComposeOptions(inputs=[str(table)], output=str(tmp_path / name / "pairs.jsonl"), miner="lexical")
        )
        made.append({p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())})
    assert made[0] == made[1]
