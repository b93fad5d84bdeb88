"""Texts that are nearly the same: names of the same words, sentences that differ in a word or two.

Only texts that share one of their rarest words are compared: the cost grows with the texts, not their square.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Indel

SENTENCE_CHARS = 30
LEAST_RATIO = 0.9
RAREST = 5
NEIGHBOURS = 24
_WORD = re.compile(r"\w+")
_SMALL_WORDS = frozenset(("a", "an", "the", "of", "for", "in", "on", "and", "to", "with"))


def name_key(text: str) -> str:
    """The words of a name in alphabetical order, singular, without small words."""
    words = (_singular(word) for word in _WORD.findall(text.casefold()))
    kept = sorted(word for word in words if word not in _SMALL_WORDS)
    return " ".join(kept) or text.casefold()


def near_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield `(i, j)` with i < j for near duplicates among `texts`, found through shared rare words."""
    names: dict[str, int] = {}
    for index, text in enumerate(texts):
        first = names.setdefault(name_key(text), index)
        if first != index:
            yield first, index
    yield from _near_sentences(texts)


def _near_sentences(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    lowered = {i: text.casefold() for i, text in enumerate(texts) if len(text) >= SENTENCE_CHARS}
    words = {index: sorted(set(_features(text))) for index, text in lowered.items()}
    frequency = Counter(word for found in words.values() for word in found)
    buckets: defaultdict[str, list[int]] = defaultdict(list)
    for index, found in words.items():
        for word in sorted(found, key=lambda w: (frequency[w], w))[:RAREST]:
            if frequency[word] > 1:
                buckets[word].append(index)
    seen: set[tuple[int, int]] = set()
    for members in buckets.values():
        for pair in _within(members, lowered):
            if pair not in seen:
                seen.add(pair)
                yield pair


def _within(members: list[int], lowered: dict[int, str]) -> Iterator[tuple[int, int]]:
    """Compare each text with the next few of like length: a longer one cannot reach the ratio."""
    members.sort(key=lambda index: (len(lowered[index]), lowered[index], index))
    for at, left in enumerate(members):
        longest = len(lowered[left]) * (2 - LEAST_RATIO) / LEAST_RATIO
        for right in members[at + 1 : at + 1 + NEIGHBOURS]:
            if len(lowered[right]) > longest:
                break
            if _alike(lowered[left], lowered[right]):
                yield min(left, right), max(left, right)


def _alike(left: str, right: str) -> bool:
    return bool(Indel.normalized_similarity(left, right, score_cutoff=LEAST_RATIO))


def _features(text: str) -> list[str]:
    """Words, or trigrams of characters where words are few, as in Chinese or Japanese."""
    words = _WORD.findall(text)
    return words if len(words) >= RAREST else [text[i : i + 3] for i in range(len(text) - 2)]


def _singular(word: str) -> str:
    return (
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
    )
