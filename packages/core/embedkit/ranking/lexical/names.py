"""Which names stand in a question: whole, or with a slip of the fingers.

`누설 전류가 3uA` holds all of 누설전류; `capactior` asks for the capacitor. The rarer a name is in the definitions, the
more it says that it is asked for: most questions about a fuse name current too.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.ranking.lexical.slips import MOST_SLIPS, SlipFinder
from embedkit.ranking.lexical.words import SCRIPT_WORD, State, packed, unpacked
from embedkit.text import hash64

# A name of one letter or syllable is met by chance.
SHORTEST = 2
# What a name with a slip counts of one without.
SLIP = 0.8
# A name with a slip stands for a name in it only where it is so many letters longer.
_LONGER = 2
# What may follow a name in Hangul without a space: how particles and the verb "to be" begin.
_AFTER_NAME = frozenset("은는이가을를의에로으와과도만부까보처란라랑나하마들예인입야")


@dataclass(frozen=True, slots=True)
class Named:
    """A name in a question: its key, and where it begins and ends in the joined words."""

    key: str
    start: int
    stop: int

    def is_in(self, other: Named) -> bool:
        """Whether it stands within another."""
        return other.start <= self.start and self.stop <= other.stop

    def may_stand_beside(self, whole: Named) -> bool:
        """Whether it may be a name with a slip where another stands whole: elsewhere, or clearly longer than that."""
        apart = self.stop <= whole.start or whole.stop <= self.start
        return apart or (whole.is_in(self) and self.size >= whole.size + _LONGER)

    @property
    def size(self) -> int:
        """Its length."""
        return self.stop - self.start


class NameDictionary:
    """Names to be found in questions, each weighed by how rare it is in the definitions, 0 to 1.

    `_keys` are the distinct names; `_places[_ends[k] : _ends[k + 1]]` are the places of the key `k` among `names`.
    `_said` are the hashes of the definitions' words, which are no slips.
    """

    def __init__(self, names: Sequence[str], definitions: Sequence[str]) -> None:
        places = defaultdict[str, list[int]](list)
        for place, name in enumerate(names):
            key = JoinedWords(name).text
            if len(key) >= SHORTEST:
                places[key].append(place)
        self._keys = {key: number for number, key in enumerate(places)}
        self._ends = np.cumsum([0, *map(len, places.values())])
        self._places = np.array([place for own in places.values() for place in own], dtype=np.int64)
        self._names = len(names)
        self._begin()
        held, said = Counter[str](), set[str]()
        for text in map(JoinedWords, definitions):
            held.update({name.key for name in self._whole(text)})
            said.update(text.words)
        most = np.log(1 + len(definitions))
        self._weights = np.array([float(1 - np.log(1 + held[key]) / most) ** 2 for key in places])
        self._said = np.array(sorted(map(hash64, said)), dtype=np.uint64)

    def _begin(self) -> None:
        self._longest = max(map(len, self._keys), default=0)
        self._heads = {key[:SHORTEST] for key in self._keys}
        self._slips = SlipFinder(self._keys)

    def state(self) -> State:
        """All that it knows, as arrays."""
        return {
            "keys": packed(self._keys),
            "ends": self._ends,
            "places": self._places,
            "weights": self._weights,
            "names": np.array(self._names),
            "said": self._said,
        }

    @classmethod
    def restored(cls, state: State) -> NameDictionary:
        """What `state` was taken of."""
        made = cls.__new__(cls)
        made._keys, made._names = unpacked(state["keys"]), int(state["names"])
        made._ends, made._places, made._weights = state["ends"], state["places"], state["weights"]
        made._said = state["said"]
        made._begin()
        return made

    def find(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """The weight of each name that stands in each query, 0 for others; `(queries, names)`.

        A name at the end counts half: a question begins with what it is about. One with a slip counts `SLIP`.
        """
        found = np.zeros((len(queries), self._names), dtype=np.float32)
        asked = list(map(JoinedWords, queries))
        for row, text, slips in zip(found, asked, self._with_slips(asked), strict=True):
            whole = list(self._whole(text))
            kept = [slip for slip in _longest(slips) if all(map(slip.may_stand_beside, whole))]
            self._raise(row, text, kept, SLIP)
            self._raise(row, text, (name for name in whole if not any(map(name.is_in, kept))), 1.0)
        return found

    def _raise(
        self, row: NDArray[np.float32], text: JoinedWords, names: Iterable[Named], sure: float
    ) -> None:
        for name in names:
            number = self._keys[name.key]
            places = self._places[self._ends[number] : self._ends[number + 1]]
            weight = sure * self._weights[number] * (1 - name.start / len(text.text) / 2)
            row[places] = np.maximum(row[places], weight)

    def _whole(self, text: JoinedWords) -> Iterator[Named]:
        """The names in a text, each where it stands first."""
        found = [
            Named(key, start, stop)
            for start, stop in text.spans(self._longest)
            if text.text[start : start + SHORTEST] in self._heads
            and (key := text.text[start:stop]) in self._keys
        ]
        yield from {name.key: name for name in reversed(list(_longest(found)))}.values()

    def _with_slips(self, asked: Sequence[JoinedWords]) -> Iterator[list[Named]]:
        """For each text its names with a slip; a particle may follow, no other syllable."""
        spans = [
            [span for span in text.spans(self._longest + MOST_SLIPS) if self._may_be_slip(text, *span)]
            for text in asked
        ]
        words = {text.text[slice(*span)] for text, own in zip(asked, spans, strict=True) for span in own}
        names = self._slips.find(words)
        for text, own in zip(asked, spans, strict=True):
            yield [Named(key, *span) for span in own for key in names.get(text.text[slice(*span)], ())]

    def _may_be_slip(self, text: JoinedWords, start: int, stop: int) -> bool:
        word, after = text.text[start:stop], text.text[stop : stop + 1]
        if stop not in text.stops and after not in _AFTER_NAME:
            return False
        return word not in self._keys and not self._is_said(word)

    def _is_said(self, word: str) -> bool:
        number = np.uint64(hash64(word))
        place = int(np.searchsorted(self._said, number))
        return place < len(self._said) and bool(self._said[place] == number)


def _longest(names: Sequence[Named]) -> Iterator[Named]:
    """Those that are not part of a longer one."""
    for name in names:
        if not any(name.is_in(other) and name.size < other.size for other in names):
            yield name


class JoinedWords:
    """The words of a text in one string, where they begin in it and where they end. Only between words of other scripts
    than Hangul is there a space.
    """

    def __init__(self, text: str) -> None:
        joined, starts, stops = "", list[int](), set[int]()
        self.words = SCRIPT_WORD.findall(unicodedata.normalize("NFKC", text).casefold())
        for word in self.words:
            if joined and not _is_hangul(joined[-1]) and not _is_hangul(word[0]):
                joined += " "
            starts.append(len(joined))
            joined += word
            stops.add(len(joined))
        self.text, self.starts, self.stops = joined, starts, stops

    def spans(self, longest: int) -> Iterator[tuple[int, int]]:
        """Where a name may stand: it begins where a word begins; it ends where one ends, or within Hangul, where a
        particle may follow.
        """
        for start in self.starts:
            for stop in range(start + SHORTEST, min(len(self.text), start + longest) + 1):
                if stop in self.stops or all(map(_is_hangul, self.text[stop - 1 : stop + 1])):
                    yield start, stop


def _is_hangul(letter: str) -> bool:
    return "가" <= letter <= "힣"
