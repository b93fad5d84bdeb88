"""Evaluations as Markdown: a summary for a pull request, and a table of several runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embedkit.evaluation.records import Evaluation, MetricResult
from embedkit.evaluation.report.between import NOTE, Comparison, comparison_table, paired_sentence
from embedkit.evaluation.report.plain import advice_lines, loud_lines, plain_lines
from embedkit.evaluation.report.terminal import KNOWN_TITLE, known_rows, range_text
from embedkit.evaluation.report.verdict import detail_lines, evaluation_sentence
from embedkit.messages import tr
from embedkit.ranking.metrics import TITLES

_SUMMARY_HEAD = ("metric", "before", "after", "difference", "95 % interval", "BM25")


def summary(evaluation: Evaluation) -> Iterator[str]:
    """What it says in plain words, the verdict, its languages and the tables."""
    for line in (*plain_lines(evaluation), *loud_lines(evaluation), *advice_lines(evaluation)):
        yield f"- {_safe(line)}"
    yield ""
    if sentence := evaluation_sentence(evaluation):
        yield f"**{_safe(sentence)}**"
        yield ""
    for line in detail_lines(evaluation):
        yield f"- {_safe(line)}"
    yield ""
    if evaluation.known:
        yield tr(KNOWN_TITLE, entries=evaluation.known.entries)
        yield ""
        head, *rows = known_rows(evaluation.known.slices, compared=evaluation.compared)
        yield from _table(head, rows)
        yield ""
        yield tr("the test rows:")
        yield ""
    yield from metric_lines(evaluation)
    yield ""
    models = (evaluation.model, evaluation.baseline)
    yield " · ".join(f"{_safe(model.name)} `{model.weights}`" for model in models)


def metric_lines(evaluation: Evaluation) -> Iterator[str]:
    """The table of metrics, before and after."""
    yield from _table(
        [tr(name) for name in _SUMMARY_HEAD], [_metric_cells(metric) for metric in evaluation.metrics]
    )


def comparison(compared: Comparison) -> Iterator[str]:
    """Every metric of every run, then each run against the first."""
    yield from _table(*comparison_table(compared))
    yield ""
    yield tr(NOTE, metric=tr(TITLES[compared.metric_names[0]]))
    for pair in compared.against:
        yield ""
        yield f"**{_safe(paired_sentence(pair, compared))}**"
        if pair.metrics:
            yield ""
            head = [tr("metric"), pair.first, pair.run, *map(tr, ("difference", "95 % interval", "p"))]
            yield from _table(head, [_tested_cells(metric) for metric in pair.metrics])


def _metric_cells(metric: MetricResult) -> tuple[str, ...]:
    return (
        tr(TITLES[metric.name]),
        f"{metric.before:.3f}",
        f"{metric.after:.3f}",
        f"{metric.difference:+.3f}",
        range_text(metric.difference_interval),
        "" if metric.bm25 is None else f"{metric.bm25:.3f}",
    )


def _tested_cells(metric: MetricResult) -> tuple[str, ...]:
    p_value = metric.permutation_p
    return (*_metric_cells(metric)[:5], "" if p_value is None else f"{p_value:.4f}")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _line([_safe(name) for name in head])
    yield _line(["---"] * len(head))
    yield from (_line([_safe(cell) for cell in row]) for row in rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
