"""How alike texts are by their letters, and which names stand in a question. No model, no torch.

Texts are compared by the cosines of tf-idf weights of character n-grams.

`capacitors` and `capacitor`, 저항기는 and 저항기 share most of their n-grams: endings, particles and slips of the
fingers cost little. Some 200 µs a text to index, which `hybrid.stored` keeps where there are many; 100,000 entries are
compared with a query in some 15 ms.

Names are found whole, by a dictionary, and in part, by their n-grams: `누설 전류가 3uA` holds all of 누설전류, and
`PCB` stands in `which PCB finish`, not in `pc bus`. The rarer a name is in the definitions, the more it says that it is
asked for: most questions about a fuse name current too.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LEAST, MOST = 2, 4
NAME_MOST = 5
_SCRIPT_WORD = re.compile(r"[가-힣]+|[^\W가-힣]+")
_HANGUL_SPACE = re.compile(r"(?<=[가-힣])\s+(?=[가-힣])")
# A name of one letter or syllable is met by chance.
_SHORTEST = 2
_WORD = re.compile(r"\w+")
# Up to so many queries are compared one by one: only the rows of their n-grams are read then.
_FEW_QUERIES = 4
State = dict[str, NDArray[Any]]


def ngrams(text: str) -> Iterator[str]:
    """The n-grams of each word, which is taken with a space on either side: ` adc ` gives ` a`, `ad`, …, `adc `."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        padded = f" {word} "
        for size in range(LEAST, MOST + 1):
            for start in range(max(1, len(padded) - size + 1)):
                yield padded[start : start + size]


class NgramIndex:
    """Texts to be found by their n-grams. Those of a query that no text has count in the query's length.

    `state` is all that it knows, as arrays; `restored` makes it of them again.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._place: dict[str, int] = {}
        counts = _counts((Counter(ngrams(text)) for text in texts), self._place, grow=True)
        known = np.bincount(counts.indices, minlength=len(self._place))
        self._idf = np.log((1 + len(texts)) / (1 + known)) + 1
        self._unknown_idf = float(np.log(1 + len(texts)) + 1)
        weights = _weights(counts, self._idf)
        self._texts = (sparse.diags_array(1 / _lengths(weights)) @ weights).T.tocsr()

    def state(self) -> State:
        """See above."""
        return {
            "place": _packed(self._place),
            "idf": self._idf,
            "unknown": np.array(self._unknown_idf),
            **_parts(self._texts),
        }

    @classmethod
    def restored(cls, state: State) -> NgramIndex:
        """See above."""
        made = cls.__new__(cls)
        made._place = _unpacked(state["place"])
        made._idf, made._unknown_idf = np.asarray(state["idf"]), float(state["unknown"])
        made._texts = _matrix(state)
        return made

    def similarities(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Cosines `(queries, texts)`, 0 to 1."""
        found = [Counter(ngrams(query)) for query in queries]
        weights = _weights(_counts(found, self._place, grow=False), self._idf)
        unknown = np.array([self._unknown(counts) for counts in found])
        lengths = np.sqrt(_lengths(weights) ** 2 + unknown)
        return dense_product(sparse.csr_array(sparse.diags_array(1 / lengths) @ weights), self._texts)

    def _unknown(self, counts: Counter[str]) -> float:
        """The squared length of what no text has."""
        return sum(
            ((1 + math.log(count)) * self._unknown_idf) ** 2
            for gram, count in counts.items()
            if gram not in self._place
        )


def _counts(found: Iterable[Counter[str]], place: dict[str, int], *, grow: bool) -> sparse.csr_array:
    """The counts `(texts, n-grams)`; `grow` gives each new n-gram a place."""
    data, columns, starts = array("f"), array("i"), array("q", [0])
    for counts in found:
        for gram, count in counts.items():
            column = place.setdefault(gram, len(place)) if grow else place.get(gram, -1)
            if column >= 0:
                columns.append(column)
                data.append(count)
        starts.append(len(data))
    shape = (len(starts) - 1, len(place))
    return sparse.csr_array((np.array(data), np.array(columns), np.array(starts)), shape=shape)


def _weights(counts: sparse.csr_array, idf: NDArray[np.float64]) -> sparse.csr_array:
    weights = counts.astype(np.float32)
    weights.data = ((1 + np.log(weights.data)) * idf[weights.indices]).astype(np.float32)
    return weights


def _lengths(weights: sparse.csr_array) -> NDArray[np.float64]:
    """Euclidean lengths of the rows; 1 for an empty one, which is like nothing."""
    lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1), dtype=np.float64).ravel())
    return np.where(lengths > 0, lengths, 1.0)


class NameDictionary:
    """Names to be found whole in questions, each weighed by how rare it is in the definitions, 0 to 1.

    `_keys` are the distinct names; `_places[_ends[k] : _ends[k + 1]]` are the places of the key `k` among `names`.
    """

    def __init__(self, names: Sequence[str], definitions: Sequence[str]) -> None:
        places = defaultdict[str, list[int]](list)
        for place, name in enumerate(names):
            key = _joined(name)[0]
            if len(key) >= _SHORTEST:
                places[key].append(place)
        self._keys = {key: number for number, key in enumerate(places)}
        self._ends = np.cumsum([0, *map(len, places.values())])
        self._places = np.array([place for own in places.values() for place in own], dtype=np.int64)
        self._names = len(names)
        self._begin()
        held = Counter(key for text in definitions for key in self.names_in(text))
        most = np.log(1 + len(definitions))
        self._weights = np.array([float(1 - np.log(1 + held[key]) / most) ** 2 for key in places])

    def _begin(self) -> None:
        self._longest = max(map(len, self._keys), default=0)
        self._heads = {key[:_SHORTEST] for key in self._keys}

    def state(self) -> State:
        """All that it knows, as arrays."""
        keys, names = _packed(self._keys), np.array(self._names)
        return {
            "keys": keys,
            "ends": self._ends,
            "places": self._places,
            "weights": self._weights,
            "names": names,
        }

    @classmethod
    def restored(cls, state: State) -> NameDictionary:
        """What `state` was taken of."""
        made = cls.__new__(cls)
        made._keys, made._names = _unpacked(state["keys"]), int(state["names"])
        made._ends, made._places, made._weights = state["ends"], state["places"], state["weights"]
        made._begin()
        return made

    def find(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """The weight of each name that stands in each query, 0 for others; `(queries, names)`.

        A name at the end counts half: a question begins with what it is about.
        """
        found = np.zeros((len(queries), self._names), dtype=np.float32)
        for row, query in zip(found, queries, strict=True):
            for key, place in self.names_in(query).items():
                number = self._keys[key]
                places = self._places[self._ends[number] : self._ends[number + 1]]
                row[places] = self._weights[number] * (1 - place / 2)
        return found

    def names_in(self, text: str) -> dict[str, float]:
        """The keys of the names in a text and where each begins first, from 0 to below 1; a name that is part of a
        longer one there is left out.
        """
        found = list(self._spans(text))
        return {
            key: start / len(_joined(text)[0])
            for key, start, stop in reversed(found)
            if not any(
                other <= start and stop <= end and stop - start < end - other for _, other, end in found
            )
        }

    def _spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """A name begins where a word begins; it ends where one ends, or within Hangul, where a particle may follow."""
        joined, starts, stops = _joined(text)
        for start in starts:
            if joined[start : start + _SHORTEST] not in self._heads:
                continue
            for stop in range(start + _SHORTEST, min(len(joined), start + self._longest) + 1):
                ends = stop in stops or all(map(_is_hangul, joined[stop - 1 : stop + 1]))
                if ends and (key := joined[start:stop]) in self._keys:
                    yield key, start, stop


def _joined(text: str) -> tuple[str, list[int], set[int]]:
    """The words in one string, where they begin in it and where they end. Only between words of other scripts than
    Hangul is there a space.
    """
    joined, starts, stops = "", list[int](), set[int]()
    for word in _SCRIPT_WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if joined and not _is_hangul(joined[-1]) and not _is_hangul(word[0]):
            joined += " "
        starts.append(len(joined))
        joined += word
        stops.add(len(joined))
    return joined, starts, stops


def _is_hangul(letter: str) -> bool:
    return "가" <= letter <= "힣"


def name_ngrams(text: str) -> Iterator[str]:
    """The n-grams by which a name is looked for in a question, however Hangul is spaced and whatever follows it.

    Hangul runs through its spaces and has no end: 펄스 폭 변조가 holds all of 펄스폭변조. Other words have both ends.
    """
    folded = _HANGUL_SPACE.sub("", unicodedata.normalize("NFKC", text).casefold())
    for word in _SCRIPT_WORD.findall(folded):
        hangul = "가" <= word[0] <= "힣"
        if hangul and len(word) == 1:
            yield word
            continue
        run = word if hangul else f" {word} "
        for size in range(LEAST, MOST + 1) if hangul else range(LEAST + 1, NAME_MOST + 1):
            starts = len(run) - size + 1
            yield from (run[start : start + size] for start in range(starts if hangul else max(1, starts)))


class NameFinder:
    """Names to be found in questions, their n-grams weighed by how rare they are in the definitions."""

    def __init__(self, names: Sequence[str], definitions: Sequence[str]) -> None:
        self._place: dict[str, int] = {}
        held = _counts((Counter(set(name_ngrams(name))) for name in names), self._place, grow=True)
        found = _counts((Counter(set(name_ngrams(text))) for text in definitions), self._place, grow=False)
        known = np.bincount(found.indices, minlength=len(self._place))
        held.data = (np.log((1 + len(definitions)) / (1 + known)) + 0.1)[held.indices].astype(np.float32)
        self._total = np.maximum(np.asarray(held.sum(axis=1)).ravel(), 1e-6).astype(np.float32)
        self._names = held.T.tocsr()

    def state(self) -> State:
        """All that it knows, as arrays."""
        return {"place": _packed(self._place), "total": self._total, **_parts(self._names)}

    @classmethod
    def restored(cls, state: State) -> NameFinder:
        """What `state` was taken of."""
        made = cls.__new__(cls)
        made._place, made._total, made._names = (
            _unpacked(state["place"]),
            np.asarray(state["total"]),
            _matrix(state),
        )
        return made

    def find(self, queries: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The share of each name's n-grams that each query has, and what those weigh, both `(queries, names)`."""
        asked = _counts((Counter(set(name_ngrams(query))) for query in queries), self._place, grow=False)
        weight = dense_product(asked, self._names)
        return weight / self._total, weight


def dense_product(left: sparse.csr_array, right: sparse.csr_array) -> NDArray[np.float32]:
    """`left @ right`, dense; of few rows on the left only what they meet is read."""
    if left.shape[0] > _FEW_QUERIES:
        return np.asarray((left @ right).toarray(), dtype=np.float32)
    found = np.zeros((left.shape[0], right.shape[1]), dtype=np.float32)
    for row, start, stop in zip(found, left.indptr, left.indptr[1:], strict=False):
        row[:] = right[left.indices[start:stop]].T @ left.data[start:stop].astype(np.float32)
    return found


def _packed(strings: Iterable[str]) -> NDArray[np.uint8]:
    """Strings without line breaks as bytes."""
    return np.frombuffer("\n".join(strings).encode(), dtype=np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> dict[str, int]:
    """The strings and their places."""
    text = packed.tobytes().decode()
    return {string: place for place, string in enumerate(text.split("\n"))} if text else {}


def _parts(matrix: sparse.csr_array) -> State:
    return {
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "shape": np.array(matrix.shape),
    }


def _matrix(state: State) -> sparse.csr_array:
    rows, columns = state["shape"].tolist()
    return sparse.csr_array((state["data"], state["indices"], state["indptr"]), shape=(rows, columns))
