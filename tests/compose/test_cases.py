"""The tables that lie beside the checkout, each with what is right for it; skipped where they are not there."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from embedkit.compose.check.validate import check
from embedkit.compose.run.compose import compose
from embedkit.compose.run.options import ComposeOptions
from embedkit.data.records import Pair
from embedkit.data.shapes import read_pairs
from embedkit.errors import UserError

CASES = Path(__file__).resolve().parents[3] / "shared/cases/compose"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="shared/ does not lie beside the checkout")
Rows = list[Pair]


def composed(name: str, tmp_path: Path, **more: object) -> Rows:
    output = tmp_path / "o" / "p.jsonl"
    options: dict[str, object] = {
        "inputs": [str(CASES / name)],
        "output": str(output),
        "miner": "lexical",
        "split": "1/0/0",
    }
    compose(ComposeOptions(**(options | more)))  # type: ignore[arg-type]
    return list(read_pairs(output))


def pairs(rows: Rows) -> set[tuple[str, str]]:
    return {(row.anchor, row.positive) for row in rows}


def texts(rows: Rows) -> set[str]:
    return {text for row in rows for text in (row.anchor, row.positive, *row.hard_negatives)}


def groups(rows: Rows) -> int:
    return len({row.group for row in rows})


def synonyms_are_pairs(rows: Rows, said: str) -> None:
    assert {("car", "auto"), ("car", "motorcar"), ("big", "large"), ("big", "great")} <= pairs(rows)


def units_stay_apart(rows: Rows, said: str) -> None:
    assert groups(rows) == 6


def placeholders_are_set_aside(rows: Rows, said: str) -> None:
    assert "7 rejected: placeholder" in said
    assert {row.positive for row in rows} == {"the eighth letter of Greek"}


def an_everyday_word_joins_nothing(rows: Rows, said: str) -> None:
    assert groups(rows) == 4
    assert "ambiguous" in said
    assert all(row.hard_negatives for row in rows)


def nothing_is_cut(rows: Rows, said: str) -> None:
    assert "1 rejected" in said
    assert "opposes current" not in texts(rows)


def a_bar_is_text(rows: Rows, said: str) -> None:
    assert ("OR", "a | b in C") in pairs(rows)


def the_header_is_seen(rows: Rows, said: str) -> None:
    assert not texts(rows) & {"Begriff", "Definition"}
    assert {row.lang for row in rows if row.kind == "term-definition"} == {"de"}


def translations_are_pairs(rows: Rows, said: str) -> None:
    assert {("access", "액세스"), ("access", "The right to use a thing")} <= pairs(rows)


def german_is_a_translation(rows: Rows, said: str) -> None:
    assert "term-translation" in {row.kind for row in rows if row.positive == "Widerstand"}
    assert all(row.kind != "term-translation" for row in rows if "resister" in (row.anchor, row.positive))


def one_key_is_one_concept(rows: Rows, said: str) -> None:
    assert {("resistor", "Widerstand"), ("capacitor", "Kondensator")} <= pairs(rows)
    assert groups(rows) == 2


def markup_is_taken_out(rows: Rows, said: str) -> None:
    assert pairs(rows) == {("resistor", "opposes current in ohms"), ("cap", "stores charge")}
    assert "markup taken out" in said


RIGHT: dict[str, Callable[[Rows, str], None]] = {
    "syn_column.jsonl": synonyms_are_pairs,
    "case_units.csv": units_stay_apart,
    "placeholders.csv": placeholders_are_set_aside,
    "everyday_alias.csv": an_everyday_word_joins_nothing,
    "trailing_comma.csv": nothing_is_cut,
    "md_escaped_bar.txt": a_bar_is_text,
    "german_header.csv": the_header_is_seen,
    "ms_terminology.csv": translations_are_pairs,
    "multiterm.tsv": german_is_a_translation,
    "iate_long.csv": one_key_is_one_concept,
    "anki_notes.txt": markup_is_taken_out,
}
REFUSED = {
    "mostly_rejected.po": "is a gettext catalogue",
    "glossaries.tex": "is LaTeX",
    "skos.nt": "is RDF",
    "termbase.tbx": "is TBX",
    "glossary.yaml": "is YAML",
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_table_is_read_for_what_it_is(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"mapping": ["group=E_ID", "term=T_TERM"]} if name == "iate_long.csv" else {}
    rows = composed(name, tmp_path, **more)
    RIGHT[name](rows, capsys.readouterr().err)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=REFUSED[name]):
        composed(name, tmp_path)


def test_a_rejected_synonym_is_the_best_negative(tmp_path: Path) -> None:
    composed("contrast_pairs.csv", tmp_path)
    table = tmp_path / "o" / "p.synonym_candidates.csv"
    with table.open(encoding="utf-8-sig", newline="") as handle:
        decided = [row | {"decision": "reject"} for row in csv.DictReader(handle)]
    with (tmp_path / "decided.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, decided[0])
        writer.writeheader()
        writer.writerows(decided)
    rows = composed("contrast_pairs.csv", tmp_path, synonyms=str(tmp_path / "decided.csv"), force=True)
    first = {row.anchor: row.hard_negatives[0] for row in rows if row.kind == "term-definition"}
    assert first["high-pass filter"] == "A filter that passes low frequencies and blocks high ones"


def test_validate_finds_what_is_no_text() -> None:
    found = {(p.line, str(p.code)) for p in check(CASES / "validate_html.csv").problems}
    assert {(2, "markup taken out"), (3, "bad row"), (4, "bad row"), (5, "mojibake repaired")} <= found


def test_every_case_has_a_test() -> None:
    with (CASES / "INDEX.tsv").open(encoding="utf-8", newline="") as handle:
        listed = {row["file"] for row in csv.DictReader(handle, delimiter="\t")}
    assert listed <= {*RIGHT, *REFUSED, "contrast_pairs.csv", "validate_html.csv"}
