"""Texts that are nearly the same: names of the same words, sentences that differ in a word or two.

Only texts that share one of their rarest words are compared: the cost grows with the texts, not their square.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from rapidfuzz.distance import Indel

SENTENCE_CHARS = 30
LEAST_RATIO = 0.9
LEAST_WORD_RATIO = 0.75
WORDS_PER_CHANGE = 20
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


def near_matches(texts: Sequence[str], others: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield `(place, other)` where `texts[place]` and one of `others` say the same in nearly the same words.

    Stricter than `near_pairs`: a sentence in which a word is exchanged for an unlike one ("low" for "high") says
    something else, but for one word in twenty. `others` is read once: about 10 µs each.
    """
    names: defaultdict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        names[name_key(text)].append(index)
    buckets, lowered = _rarest_words(texts)
    for other in others:
        found = dict.fromkeys(names.get(name_key(other), ()))
        folded = other.casefold()
        if len(folded) >= SENTENCE_CHARS:
            sharing = {index for word in set(_features(folded)) for index in buckets.get(word, ())}
            found |= dict.fromkeys(i for i in sorted(sharing) if _says_the_same(lowered[i], folded))
        yield from ((index, other) for index in found)


def _rarest_words(texts: Sequence[str]) -> tuple[dict[str, list[int]], dict[int, str]]:
    """Each sentence's place under its rarest words, and the sentences in lower case."""
    lowered = {i: text.casefold() for i, text in enumerate(texts) if len(text) >= SENTENCE_CHARS}
    words = {index: set(_features(text)) for index, text in lowered.items()}
    frequency = Counter(word for found in words.values() for word in found)
    buckets: defaultdict[str, list[int]] = defaultdict(list)
    for index, found in words.items():
        for word in sorted(found, key=lambda w: (frequency[w], w))[:RAREST]:
            buckets[word].append(index)
    return dict(buckets), lowered


def _says_the_same(left: str, right: str) -> bool:
    if not _alike(left, right):
        return False
    a, b = (_WORD.findall(text) for text in (left, right))
    changed = (
        (old, new)
        for edit in SequenceMatcher(a=a, b=b, autojunk=False).get_opcodes()
        if edit[0] == "replace"
        for old, new in zip(a[edit[1] : edit[2]], b[edit[3] : edit[4]], strict=False)
    )
    return sum(not _alike_words(old, new) for old, new in changed) <= len(a) // WORDS_PER_CHANGE


def _alike_words(left: str, right: str) -> bool:
    """The same word but for an ending, a particle or a slip; digits must be equal."""
    if left.isdigit() or right.isdigit():
        return False
    if {left, right} <= _SMALL_WORDS or (left[:2] == right[:2] >= "가" and len(left[:2]) == 2):
        return True
    return bool(Indel.normalized_similarity(left, right, score_cutoff=LEAST_WORD_RATIO))


def _near_sentences(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    buckets, lowered = _rarest_words(texts)
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
