"""The hard negatives of every draft on disk, written in the order in which they are found, with their counts."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from embedkit.compose.rows.spool import Spool
from embedkit.data.records import Mining


@dataclass(frozen=True, slots=True)
class Negative:
    """One hard negative and how it was mined."""

    text: str
    mining: Mining


class NegativeStore:
    """The negatives of each draft by its number; none for one that was not mined for."""

    def __init__(self, size: int) -> None:
        self._spool: Spool[tuple[Negative, ...]] = Spool(_pack, _unpack)
        self._place = array("i", [-1]) * size
        self.rules: Counter[str] = Counter()
        self._sizes: Counter[int] = Counter({0: size})

    def put(self, number: int, negatives: tuple[Negative, ...]) -> None:
        """Store what was found for one draft, once."""
        self._place[number] = len(self._spool)
        self._spool.append(negatives)
        self._count(negatives)

    def share(self, number: int, lead: int) -> None:
        """Give a draft the negatives of another."""
        self._place[number] = self._place[lead]
        self._count(self[lead])

    def _count(self, negatives: tuple[Negative, ...]) -> None:
        self.rules.update(negative.mining.rule for negative in negatives)
        self._sizes[0] -= 1
        self._sizes[len(negatives)] += 1

    def shorter_than(self, count: int) -> int:
        """How many drafts have fewer negatives than `count`."""
        return sum(drafts for size, drafts in self._sizes.items() if size < count)

    def __len__(self) -> int:
        return len(self._place)

    def __getitem__(self, number: int) -> tuple[Negative, ...]:
        place = self._place[number]
        return () if place < 0 else self._spool[place]

    def __iter__(self) -> Iterator[tuple[Negative, ...]]:
        return (self[number] for number in range(len(self)))


_values = attrgetter(*Mining.__slots__)


def _pack(negatives: tuple[Negative, ...]) -> tuple[Any, ...]:
    return tuple((negative.text, *_values(negative.mining)) for negative in negatives)


def _unpack(rows: tuple[Any, ...]) -> tuple[Negative, ...]:
    return tuple(
        Negative(text, Mining(**dict(zip(Mining.__slots__, values, strict=True)))) for text, *values in rows
    )
