"""An evaluation as lines for a terminal: tables of metrics and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embedkit.evaluation.records import Evaluation, Interval, MetricResult
from embedkit.evaluation.report.verdict import detail_lines, mined_lines
from embedkit.messages import tr
from embedkit.ranking.metrics import TITLES
from embedkit.text import align

_HEAD = ("metric", "before", "after", "difference", "95 % interval", "p", "BM25")


def evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    """The metrics, those against hard negatives where there are any, and the verdict with what belongs to it."""
    yield from metric_table(evaluation.metrics)
    if evaluation.hard_negatives:
        yield tr("against the hard negatives:")
        yield from metric_table(evaluation.hard_negatives)
        yield from (f"  {line}" for line in mined_lines(evaluation))
    yield evaluation.sentence
    yield from (f"  {line}" for line in detail_lines(evaluation))


def metric_table(metrics: Sequence[MetricResult]) -> Iterator[str]:
    """A head and a line per metric."""
    yield from align([tuple(tr(name) for name in _HEAD), *map(_cells, metrics)])


def _cells(metric: MetricResult) -> tuple[str, ...]:
    return (
        tr(TITLES[metric.name]),
        f"{metric.before:.3f}",
        f"{metric.after:.3f}",
        f"{metric.difference:+.3f}",
        range_text(metric.difference_interval),
        "" if metric.permutation_p is None else f"{metric.permutation_p:.4f}",
        "" if metric.bm25 is None else f"{metric.bm25:.3f}",
    )


def range_text(interval: Interval | None) -> str:
    """`-0.010 … +0.020`, or nothing."""
    return "" if interval is None else f"{interval.low:+.3f} … {interval.high:+.3f}"
