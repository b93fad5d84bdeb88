"""The report: one file that loads nothing, escapes everything, and shows what the evaluation holds."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embedkit.errors import UserError
from embedkit.evaluation.measure.compare import PerQuery, compare
from embedkit.evaluation.measure.slices import query_slices, slice_result
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.records import (
    SCHEMA_VERSION,
    Change,
    Evaluation,
    Gate,
    LabelSimilarity,
    MapPoint,
    McNemar,
    ModelInfo,
    RankedAnswer,
    Similarities,
    SourceRows,
    TermView,
    write_evaluation,
)
from embedkit.evaluation.report.page import render_page, try_write_page
from embedkit.evaluation.report.report import ReportOptions, report
from embedkit.models.run_folder import Series
from embedkit.ranking.leak import Leak
from embedkit.ranking.queries import JudgedQuery

ATTACK = "</script><script>alert('펄스 폭 변조')</script>"


TERM_CHARTS = {"heat-before", "heat-after", "map-before", "map-after"}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """An evaluation of 40 simulated queries with every part filled in, and an attack in every text."""
    import numpy as np

    rng = np.random.default_rng(0)
    before = rng.random((40, 6)) * 0.5
    values = PerQuery(before=before, after=before + 0.2, bm25=before / 2, concepts=np.arange(40) // 2)
    nothing = np.array([], dtype=np.int64)
    queries = [
        JudgedQuery(
            text=f"q{i}",
            kind=f"{ATTACK} {i % 2}",
            lang="ko" if i % 3 else "en",
            concept=str(i // 2),
            relevant=nothing,
            excluded=nothing,
            window=(0, 0),
            hard_negatives=(),
        )
        for i in range(40)
    ]
    model = ModelInfo(name=ATTACK, origin="run", weights="0123456789abcdef", dimensions=384)
    answer = RankedAnswer(text=ATTACK, score=0.5, relevant=True)
    change = Change(
        query=ATTACK,
        kind="k",
        lang="ko",
        expected=(ATTACK,),
        rank_before=0,
        rank_after=1,
        before=(answer,),
        after=(answer,),
    )
    bins = (0,) * 20 + (3, 2, 1) + (0,) * 17
    return Evaluation(
        schema_version=SCHEMA_VERSION,
        word="SHIP",
        sentence="",
        model=model,
        baseline=model,
        queries=40,
        concepts=20,
        corpus_texts=99,
        corpus=ATTACK,
        dropped={ATTACK: 1},
        metrics=compare(values, Resampling(100)),
        slices=tuple(
            slice_result(part, compare(part.values, Resampling(100)))
            for part in query_slices(queries, values)
        ),
        mcnemar=McNemar(fixed=1, broken=1, p_value=1.0),
        similarities=tuple(
            Similarities(system=system, against=against, counts=bins, mean=0.1, auc=0.7)
            for system in ("before", "after")
            for against in ("positive", "hard negative", "random text")
        ),
        fixed=(change,),
        broken=(change,),
        curves=(
            Series(name="loss", steps=(1, 2), values=(2.0, 1.0)),
            Series(name="dev_ndcg_at_10", steps=(1, 2), values=(0.2, 0.4)),
            Series(name="lr", steps=(1, 2), values=(0.2, 0.4)),
        ),
        leaks=(
            Leak(
                side="model",
                known=False,
                train_file="",
                rows=1,
                exact=0,
                normalised=0,
                concept=0,
                examples=(),
            ),
        ),
        gates=(Gate(name="ndcg@10", least=0.5, found=0.4, passed=False),),
        sources=(SourceRows(file="f", source=ATTACK, license=ATTACK, rows=3),),
        files={ATTACK: "00ff"},
        run_config={"note": ATTACK},
        resamples=100,
        seed=0,
        versions={"python": "3"},
        terms=TermView(
            names=("PWM", ATTACK, "diode"),
            concepts=(0, 0, 1),
            before=((1.0, 0.2, 0.4), (0.2, 1.0, 0.1), (0.4, 0.1, 1.0)),
            after=((1.0, 0.8, 0.1), (0.8, 1.0, 0.1), (0.1, 0.1, 1.0)),
            points=tuple(
                MapPoint(
                    text=ATTACK,
                    lang="ko",
                    concept=i // 2,
                    is_name=i % 2 == 0,
                    before=(0.1, 0.2),
                    after=(0.3, 0.4),
                )
                for i in range(4)
            ),
            variance_before=0.3,
            variance_after=0.4,
        ),
    )


@pytest.fixture(scope="module")
def page(evaluation: Evaluation) -> str:
    return render_page(evaluation)


def _specs(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found
    specs: dict[str, Any] = json.loads(found.group(1))["specs"]
    return specs


def _markup(page: str) -> str:
    """The page without what its scripts hold."""
    return re.sub(r"(<script[^>]*>).*?(</script>)", r"\1\2", page, flags=re.DOTALL)


def test_it_loads_nothing_from_elsewhere(page: str) -> None:
    page = _markup(page)
    assert not re.search(r"<(?:script|link|img|iframe|object|embed)\b[^>]*\b(?:src|href|data)=", page)
    assert not re.search(r"@import|url\(\s*['\"]?http", page)
    assert "default-src 'none'" in page


def test_it_is_under_three_megabytes(page: str) -> None:
    assert len(page.encode()) < 3_000_000


def test_it_carries_hangul_as_text(page: str) -> None:
    assert "펄스 폭 변조" in page
    assert "Noto Sans KR" in page


def test_every_text_is_escaped(page: str) -> None:
    assert "<script>alert(" not in page
    assert "&lt;script&gt;alert(" in page
    assert len(re.findall(r"</script>", page)) == 4


def test_every_chart_has_a_place_and_data(page: str) -> None:
    specs = _specs(page)
    assert set(specs) == {"metrics", "slices", "cosines-before", "cosines-after", "loss", "dev", *TERM_CHARTS}
    for name, spec in specs.items():
        assert f'id="{name}"' in page
        assert all(spec["datasets"].values())


def test_the_parts_stand_in_their_order(page: str) -> None:
    heads = re.findall(r'<h2 id="s\d+">(.*?)</h2>', _markup(page))
    assert heads == [
        "Metrics",
        "Similarity of right and wrong texts",
        "Training",
        "Queries fixed",
        "Queries broken",
        "Similarity of terms",
        "Map of terms",
        "Data and licences",
        "Config, versions, hashes",
    ]
    assert page.index("<strong>SHIP</strong>") < page.index("<h2 id=")


def test_an_evaluation_of_an_earlier_version_has_no_terms(evaluation: Evaluation) -> None:
    page = render_page(replace(evaluation, terms=None))
    assert "Map of terms" not in page
    assert not TERM_CHARTS & set(_specs(page))


def test_the_mean_cosines_of_names_are_told(page: str) -> None:
    row = re.search(r"<td>names of one concept</td>(.*?)</tr>", page)
    assert row
    assert re.findall(r"[\d.]+(?=<)", row.group(1)) == ["0.200", "0.800"]


def test_labels_have_a_heat_map(evaluation: Evaluation) -> None:
    labels = LabelSimilarity(
        labels=("a", "b"), before=((0.5, 0.4), (0.4, 0.5)), after=((0.9, 0.1), (0.1, 0.9))
    )
    specs = _specs(render_page(replace(evaluation, labels=labels)))
    assert {"labels-before", "labels-after"} <= set(specs)


def test_an_evaluation_without_a_training_log_has_no_training_part(evaluation: Evaluation) -> None:
    page = render_page(replace(evaluation, curves=()))
    assert ">Training</h2>" not in page
    assert set(_specs(page)) == {"metrics", "slices", "cosines-before", "cosines-after", *TERM_CHARTS}


def test_it_speaks_korean_where_asked_to(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    page = render_page(evaluation)
    assert '<html lang="ko">' in page
    assert ">지표</h2>" in page


def test_without_the_extra_one_line_says_so_and_no_older_page_stays(
    evaluation: Evaluation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    path = tmp_path / "report.html"
    path.write_text("older")
    assert try_write_page(path, evaluation) is None
    assert not path.exists()
    assert "embedkit-toolkit[report]" in capsys.readouterr().err


def test_report_renders_one_run_again(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(tmp_path / "metrics.json", evaluation)
    assert report(ReportOptions(runs=[tmp_path])) == (evaluation,)
    assert (tmp_path / "report.html").stat().st_size > 500_000


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_what_is_no_evaluation_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match=r"holds no evaluation|not an evaluation"):
        report(ReportOptions(runs=[tmp_path]))
