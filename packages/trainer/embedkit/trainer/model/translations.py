"""What words that a model cannot read mean, learnt from their translations: start vectors for new tokens.

A glossary in two languages says that 저항기 is a resistor: the vector of 저항기 may begin as that of `resistor`, which
the model knows. So may everyday words, whose translations ship: no glossary explains 뜨겁다 or 왜, and questions are
full of them. Which word of a text means which word of its translation is found by IBM Model 1, expectation
maximisation over the pairs of texts: Brown et al., The Mathematics of Statistical Machine Translation, 1993. A second
for 2,000 pairs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import Pair
from embedkit.trainer.rows.sources import TrainingRows

# Runs of scripts other than Latin, with the punctuation that stands in their blocks.
OTHER_SCRIPT = re.compile(
    "[\u0386-\u1dff\u1f00-\u1fff\u2e80-\u2fdf\u3005-\u3007\u3041-\ud7ff\uf900-\ufaff\ufb1d-\ufdff"
    "\ufe70-\ufefc\uff66-\uffdc\U00020000-\U0003fffd]+"
)
# Of what a token may mean, so many words make its vector, of which each is at least so sure.
MEANINGS, SUREST = 8, 0.03
ROUNDS = 6
MOST_PAIRS = 50_000
# A name beside a whole definition says little about any word of it.
MOST_RATIO = 5

_Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The tokens that a new token stands for, `(M,)`, and how surely, `(M,)`, adding up to 1."""

    tokens: _Numbers
    weights: NDArray[np.float64]


def translated_texts(rows: TrainingRows) -> Iterator[tuple[str, str]]:
    """Texts of one concept in two scripts: of each row, and every two of a concept's definitions, once each."""
    seen = set[tuple[str, str]]()
    for source in rows.sources:
        anchors, positives = set[str](), defaultdict[int, set[str]](set)
        for number, concept in enumerate(source.rows.concepts.row_concepts.tolist()):
            row = source.rows.store[number]
            if isinstance(row, Pair):
                anchors.add(row.anchor)
                positives[concept].add(row.positive)
                seen.update(_in_two_scripts([row.anchor, row.positive]))
        for texts in positives.values():
            seen.update(_in_two_scripts(sorted(texts - anchors)))
    yield from sorted(seen)[:MOST_PAIRS]


def _in_two_scripts(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    other = [text for text in texts if OTHER_SCRIPT.search(text)]
    return product(other, [text for text in texts if text not in other])


def meanings(pairs: Iterable[tuple[Sequence[int], Sequence[int]]], *, start: int) -> dict[int, Meaning]:
    """What the tokens from `start` on mean in tokens before it, from texts and their translations as token numbers.

    Only pairs count of which the first text has new tokens, and the second none.
    """
    sides = (_sides(one, other, start) for one, other in pairs)
    found = [side for side in sides if side is not None]
    return dict(_surest(*_align(found))) if found else {}


def _sides(one: Sequence[int], other: Sequence[int], start: int) -> tuple[_Numbers, _Numbers] | None:
    """The distinct new tokens of one text, and the distinct tokens of its translation."""
    new, old = np.unique(one).astype(np.int64), np.unique(other).astype(np.int64)
    if not len(new) or not len(old) or max(len(one), len(other)) > MOST_RATIO * min(len(one), len(other)):
        return None
    return None if new[-1] < start or old[-1] >= start else (new[new >= start], old)


def _align(pairs: Sequence[tuple[_Numbers, _Numbers]]) -> tuple[_Numbers, _Numbers, NDArray[np.float64]]:
    """Links from new tokens to old ones and how likely they are, `(L,)` each; -1 stands for no word."""
    new = [np.r_[-1, one] for one, _ in pairs]
    sources = np.concatenate([np.repeat(one, len(other)) for one, (_, other) in zip(new, pairs, strict=True)])
    targets = np.concatenate([np.tile(other, len(one)) for one, (_, other) in zip(new, pairs, strict=True)])
    starts = np.cumsum([0, *(len(other) for _, other in pairs)])
    words = np.concatenate(
        [
            np.tile(np.arange(len(other)) + at, len(one))
            for at, one, (_, other) in zip(starts, new, pairs, strict=False)
        ]
    )
    links, place = np.unique(np.stack([sources, targets]), axis=1, return_inverse=True)
    _, owner = np.unique(links[0], return_inverse=True)
    likely = np.ones(links.shape[1])
    for _ in range(ROUNDS):
        share = likely[place]
        share /= np.bincount(words, share)[words]
        counts = np.bincount(place, share)
        likely = counts / np.bincount(owner, counts)[owner]
    return links[0], links[1], likely


def _surest(new: _Numbers, old: _Numbers, likely: NDArray[np.float64]) -> Iterator[tuple[int, Meaning]]:
    order = np.lexsort((old, -likely, new))
    order = order[(likely[order] >= SUREST) & (new[order] >= 0)]
    for token in np.unique(new[order]).tolist():
        kept = order[new[order] == token][:MEANINGS]
        yield token, Meaning(old[kept], likely[kept] / likely[kept].sum())
