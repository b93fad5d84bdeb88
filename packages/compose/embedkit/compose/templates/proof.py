"""The proof of a split: the two parts share nothing, and wording does not tell positives from negatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embedkit.compose.templates.concepts import Concept
from embedkit.compose.templates.rows import SynthRow
from embedkit.text import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthProof:
    """Counted on the finished rows. All but the last two are 0 in sound output."""

    shared_terms: int
    shared_texts: int
    duplicate_rows: int
    same_concept_negatives: int
    by_wording: float  # share of rows whose positive is picked out of its negatives by the templates alone
    by_chance: float

    @property
    def sound(self) -> bool:
        """Whether nothing is shared, doubled, or a negative of its own concept."""
        return not (
            self.shared_terms or self.shared_texts or self.duplicate_rows or self.same_concept_negatives
        )


def prove(
    train: Sequence[SynthRow], test: Sequence[SynthRow], sides: tuple[Sequence[Concept], Sequence[Concept]]
) -> SynthProof:
    """Count what the two sides of a split share, and the faults inside them."""
    rows = [*train, *test]
    keys = Counter((fold(row.pair.anchor), fold(row.pair.positive)) for row in rows)
    by_wording, by_chance = giveaway(rows)
    return SynthProof(
        shared_terms=len(_names(sides[0]) & _names(sides[1])),
        shared_texts=len(_texts(train) & _texts(test)),
        duplicate_rows=len(rows) - len(keys),
        same_concept_negatives=_same_concept(rows),
        by_wording=by_wording,
        by_chance=by_chance,
    )


def _names(concepts: Iterable[Concept]) -> set[str]:
    return {fold(name) for concept in concepts for name in concept.names}


def _texts(rows: Iterable[SynthRow]) -> set[str]:
    return {fold(t) for row in rows for t in (row.pair.anchor, row.pair.positive, *row.pair.hard_negatives)}


def _same_concept(rows: Sequence[SynthRow]) -> int:
    """Negatives that stand as anchor or positive of their row's own concept anywhere."""
    owned: dict[str, set[str]] = {}
    for row in rows:
        for text in (row.pair.anchor, row.pair.positive):
            owned.setdefault(fold(text), set()).add(row.pair.group)
    return sum(row.pair.group in owned.get(fold(t), ()) for row in rows for t in row.pair.hard_negatives)


def giveaway(rows: Sequence[SynthRow]) -> tuple[float, float]:
    """`(by wording, by chance)`: how often templates alone tell the positive from its negatives.

    The guess is the template that is most often a positive's in the other rows.
    """
    positive = Counter(row.wordings[0] for row in rows)
    negative = Counter(wording for row in rows for wording in row.wordings[1:])
    scored = [row for row in rows if len(row.wordings) > 1]
    hits = sum(_picked(row.wordings, positive, negative) for row in scored)
    chance = sum(1 / len(row.wordings) for row in scored)
    return (hits / len(scored), chance / len(scored)) if scored else (0.0, 0.0)


def _picked(wordings: Sequence[str], positive: Counter[str], negative: Counter[str]) -> float:
    here = Counter(wordings[1:])
    scores = []
    for wording in wordings:
        good = positive[wording] - (wording == wordings[0])
        scores.append((good + 1) / (good + negative[wording] - here[wording] + 2))
    best = max(scores)
    return (scores[0] == best) / scores.count(best)
