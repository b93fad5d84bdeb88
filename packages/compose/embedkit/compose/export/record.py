"""What every format is read into and written from: queries with positives and negatives; and what is lost.

Rows lie on disk and queries are made of them anew each time: some 16 bytes a row are in memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from operator import attrgetter
from typing import Any

import numpy as np

from embedkit.compose.rows.spool import Spool
from embedkit.data.records import Mining, Pair
from embedkit.data.tally import Tally
from embedkit.messages import Phrase
from embedkit.text import hash64

PARTS = ("train", "dev", "test")
EXTRA_KEYS = ("group", "kind", "lang", "source", "license", "mining", "scores")
_NAMES = tuple(field.name for field in fields(Pair) if field.name != "mining")
_MINING = tuple(field.name for field in fields(Mining))
_values, _mining_values = attrgetter(*_NAMES), attrgetter(*_MINING)
Rows = Mapping[str, Sequence[Pair]]


@dataclass(frozen=True, slots=True)
class GroupedQuery:
    """A query with all its positives and negatives.

    `scores` are a teacher's, of the positives and then of the negatives, or none at all.
    """

    text: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedPair:
    """A pair that was read and cannot be used."""

    place: str
    reason: str


@dataclass(slots=True)
class ConvertCounts:
    """What comes of the rows of a conversion. The tally counts pairs of a query and a positive.

    `keys` counts rows by a key that the other format has no place for, `lost` what else has none; `bare` are the
    queries without negatives.
    """

    tally: Tally = field(default_factory=lambda: Tally(Phrase("convert")))
    keys: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    rejects: Spool[RejectedPair] = field(
        default_factory=lambda: Spool(_packed, lambda row: RejectedPair(row[0], Phrase(row[1], **row[2])))
    )
    bare: int = 0
    negatives_in: int = 0
    negatives_out: int = 0

    def reject(self, place: str, reason: str, *, count: int = 1) -> None:
        """Count `count` pairs that go no further."""
        self.tally.taken_in += count
        self.tally.reject(reason, count)
        self.rejects.append(RejectedPair(place, reason))


def _packed(reject: RejectedPair) -> tuple[str, str, dict[str, object]]:
    """The reason as template and fields, so that it can still be translated."""
    reason = reject.reason
    return (
        (reject.place, reason.template, dict(reason.fields))
        if isinstance(reason, Phrase)
        else (reject.place, reason, {})
    )


def pairs_spool() -> Spool[Pair]:
    """An empty spool of rows."""
    return Spool(lambda pair: (_values(pair), tuple(map(_mining_values, pair.mining))), _unpacked)


def _unpacked(row: tuple[Any, ...]) -> Pair:
    values, mined = row
    mining = tuple(Mining(**dict(zip(_MINING, values, strict=True))) for values in mined)
    return Pair(**dict(zip(_NAMES, values, strict=True)), mining=mining)


def text_id(prefix: str, text: str) -> str:
    """A stable id of a text: equal texts have equal ids, and a query never that of a passage."""
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:16]


def pair_id(anchor: str, positive: str) -> str:
    """The id that compose gives to a row."""
    return hashlib.sha256(f"{anchor}\x1f{positive}".encode()).hexdigest()[:16]


def to_pairs(query: GroupedQuery) -> Iterator[Pair]:
    """One row for each positive, with all negatives of the query."""
    of_negatives = query.scores[len(query.positives) :]
    for number, positive in enumerate(query.positives):
        yield Pair(
            anchor=query.text,
            positive=positive,
            hard_negatives=query.negatives,
            id=pair_id(query.text, positive),
            scores=(query.scores[number], *of_negatives) if query.scores else (),
        )


class GroupedQueries:
    """The queries of some rows: one for each row, or `grouped`, one for each anchor in order of appearance.

    A grouped query has every positive and negative that the rows of its anchor have.
    """

    def __init__(self, pairs: Sequence[Pair], *, grouped: bool) -> None:
        self._pairs, self._grouped = pairs, grouped
        if grouped:
            anchors = np.fromiter((hash64(p.anchor) for p in pairs), dtype=np.uint64, count=len(pairs))
            _, first, own = np.unique(anchors, return_index=True, return_inverse=True)
            self._order = np.argsort(first[own], kind="stable")
            new = np.flatnonzero(np.diff(first[own][self._order], prepend=-1))
            self._starts = np.append(new, len(pairs))

    def __iter__(self) -> Iterator[GroupedQuery]:
        return map(self._query, self._rows())

    def count(self, counts: ConvertCounts) -> Counter[int]:
        """Count what comes of the rows; the answer is how many queries have how many negatives."""
        widths: Counter[int] = Counter()
        for rows in self._rows():
            query = self._query(rows)
            widths[len(query.negatives)] += 1
            if self._grouped:
                _count_grouping(rows, query, counts)
        counts.tally.given_out += widths.total()
        counts.negatives_out += sum(width * count for width, count in widths.items())
        counts.bare += widths[0]
        return widths

    def _rows(self) -> Iterator[list[Pair]]:
        """The rows of each query."""
        if not self._grouped:
            yield from ([pair] for pair in self._pairs)
            return
        for start, end in pairwise(self._starts):
            yield [self._pairs[number] for number in self._order[start:end].tolist()]

    def _query(self, rows: Sequence[Pair]) -> GroupedQuery:
        if not self._grouped:
            row = rows[0]
            return GroupedQuery(row.anchor, (row.positive,), row.hard_negatives, row.scores)
        positives = tuple(dict.fromkeys(row.positive for row in rows))
        distinct = dict.fromkeys(text for row in rows for text in row.hard_negatives)
        negatives = tuple(text for text in distinct if text not in positives)
        return GroupedQuery(rows[0].anchor, positives, negatives, _scores(rows, (*positives, *negatives)))


def _scores(rows: Sequence[Pair], texts: Sequence[str]) -> tuple[float, ...]:
    """A teacher's score of each text under the one anchor of the rows; none where a row has none."""
    if not all(row.scores for row in rows):
        return ()
    known: dict[str, float] = {}
    for row in rows:
        for text, score in zip((row.positive, *row.hard_negatives), row.scores, strict=True):
            known.setdefault(text, score)
    return tuple(known[text] for text in texts)


def _count_grouping(rows: Sequence[Pair], query: GroupedQuery, counts: ConvertCounts) -> None:
    """What the rows of one anchor lose when they become one query."""
    every = [text for row in rows for text in row.hard_negatives]
    distinct = set(every)
    counts.tally.merged += len(rows) - 1
    counts.lost["negatives repeated for one anchor"] += len(every) - len(distinct)
    counts.lost["negatives that are a positive of the same anchor"] += len(distinct) - len(query.negatives)
    if len({frozenset(row.hard_negatives) for row in rows}) > 1:
        counts.lost["which positive a negative belongs to (rows)"] += len(rows)
    if not query.scores:
        counts.lost["teacher's scores where not all rows of an anchor have them (rows)"] += sum(
            bool(row.scores) for row in rows
        )
