"""Whether two records that use one name mean one thing: what their definitions and other names say of it.

A single word has many meanings: `gate` is a part of a transistor and a valve. Two records that share one are joined
when they share a second name, when one definition names the other's term, or when their definitions share enough
rare words. Records in two languages cannot be compared and are believed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from embedkit.compose.concepts.claims import text_key, variants
from embedkit.data.entries import Record
from embedkit.messages import Phrase
from embedkit.ranking.near_duplicates import singular
from embedkit.text import hash64, is_acronym, language_of

SHARED = 0.3  # of the weight of the definition that weighs less
STEM = 6
BINS = 1 << 18
SAME_DEFINITION = Phrase("the definition")
SAID = Phrase("a definition names the other term")
WORDS = Phrase("words of the definitions")
SECOND = Phrase("a second name")
LANGUAGES = Phrase("two languages")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{2,}")
_COMMON = frozenset(
    (
        *(
            "the",
            "and",
            "for",
            "with",
            "that",
            "this",
            "which",
            "from",
            "into",
            "onto",
            "are",
            "was",
            "been",
            "being",
            "has",
        ),
        *(
            "have",
            "its",
            "their",
            "you",
            "your",
            "not",
            "but",
            "can",
            "may",
            "will",
            "when",
            "where",
            "who",
            "whose",
            "what",
        ),
        *(
            "used",
            "using",
            "use",
            "one",
            "two",
            "other",
            "another",
            "any",
            "some",
            "all",
            "each",
            "such",
            "than",
            "very",
        ),
        *(
            "something",
            "thing",
            "things",
            "someone",
            "person",
            "people",
            "act",
            "type",
            "kind",
            "part",
            "often",
            "usually",
        ),
        *(
            "between",
            "through",
            "over",
            "under",
            "about",
            "made",
            "make",
            "makes",
            "having",
            "being",
            "does",
            "lets",
            "also",
        ),
        *("of", "in", "on", "to", "by", "at", "as", "or", "an", "is", "it", "be", "a"),
    )
)


class Evidence:
    """Compares records; how often a word stands in the definitions is counted when it is first asked for."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def of(self, left: int, right: int, name: int, *, generic: bool = False) -> str:
        """Why two records that share the name with this hash are one concept; empty where nothing says so.

        What they share may be a `generic` definition, whose words say nothing.
        """
        a, b = self._records[left], self._records[right]
        if a.entry.lang.partition("-")[0] != b.entry.lang.partition("-")[0]:
            return "" if _stand_for_others(a, b, name) else LANGUAGES
        if text_key(a.entry.definition) == text_key(b.entry.definition) and a.entry.term == b.entry.term:
            return SAME_DEFINITION
        if any(key != name for key in _names(a) & _names(b)):
            return SECOND
        if a.stated_pair or b.stated_pair or generic:
            return ""
        if _says(a, b, name) or _says(b, a, name):
            return SAID
        return WORDS if self._shared(a, b) >= SHARED else ""

    def _shared(self, a: Record, b: Record) -> float:
        own = {word for r in (a, b) for name in (r.entry.term, *r.entry.names) for word in _words(name)}
        here, there = (set(_words(r.entry.definition)) - own for r in (a, b))
        if not here or not there:
            return 0.0
        return self._weight(here & there) / min(self._weight(here), self._weight(there))

    def _weight(self, words: set[int]) -> float:
        counts = self._frequency
        return sum(math.log(1 + len(self._records) / (1 + int(counts[word]))) for word in words)

    @cached_property
    def _frequency(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        counts = np.zeros(BINS, dtype=np.int32)
        for record in self._records:
            for word in set(_words(record.entry.definition)):
                counts[word] += 1
        return counts


def _names(record: Record) -> set[int]:
    """The hashes of a record's names."""
    names = (
        record.entry.term,
        *record.entry.names,
        *([record.entry.definition] if record.stated_pair else ()),
    )
    return {hash64(key) for name in names for key in variants(name)}


def _says(a: Record, b: Record, name: int) -> bool:
    """Whether the definition of `a` has the term of `b`, which is not the name that both share."""
    term = b.entry.term
    if len(term) < 3 or name in (hash64(key) for key in variants(term)):
        return False
    return bool(re.search(rf"(?<!\w){re.escape(term.casefold())}", a.entry.definition.casefold()))


def _words(text: str) -> Iterator[int]:
    """The content words of a text as numbers, without their endings; pairs of characters where words have particles."""
    folded = text.casefold()
    for run in _WIDE.findall(folded) if not text.isascii() else ():
        yield from (hash64(run[at : at + 2]) % BINS for at in range(len(run) - 1))
    for word in _WORD.findall(folded):
        if len(word) > 2 and word not in _COMMON and not _WIDE.search(word):
            yield hash64(singular(word)[:STEM]) % BINS


def _stand_for_others(a: Record, b: Record, name: int) -> bool:
    """Whether the abbreviation that two records share stands for one thing in one and for another in the other.

    PT is the prothrombin time in one record and physical therapy in the other: both say so in English.
    """
    if not all(is_acronym(r.entry.term) and hash64(text_key(r.entry.term)) == name for r in (a, b)):
        return False
    said = [_full_forms(record) for record in (a, b)]
    return any(said[0][lang].isdisjoint(said[1][lang]) for lang in said[0].keys() & said[1].keys())


def _full_forms(record: Record) -> dict[str, set[str]]:
    """The other names that are no abbreviations, as keys, by their language."""
    forms: dict[str, set[str]] = {}
    for name in record.entry.names:
        if not is_acronym(name):
            forms.setdefault(language_of(name), set()).update(variants(name))
    return forms
