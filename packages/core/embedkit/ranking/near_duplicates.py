"""Texts that are nearly the same: names of the same words, sentences that differ in a word or two.

Only texts that share one of their rarest words are compared, each with the next few of like length, and only when
their counts of letters allow it: the cost grows with the texts, not their square. Some 200 bytes a text at the peak.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Indel

from embedkit.text import hash64

SENTENCE_CHARS = 30
LEAST_RATIO = 0.9
LEAST_WORD_RATIO = 0.75
WORDS_PER_CHANGE = 20
RAREST = 5
NEIGHBOURS = 24
BINS = 32
BLOCK = 1 << 17
_WORD = re.compile(r"\w+")
_SMALL_WORDS = frozenset(("a", "an", "the", "of", "for", "in", "on", "and", "to", "with"))
Numbers = NDArray[np.int32]


def name_key(text: str) -> str:
    """The words of a name in alphabetical order, singular, without small words."""
    words = (singular(word) for word in _WORD.findall(text.casefold()))
    kept = sorted(word for word in words if word not in _SMALL_WORDS)
    return " ".join(kept) or text.casefold()


def near_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield `(i, j)` with i < j for near duplicates among `texts`, found through shared rare words."""
    keys = np.fromiter((hash64(name_key(text)) for text in texts), dtype=np.uint64, count=len(texts))
    _, first, name = np.unique(keys, return_index=True, return_inverse=True)
    earliest = first[name]
    again = np.flatnonzero(earliest < np.arange(len(texts)))
    yield from zip(earliest[again].tolist(), again.tolist(), strict=True)
    yield from _near_sentences(texts)


def _near_sentences(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    sentences = _Sentences(texts)
    found = [np.empty((0, 2), dtype=np.int32)]
    for left, right in sentences.neighbours():
        near = _all_alike(texts, left, right)
        if len(near):
            found.append(near)
    yield from map(tuple, np.unique(np.concatenate(found), axis=0).tolist())


class _Sentences:
    """The long texts in buckets of one rare word each; in a bucket those of like length stand together."""

    def __init__(self, texts: Sequence[str]) -> None:
        long = [index for index, text in enumerate(texts) if len(text) >= SENTENCE_CHARS]
        frequency: Counter[str] = Counter()
        for index in long:
            frequency.update(set(features(texts[index].casefold())))
        number = {word: at for at, (word, count) in enumerate(frequency.items()) if count > 1}
        self._index = np.array(long, dtype=np.int32)
        self._length = np.empty(len(long), dtype=np.int32)
        self._letters = np.empty((len(long), BINS), dtype=np.uint8)
        start = np.empty(len(long), dtype=np.uint64)
        words, members = array("i"), array("i")
        for at, index in enumerate(long):
            text = texts[index].casefold()
            self._length[at], self._letters[at] = len(text), _letters(text)
            start[at] = int.from_bytes(text[:8].encode("utf-8", "surrogatepass")[:8].ljust(8), "big")
            found = sorted(set(features(text)), key=lambda word: (frequency[word], word))[:RAREST]
            rare = [number[word] for word in found if word in number]
            words.extend(rare)
            members.extend([at] * len(rare))
        word, member = np.array(words, dtype=np.int32), np.array(members, dtype=np.int32)
        order = np.lexsort((member, start[member], self._length[member], word))
        self._word, self._member = word[order], member[order]

    def neighbours(self) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield blocks of pairs of texts that may be near duplicates by length and letters."""
        for begin in range(0, len(self._word), BLOCK):
            block = slice(begin, begin + BLOCK + NEIGHBOURS)
            beside = [self._beside(block, step) for step in range(1, NEIGHBOURS + 1)]
            pairs = self._index[np.unique(np.concatenate(beside), axis=0)]
            yield pairs[:, 0], pairs[:, 1]

    def _beside(self, block: slice, step: int) -> Numbers:
        """Each text of a block with the one `step` places further in its bucket, where they can be alike.

        No text can be turned into another in fewer steps than their counts of letters differ by.
        """
        word, member = self._word[block], self._member[block]
        left, right = member[:-step], member[step:]
        longest = self._length[left] * ((2 - LEAST_RATIO) / LEAST_RATIO)
        near = (word[:-step] == word[step:]) & (self._length[right] <= longest)
        left, right = left[near], right[near]
        apart = np.abs(self._letters[left].astype(np.int16) - self._letters[right]).sum(axis=1)
        near = apart <= (1 - LEAST_RATIO) * (self._length[left] + self._length[right]) + 1e-6
        return np.stack((np.minimum(left, right)[near], np.maximum(left, right)[near]), axis=1)


def _all_alike(texts: Sequence[str], left: Numbers, right: Numbers) -> Numbers:
    ratios = process.cpdist(
        [texts[index].casefold() for index in left.tolist()],
        [texts[index].casefold() for index in right.tolist()],
        scorer=Indel.normalized_similarity,
        score_cutoff=LEAST_RATIO,
        dtype=np.float64,
    )
    return np.stack((left, right), axis=1)[ratios >= LEAST_RATIO]


def _letters(text: str) -> NDArray[np.uint8]:
    """How often each letter stands in a text, letters that share a bin counted together, at most 127."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.minimum(np.bincount(points % BINS, minlength=BINS), 127).astype(np.uint8)


def near_matches(
    texts: Sequence[str], others: Iterable[str], *, same_meaning: bool = True
) -> Iterator[tuple[int, str]]:
    """Yield `(place, other)` where `texts[place]` and one of `others` say the same in nearly the same words.

    With `same_meaning` it is stricter than `near_pairs`: a sentence in which a word is exchanged for an unlike one
    ("low" for "high") says something else, but for one word in twenty. `others` is read once: about 10 µs each.
    """
    alike = _says_the_same if same_meaning else _alike
    names: defaultdict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        names[name_key(text)].append(index)
    buckets, lowered = _rarest_words(texts)
    for other in others:
        found = dict.fromkeys(names.get(name_key(other), ()))
        folded = other.casefold()
        if len(folded) >= SENTENCE_CHARS:
            sharing = {index for word in set(features(folded)) for index in buckets.get(word, ())}
            found |= dict.fromkeys(i for i in sorted(sharing) if alike(lowered[i], folded))
        yield from ((index, other) for index in found)


def _rarest_words(texts: Sequence[str]) -> tuple[dict[str, list[int]], dict[int, str]]:
    """Each sentence's place under its rarest words, and the sentences in lower case."""
    lowered = {i: text.casefold() for i, text in enumerate(texts) if len(text) >= SENTENCE_CHARS}
    words = {index: set(features(text)) for index, text in lowered.items()}
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


def _alike(left: str, right: str) -> bool:
    return bool(Indel.normalized_similarity(left, right, score_cutoff=LEAST_RATIO))


def is_small_word(word: str) -> bool:
    """Whether a word says nothing of its own: articles, prepositions."""
    return word in _SMALL_WORDS


def features(text: str) -> list[str]:
    """Words, or trigrams of characters where words are few, as in Chinese or Japanese."""
    words = _WORD.findall(text)
    return words if len(words) >= RAREST else [text[i : i + 3] for i in range(len(text) - 2)]


def singular(word: str, *, shortest: int = 4) -> str:
    """`diodes` to `diode`; `bus`, `glass`, `bias` and words of fewer than `shortest` letters stay as they are."""
    plural = len(word) >= shortest and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word
