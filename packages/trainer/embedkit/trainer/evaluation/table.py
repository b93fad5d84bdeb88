"""Metrics as aligned lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embedkit.messages import tr
from embedkit.text import pad, width
from embedkit.trainer.evaluation.metrics import TITLES
from embedkit.trainer.evaluation.records import MetricResult
from embedkit.trainer.evaluation.statistics import Interval

_HEAD = ("metric", "before", "after", "difference", "95 % interval", "p", "BM25")


def metric_table(metrics: Sequence[MetricResult]) -> Iterator[str]:
    """A head and a line per metric."""
    yield from align([tuple(tr(name) for name in _HEAD), *map(_cells, metrics)])


def align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns filled to their widest cell, counted in terminal columns."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(pad(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip()


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
