"""One table, many readers: in every encoding, dialect and format all commands see the same entries."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.compose.check.validate import check
from embedkit.compose.templates.lists import Reading, read_list
from embedkit.data.candidates import read_candidates
from embedkit.data.entries import Alias, Entry, Record, aliases_to_json, write_glossary
from embedkit.data.reading import read_columns, read_entries, read_glossary, read_records
from embedkit.data.tally import Tally
from embedkit.explore.concepts import concepts_of
from embedkit.explore.faq import ANSWER_COLUMNS
from embedkit.explore.texts import read_table, read_texts
from embedkit.models.corpus import load_corpus
from embedkit.ranking.queries import corpus_texts

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949")
DIALECTS = (",", ";", "\t", "|")
HEADERS = (("term", "definition", "aliases"), ("용어", "정의", "별칭"), ("Word", "Meaning", "Synonyms"))
# Korean text with what cuts or quotes a careless reader: delimiters, quotes, and (in Unicode) other line ends.
_PUNCTUATION = [", ", "; ", " | ", '"', "'", " - "]
_WORDS = st.sampled_from(
    ["저항", "다이오드", "펄스", "변조", "회로를 막는다", "pulse", "width", "가", "소자이다"]
)
_ROW_WORDS = st.lists(st.one_of(_WORDS, st.sampled_from(_PUNCTUATION)), max_size=6).map("".join)
_TEXTS = st.tuples(_WORDS, _ROW_WORDS, _WORDS).map("".join).map(lambda text: " ".join(text.split()))
_NAMES = st.sampled_from(["PWM", "펄스 폭 변조", "저항기", "resistor"])
_LINE_ENDS = ("\u2028", "\u0085", "\x0c")


def entries_of(rows: Sequence[tuple[str, Sequence[str]]]) -> list[Entry]:
    """Entries with terms that differ: the readers under test do not merge."""
    return [
        Entry(
            term=" ".join(f"용어{number} {text.replace(chr(34), '')}".split()),
            definition=f"{text}라고 한다 {number}",
            aliases=tuple(Alias(name, "synonym") for name in dict.fromkeys(names)),
        )
        for number, (text, names) in enumerate(rows)
    ]


def write(
    path: Path, entries: Sequence[Entry], *, header: Sequence[str], encoding: str, delimiter: str, ends: str
) -> Path:
    cells = [(e.term, e.definition, aliases_to_json(e.aliases)) for e in entries]
    with path.open("w", encoding=encoding, newline="") as handle:
        if path.suffix == ".jsonl":
            for row in cells:
                handle.write(json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) + ends)
        else:
            csv.writer(handle, delimiter=delimiter, lineterminator=ends).writerows([header, *cells])
    return path


def seen(entries: Sequence[Entry]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(e.term, e.definition, e.names) for e in entries]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(_TEXTS, st.lists(_NAMES, max_size=2)), min_size=2, max_size=6),
    header=st.sampled_from(HEADERS),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from(DIALECTS),
    suffix=st.sampled_from([".csv", ".tsv", ".jsonl"]),
    ends=st.sampled_from(["\n", "\r\n"]),
    inner=st.sampled_from(_LINE_ENDS),
)
def test_every_reader_sees_the_same_entries(
    tmp_path: Path,
    rows: Sequence[tuple[str, Sequence[str]]],
    header: Sequence[str],
    encoding: str,
    delimiter: str,
    suffix: str,
    ends: str,
    inner: str,
) -> None:
    entries = entries_of(rows)
    if encoding != "cp949":
        entries[-1] = Entry(term=entries[-1].term, definition=f"앞{inner}뒤", aliases=entries[-1].aliases)
    path = tmp_path / f"g{suffix}"
    write(path, entries, header=header, encoding=encoding, delimiter=delimiter, ends=ends)
    wanted = [
        (term, " ".join(definition.replace(inner, " ").split()), names)
        for term, definition, names in seen(entries)
    ]
    if encoding != "cp949":  # cleaning takes what is no space away
        cleaned = read_entries(path)[-1].definition
        assert cleaned in ("앞 뒤", "앞뒤")
        wanted[-1] = (wanted[-1][0], cleaned, wanted[-1][2])

    composed = list(read_records(path, quiet=True))
    assert seen([item.entry for item in composed if isinstance(item, Record)]) == wanted
    validated = check(path)
    assert (validated.rows, [p for p in validated.problems if p.error]) == (len(entries), [])
    searched = load_corpus(path)
    assert seen(searched) == wanted
    assert {entry for concept in concepts_of(searched) for entry in concept.items} == set(searched)
    assert list(corpus_texts(path)) == [definition for _, definition, _ in wanted]
    assert list(read_texts(path)) == [term for term, _, _ in wanted]
    answers = read_table(path).column(ANSWER_COLUMNS, option="--answer-column")
    assert [answer.replace(inner, "") for answer in answers] == [
        e.definition.replace(inner, "") for e in entries
    ]
    reading = Reading([], [], Tally("lists"))
    read_list(path, reading, acronyms=False)
    terms = [(item.name, item.definition) for item in reading.items if not item.acronym]
    assert (terms, reading.rejected) == ([(term, definition) for term, definition, _ in wanted], [])


@pytest.mark.parametrize("end", _LINE_ENDS)
@pytest.mark.parametrize("name", ["g.csv", "g.jsonl", "g.txt"])
def test_only_line_ends_end_a_line(tmp_path: Path, end: str, name: str) -> None:
    path = tmp_path / name
    entry = Entry(term="a", definition=f"one{end}thing")
    if name == "g.csv":
        write_glossary(path, [entry, entry])
        assert list(read_glossary(path)) == [entry, entry]
    elif name == "g.jsonl":
        line = json.dumps({"term": "a", "definition": entry.definition}, ensure_ascii=False)
        path.write_text(f"{line}\n{line}\n", encoding="utf-8")
    else:
        path.write_text(f"{entry.definition}\r\n{entry.definition}\n", encoding="utf-8")
    assert len(read_columns(path, lines=name == "g.txt").rows) == 2


def test_half_a_character_in_json_lines_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text(
        '{"term": "a", "definition": "b"}\n{"term": "a\\ud800", "definition": "b"}\n', encoding="utf-8"
    )
    rejects = [item for item in read_records(path, quiet=True) if not isinstance(item, Record)]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "half a character")]


def test_bad_rows_of_a_corpus_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "g.csv"
    path.write_text("term;definition\na;b\nc\nd;e\n", encoding="utf-8")
    assert [entry.term for entry in load_corpus(path)] == ["a", "d"]
    assert (
        "1 bad rows are left out, the first on line 3: wrong column count (1 ≠ 2)" in capsys.readouterr().err
    )


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "cp949"), ("\t", "utf-16"), (",", "utf-8")])
def test_decided_synonyms_are_read_as_any_table(tmp_path: Path, delimiter: str, encoding: str) -> None:
    path = tmp_path / "s.csv"
    rows = [("text_a", "text_b", "decision"), ("저항", "저항기, 소자", "Accept"), ("가", "나", "")]
    with path.open("w", encoding=encoding, newline="") as handle:
        csv.writer(handle, delimiter=delimiter).writerows(rows)
    found = [(row.text_a, row.text_b, row.decision) for row in read_candidates(path)]
    assert found == [("저항", "저항기, 소자", "accept"), ("가", "나", "")]
