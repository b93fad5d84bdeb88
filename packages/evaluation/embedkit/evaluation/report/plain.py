"""What an evaluation says in plain words: how many of a hundred are found, what beats the model, what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from embedkit.evaluation.known.decision import is_worse, known_slices, worse_slices
from embedkit.evaluation.known.ranking import DESCRIBED, NAMED
from embedkit.evaluation.records import FEW_CONCEPTS, Evaluation, KnownFindings, KnownSlice, MetricResult
from embedkit.messages import tr

ENOUGH = 0.95
_BOTH = (
    "Your terms: finds {named} of 100 at the first place when named, {described} when described "
    "(base {named_base}, {described_base}; plain words {named_words}, {described_words})."
)
_NAMED = (
    "Your terms: finds {named} of 100 at the first place when named (base {named_base}; plain words "
    "{named_words})."
)
_DESCRIBED = (
    "Your terms: finds {described} of 100 at the first place when described (base {described_base}; plain words "
    "{described_words})."
)
_BOTH_LEVELS = (
    "Your terms: finds {named} of 100 at the first place when named, {described} when described "
    "(plain words {named_words}, {described_words})."
)
_NAMED_LEVEL = "Your terms: finds {named} of 100 at the first place when named (plain words {named_words})."
_DESCRIBED_LEVEL = (
    "Your terms: finds {described} of 100 at the first place when described (plain words {described_words})."
)
_TEMPLATES = {
    (True, True): (_BOTH, _BOTH_LEVELS),
    (True, False): (_NAMED, _NAMED_LEVEL),
    (False, True): (_DESCRIBED, _DESCRIBED_LEVEL),
}
_NOT_MEASURED = (
    "Your terms: not measured; embedkit compose writes pairs.known.jsonl, best from --questions FILE."
)
_UNSEEN = "Terms outside the glossary: {after} of 100 (before {before})."
_UNSEEN_LEVEL = "Terms outside the glossary: {after} of 100."
_EVERYDAY = "Everyday language: {word}."
_EVERYDAY_LEVEL = "Everyday language: {metric:.3f} (Spearman)."
_NO_OWN = (
    "These questions were made from the glossary, and plain words find most of what it names: give questions of people "
    "to embedkit compose --questions FILE, and they decide."
)
_WORDS_WIN = (
    "PLAIN WORDS BEAT THIS MODEL: {slices}. Search with --ranker lexical, add questions to training (embedkit compose "
    "--train-questions FILE), or take another base."
)
_BASE_WINS = (
    "THE BASE BEATS THIS MODEL: {slices}. Add questions to training (embedkit compose --train-questions FILE), take "
    "another base, or use the base as it is."
)
_ALONE = "Without words the model loses to plain words: {slices}. Keep --ranker auto, which is the default."
_NO_NEED = (
    "The base with plain words finds {before} of 100 already: you may not need a model of your own (embedkit search "
    "--model {base})."
)
_TRAINED_ON = (
    "{count} of the {rows} rows asked here were trained on or chose the model: the numbers say too much, and the "
    "verdict is not worth what it says."
)
_TITLES = {NAMED: "Your terms, named", DESCRIBED: "Your terms, described"}
_NEXT = {
    "floor": "Next: more names and questions for each concept (embedkit compose --questions, --train-questions), more "
    "epochs, or a larger base that reads your languages (model_id).",
    "few": "Next: add concepts to the glossary, or ask more questions (embedkit compose --questions FILE).",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BigNumber:
    """One of the three questions as a number of a hundred; `words` where words alone give one."""

    title: str
    metric: MetricResult
    words: float | None


def big_numbers(evaluation: Evaluation) -> Iterator[BigNumber]:
    """Known terms (named, described), terms outside the glossary, everyday language."""
    for name, part in (
        sorted(asked_slices(evaluation.known).items(), reverse=True) if evaluation.known else ()
    ):
        yield BigNumber(title=_TITLES[name], metric=part.fused[0], words=part.fused[0].bm25)
    if evaluation.unseen_recall:
        unseen = evaluation.unseen_recall
        yield BigNumber(title="Terms outside the glossary", metric=unseen, words=unseen.bm25)
    if evaluation.forgetting:
        general = evaluation.forgetting.metric
        yield BigNumber(title="Everyday language (Spearman × 100)", metric=general, words=None)


def of_100(share: float) -> int:
    """0.814 as 81; 100 and 0 only where it is all or none."""
    if 0 < share < 1:
        return min(99, max(1, round(100 * share)))
    return round(100 * share)


def _apart(first: float, sign: str, second: float) -> str:
    """`28 < 45`: two shares of a hundred, with a decimal where whole numbers are alike."""
    digits = int(of_100(first) == of_100(second))
    return f"{100 * first:.{digits}f} {sign} {100 * second:.{digits}f}"


def plain_lines(evaluation: Evaluation) -> Iterator[str]:
    """The three questions in a line each: known terms, terms outside the glossary, everyday language."""
    if evaluation.known:
        yield _known_line(evaluation.known, compared=evaluation.compared)
    elif evaluation.task == "retrieval":
        yield tr(_NOT_MEASURED)
    unseen, general = evaluation.unseen_recall, evaluation.forgetting
    if unseen:
        template = _UNSEEN if evaluation.compared else _UNSEEN_LEVEL
        yield tr(template, after=of_100(unseen.after), before=of_100(unseen.before))
    if general and evaluation.compared:
        yield tr(_EVERYDAY, word=tr(general.word))
    elif general:
        yield tr(_EVERYDAY_LEVEL, metric=general.metric.after)


def asked_slices(known: KnownFindings) -> dict[str, KnownSlice]:
    """The questions that name the thing and those that describe it, as far as there are some."""
    return {part.value: part for part in known.slices if part.dimension == "asked"}


def _known_line(known: KnownFindings, *, compared: bool) -> str:
    parts = asked_slices(known)
    fields: dict[str, int] = {}
    for name, part in parts.items():
        recall = part.fused[0]
        fields |= {name: of_100(recall.after), f"{name}_base": of_100(recall.before)}
        fields[f"{name}_words"] = of_100(recall.bm25 or 0)
    with_base, level = _TEMPLATES[NAMED in parts, DESCRIBED in parts]
    return tr(with_base if compared else level, **fields)


def loud_lines(evaluation: Evaluation) -> Iterator[str]:
    """Rows that were trained on; where plain words or the base beat the model, and what to do then."""
    for leak in evaluation.leaks:
        if leak.side != "baseline" and leak.total:
            yield tr(_TRAINED_ON, count=leak.total, rows=leak.rows)
    known = evaluation.known
    if known is None:
        return
    parts = known_slices(known)
    beaten = _listed(parts, lambda part: part.fused_from_words, len(parts))
    if beaten:
        yield tr(_WORDS_WIN, slices=beaten)
    if evaluation.compared and worse_slices(known):
        yield tr(_BASE_WINS, slices=_listed(parts, lambda part: part.fused[0], len(parts)))
    alone = _listed(parts, lambda part: part.meaning_from_words, len(parts))
    if alone:
        yield tr(_ALONE, slices=alone)
    decides = known.deciding
    enough = decides.fused[0].before >= ENOUGH and decides.concepts >= FEW_CONCEPTS
    if evaluation.word == "NO DIFFERENCE" and enough:
        yield tr(_NO_NEED, before=of_100(decides.fused[0].before), base=evaluation.baseline.name)


def ranker_lines(known: KnownFindings) -> Iterator[str]:
    """How the search weighs words and meaning in each language, and where both together are better or worse."""
    for mix in known.rankers:
        yield tr(
            "search in {lang}: {ranker}, {percent} % meaning, learnt on {count} dev questions",
            lang=mix.lang,
            ranker=mix.ranker,
            percent=round(100 * mix.share),
            count=mix.questions,
        )
    yield from together_lines(known)


def together_lines(known: KnownFindings) -> Iterator[str]:
    """The languages in which both together find more than either alone, and those in which words alone find more."""
    wins = [
        f"{part.value} {_apart(both, '>', max(alone))}"
        for part in known.slices
        if part.dimension == "lang"
        and (both := hybrid_recall(part)) > max(alone := (part.meaning[0].after, part.fused[0].bm25 or 0))
    ]
    if wins:
        yield tr("words and meaning together beat either alone: {slices}", slices="; ".join(wins))
    losses = [
        f"{part.value} {_apart(words, '>', hybrid_recall(part))}"
        for part in known.slices
        if part.dimension == "lang" and (words := part.fused[0].bm25 or 0) > hybrid_recall(part)
    ]
    if losses:
        yield tr("plain words beat both together: {slices}", slices="; ".join(losses))


def hybrid_recall(part: KnownSlice) -> float:
    """recall@1 of words and meaning together, which is the search that ships where no other is learnt."""
    return (part.hybrid or part.fused)[0].after


def _listed(parts: Sequence[KnownSlice], metric: Callable[[KnownSlice], MetricResult], among: int) -> str:
    """`described, ko 28 < 45`, of those that are worse for certain."""
    worse = [(part.value, found) for part in parts if is_worse(found := metric(part), among=among)]
    return "; ".join(f"{value} {_apart(found.after, '<', found.before)}" for value, found in worse)


def advice_lines(evaluation: Evaluation) -> Iterator[str]:
    """What to try next, and that no person's questions were asked."""
    if evaluation.word == "NOT YET" and evaluation.reason in _NEXT:
        yield tr(_NEXT[evaluation.reason])
    if evaluation.known and not evaluation.known.own:
        yield tr(_NO_OWN)
