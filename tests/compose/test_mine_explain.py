"""`compose --explain`: what was taken and refused and why, as the written rows have it; nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from embedkit.compose import ComposeOptions, compose
from embedkit.errors import UserError

from .conftest import Run, made_glossary, rows_of

LEXICAL = ("--miner", "lexical", "--split", "1/0/0")
TABLE = """term,definition
field theory,A way to describe forces by what fills the space between bodies
theory of fields,Treats light and gravity as something that is spread out
number theory,Asks what whole numbers are made of
knot theory,Asks which loops of string are one loop
game theory,Asks what the best answer to a move is
set theory,Asks what can be put together to a whole
"""


def explained(run: Run, *flags: str) -> list[dict[str, Any]]:
    done = run("compose", "--json", *flags)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


def reasons(row: dict[str, Any]) -> dict[str, str]:
    return {refusal["text"]: refusal["reason"] for refusal in row["refused"]}


def test_what_was_taken_is_what_the_rows_have_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv")
    rows = explained(run, "--input", "g.csv", "--explain", "sand mirror 21", *LEXICAL)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["g.csv"]
    assert run("compose", "--input", "g.csv", *LEXICAL).returncode == 0
    written = {(r["anchor"], r["positive"]): r for r in rows_of(tmp_path / "data" / "pairs.jsonl")}
    assert len(rows) == 4  # its definition, that of its abbreviation, and both ways between the names
    for row in rows:
        pair = written[row["anchor"], row["positive"]]
        assert [t["text"] for t in row["taken"]] == pair["hard_negatives"]
        assert [(t["score"], t["rank"], t["rule"]) for t in row["taken"]] == [
            (m["score"], m["rank"], m["rule"]) for m in pair["mining"]
        ]


def test_every_refusal_has_its_reason(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "anchor,positive\ngraph tree,tree\nfree graph tree,tree\n"
        + "".join(f"graph tree {n},tree graph number {n}\n" for n in range(9)),
        encoding="utf-8",
    )
    flags = ("--input", "p.csv", "--explain", "graph tree", "--rank-window", "2:", "--hub-cap", "3", *LEXICAL)
    row = next(r for r in explained(run, *flags) if r["anchor"] == "graph tree")
    found = reasons(row)
    assert found["graph tree"] == found["tree"] == "the row's own text"
    assert found["free graph tree"] == "same concept"
    assert "outside the rank window" in found.values()
    assert "enough were nearer" in found.values()
    assert not set(found) & {t["text"] for t in row["taken"]}


def test_a_hub_that_was_passed_over_says_how_often_it_served(run: Run, tmp_path: Path) -> None:
    lines = "".join(f"alpha {n},alpha beta {n}\n" for n in range(40))
    (tmp_path / "p.csv").write_text(f"anchor,positive\n{lines}", encoding="utf-8")
    rows = explained(run, "--input", "p.csv", "--explain", "alpha 39", "--hub-cap", "2", *LEXICAL)
    hubs = [r for row in rows for r in row["refused"] if r["reason"] == "hub cap"]
    assert hubs
    assert all(r["detail"] == "a negative of 2 rows already" for r in hubs)


def test_a_near_duplicate_is_named_as_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "anchor,positive\nfield theory,f x\ntheory of fields,t y\n"
        "number theory,n z\nknot theory,k q\ngame theory,g w\nset theory,s r\n",
        encoding="utf-8",
    )
    (row,) = explained(run, "--input", "t.csv", "--explain", "Field Theory", *LEXICAL)
    assert reasons(row)["theory of fields"] == "near duplicate of the concept"


def test_the_bar_and_the_positives_score_are_shown(run: Run, tmp_path: Path, tiny_model: Path) -> None:
    made_glossary(tmp_path / "g.csv", terms=14)
    dense = ("--miner", "dense", "--model", str(tiny_model), "--split", "1/0/0")
    rows = explained(run, "--input", "g.csv", "--explain", "gold mirror 11", *dense)
    refused = [(row, r) for row in rows for r in row["refused"] if r["reason"] == "over the bar"]
    assert refused
    assert all(r["score"] > row["bar"] for row, r in refused)
    assert all(row["bar"] < row["positive_score"] for row in rows)


def test_it_reads_well_and_takes_several_terms(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE, encoding="utf-8")
    done = run("compose", "--input", "t.csv", "--explain", "knot theory", "--explain", "set theory", *LEXICAL)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "knot theory -> Asks which loops of string are one loop  [term-definition, train]"
    assert "  taken:" in lines
    assert any("the row's own text: " in line for line in lines)
    assert any(line.startswith("set theory -> ") for line in lines)


def test_an_existing_output_is_no_obstacle(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE, encoding="utf-8")
    assert run("compose", "--input", "t.csv", *LEXICAL).returncode == 0
    assert run("compose", "--input", "t.csv", "--explain", "knot theory", *LEXICAL).returncode == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"explain": ("knot theorie",)}, "is in no row"),
        ({"hard_k": 0}, "--explain needs --hard-k"),
        ({"rounds": 2}, "--explain explains a single round of mining"),
        ({"dry_run": True}, "--explain cannot be combined with --dry-run"),
    ],
)
def test_what_cannot_be_explained_is_said(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    (tmp_path / "t.csv").write_text(TABLE, encoding="utf-8")
    values: dict[str, Any] = {"explain": ("knot theory",), "miner": "lexical", **settings}
    with pytest.raises(UserError, match=message) as caught:
        compose(ComposeOptions(inputs=[str(tmp_path / "t.csv")], output=str(tmp_path / "p.jsonl"), **values))
    if "is in no row" in message:
        assert caught.value.hint.startswith("did you mean 'knot theory'")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
