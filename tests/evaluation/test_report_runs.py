"""Runs side by side: every metric of each, paired tests against the first, and why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.errors import UserError
from embedkit.evaluation.measure.compare import PerQuery, compare
from embedkit.evaluation.measure.per_query import read_queries, write_queries
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.records import (
    SCHEMA_VERSION,
    Evaluation,
    ModelInfo,
    QueryResult,
    read_evaluation,
    write_evaluation,
)
from embedkit.evaluation.report.report import ReportOptions, report
from embedkit.ranking.metrics import METRICS

QUERIES, CONCEPTS = 40, 20
Make = Callable[..., Path]


def _evaluation(name: str, values: PerQuery, test_hash: str) -> Evaluation:
    return Evaluation(
        schema_version=SCHEMA_VERSION,
        word="SHIP",
        sentence="",
        model=ModelInfo(name=name, origin="run", weights=name, dimensions=8),
        baseline=ModelInfo(name="base", origin="folder", weights="base", dimensions=8),
        queries=QUERIES,
        concepts=CONCEPTS,
        corpus_texts=99,
        corpus="",
        dropped={},
        metrics=compare(values, Resampling(100)),
        slices=(),
        mcnemar=None,
        similarities=(),
        fixed=(),
        broken=(),
        curves=(),
        leaks=(),
        gates=(),
        sources=(),
        files={"test": test_hash},
        run_config={},
        resamples=200,
        seed=0,
        versions={},
        test_hash=test_hash,
    )


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a run whose model gains `gain` over the same baseline on every query."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, gain: float, *, test_hash: str = "t1", queries: bool = True) -> Path:
        before = np.random.default_rng(0).random((QUERIES, len(METRICS))) * 0.5
        noise = np.random.default_rng(len(name)).normal(0, 0.01, before.shape)
        after = before + gain + noise
        values = PerQuery(before=before, after=after, bm25=before / 2, concepts=np.arange(QUERIES) // 2)
        write_evaluation(Path(name) / "metrics.json", _evaluation(name, values, test_hash))
        rows = [
            QueryResult(
                query=f"질의 {i}", kind="", lang="ko", concept=str(i // 2), rank_before=0, rank_after=1,
                before=tuple(before[i].tolist()), after=tuple(after[i].tolist()),
            )
            for i in range(QUERIES)
        ]  # fmt: skip
        write_queries(Path(name) / "queries.jsonl", tuple(rows) if queries else ())
        return Path(name)

    return run


def _tables(text: str) -> list[list[list[str]]]:
    """The cells of each Markdown table, without the line under the head."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [
        [line.strip("| ").split(" | ") for line in block.splitlines() if "---" not in line]
        for block in blocks
    ]


def test_every_metric_of_every_run_stands_in_one_table(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    report(ReportOptions(runs=[make("a", 0.1), make("bb", 0.2)]))
    table, _ = _tables(capsys.readouterr().out)
    assert table[0] == ["a", "bb", "baseline", "BM25"]
    assert [row[0] for row in table[1:]] == [
        "verdict against its baseline", "nDCG@10", "MRR@10", "recall@1", "recall@5", "recall@10", "MAP@100",
        "change in everyday language",
    ]  # fmt: skip
    assert re.fullmatch(r"0\.\d{3} \(0\.\d{3} … 0\.\d{3}\)", table[2][1])


def test_runs_on_the_same_queries_are_tested_against_the_first(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    report(ReportOptions(runs=[make("a", 0.1), make("bb", 0.2), make("ccc", 0.1)]))
    said = capsys.readouterr().out
    assert "**bb beats a: nDCG@10" in said
    assert "**ccc and a do not differ significantly: nDCG@10" in said
    _, against, _ = _tables(said)
    assert against[0] == ["metric", "a", "bb", "difference", "95 % interval", "p"]
    assert float(against[1][3]) == pytest.approx(0.1, abs=0.02)


def test_runs_on_other_queries_are_warned_about_and_not_tested(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    report(ReportOptions(runs=[make("a", 0.1), make("b", 0.2, test_hash="t2")]))
    said = capsys.readouterr()
    assert "their numbers cannot be compared" in said.err
    assert "not tested against each other" in said.out
    assert _tables(said.out)[0][0] == ["a", "b"]


def test_without_the_values_of_its_queries_a_run_is_not_tested(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    report(ReportOptions(runs=[make("a", 0.1), make("b", 0.2, queries=False)]))
    assert "no queries.jsonl of this evaluation" in capsys.readouterr().out


def test_values_of_an_earlier_evaluation_are_not_used(make: Make) -> None:
    run = make("a", 0.1)
    rows = (run / "queries.jsonl").read_text(encoding="utf-8")
    (run / "queries.jsonl").write_text("\n".join(rows.splitlines()[1:]), encoding="utf-8")
    assert read_queries(run / "queries.jsonl", read_evaluation(run / "metrics.json")) is None


def test_json_holds_what_the_table_shows(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    report(ReportOptions(runs=[make("a", 0.1), make("bb", 0.2)], format="json"))
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in found["runs"]] == ["a", "bb"]
    (pair,) = found["against"]
    assert (pair["run"], pair["first"], pair["word"]) == ("bb", "a", "SHIP")
    assert [metric["name"] for metric in pair["metrics"]] == list(METRICS)


def test_a_page_of_several_is_kept_unless_forced(make: Make) -> None:
    runs = [make("a", 0.1), make("bb", 0.2)]
    report(ReportOptions(runs=runs, format="html"))
    page = Path("comparison.html").read_text(encoding="utf-8")
    assert "bb beats a" in page
    assert 'id="runs"' in page
    with pytest.raises(UserError, match="already exists"):
        report(ReportOptions(runs=runs, format="html"))
    report(ReportOptions(runs=runs, format="html", force=True))


def test_the_command_writes_markdown_where_it_is_told(make: Make) -> None:
    runs = [str(make("a", 0.1)), str(make("bb", 0.2))]
    done = CliRunner().invoke(app, ["report", *runs, "--format", "md", "--output", "c.md"])
    assert done.exit_code == 0
    assert Path("c.md").read_text(encoding="utf-8").startswith("|  | a | bb |")


def test_a_run_named_twice_is_refused(make: Make) -> None:
    run = make("a", 0.1)
    with pytest.raises(UserError, match="named twice"):
        report(ReportOptions(runs=[run, run]))
