"""Glossary CSV and pairs JSONL: what is written is read back, what is broken is named by its line."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.data.entries import Alias, Entry, entry_from_row, entry_id, entry_to_row, write_glossary
from embedkit.data.reading import read_glossary
from embedkit.data.records import Mining, Pair, pair_to_object, split_path, write_pairs
from embedkit.data.shapes import (
    FOLDER,
    FORMATS,
    SHAPES,
    SPELLINGS,
    own_names,
    pair_from_object,
    read_pairs,
    read_typed,
    shape_of,
)
from embedkit.errors import UserError

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


@given(term=words, definition=words, alias=words)
def test_a_glossary_row_survives_the_round_trip(term: str, definition: str, alias: str) -> None:
    entry = Entry(term=term, definition=definition, aliases=(Alias(alias, "translation", "ko"),), lang="en")
    assert entry_from_row(entry_to_row(entry)) == entry


def test_a_glossary_file_survives_the_round_trip(tmp_path: Path) -> None:
    entries = [
        Entry(term="NA", definition='not a missing value,\n"quoted"'),
        Entry(term="=1+1", definition="a cell is data", aliases=(Alias("null", "synonym"),)),
    ]
    path = tmp_path / "glossary.csv"
    assert write_glossary(path, entries) == 2
    assert list(read_glossary(path)) == entries


def test_a_glossary_without_its_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("word,meaning\na,b\n", encoding="utf-8")
    with pytest.raises(UserError, match="no column term and no column definition"):
        list(read_glossary(path))


def test_an_entry_id_survives_a_change_of_case_and_hyphens() -> None:
    assert entry_id("s", "Pulse-Width Modulation") == entry_id("s", "pulse width modulation")
    assert entry_id("s", "cat", 0) != entry_id("s", "cat", 1)


@settings(deadline=None)  # the first row loads pydantic
@given(anchor=words, positive=words, negatives=st.lists(words, max_size=3))
def test_a_pair_survives_the_round_trip(anchor: str, positive: str, negatives: list[str]) -> None:
    pair = Pair(
        anchor=anchor,
        positive=positive,
        hard_negatives=tuple(negatives),
        group="g",
        mining=tuple(Mining(score=0.5, rank=n, miner="lexical") for n in range(len(negatives))),
    )
    assert pair_from_object(json.loads(json.dumps(pair_to_object(pair)))) == pair


def test_keys_that_are_not_known_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"anchor": "a", "positive": "b", "mine": 1}\n', encoding="utf-8")
    assert list(read_pairs(path)) == [Pair(anchor="a", positive="b")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{broken", "not JSON"),
        ("[1]", "expected an object"),
        ('{"anchor": "a"}', "'positive' is missing"),
        ('{"anchor": "a", "positive": "b", "hard_negatives": "c"}', "'hard_negatives'"),
    ],
)
def test_a_broken_line_17_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "p.jsonl"
    good = '{"anchor": "a", "positive": "b"}\n'
    path.write_text(good * 16 + line + "\n" + good, encoding="utf-8")
    with pytest.raises(UserError, match=rf"p\.jsonl:17.*{problem}"):
        list(read_pairs(path))


def test_split_files_stand_beside(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    assert split_path(path, "train") == path
    assert split_path(path, "dev").name == "pairs.dev.jsonl"
    assert write_pairs(split_path(path, "dev"), [Pair(anchor="a", positive="b")]) == 1


@pytest.mark.parametrize("name", [*FORMATS, "config"])
def test_a_schema_is_shipped(name: str) -> None:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]


def test_the_document_names_every_shape_and_every_other_key() -> None:
    text = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    assert [shape.example for shape in SHAPES.values() if f"`{shape.example}`" not in text] == []
    assert [key for key in SPELLINGS if f"`{key}`" not in text] == []


def test_what_is_ambiguous_keeps_its_key() -> None:
    assert own_names({"query": "a", "answer": "b", "document": "c"}).keys() == {
        "anchor",
        "answer",
        "document",
    }
    assert own_names({"query": "a", "anchor": "b", "positive": "c"}).keys() == {"query", "anchor", "positive"}
    assert shape_of({"query": "a", "pos": ["b"], "neg": []}) is None


def test_no_shape_is_known_without_a_key_of_it(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"query": "a", "pos": ["b"], "neg": []}\n', encoding="utf-8")
    with pytest.raises(UserError, match="is in the format flagembedding"):
        read_typed(path)
