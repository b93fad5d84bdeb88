"""Several evaluated runs side by side: every metric of each, and paired tests against the first run.

A paired test needs the same queries over the same texts (`test_hash`) and each run's `queries.jsonl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedkit.errors import UserError
from embedkit.evaluation.measure.compare import PerQuery, compare_all, judge
from embedkit.evaluation.measure.per_query import FILE_NAME, QueryValues, read_queries
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.records import (
    Evaluation,
    Forgetting,
    Interval,
    MetricResult,
    ModelInfo,
    Word,
    shared_fields,
)
from embedkit.evaluation.report.terminal import range_text
from embedkit.evaluation.report.verdict import known_recall, run_sentence
from embedkit.messages import tr
from embedkit.ranking.metrics import TITLES

OTHER_TEST = "they were evaluated on different queries or texts, so their numbers cannot be compared"
NO_QUERIES = "one of the runs has no queries.jsonl of this evaluation: evaluate it again"
ROW_TASK = "only runs evaluated on pairs are tested against each other"
NOTE = (
    "In brackets: 95 % intervals from resampling whole concepts. The test of one run against another rests on "
    "{metric}; the other metrics are not corrected for multiple comparisons."
)
_UNTESTED = "{run} and {first} were not tested against each other: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """A run's evaluation in short, as it was judged against its own baseline."""

    name: str
    word: Word
    model: ModelInfo
    baseline: ModelInfo
    test_hash: str
    queries: int
    concepts: int
    metrics: tuple[MetricResult, ...]
    forgetting: Forgetting | None
    known_recall: MetricResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRuns:
    """A run (`after`) against the first one (`before`) on the same queries; without metrics, `untested` says why.

    `word` is SHIP where the run is better for certain, DO NOT SHIP where it is worse.
    """

    run: str
    first: str
    word: Word
    untested: str
    metrics: tuple[MetricResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs in the order given, and each but the first against the first."""

    runs: tuple[ComparedRun, ...]
    against: tuple[PairedRuns, ...]

    @property
    def metric_names(self) -> list[str]:
        """The metrics that any run has, in order."""
        return list(dict.fromkeys(metric.name for run in self.runs for metric in run.metrics))

    @property
    def baseline(self) -> ComparedRun | None:
        """A run whose baseline is that of all, where they share it and the test: its `before` is one more column."""
        first = self.runs[0]
        shared = {(run.baseline.weights, run.test_hash) for run in self.runs}
        return first if len(shared) == 1 and first.test_hash else None


def compare_runs(folders: Sequence[Path], evaluations: Sequence[Evaluation]) -> Comparison:
    """Put evaluations side by side. Raises `UserError` when one is named twice, or its queries are damaged."""
    names = [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        raise UserError("a run is named twice", place=next(n for n in names if names.count(n) > 1))
    queries = [
        read_queries((folder.parent if folder.is_file() else folder) / FILE_NAME, evaluation)
        for folder, evaluation in zip(folders, evaluations, strict=True)
    ]
    return Comparison(
        runs=tuple(
            ComparedRun(
                name=name,
                known_recall=known_recall(evaluation.known) if evaluation.known else None,
                **shared_fields(evaluation, ComparedRun),
            )
            for name, evaluation in zip(names, evaluations, strict=True)
        ),
        against=tuple(_against_first(names, evaluations, queries)),
    )


def _against_first(
    names: Sequence[str], evaluations: Sequence[Evaluation], queries: Sequence[QueryValues | None]
) -> Iterator[PairedRuns]:
    first, *others = zip(names, evaluations, queries, strict=True)
    reasons = [_untested(first[1], evaluation, first[2], found) for _, evaluation, found in others]
    values = [
        PerQuery(before=first[2].values, after=found.values, bm25=found.values, concepts=found.concepts)
        for (_, _, found), reason in zip(others, reasons, strict=True)
        if not reason and first[2] and found
    ]
    resampling = Resampling(first[1].resamples, first[1].seed)
    tested = iter(compare_all(values, resampling) if values else ())
    for (name, evaluation, _), reason in zip(others, reasons, strict=True):
        metrics = () if reason else tuple(_without_words(next(tested)))
        word: Word = judge(metrics, concepts=evaluation.concepts) if metrics else "NO DIFFERENCE"
        yield PairedRuns(run=name, first=first[0], word=word, untested=reason, metrics=metrics)


def _untested(
    one: Evaluation, other: Evaluation, first: QueryValues | None, found: QueryValues | None
) -> str:
    hashes = {one.test_hash, other.test_hash}
    known = "" not in hashes
    if len(hashes) > 1 if known else sorted(one.files.values()) != sorted(other.files.values()):
        return OTHER_TEST
    if one.task != "retrieval":
        return ROW_TASK
    return "" if known and first and found else NO_QUERIES


def _without_words(metrics: Sequence[MetricResult]) -> Iterator[MetricResult]:
    return (replace(metric, bm25=None) for metric in metrics)


def comparison_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of what both the Markdown and the page show: a column a run, then what all share."""
    runs, shared = comparison.runs, comparison.baseline
    head = ["", *(run.name for run in runs), *([tr("baseline"), "BM25"] if shared else [])]
    blank = [""] * (2 if shared else 0)
    rows = [[tr("verdict against its baseline"), *(run.word for run in runs), *blank]]
    recalls = [run.known_recall for run in runs]
    for name in sorted({recall.name for recall in recalls if recall}):
        cells = [
            _cell(recall.after, recall.after_interval) if recall and recall.name == name else ""
            for recall in recalls
        ]
        rows.append([tr(name), *cells, *blank])
    for name in comparison.metric_names:
        found = [_named(run, name) for run in runs]
        cells = [_cell(m.after, m.after_interval) if m else "" for m in found]
        if shared and found[0]:
            bm25 = found[0].bm25
            cells += [_cell(found[0].before, found[0].before_interval), "" if bm25 is None else f"{bm25:.3f}"]
        rows.append([tr(TITLES[name]), *cells])
    rows.append([tr("change in everyday language"), *(_general(run.forgetting) for run in runs), *blank])
    return head, rows


def paired_sentence(pair: PairedRuns, comparison: Comparison) -> str:
    """What the test of a run against the first one says, in one sentence."""
    if not pair.metrics:
        return tr(_UNTESTED, run=pair.run, first=pair.first, reason=tr(pair.untested))
    run = comparison.runs[0]
    return run_sentence(
        pair.word,
        pair.metrics[0],
        run=pair.run,
        first=pair.first,
        queries=run.queries,
        concepts=run.concepts,
    )


def _named(run: ComparedRun, name: str) -> MetricResult | None:
    return next((metric for metric in run.metrics if metric.name == name), None)


def _cell(value: float, interval: Interval | None) -> str:
    return f"{value:.3f}" + (f" ({interval.low:.3f} … {interval.high:.3f})" if interval else "")


def _general(forgetting: Forgetting | None) -> str:
    if forgetting is None:
        return ""
    metric = forgetting.metric
    word = tr(forgetting.word)
    return f"{metric.difference:+.3f} ({range_text(metric.difference_interval)}) {word}"
