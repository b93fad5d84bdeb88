"""An evaluation as lines for a terminal: what it says in plain words, the verdict, then tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embedkit.evaluation.records import OWN, Evaluation, Interval, KnownFindings, KnownSlice, MetricResult
from embedkit.evaluation.report.plain import (
    advice_lines,
    hybrid_recall,
    loud_lines,
    plain_lines,
    ranker_lines,
)
from embedkit.evaluation.report.verdict import detail_lines, mined_lines
from embedkit.messages import tr
from embedkit.ranking.metrics import TITLES
from embedkit.text import align

_HEAD = ("metric", "before", "after", "difference", "95 % interval", "p", "BM25")
_LEVEL_HEAD = ("metric", "value", "BM25")
_KNOWN_HEAD = ("questions", "queries", "concepts", "before", "after", "difference", "95 % interval")
_KNOWN_LEVEL_HEAD = ("questions", "queries", "concepts", "value")
_LEARNT_HEAD = ("language", "ranker", "meaning", "dev questions", "plain words", "chosen", "model alone")
KNOWN_TITLE = "questions for your terms, recall@1 of the search over {entries} entries (model and words):"
_FURTHER_HEAD = ("recall@10", "model alone", "words")
# What a terminal has no room for.
_WIDE = ("concepts", "difference", "recall@10")


def evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    """What was asked, plain words and the verdict; then slices of known terms, the metrics, what belongs to them."""
    if evaluation.task == "retrieval":
        yield tr(
            "{queries} queries of {concepts} concepts over {texts} texts ({corpus})",
            queries=evaluation.queries,
            concepts=evaluation.concepts,
            texts=evaluation.corpus_texts,
            corpus=evaluation.corpus,
        )
    yield from plain_lines(evaluation)
    yield from loud_lines(evaluation)
    if evaluation.sentence:
        yield evaluation.sentence
    yield from advice_lines(evaluation)
    if evaluation.known:
        yield ""
        yield from _known_tables(evaluation.known, compared=evaluation.compared)
        yield ""
        yield tr("the test rows:")
    compared = evaluation.compared
    yield from metric_table(evaluation.metrics, compared=compared)
    if evaluation.hard_negatives:
        yield tr("against the hard negatives:")
        yield from metric_table(evaluation.hard_negatives, compared=compared)
        yield from (f"  {line}" for line in mined_lines(evaluation))
    if compared:
        yield from (f"  {line}" for line in detail_lines(evaluation))


def _known_tables(known: KnownFindings, *, compared: bool) -> Iterator[str]:
    yield tr(KNOWN_TITLE, entries=known.entries)
    yield from align(_narrow(known_rows(known.slices, compared=compared)))
    yield from (f"  {line}" for line in ranker_lines(known))
    yield tr("recall@1 of the same search by ranker:")
    yield from align(ranker_rows(known))
    yield tr("the same over definitions alone:")
    yield from align(_narrow(known_rows(known.definitions, compared=compared)))


def _narrow(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The columns that fit into 80 characters; `report.html` and `report.md` have all."""
    kept = [place for place, name in enumerate(rows[0]) if name not in map(tr, _WIDE)]
    return [tuple(row[place] for place in kept) for row in rows]


def ranker_rows(known: KnownFindings) -> list[tuple[str, ...]]:
    """The head, and a row for each ranker with its value over all questions and in each language."""
    parts = [part for part in known.slices if part.dimension in ("all", "lang")]
    values = {
        "auto": [part.fused[0].after for part in parts],
        "hybrid": [hybrid_recall(part) for part in parts],
        "dense": [part.meaning[0].after for part in parts],
        "lexical": [part.fused[0].bm25 or 0 for part in parts],
    }
    head = ("--ranker", *(tr(part.value) if part.dimension == "all" else part.value for part in parts))
    return [head, *((name, *(f"{value:.3f}" for value in row)) for name, row in values.items())]


def learnt_rows(known: KnownFindings) -> list[tuple[str, ...]]:
    """The head, and a row for each language in which dev questions taught how much meaning counts; none without any."""
    rows = [
        (
            one.lang,
            one.ranker,
            f"{100 * one.share:.0f} %",
            str(one.questions),
            *(f"{value:.3f}" for value in one.recall),
        )
        for one in known.rankers
    ]
    return [tuple(map(tr, _LEARNT_HEAD)), *rows] if rows else []


def known_rows(slices: Sequence[KnownSlice], *, compared: bool) -> list[tuple[str, ...]]:
    """The head, and a row for all questions, each language, and each kind in it."""
    head = (*(_KNOWN_HEAD if compared else _KNOWN_LEVEL_HEAD), *_FURTHER_HEAD)
    shown = (part for part in slices if part.dimension not in ("asked", "kind"))
    return [tuple(map(tr, head)), *(_known_cells(part, compared) for part in shown)]


def _known_cells(part: KnownSlice, compared: bool) -> tuple[str, ...]:
    recall, alone = part.fused[0], part.meaning[0]
    name = tr(part.value) if part.dimension in ("all", OWN) else part.value
    sizes = (str(part.queries), str(part.concepts))
    further = (f"{part.fused[1].after:.3f}", f"{alone.after:.3f}", f"{recall.bm25 or 0:.3f}")
    if not compared:
        return name, *sizes, f"{recall.after:.3f}", *further
    change = (f"{recall.difference:+.3f}", range_text(recall.difference_interval))
    alone_change = f"{alone.before:.3f} → {alone.after:.3f}"
    values = (f"{recall.before:.3f}", f"{recall.after:.3f}", *change)
    return name, *sizes, *values, further[0], alone_change, further[2]


def metric_table(metrics: Sequence[MetricResult], *, compared: bool = True) -> Iterator[str]:
    """A head and a line per metric."""
    if compared:
        yield from align([tuple(map(tr, _HEAD)), *map(_cells, metrics)])
        return
    kept = [_cells(metric) for metric in metrics]
    yield from align(
        [tuple(map(tr, _LEVEL_HEAD)), *((name, after, words) for name, _, after, *_, words in kept)]
    )


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
