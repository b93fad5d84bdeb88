"""Synonym candidates: what is proposed, what a person's decision does, and that no decision is lost."""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
from pathlib import Path

import pytest

from embedkit.compose import ComposeOptions, ComposeResult, compose
from embedkit.data.candidates import COLUMNS, read_candidates, synonyms_path
from embedkit.errors import UserError

from .conftest import made_glossary, rows_of

TABLE = """term,definition
field theory,A way to describe forces by what fills the space between bodies
theory of fields,Treats light and gravity as something that is spread out
spring balance,Tells a weight by how far a coil is drawn out
tide gauge,Writes down the height of the sea at every hour of the day
wind sock,A bag of cloth on a pole that shows where the air comes from
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "g.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def composed(table: Path, *, synonyms: Path | str = "", force: bool = False) -> ComposeResult:
    return compose(
        ComposeOptions(
            inputs=[str(table)],
            output=str(table.with_name("pairs.jsonl")),
            miner="lexical",
            split="1/0/0",
            force=force,
            synonyms=str(synonyms),
        )
    )


def candidates(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def decide(path: Path, decision: str, *, encoding: str = "utf-8", delimiter: str = ",") -> Path:
    rows = candidates(path)
    with path.open("w", encoding=encoding, newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows([row | {"decision": decision} for row in rows])
    return path


def groups(table: Path) -> dict[str, str]:
    return {row["anchor"]: row["group"] for row in rows_of(table.with_name("pairs.jsonl"))}


def test_near_duplicates_of_two_concepts_are_proposed(table: Path) -> None:
    result = composed(table)
    path = table.with_name("synonym_candidates.csv")
    (row,) = candidates(path)
    assert {row["text_a"], row["text_b"]} == {"field theory", "theory of fields"}
    assert (row["reason"], row["decision"]) == ("near duplicate", "")
    assert path.read_bytes().startswith(codecs.BOM_UTF8)  # or a spreadsheet shows Korean as noise
    assert result.outputs["synonyms"] == str(path)
    manifest = json.loads(table.with_name("pairs.manifest.json").read_text(encoding="utf-8"))
    assert manifest["outputs"][path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["counts"]["synonyms"] == {
        "proposed": 1,
        "left_out": 0,
        "accepted": 0,
        "rejected": 0,
        "unknown": 0,
    }


def test_accepted_rows_join_the_concepts_and_are_carried_over(table: Path) -> None:
    composed(table)
    assert groups(table)["field theory"] != groups(table)["theory of fields"]
    path = decide(table.with_name("synonym_candidates.csv"), "accept")
    result = composed(table, synonyms=path, force=True)
    assert groups(table)["field theory"] == groups(table)["theory of fields"]
    assert (result.synonyms.proposed, result.synonyms.accepted) == (0, 1)
    assert [row["decision"] for row in candidates(path)] == ["accept"]
    manifest = json.loads(table.with_name("pairs.manifest.json").read_text(encoding="utf-8"))
    assert str(path) in manifest["inputs"]


def test_rejected_rows_are_not_proposed_again(table: Path) -> None:
    composed(table)
    path = decide(table.with_name("synonym_candidates.csv"), "Reject")
    result = composed(table, synonyms=path, force=True)
    assert groups(table)["field theory"] != groups(table)["theory of fields"]
    assert (result.synonyms.proposed, result.synonyms.rejected) == (0, 1)
    assert [row["decision"] for row in candidates(path)] == ["reject"]


def test_a_near_duplicate_is_no_negative_whatever_is_decided(table: Path) -> None:
    composed(table)
    decide(table.with_name("synonym_candidates.csv"), "reject")
    composed(table, synonyms=table.with_name("synonym_candidates.csv"), force=True)
    for row in rows_of(table.with_name("pairs.jsonl")):
        assert "theory" not in row["anchor"] or not [n for n in row["hard_negatives"] if "theor" in n]


def test_neighbours_above_the_positive_are_proposed_with_both_scores(
    tiny_model: Path, tmp_path: Path
) -> None:
    table = made_glossary(tmp_path / "g.csv", terms=12)
    output = tmp_path / "p.jsonl"
    result = compose(
        ComposeOptions(inputs=[str(table)], output=str(output), miner="dense", model=str(tiny_model))
    )
    rows = [row for row in candidates(synonyms_path(output)) if row["reason"].startswith("above")]
    assert result.synonyms.proposed >= len(rows) > 0
    assert all(float(row["score"]) >= float(row["positive_score"]) for row in rows)
    assert all(row["term_a"] != row["term_b"] and int(row["rows"]) >= 1 for row in rows)
    assert all(row["lang_a"] == row["lang_b"] == "en" and 0 <= float(row["similarity"]) <= 1 for row in rows)
    assert len({frozenset((row["term_a"], row["term_b"])) for row in rows}) == len(rows)


def test_the_likeliest_are_proposed_and_the_rest_is_counted(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.compose.mine.synonyms.MOST", 3)
    table = made_glossary(tmp_path / "g.csv", terms=12)
    output = tmp_path / "p.jsonl"
    result = compose(
        ComposeOptions(inputs=[str(table)], output=str(output), miner="dense", model=str(tiny_model))
    )
    assert len(candidates(synonyms_path(output))) == result.synonyms.proposed == 3
    assert result.synonyms.left_out > 0


def test_decisions_are_not_overwritten_even_by_force(table: Path) -> None:
    composed(table)
    path = decide(table.with_name("synonym_candidates.csv"), "accept")
    with pytest.raises(UserError, match="1 decisions that would be lost"):
        composed(table, force=True)
    assert [row["decision"] for row in candidates(path)] == ["accept"]


def test_a_table_without_decisions_goes_when_nothing_is_proposed(table: Path) -> None:
    composed(table)
    table.write_text(TABLE.replace("theory of fields", "optics"), encoding="utf-8")
    assert "synonyms" not in composed(table, force=True).outputs
    assert not table.with_name("synonym_candidates.csv").exists()


def test_what_a_spreadsheet_saves_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes("text_a;text_b;decision\r\n펄스 폭 변조;PWM 제어 방식;ACCEPT\r\n".encode("cp949"))
    (row,) = read_candidates(path)
    assert (row.text_a, row.text_b, row.decision) == ("펄스 폭 변조", "PWM 제어 방식", "accept")


def test_a_text_that_is_not_in_the_input_is_counted(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("text_a,text_b,decision\nfield theory,phlogiston,accept\n", encoding="utf-8")
    assert composed(table, synonyms=path).synonyms.unknown == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "text_a,text_b,decision\na,b,\nc,d,maybe\n",
            "s.csv:3: the decision 'maybe' is neither accept nor reject",
        ),
        ("a,b\n1,2\n", "has no column text_a, text_b, decision"),
        ("text_a,text_b,decision\n,b,accept\n", "s.csv:2: text_a or text_b is empty"),
        (None, "there is no such file"),
    ],
)
def test_a_bad_table_is_one_message_before_any_work(
    table: Path, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "s.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        composed(table, synonyms=tmp_path / "s.csv")
    assert message in str(caught.value)
    assert not table.with_name("pairs.jsonl").exists()


def test_a_name_of_another_output_keeps_its_candidates_apart() -> None:
    assert synonyms_path(Path("data/pairs.jsonl")) == Path("data/synonym_candidates.csv")
    assert synonyms_path(Path("out.jsonl")) == Path("out.synonym_candidates.csv")
