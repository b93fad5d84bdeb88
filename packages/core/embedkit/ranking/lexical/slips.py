"""Names that are written with a slip of the fingers: `capactior` is the capacitor, 인덕타 is 인덕터.

Names are compared letter by letter, Hangul by the letters of its syllables. A letter that is lost, added or wrong is
one slip, and so are two neighbours that are swapped.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

# A shorter name with a slip is another word: tube and cube, 저항 and 저장. Hangul counts by the letters of syllables.
LEAST_LETTERS, LEAST_JAMO = 5, 7
# From so many letters or syllables on a name may have two slips.
LONG, LONG_HANGUL = 12, 7
MOST_SLIPS = 2
# Abbreviations and numbers in a name are to be right: class A is not class D.
_EXACT = re.compile(r"\d+|(?<![a-z])[a-z]{1,3}(?![a-z])")
_HANGUL = re.compile("[가-힣]")
_Ends = tuple[int, int, str]  # a length, which end, and the letter there


class SlipFinder:
    """Names in lower case, to be found by words that may have slips.

    Those of like length that begin or end with the same letter as a word are compared with it: a slip spares one end.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = defaultdict[_Ends, dict[str, str]](dict)
        for name in names:
            letters = _spelt(name)
            if len(letters) >= (LEAST_JAMO if _HANGUL.search(name) else LEAST_LETTERS):
                for end in _ends(letters):
                    self._names[len(letters), *end][letters] = name

    def find(self, words: Iterable[str]) -> dict[str, set[str]]:
        """The names that each word is with the fewest slips; words that are none are left out."""
        best: dict[str, tuple[int, set[str]]] = {}
        for word, name, slips in self._alike(words):
            if slips > _allowed(name) or _EXACT.findall(word) != _EXACT.findall(name):
                continue
            least, names = best.get(word, (slips, set()))
            if slips <= least:
                best[word] = (slips, {*names, name} if slips == least else {name})
        return {word: names for word, (_, names) in best.items()}

    def _alike(self, words: Iterable[str]) -> Iterator[tuple[str, str, int]]:
        """Words and names with up to `MOST_SLIPS` between them; some twice."""
        near = defaultdict[_Ends, dict[str, str]](dict)
        for word in words:
            letters = _spelt(word)
            for end in _ends(letters):
                for length in range(len(letters) - MOST_SLIPS, len(letters) + MOST_SLIPS + 1):
                    near[length, *end][letters] = word
        for key in near.keys() & self._names.keys():
            asked, names = near[key], self._names[key]
            slips = cdist(
                list(asked), list(names), scorer=OSA.distance, score_cutoff=MOST_SLIPS, dtype=np.uint8
            )
            for row, column in zip(*np.nonzero(slips <= MOST_SLIPS), strict=True):
                yield list(asked.values())[row], list(names.values())[column], int(slips[row, column])


def _ends(letters: str) -> tuple[tuple[int, str], tuple[int, str]]:
    """The first and the last letter, told apart."""
    return (0, letters[0]), (-1, letters[-1])


def _allowed(name: str) -> int:
    """How many slips a name may have."""
    return MOST_SLIPS if len(name) >= (LONG_HANGUL if _HANGUL.search(name) else LONG) else 1


def _spelt(text: str) -> str:
    """Hangul as the letters of its syllables."""
    return unicodedata.normalize("NFD", text)
