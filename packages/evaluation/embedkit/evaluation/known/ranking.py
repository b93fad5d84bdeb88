"""Known questions ranked over entries: by the baseline and the model, by words alone, and by each model with words.

Ranking 4,000 questions over 1,300 entries takes some three seconds beside the encoding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embedkit.data.entries import Entry
from embedkit.evaluation.measure.compare import PerQuery, compare_all
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.records import OWN, Change, KnownFindings, KnownSlice, RankedAnswer
from embedkit.ranking.entries import EntryIndex, combine, meaning, words
from embedkit.ranking.hybrid.questions import KnownQuestion, KnownSet
from embedkit.ranking.hybrid.shares import LearntShares, shares_of
from embedkit.ranking.metrics import Values
from embedkit.ranking.retrieval import QUERY_BLOCK, Floats
from embedkit.text import hash64

KNOWN_METRICS = ("recall@1", "recall@10", "mrr@10")
SHOWN_EXAMPLES = 10
NAMED, DESCRIBED = "named", "described"
OWN_QUESTIONS = "your own"
System = Literal["meaning before", "meaning after", "words", "fused before", "fused after", "hybrid after"]
_Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Under one system: each question's rank of the first right entry, its first entry and the score of that `(Q,)`."""

    rank: _Places
    first: _Places
    score: Floats

    @property
    def metrics(self) -> Values:
        """`KNOWN_METRICS` of each question `(Q, 3)`; a question is answered by any of its right entries."""
        within = self.rank <= 10
        return np.column_stack([self.rank == 1, within, within / self.rank]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Learnt:
    """The shares of the baseline and of the model."""

    before: LearntShares
    after: LearntShares


def known_findings(known: KnownSet, models: ModelPair, resampling: Resampling) -> KnownFindings:
    """Rank the questions under every system and compare them, in all and in every language and kind."""
    learnt = _Learnt(shares_of(models.before.source), shares_of(models.after.source))
    over_entries = _ranked(known, EntryIndex(known.entries), models, learnt)
    over_definitions = _ranked(known, EntryIndex(known.entries, names=False), models, learnt)
    parts = list(_parts(known.questions))
    sizes = Counter(question.concept for question in known.questions)
    return KnownFindings(
        queries=len(known.questions),
        concepts=len(sizes),
        largest_concept=max(sizes.values()),
        own=sum(question.is_own for question in known.questions),
        entries=len(known.entries),
        corpus=known.corpus,
        files=tuple(map(str, known.files)),
        dropped=known.dropped,
        slices=tuple(_compared(known.questions, parts, over_entries, resampling)),
        definitions=tuple(_compared(known.questions, parts, over_definitions, resampling)),
        examples=tuple(_examples(known, over_entries)),
        rankers=learnt.after.languages,
    )


def _ranked(known: KnownSet, index: EntryIndex, models: ModelPair, learnt: _Learnt) -> dict[System, _Ranks]:
    blocks: dict[System, list[_Ranks]] = {name: [] for name in get_args(System)}
    for start in range(0, len(known.questions), QUERY_BLOCK):
        block = known.questions[start : start + QUERY_BLOCK]
        for name, scores in _scores([question.text for question in block], index, models, learnt):
            blocks[name].append(_ranks(scores, block))
    return {
        name: _Ranks(
            *(
                np.concatenate([getattr(part, field) for part in parts])
                for field in ("rank", "first", "score")
            )
        )
        for name, parts in blocks.items()
    }


def _scores(
    texts: Sequence[str], index: EntryIndex, models: ModelPair, learnt: _Learnt
) -> Iterator[tuple[System, Floats]]:
    """Each model with the shares that were learnt for it, as a search with it has them."""
    by_words = words(index, texts)
    before, after = (meaning(index, encoder, texts) for encoder in (models.before, models.after))
    yield "words", by_words
    yield "meaning before", before.nearest
    yield "meaning after", after.nearest
    yield "fused before", combine(before, by_words, learnt.before.shares(texts, names=index.has_names))
    yield "fused after", combine(after, by_words, learnt.after.shares(texts, names=index.has_names))
    yield "hybrid after", combine(after, by_words, learnt.after.shares(texts, "hybrid"))


def _ranks(scores: Floats, questions: Sequence[KnownQuestion]) -> _Ranks:
    """Ranks from 1; of equal scores the earlier entry comes first, as in a search."""
    ranks = []
    for row, question in zip(scores, questions, strict=True):
        best = question.right[row[question.right].argmax()]
        ranks.append(1 + int((row > row[best]).sum()) + int((row[:best] == row[best]).sum()))
    return _Ranks(np.array(ranks, dtype=np.int64), scores.argmax(axis=1), scores.max(axis=1))


@dataclass(frozen=True, slots=True)
class _Part:
    dimension: str
    value: str
    places: _Places


def _parts(questions: Sequence[KnownQuestion]) -> Iterator[_Part]:
    """All questions and a person's own; named and described, of those where there are some; languages, kinds, both."""
    yield _Part("all", "all", np.arange(len(questions)))
    own = np.array([place for place, question in enumerate(questions) if question.is_own], dtype=np.int64)
    if 0 < len(own) < len(questions):
        yield _Part(OWN, OWN_QUESTIONS, own)
    has_own = {question.is_described for question in questions if question.is_own}
    asked = [
        ""
        if question.is_described in has_own and not question.is_own
        else DESCRIBED
        if question.is_described
        else NAMED
        for question in questions
    ]
    keys: list[tuple[str, list[str]]] = [
        ("asked", asked),
        ("lang", [question.lang for question in questions]),
        ("kind", [question.kind for question in questions]),
        ("kind, lang", [f"{question.kind}, {question.lang}" for question in questions]),
    ]
    for dimension, values in keys:
        for value in sorted(set(values) - {""}):
            yield _Part(dimension, value, np.array([i for i, found in enumerate(values) if found == value]))


def _compared(
    questions: Sequence[KnownQuestion],
    parts: Sequence[_Part],
    ranked: Mapping[System, _Ranks],
    resampling: Resampling,
) -> Iterator[KnownSlice]:
    _, concepts = np.unique([question.concept for question in questions], return_inverse=True)
    values = {name: ranks.metrics for name, ranks in ranked.items()}
    hybrid_differs = not np.array_equal(ranked["fused after"].rank, ranked["hybrid after"].rank)

    def paired(before: System, after: System) -> PerQuery:
        return PerQuery(
            before=values[before],
            after=values[after],
            bm25=values["words"],
            concepts=concepts.astype(np.int64),
        )

    tables = [
        paired("fused before", "fused after"),
        paired("meaning before", "meaning after"),
        paired("words", "fused after"),
        paired("words", "meaning after"),
        *([paired("fused after", "hybrid after")] if hybrid_differs else []),
    ]
    several = [table.only(part.places) for part in parts for table in tables]
    found = iter(compare_all(several, resampling, names=KNOWN_METRICS))
    for part, table in zip(parts, several[:: len(tables)], strict=True):
        yield KnownSlice(
            dimension=part.dimension,
            value=part.value,
            queries=len(part.places),
            concepts=table.concept_count,
            fused=next(found),
            meaning=next(found),
            fused_from_words=next(found)[0],
            meaning_from_words=next(found)[0],
            hybrid=next(found) if hybrid_differs else (),
        )


def _examples(known: KnownSet, ranked: Mapping[System, _Ranks]) -> Iterator[Change]:
    """Some questions, a person's own and those that describe first; drawn by hash."""

    def order(place: int) -> tuple[bool, bool, int]:
        question = known.questions[place]
        return not question.is_own, not question.is_described, hash64(question.text)

    before, after = ranked["fused before"], ranked["fused after"]
    for place in sorted(range(len(known.questions)), key=order)[:SHOWN_EXAMPLES]:
        question = known.questions[place]
        yield Change(
            query=question.text,
            kind=question.kind,
            lang=question.lang,
            expected=tuple(known.entries[right].term for right in question.right),
            rank_before=int(before.rank[place]),
            rank_after=int(after.rank[place]),
            before=(_answer(known.entries, before, place),),
            after=(_answer(known.entries, after, place),),
        )


def _answer(entries: Sequence[Entry], ranks: _Ranks, place: int) -> RankedAnswer:
    entry = entries[ranks.first[place]]
    return RankedAnswer(
        text=f"{entry.term}: {entry.definition}",
        score=float(ranks.score[place]),
        relevant=bool(ranks.rank[place] == 1),
    )
