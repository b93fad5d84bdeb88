"""Training pairs that look wrong: self pairs, duplicates, false negatives.

Texts are compared as 64-bit hashes in arrays, and only a row with a finding is read again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.concepts.claims import text_hash
from embedkit.data.records import Pair
from embedkit.messages import Phrase
from embedkit.text import fold, hash64

Hashes = NDArray[np.uint64]
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: (a, b) and (b, a) must differ


@dataclass(frozen=True, slots=True)
class Doubt:
    """A finding about the row with this number, counted from 0."""

    row: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hashed:
    """Hashes of N rows and of their M negatives; `owners` (M,) are the rows of the negatives, ascending."""

    anchors: Hashes
    positives: Hashes
    groups: Hashes
    spellings: Hashes
    negatives: Hashes
    owners: NDArray[np.uint32]


def pair_doubts(pairs: Sequence[Pair], lines: Sequence[int]) -> Iterator[Doubt]:
    """Yield the findings; `lines` are the line numbers of the rows. Some 150 bytes a row with three negatives."""
    yield from _own_findings(pairs)
    hashed = _hash(pairs)
    for row, first in _doubles(hashed.spellings):
        yield Doubt(
            row, "duplicate row", Phrase("the same anchor and positive as line {line}", line=lines[first])
        )
    for place, why in _false_negatives(hashed):
        row = int(hashed.owners[place])
        nth = place - int(np.searchsorted(hashed.owners, row))
        yield Doubt(row, "false negative", Phrase(why, text=repr(pairs[row].hard_negatives[nth])))


def _own_findings(pairs: Sequence[Pair]) -> Iterator[Doubt]:
    for row, pair in enumerate(pairs):
        if pair.anchor == pair.positive:
            yield Doubt(row, "self pair", Phrase("both sides are {text}", text=repr(pair.anchor)))
        elif fold(pair.anchor) == fold(pair.positive):
            both = Phrase("{left} and {right}", left=repr(pair.anchor), right=repr(pair.positive))
            yield Doubt(row, "equal but for case or brackets", both)


def _hash(pairs: Sequence[Pair]) -> _Hashed:
    anchors, positives, groups, spellings, negatives = (array("Q") for _ in range(5))
    owners = array("I")
    for row, pair in enumerate(pairs):
        anchors.append(text_hash(pair.anchor))
        positives.append(text_hash(pair.positive))
        groups.append(hash64(pair.group) if pair.group else 0)
        spellings.append(hash64(f"{pair.anchor}\x1f{pair.positive}"))
        negatives.extend(map(text_hash, pair.hard_negatives))
        owners.extend([row] * len(pair.hard_negatives))
    return _Hashed(
        anchors=np.array(anchors, dtype=np.uint64),
        positives=np.array(positives, dtype=np.uint64),
        groups=np.array(groups, dtype=np.uint64),
        spellings=np.array(spellings, dtype=np.uint64),
        negatives=np.array(negatives, dtype=np.uint64),
        owners=np.array(owners, dtype=np.uint32),
    )


def _doubles(spellings: Hashes) -> Iterator[tuple[int, int]]:
    """Yield `(row, the first row spelt like it)`."""
    _, first, which = np.unique(spellings, return_index=True, return_inverse=True)
    earlier = first[which]
    for row in np.flatnonzero(earlier != np.arange(len(spellings))).tolist():
        yield row, int(earlier[row])


def _false_negatives(hashed: _Hashed) -> Iterator[tuple[int, str]]:
    """Yield `(place among the negatives, why it is none)`."""
    anchors, groups = hashed.anchors[hashed.owners], hashed.groups[hashed.owners]
    known = _both(hashed.anchors, hashed.positives)
    members = np.concatenate([_both(hashed.groups, side) for side in (hashed.anchors, hashed.positives)])
    checks = (
        ("{text} is the anchor", hashed.negatives == anchors),
        ("{text} is a positive of the anchor", np.isin(_both(anchors, hashed.negatives), known)),
        (
            "{text} is of the row's own group",
            (groups != 0) & np.isin(_both(groups, hashed.negatives), members),
        ),
    )
    left = np.ones(len(hashed.negatives), dtype=np.bool_)
    for why, holds in checks:
        yield from ((place, why) for place in np.flatnonzero(holds & left).tolist())
        left &= ~holds


def _both(left: Hashes, right: Hashes) -> Hashes:
    """One hash for each two; products and sums wrap around."""
    return left * _ODD + right
