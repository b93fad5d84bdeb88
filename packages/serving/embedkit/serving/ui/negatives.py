"""Hard negatives as pairs to decide on: a negative that means the same as its positive teaches a model nonsense.

A pair of concepts stands there once, with the two texts that score nearest, the nearest pair first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedkit.data.candidates import Candidate, CandidateTable
from embedkit.data.records import Pair
from embedkit.data.shapes import read_pairs
from embedkit.errors import UserError
from embedkit.serving.ui.review import (
    HARD_NEGATIVE,
    DecisionFile,
    EntryTexts,
    ReviewItem,
    check_decision,
    pair_key,
)
from embedkit.text import fold, language_of


@dataclass(frozen=True, slots=True)
class _NearPair:
    """The positive and the hard negative of two concepts that score nearest, and the term of each."""

    positive: str
    negative: str
    score: float
    term: str
    other: str


class NegativeQueue:
    """The pairs of concepts in the training rows of which one is a hard negative of the other."""

    def __init__(self, pairs: Path, file: DecisionFile, texts: EntryTexts) -> None:
        self._file, self._texts = file, texts
        rows = list(read_pairs(pairs))
        self._concepts = {fold(text): row.group or fold(row.positive) for row in rows for text in _own(row)}
        self._near = sorted(self._nearest(rows), key=lambda pair: -pair.score)
        self._items = tuple(map(self._item, self._near))
        self._places = {item.key: place for place, item in enumerate(self._items)}

    def _nearest(self, rows: Iterable[Pair]) -> Iterable[_NearPair]:
        best: dict[frozenset[str], _NearPair] = {}
        for row in rows:
            scores = [receipt.score for receipt in row.mining] or [0.0] * len(row.hard_negatives)
            for text, score in zip(row.hard_negatives, scores, strict=False):
                concepts = self._concepts_of(row.positive, text)
                known = best.get(concepts)
                if len(concepts) == 2 and (known is None or known.score < score):
                    best[concepts] = self._near_pair(row, text, score)
        return best.values()

    def _near_pair(self, row: Pair, text: str, score: float) -> _NearPair:
        left, right = self._texts.find(row.positive, ""), self._texts.find(text, "")
        return _NearPair(
            positive=left.definition if left else row.positive,
            negative=right.definition if right else text,
            score=score,
            term=left.term if left else row.anchor,
            other=right.term if right else "",
        )

    def _concepts_of(self, left: str, right: str) -> frozenset[str]:
        return frozenset(self._concepts.get(fold(text), fold(text)) for text in (left, right))

    def _item(self, pair: _NearPair) -> ReviewItem:
        return ReviewItem(
            key=pair_key(pair.positive, pair.negative),
            left=self._texts.side(pair.term, pair.positive),
            right=self._texts.side(pair.other, pair.negative),
            reason=HARD_NEGATIVE,
            score=f"{pair.score:.4g}",
        )

    def items(self) -> Sequence[ReviewItem]:
        """The pairs with what the table says of their concepts."""
        found = {self._concepts_of(*texts): row.decision for row, texts in _decided(self._file.table())}
        return [
            replace(item, decision=found.get(self._concepts_of(near.positive, near.negative), ""))
            for item, near in zip(self._items, self._near, strict=True)
        ]

    def decide(self, key: str, decision: str, *, expected: str) -> None:
        """Decide the row of the table that is about these concepts, else add one."""
        check_decision(decision)
        if key not in self._places:
            raise UserError("this pair is no longer in the table", place=str(self._file.path))
        near = self._near[self._places[key]]
        wanted = self._concepts_of(near.positive, near.negative)
        rows = self._file.table().rows
        about = (
            (at, row) for at, row in enumerate(rows) if self._concepts_of(row.text_a, row.text_b) == wanted
        )
        found = sorted(about, key=lambda row: not row[1].decision)
        place, row = found[0] if found else (None, _candidate(near, decision))
        self._file.write(row, decision, expected=expected, place=place)


def _own(row: Pair) -> tuple[str, str]:
    return row.positive, row.anchor


def _decided(table: CandidateTable) -> Iterator[tuple[Candidate, tuple[str, str]]]:
    return ((row, (row.text_a, row.text_b)) for row in table.rows if row.decision)


def _candidate(near: _NearPair, decision: str) -> Candidate:
    return Candidate(
        term_a=near.term,
        text_a=near.positive,
        lang_a=language_of(near.positive),
        term_b=near.other,
        text_b=near.negative,
        lang_b=language_of(near.negative),
        score=f"{near.score:.4f}",
        reason=HARD_NEGATIVE,
        decision=decision,
    )
