"""What a model was trained on as hashes: enough to know a text again, too little to read one.

A text takes 20 bytes (exact, folded, as a name), a sentence two more for each of its words. `trained_on.npz` of a run
holds those of its rows and of the dev rows that chose its weights: whatever becomes of the files, it is known what was
seen.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UserError
from embedkit.files import atomic_bytes
from embedkit.ranking.near_duplicates import (
    LEAST_RATIO,
    SENTENCE_CHARS,
    WORDS_PER_CHANGE,
    features,
    is_small_word,
    name_key,
    singular,
)
from embedkit.text import fold, hash64

_ENDING = re.compile(r"(?<=[a-z]{4})(?:ing|ed|e|ly)$")
_CODES = 1 << 16
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class TestRow:
    """What the check compares: the texts that a row is about, and its concept where it names one."""

    __test__ = False  # the name is not a test class

    texts: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """Hashes of texts, sorted: whole, folded, as names (`name_key`), and of the concepts' groups.

    `words` are the codes of the sentences' words one sentence after the other, `sizes` how many each has.
    """

    exact: NDArray[np.uint32]
    folded: Hashes
    names: Hashes
    groups: Hashes
    words: NDArray[np.uint16]
    sizes: NDArray[np.uint16]

    def overlap(self, row: TestRow) -> str:
        """How a row is the same as one of these: exactly, when normalised, by its concept; empty where it is not."""
        found = [text for text in row.texts if _holds(self.folded, hash64(fold(text)))]
        if any(_holds(self.exact, _short(text)) for text in found):
            return "exact"
        if found:
            return "normalised"
        return "concept" if row.group and _holds(self.groups, hash64(row.group)) else ""

    def near(self, texts: Sequence[str]) -> set[str]:
        """Those of `texts` that say nearly the same as one of these: a name in other order, a sentence but for a word.

        Costs some 5 ns a word of these for each sentence.
        """
        starts = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        return {text for text in texts if self._names(text) or self._says(text, starts)}

    def _names(self, text: str) -> bool:
        return _holds(self.names, hash64(name_key(text)))

    def _says(self, text: str, starts: NDArray[np.int64]) -> bool:
        if len(text) < SENTENCE_CHARS or not len(self.sizes):
            return False
        codes = word_codes(text)
        wanted = np.zeros(_CODES, dtype=np.uint8)
        wanted[codes] = 1
        shared = np.add.reduceat(wanted[self.words], starts, dtype=np.int64)
        only_here, only_there = len(codes) - shared, self.sizes - shared
        changed = np.minimum(only_here, only_there)
        apart = only_here + only_there <= (1 - LEAST_RATIO) * (len(codes) + self.sizes)
        return bool((apart & (changed <= len(codes) // WORDS_PER_CHANGE)).any())


def fingerprints_of(rows: Iterable[TestRow]) -> Fingerprints:
    """The fingerprints of rows: some 30 µs a distinct text."""
    texts: dict[str, None] = {}
    groups: set[str] = set()
    for row in rows:
        texts.update(dict.fromkeys(row.texts))
        groups.add(row.group)
    words, sizes = array("H"), array("H")
    for codes in (word_codes(text) for text in texts if len(text) >= SENTENCE_CHARS):
        if codes:
            words.extend(codes)
            sizes.append(len(codes))
    return Fingerprints(
        exact=np.unique(np.fromiter(map(_short, texts), dtype=np.uint32)),
        folded=_hashes(map(fold, texts)),
        names=_hashes(map(name_key, texts)),
        groups=_hashes(groups - {""}),
        words=np.frombuffer(words, dtype=np.uint16),
        sizes=np.frombuffer(sizes, dtype=np.uint16),
    )


def word_codes(text: str) -> list[int]:
    """Two bytes for each distinct word of a sentence, but for the small ones, without ending or particle."""
    words = features(text.casefold())
    return sorted({hash64(_stem(word)) % _CODES for word in words if not is_small_word(word)})[: _CODES - 1]


def _stem(word: str) -> str:
    """`flows` and `flowing` as `flow`; of a Korean word its first two syllables, as particles come after them."""
    return word[:2] if word[:1] >= "가" else _ENDING.sub("", singular(word))


def write_fingerprints(path: Path, parts: Mapping[str, Fingerprints]) -> None:
    """Write the fingerprints of several sets of rows into one file, whole."""
    arrays = {
        f"{name}.{part.name}": getattr(found, part.name)
        for name, found in parts.items()
        for part in fields(found)
    }
    with atomic_bytes(path) as handle:
        np.savez_compressed(handle, **arrays)


def read_fingerprints(path: Path) -> dict[str, Fingerprints]:
    """The sets of a file; none where it is missing. Raises `UserError` where it is damaged."""
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            names = dict.fromkeys(name.partition(".")[0] for name in file.files)
            kinds = [part.name for part in fields(Fingerprints)]
            return {name: Fingerprints(**{kind: file[f"{name}.{kind}"] for kind in kinds}) for name in names}
    except (OSError, ValueError, KeyError, BadZipFile):
        raise UserError(
            "is damaged", place=str(path), hint="train the run again, or delete the file"
        ) from None


def _short(text: str) -> int:
    return hash64(text) >> 32


def _hashes(texts: Iterable[str]) -> Hashes:
    return np.unique(np.fromiter(map(hash64, texts), dtype=np.uint64))


def _holds(values: NDArray[np.unsignedinteger], value: int) -> bool:
    wanted = values.dtype.type(value)
    place = int(np.searchsorted(values, wanted))
    return place < len(values) and bool(values[place] == wanted)
