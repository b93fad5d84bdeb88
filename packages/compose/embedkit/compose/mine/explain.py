"""Why a text became a negative or did not: every neighbour of a row with its score, its place and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import process

from embedkit.console import out
from embedkit.errors import UserError
from embedkit.pairs import Mining
from embedkit.text import fold

NEIGHBOURS = 20
REASONS = {
    "own": "the row's own text",
    "concept": "same concept",
    "near": "near duplicate of the concept",
    "spelling": "another spelling of a nearer text",
    "bar": "over the bar",
    "window": "outside the rank window",
    "hub": "hub cap",
    "enough": "enough were nearer",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A neighbour that is no negative of the row. `place` counts all the neighbours, the nearest first."""

    text: str
    score: float
    place: int
    reason: str
    detail: str = ""

    def to_object(self) -> dict[str, Any]:
        """The JSON form."""
        value = {"text": self.text, "score": self.score, "place": self.place, "reason": REASONS[self.reason]}
        return value | ({"detail": self.detail} if self.detail else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One row explained. `own` and `bar` are the positive's score and the highest allowed, of a miner with a bar."""

    anchor: str
    positive: str
    kind: str
    part: str
    own: float | None
    bar: float | None
    taken: tuple[tuple[str, Mining], ...]
    refused: tuple[Refusal, ...]

    def to_object(self) -> dict[str, Any]:
        """The JSON form."""
        taken = [
            {"text": text, "score": m.score, "rank": m.rank, "miner": m.miner, "rule": m.rule}
            for text, m in self.taken
        ]
        return {
            "anchor": self.anchor,
            "positive": self.positive,
            "kind": self.kind,
            "part": self.part,
            "positive_score": self.own,
            "bar": self.bar,
            "taken": taken,
            "refused": [refusal.to_object() for refusal in self.refused],
        }


class Wanted:
    """Which rows are explained: those that have one of the terms as anchor, positive or term of their record."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._keys = {fold(term) for term in terms}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __contains__(self, texts: tuple[str, ...]) -> bool:
        return any(fold(text) in self._keys for text in texts)


def check_terms(terms: Sequence[str], texts: Iterable[str]) -> None:
    """Raise `UserError` for a term that is in no row, with the names nearest to it."""
    names = list(dict.fromkeys(texts))
    keys = {fold(name) for name in names}
    for term in terms:
        if fold(term) not in keys:
            near = [name for name, _, _ in process.extract(term, names, limit=3, score_cutoff=60)]
            hint = f"did you mean {', '.join(map(repr, near))}?" if near else "no row has a text like it"
            raise UserError(f"--explain {term!r} is in no row", hint=hint)


def print_explanations(found: Sequence[Explanation]) -> None:
    """The explanations for a person to read, on stdout."""
    for number, row in enumerate(found):
        if number:
            out("")
        for line in _lines(row):
            out(line)


def _lines(row: Explanation) -> Iterator[str]:
    yield f"{row.anchor} -> {row.positive}  [{row.kind}, {row.part}]"
    if row.own is not None and row.bar is not None:
        yield f"  the positive scores {row.own:.4f}; negatives may score up to {row.bar:.4f}"
    yield "  taken:" if row.taken else "  taken: none"
    for text, mining in row.taken:
        place = f"rank {mining.rank}" if mining.rank else "no rank"
        yield f"    {mining.score:8.4f}  {place:>8}  {mining.rule:<6}  {text}"
    yield "  refused:" if row.refused else "  refused: none"
    for item in row.refused:
        why = REASONS[item.reason] + (f" ({item.detail})" if item.detail else "")
        yield f"    {item.score:8.4f}  {f'no. {item.place}':>8}  {item.text}: {why}"
