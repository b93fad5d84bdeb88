"""The n-grams and names of a large glossary, kept in the cache: 100,000 entries take a minute to
index and a moment to read.

A folder of arrays in the room of vectors, named by the hash of the texts, whole or absent; they are mapped, not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedkit.cache import cache_dir
from embedkit.files import atomic_folder
from embedkit.ranking.lexical.names import NameDictionary
from embedkit.ranking.lexical.words import NameFinder, NgramIndex, State

LEAST_TEXTS = 5000  # fewer are indexed as fast as they are read
_VERSION = "2"


@dataclass(frozen=True, slots=True)
class WordIndex:
    """What words alone are ranked by."""

    ngrams: NgramIndex
    dictionary: NameDictionary
    finder: NameFinder


def word_index(texts: Sequence[str], names: Sequence[str], definitions: Sequence[str]) -> WordIndex:
    """The index of `texts`, among which are `names` and `definitions`; that of many comes from the cache."""
    if len(texts) < LEAST_TEXTS:
        return _built(texts, names, definitions)
    folder = cache_dir("vectors") / f"{_hash(texts, names, definitions)}.words"
    try:
        return _read(folder)
    except (OSError, EOFError, ValueError, KeyError):
        made = _built(texts, names, definitions)
    _write(folder, made)
    return made


def _built(texts: Sequence[str], names: Sequence[str], definitions: Sequence[str]) -> WordIndex:
    return WordIndex(NgramIndex(texts), NameDictionary(names, definitions), NameFinder(names, definitions))


def _hash(*lists: Sequence[str]) -> str:
    found = hashlib.sha256(_VERSION.encode())
    for texts in lists:
        found.update("\x1e".join(texts).encode("utf-8", "surrogatepass") + b"\x1d")
    return found.hexdigest()[:16]


def _write(folder: Path, made: WordIndex) -> None:
    states = {
        "ngrams": made.ngrams.state(),
        "dictionary": made.dictionary.state(),
        "finder": made.finder.state(),
    }
    with atomic_folder(folder) as new:
        for name, state in states.items():
            for key, value in state.items():
                np.save(new / f"{name}.{key}.npy", value)


def _read(folder: Path) -> WordIndex:
    found: dict[str, State] = {"ngrams": {}, "dictionary": {}, "finder": {}}
    for path in folder.glob("*.npy"):
        name, key, _ = path.name.split(".")
        found[name][key] = np.load(path, mmap_mode="r")
    return WordIndex(
        NgramIndex.restored(found["ngrams"]),
        NameDictionary.restored(found["dictionary"]),
        NameFinder.restored(found["finder"]),
    )
