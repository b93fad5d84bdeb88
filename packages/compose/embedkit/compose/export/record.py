"""What every format is written from and read into: a query, its positives, its negatives, and what was lost."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from embedkit.pairs import Pair
from embedkit.report import Tally

PARTS = ("train", "dev", "test")
EXTRA_KEYS = ("group", "kind", "lang", "source", "license", "mining")
SHOWN_REJECTS = 20


@dataclass(frozen=True, slots=True)
class Query:
    """A query with everything that is known to answer it, and not to."""

    text: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """Something read that goes no further."""

    place: str
    reason: str


@dataclass(slots=True)
class Books:
    """The books of a conversion. The tally counts pairs of a query and a positive.

    `keys` are the rows whose key has no place in the other format, `lost` is what else has none.
    """

    tally: Tally = field(default_factory=lambda: Tally("convert"))
    keys: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    negatives_in: int = 0
    negatives_out: int = 0

    def reject(self, place: str, reason: str, *, count: int = 1) -> None:
        """Count `count` pairs that go no further."""
        self.tally.taken_in += count
        self.tally.reject(reason, count)
        self.rejects.append(Reject(place, reason))


def text_id(prefix: str, text: str) -> str:
    """A stable id of a text: equal texts have equal ids, and a query never that of a passage."""
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:16]


def pair_id(anchor: str, positive: str) -> str:
    """The id that compose gives to a row."""
    return hashlib.sha256(f"{anchor}\x1f{positive}".encode()).hexdigest()[:16]


def to_pairs(query: Query) -> Iterator[Pair]:
    """One row for each positive, with all negatives of the query."""
    for positive in query.positives:
        yield Pair(
            anchor=query.text,
            positive=positive,
            hard_negatives=query.negatives,
            id=pair_id(query.text, positive),
        )


def one_by_one(pairs: Iterable[Pair]) -> list[Query]:
    """A query for each row: the formats that hold one positive."""
    return [Query(pair.anchor, (pair.positive,), pair.hard_negatives) for pair in pairs]


def grouped(pairs: Sequence[Pair], books: Books) -> list[Query]:
    """A query for each anchor, in order of appearance, with every positive and negative that its rows have."""
    rows: dict[str, list[Pair]] = {}
    for pair in pairs:
        rows.setdefault(pair.anchor, []).append(pair)
    return [_joined(anchor, found, books) for anchor, found in rows.items()]


def _joined(anchor: str, rows: Sequence[Pair], books: Books) -> Query:
    positives = tuple(dict.fromkeys(row.positive for row in rows))
    every = [text for row in rows for text in row.hard_negatives]
    distinct = dict.fromkeys(every)
    negatives = tuple(text for text in distinct if text not in positives)
    books.tally.merged += len(rows) - 1
    books.lost["negatives repeated for one anchor"] += len(every) - len(distinct)
    books.lost["negatives that are a positive of the same anchor"] += len(distinct) - len(negatives)
    if len({frozenset(row.hard_negatives) for row in rows}) > 1:
        books.lost["which positive a negative belongs to (rows)"] += len(rows)
    return Query(anchor, positives, negatives)
