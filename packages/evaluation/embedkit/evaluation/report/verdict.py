"""The verdict in words: one sentence with its numbers, a line for each language, and what was forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from embedkit.evaluation.known.decision import UNSEEN_TOLERANCE, missed_floor, worse_slices
from embedkit.evaluation.measure.compare import signs_agree, word_of
from embedkit.evaluation.measure.everyday import fell
from embedkit.evaluation.measure.statistics import FEWEST_CONCEPTS
from embedkit.evaluation.records import (
    FEW_CONCEPTS,
    OWN,
    Evaluation,
    Forgetting,
    Interval,
    KnownFindings,
    MetricResult,
    Slice,
    Task,
    Word,
)
from embedkit.messages import tr
from embedkit.ranking.metrics import TITLES

_INTERVAL = "({difference}, 95 % interval {low} to {high})"
_OF_CONCEPTS = _INTERVAL + " over {queries} queries of {concepts} concepts"
_CHANGES: dict[Word, str] = {
    "SHIP": "SHIP: {metric} rises from {before} to {after} ",
    "NO DIFFERENCE": "NO DIFFERENCE: {metric} goes from {before} to {after}, and the interval contains zero ",
    "DO NOT SHIP": "DO NOT SHIP: {metric} falls from {before} to {after} ",
}
_OVERALL: dict[Word, str] = {word: f"{change}{_OF_CONCEPTS}." for word, change in _CHANGES.items()}
_ROWS: dict[Word, str] = {
    word: f"{change}{_INTERVAL} over {{queries}} {{unit}}." for word, change in _CHANGES.items()
}
_TOO_FEW = (
    "NO DIFFERENCE: {concepts} concepts are too few for a test (at least six are needed); "
    "{metric} goes from {before} to {after}."
)
_TOO_FEW_ROWS = (
    "NO DIFFERENCE: {queries} {unit} are too few for a test (at least six are needed); "
    "{metric} goes from {before} to {after}."
)
_FORGOT = (
    "DO NOT SHIP: the model forgets everyday language, {general} on {pairs} pairs falls from {general_before} to "
    "{general_after} ({general_difference}, 95 % interval {general_low} to {general_high}, all below -{tolerance}); "
    "{metric} goes from {before} to {after} ({difference}, 95 % interval {low} to {high})."
)
_KNOWN_METRIC, _OWN_METRIC = "recall@1 on your terms", "recall@1 on your own questions"
_WORSE_SLICE = (
    "DO NOT SHIP: the search gets worse for {slices}; {metric} goes from {before} to {after} "
    "({difference}, 95 % interval {low} to {high})."
)
_WORSE_UNSEEN = (
    "DO NOT SHIP: terms outside the glossary are found worse, {general} falls from {general_before} to {general_after} "
    "({general_difference}, 95 % interval {general_low} to {general_high}, all below -{tolerance}); {metric} goes from "
    "{before} to {after} ({difference}, 95 % interval {low} to {high})."
)
_UNDER_FLOOR = (
    "NOT YET: {metric} rises from {before} to {after} ({difference}, 95 % interval {low} to {high}) over {queries} "
    "queries of {concepts} concepts, but the floor is not reached: {missed}."
)
_FEW = (
    "NOT YET: {metric} rises from {before} to {after} over {queries} queries, but {concepts} concepts are too few to "
    "be sure (at least {least} are needed)."
)
_FEW_ROWS = (
    "NOT YET: {metric} rises from {before} to {after}, but {queries} {unit} are too few to be sure (at least "
    "{least} are needed)."
)
_SIGNS = (
    "NO DIFFERENCE: {metric} goes from {before} to {after} ({difference}, 95 % interval {low} to {high}), but a "
    "sign-flip test of the {concepts} concepts is not sure (p {p}): a few of them decide it."
)
_CANNOT_TELL = (
    "Whether everyday language was kept, these {pairs} pairs cannot tell ({general} {general_difference}, 95 % "
    "interval {general_low} to {general_high})."
)
_FELL = (
    "Everyday language fell ({general} {general_difference}, 95 % interval {general_low} to {general_high}); whether "
    "by more than {tolerance}, these {pairs} pairs cannot tell."
)
_LARGE = (
    "{count} of {queries} queries are one concept, joined by the texts that they share: the interval rests on "
    "little more"
)
LARGE_SHARE = 0.1
MEANINGS: dict[str, str] = {
    "SHIP": "The model is better: use it.",
    "NOT YET": "The model is better, but not good or not certain enough to use.",
    "NO DIFFERENCE": "The model is not better for certain: keep what you have.",
    "DO NOT SHIP": "The model makes something worse: keep what you have.",
}
UNITS: dict[Task, str] = {
    "retrieval": "queries",
    "graded": "graded pairs",
    "binary": "labelled pairs",
    "triplet": "triplets",
    "labelled": "labelled texts",
}
_FROM_TO = " {metric} {before} to {after} " + _OF_CONCEPTS
_LANGUAGE: dict[Word, str] = {
    "SHIP": "{lang}: better," + _FROM_TO,
    "NO DIFFERENCE": "{lang}: no significant difference," + _FROM_TO,
    "DO NOT SHIP": "{lang}: worse," + _FROM_TO,
}
_LANGUAGE_FEW = (
    "{lang}: too few concepts to tell, {metric} {before} to {after} ({difference}, 95 % interval {low} to {high}) over "
    "{queries} queries of {concepts} concepts"
)
_RUNS: dict[Word, str] = {
    "SHIP": "{run} beats {first}:" + _FROM_TO,
    "NO DIFFERENCE": "{run} and {first} do not differ significantly:" + _FROM_TO,
    "DO NOT SHIP": "{run} falls short of {first}:" + _FROM_TO,
}
_MINED_BY = (
    "{model} mined these hard negatives and so ranks each of them below the right text: "
    "the comparison favours this model"
)
_PARTICLE = (
    "Korean names with {particle}: {metric} {before} to {after} (without: {plain_before} to {plain_after}) over "
    "{queries} queries"
)
_KEPT = (
    "everyday language: {metric} {before} to {after} ({difference}, 95 % interval {low} to {high}) over {queries} "
    "pairs: {word}"
)
_KEPT_LANGUAGE = (
    "everyday language, {lang}: {metric} {before} to {after} ({difference}, 95 % interval {low} to {high}) over "
    "{queries} pairs"
)


def evaluation_sentence(evaluation: Evaluation) -> str:
    """The verdict of an evaluation in a sentence or two, in the person's language; empty where nothing was compared."""
    if not evaluation.word:
        return ""
    general = evaluation.forgetting
    if general is None or general.word != "cannot tell":
        return _decided_sentence(evaluation, evaluation.word)
    template = _FELL if fell(general.metric.difference_interval) else _CANNOT_TELL
    told = tr(
        template,
        pairs=general.pairs,
        tolerance=f"{general.tolerance:g}",
        **_general_fields(general.metric),
    )
    return f"{_decided_sentence(evaluation, evaluation.word)} {told}"


def _decided_sentence(evaluation: Evaluation, word: Word) -> str:
    known = evaluation.known
    decided = known.deciding if known else evaluation
    primary = known_recall(known) if known else evaluation.primary
    fields = _fields(primary, queries=decided.queries, concepts=decided.concepts)
    if known and evaluation.reason == "slice":
        return tr(_WORSE_SLICE, slices=", ".join(part.value for part in worse_slices(known)), **fields)
    if evaluation.reason == "unseen":
        return tr(
            _WORSE_UNSEEN, tolerance=f"{UNSEEN_TOLERANCE:g}", **fields, **_general_fields(evaluation.primary)
        )
    if evaluation.reason == "floor":
        missed = missed_floor(known.deciding.fused if known else evaluation.metrics, evaluation.floor)
        listed = ", ".join(f"{m.name} {m.after:.3f} < {evaluation.floor[m.name]:g}" for m in missed)
        return tr(_UNDER_FLOOR, missed=listed, **fields)
    if evaluation.reason == "few" and (known or evaluation.task == "retrieval"):
        return tr(_FEW, least=FEW_CONCEPTS, **fields)
    if evaluation.reason == "few":
        return tr(_FEW_ROWS, least=FEW_CONCEPTS, unit=tr(UNITS[evaluation.task]), **fields)
    is_unsure = not signs_agree(primary) and word_of(primary.difference_interval) != "NO DIFFERENCE"
    if is_unsure and word == "NO DIFFERENCE" and decided.concepts >= FEWEST_CONCEPTS:
        return tr(_SIGNS, p=f"{primary.permutation_p:.3f}", **fields)
    return verdict_sentence(
        word,
        primary,
        queries=decided.queries,
        concepts=decided.concepts,
        task="retrieval" if known else evaluation.task,
        forgetting=evaluation.forgetting,
    )


def known_recall(known: KnownFindings) -> MetricResult:
    """The recall@1 that decides, under the name that says of which questions."""
    part = known.deciding
    return replace(part.fused[0], name=_OWN_METRIC if part.dimension == OWN else _KNOWN_METRIC)


def verdict_sentence(
    word: Word,
    primary: MetricResult,
    *,
    queries: int,
    concepts: int,
    task: Task = "retrieval",
    forgetting: Forgetting | None = None,
) -> str:
    """The verdict in one sentence; what was forgotten comes first, as it decides."""
    fields = _fields(primary, queries=queries, concepts=concepts)
    if forgetting is not None and forgetting.word == "forgotten":
        general = _general_fields(forgetting.metric)
        return tr(_FORGOT, pairs=forgetting.pairs, tolerance=f"{forgetting.tolerance:g}", **fields, **general)
    few = concepts < FEWEST_CONCEPTS
    if task == "retrieval":
        return tr(_TOO_FEW if few else _OVERALL[word], **fields)
    return tr(_TOO_FEW_ROWS if few else _ROWS[word], unit=tr(UNITS[task]), **fields)


def run_sentence(
    word: Word, primary: MetricResult, *, run: str, first: str, queries: int, concepts: int
) -> str:
    """What a paired test of two runs says; `before` is the first one's."""
    fields = _fields(primary, queries=queries, concepts=concepts)
    return tr(_RUNS[word], run=run, first=first, **fields)


def detail_lines(evaluation: Evaluation) -> Iterator[str]:
    """What stands under the verdict: a concept that holds much, languages, particles, everyday language."""
    for part in (evaluation, evaluation.known):
        if part and part.largest_concept > LARGE_SHARE * part.queries and part.concepts * LARGE_SHARE >= 1:
            yield tr(_LARGE, count=part.largest_concept, queries=part.queries)
    yield from _language_lines(evaluation)
    yield from _particle_lines(evaluation)
    yield from _forgetting_lines(evaluation)


def _language_lines(evaluation: Evaluation) -> Iterator[str]:
    """A line for each language, where there are several: a gain in one may hide a loss in another."""
    parts = [part for part in evaluation.slices if part.dimension == "lang"]
    for part in parts if len(parts) > 1 else ():
        yield _language_line(part)


def _particle_lines(evaluation: Evaluation) -> Iterator[str]:
    """What a particle after a Korean name does to either model."""
    parts = [part for part in evaluation.slices if part.dimension == "particle"]
    for part in parts[1:]:
        plain = parts[0]
        fields = _fields(part.metrics[0], queries=part.queries, concepts=part.concepts)
        before, after = plain.metrics[0].before, plain.metrics[0].after
        plain_values = {"plain_before": f"{before:.3f}", "plain_after": f"{after:.3f}"}
        yield tr(_PARTICLE, particle=part.value, **fields, **plain_values)


def mined_lines(evaluation: Evaluation) -> Iterator[str]:
    """Which of the models found the hard negatives itself."""
    for model in evaluation.negatives_from:
        yield tr(_MINED_BY, model=model)


def _forgetting_lines(evaluation: Evaluation) -> Iterator[str]:
    """What became of everyday language, in all and in each language."""
    general = evaluation.forgetting
    if general is None:
        return
    fields = _fields(general.metric, queries=general.pairs, concepts=general.pairs)
    yield tr(_KEPT, word=tr(general.word), **fields)
    for part in general.languages if len(general.languages) > 1 else ():
        fields = _fields(part.metrics[0], queries=part.queries, concepts=part.concepts)
        yield tr(_KEPT_LANGUAGE, lang=part.value, **fields)


def _language_line(part: Slice) -> str:
    fields = _fields(part.metrics[0], queries=part.queries, concepts=part.concepts)
    few = part.concepts < FEWEST_CONCEPTS
    return tr(_LANGUAGE_FEW if few else _LANGUAGE[part.word], lang=part.value, **fields)


def _general_fields(metric: MetricResult) -> dict[str, object]:
    """The fields of a second metric, told apart from those of the first."""
    fields = _fields(metric, queries=0, concepts=0)
    kept = {name: value for name, value in fields.items() if name not in ("queries", "concepts")}
    return {"general" if name == "metric" else f"general_{name}": value for name, value in kept.items()}


def _fields(primary: MetricResult, *, queries: int, concepts: int) -> dict[str, object]:
    interval = primary.difference_interval or Interval(primary.difference, primary.difference)
    return {
        "metric": tr(TITLES.get(primary.name, primary.name)),
        "before": f"{primary.before:.3f}",
        "after": f"{primary.after:.3f}",
        "difference": f"{primary.difference:+.3f}",
        "low": f"{interval.low:+.3f}",
        "high": f"{interval.high:+.3f}",
        "queries": queries,
        "concepts": concepts,
    }
