"""Concepts that may be one: each is among the other's nearest. They are no negatives of one another until decided.

A synonym that the table does not state looks like the best negative there is. Two concepts are suspected when a name
of each is among the two nearest of the other, and their definitions, where both have one, are nearest to each other;
or when such definitions nearly say the same. `docs/decisions/070` has the measurement.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedkit.compose.mine.candidates.base import Candidates, Miner, Question
from embedkit.compose.mine.choose import Choice, miner_factory
from embedkit.compose.mine.options import MiningOptions
from embedkit.compose.mine.pools import MakeMiner, Mask, Pool, Pools
from embedkit.compose.rows.drafts import Draft
from embedkit.compose.rows.split import PARTS, Part
from embedkit.compose.rows.spool import Picked

_WORD = re.compile(r"\w+")
CHUNK = 2048
DECIMALS = 3  # the last bits of a vector depend on what was encoded beside it
NEAREST = 8
MUTUAL_NAMES, MUTUAL_DEFINITIONS = 2, 1
Neighbours = dict[int, list["_Neighbour"]]


@dataclass(frozen=True, slots=True)
class Suspect:
    """Two concepts that may be one, by a text of each; `score` is how alike these are, at most 1."""

    left: int
    right: int
    text: str
    other: str
    score: float


@dataclass(frozen=True, slots=True)
class _Neighbour:
    concept: int
    score: float
    text: str
    other: str


@dataclass(frozen=True, slots=True)
class _Least:
    """How alike two names, two definitions, and the definitions of two like names have to be at least."""

    names: float
    definitions: float
    agreeing: float


# Cosines of a model; shares of a text's own BM25 score.
_DENSE, _LEXICAL = _Least(0.5, 0.8, 0.5), _Least(0.35, 0.5, 0.2)


def find_suspects(
    drafts: Sequence[Draft],
    parts: Sequence[Part | None],
    mask: Mask,
    choice: Choice,
    options: MiningOptions,
) -> list[Suspect]:
    """The pairs of concepts that may be one, part by part, the likeliest first."""
    if not options.hard_k:
        return []
    own = replace(choice, miner="dense") if choice.source else choice
    make_miner = miner_factory(own, replace(options, cross_encoder=""))
    least = _DENSE if choice.source else _LEXICAL
    found: dict[tuple[int, int], Suspect] = {}
    for part in PARTS:
        members = array("i", (number for number, of in enumerate(parts) if of == part))
        if members:
            for suspect in _in_part(Picked(drafts, members), mask, make_miner, least):
                found.setdefault((suspect.left, suspect.right), suspect)
    return sorted(found.values(), key=lambda s: (-s.score, s.left, s.right))


def _in_part(drafts: Sequence[Draft], mask: Mask, make_miner: MakeMiner, least: _Least) -> Iterator[Suspect]:
    pools = Pools(drafts, mask)
    names: Neighbours = {}
    definitions: Neighbours = {}
    for (role, _), pool in pools.of.items():
        if role in ("name", "definition"):
            _gather(pool, mask, make_miner(pool), names if role == "name" else definitions)
            pool.drop_index()
    for left, near in names.items():
        for item in near[:MUTUAL_NAMES]:
            back = [other.concept for other in names.get(item.concept, ())[:MUTUAL_NAMES]]
            if left in back and item.score >= least.names and _agree(left, item, definitions, least):
                yield _suspect(left, item)
    for left, near in definitions.items():
        for item in near[:MUTUAL_DEFINITIONS]:
            back = [other.concept for other in definitions.get(item.concept, ())[:MUTUAL_DEFINITIONS]]
            if left in back and item.score >= least.definitions:
                yield _suspect(left, item)


def _agree(left: int, item: _Neighbour, definitions: Neighbours, least: _Least) -> bool:
    """Whether definitions are nearest to each other and the names no contrast; without two definitions nothing is."""
    here, there = definitions.get(left), definitions.get(item.concept)
    if not here or not there:
        return here is None or there is None
    nearest = here[0].concept == item.concept and there[0].concept == left
    return (
        nearest
        and max(here[0].score, there[0].score) >= least.agreeing
        and not in_contrast(item.text, item.other)
    )


def in_contrast(name: str, other: str) -> bool:
    """Whether two names differ in one word and share another: a low-pass and a high-pass filter are two things."""
    left, right = (_WORD.findall(text.casefold().replace("non-", "non")) for text in (name, other))
    differing = [(a, b) for a, b in zip(left, right, strict=False) if a != b]
    return len(left) == len(right) > 1 and len(differing) == 1


def _suspect(left: int, item: _Neighbour) -> Suspect:
    if left < item.concept:
        return Suspect(left, item.concept, item.text, item.other, item.score)
    return Suspect(item.concept, left, item.other, item.text, item.score)


def _gather(pool: Pool, mask: Mask, miner: Miner, into: Neighbours) -> None:
    """Put each concept's nearest concepts of one pool into `into`, the nearest first."""
    concepts = mask.concepts
    best: defaultdict[int, dict[int, _Neighbour]] = defaultdict(dict)
    for places in _chunks(range(len(pool.texts))):
        asked = [(at, of[0]) for at in places if len(of := concepts.of_text(pool.texts[at])) == 1]
        questions = [_question(pool, at, concept) for at, concept in asked]
        for (at, concept), ranked in zip(asked, miner.rank(questions, NEAREST), strict=True):
            text, near = pool.texts[at], best[concept]
            for other, score in _nearest(ranked, at):
                theirs = concepts.of_text(pool.texts[other])
                if len(theirs) == 1 and (theirs[0] not in near or near[theirs[0]].score < score):
                    near[theirs[0]] = _Neighbour(theirs[0], score, text, pool.texts[other])
    for concept, near in best.items():
        known = [*into.get(concept, ()), *near.values()]
        into[concept] = sorted(known, key=lambda item: (-item.score, item.concept))[:NEAREST]


def _question(pool: Pool, at: int, concept: int) -> Question:
    """What is near a text, itself among it: its own score is what others are measured by."""
    text, blocked = pool.texts[at], pool.of_concepts((concept,))
    return Question(text, text, blocked[blocked != at])


def _nearest(ranked: Candidates, own: int) -> Iterator[tuple[int, float]]:
    """The nearest texts with their scores as shares of the text's own."""
    found = [(ranked.indices, ranked.scores)]
    if ranked.refused is not None:
        found.insert(0, (ranked.refused.indices, ranked.refused.scores))
    indices = np.concatenate([indices for indices, _ in found])[: 2 * NEAREST].tolist()
    scores = np.concatenate([scores for _, scores in found])[: 2 * NEAREST].tolist()
    full = max((score for at, score in zip(indices, scores, strict=True) if at == own), default=0.0)
    if full > 0:
        pairs = zip(indices, scores, strict=True)
        yield from ((at, round(score / full, DECIMALS)) for at, score in pairs if at != own)


def _chunks(places: range) -> Iterator[range]:
    return (places[start : start + CHUNK] for start in range(0, len(places), CHUNK))
