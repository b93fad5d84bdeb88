"""The verdict in words: one sentence with its numbers, and one line for each language."""

from __future__ import annotations

from collections.abc import Iterator

from embedkit.messages import tr
from embedkit.trainer.evaluation.metrics import PRIMARY, TITLES
from embedkit.trainer.evaluation.records import Evaluation, MetricResult, Slice, Word
from embedkit.trainer.evaluation.statistics import FEWEST_CONCEPTS

_NUMBERS = "({difference}, 95 % interval {low} to {high}) over {queries} queries of {concepts} concepts"
_OVERALL: dict[Word, str] = {
    "SHIP": "SHIP: {metric} rises from {before} to {after} " + _NUMBERS + ".",
    "NO DIFFERENCE": "NO DIFFERENCE: {metric} goes from {before} to {after}, and the interval contains zero "
    + _NUMBERS
    + ".",
    "DO NOT SHIP": "DO NOT SHIP: {metric} falls from {before} to {after} " + _NUMBERS + ".",
}
_TOO_FEW = (
    "NO DIFFERENCE: {concepts} concepts are too few to tell (six at least); "
    "{metric} goes from {before} to {after}."
)
_LANGUAGE: dict[Word, str] = {
    "SHIP": "{lang} gains: {metric} {before} to {after} " + _NUMBERS,
    "NO DIFFERENCE": "{lang} gains nothing that can be told from chance: {metric} {before} to {after} "
    + _NUMBERS,
    "DO NOT SHIP": "{lang} loses: {metric} {before} to {after} " + _NUMBERS,
}


def sentence(word: Word, primary: MetricResult, *, queries: int, concepts: int) -> str:
    """The verdict in one sentence, in the person's language."""
    template = _TOO_FEW if concepts < FEWEST_CONCEPTS else _OVERALL[word]
    return tr(template, **_fields(primary, queries=queries, concepts=concepts))


def language_lines(evaluation: Evaluation) -> Iterator[str]:
    """A line for each language, where there are several: a gain in one may hide a loss in another."""
    parts = [part for part in evaluation.slices if part.dimension == "lang"]
    for part in parts if len(parts) > 1 else ():
        yield _language_line(part)


def _language_line(part: Slice) -> str:
    primary = next(m for m in part.metrics if m.name == PRIMARY)
    fields = _fields(primary, queries=part.queries, concepts=part.concepts)
    return tr(_LANGUAGE[part.word], lang=part.value, **fields)


def _fields(primary: MetricResult, *, queries: int, concepts: int) -> dict[str, object]:
    return {
        "metric": TITLES[primary.name],
        "before": f"{primary.before:.3f}",
        "after": f"{primary.after:.3f}",
        "difference": f"{primary.difference:+.3f}",
        "low": f"{primary.difference_interval.low:+.3f}",
        "high": f"{primary.difference_interval.high:+.3f}",
        "queries": queries,
        "concepts": concepts,
    }
