"""Who claims which name: each record its term, its definition and its other names, as hashes with how sure that is.

Some 60 bytes a claim. What two records call alike is one key; `spelling` tells apart what a key folds: mW and MW.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.concepts.acronyms import acronyms_of
from embedkit.compose.concepts.han import one_form
from embedkit.compose.concepts.spelling import spelling
from embedkit.data.entries import Record
from embedkit.data.names import bracketed, initials_match
from embedkit.ranking.near_duplicates import singular
from embedkit.text import fold, hash64, is_acronym

EVERYDAY_SHARE = 0.02  # an alias that stands in more of the definitions than this is an everyday word
EVERYDAY_LEAST = 20
KEY_CHARS = 48
SHORT_CHARS = 20  # a key longer than this is no everyday word
SPECIFIC_CHARS, SPECIFIC_WORDS = 25, 4  # a shorter definition is generic: many things are "a kind of filter"
_HAN = re.compile(r"^[\u4e00-\u9fff\s·]+$")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
_WORD = re.compile(r"\w+")
# What a record calls a key: a name (or its definition), one more name, an abbreviation. The strongest doubt counts.
NAME, ALIAS, ABBREVIATION = 0, 1, 2
# A short key; a word of everyday language; a generic definition; a synonym of one word, which may have many meanings.
SHORT, EVERYDAY, GENERIC, OPEN = 4, 8, 16, 32
Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Claim = tuple[str, int, int]  # key, code, spelling


def text_key(text: str) -> str:
    """The folded text with its Chinese characters in one form, under which two texts are one."""
    return short_key(one_form(fold(text)))


def short_key(folded: str) -> str:
    """A hash stands for a long text, which keeps a million definitions in memory."""
    if len(folded) <= KEY_CHARS:
        return folded
    return "#" + hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


@lru_cache(
    maxsize=1 << 17
)  # a text is asked for when its pool, its row and those it is a negative of are made
def text_hash(text: str) -> int:
    """64 bits that stand for the folded text."""
    return hash64(text_key(text))


def exact_key(text: str) -> str:
    """The key of a text with what its case and signs mean: `Fuse` and `fuse` have one, mW and MW two."""
    key = text_key(text)
    return key if key.startswith("#") or len(key) > SHORT_CHARS else f"{key}\x1f{spelling(one_form(text))}"


def variants(name: str) -> tuple[str, ...]:
    """Keys of a name: itself, singular, and without an acronym in brackets, as in `펄스 폭 변조(PWM)`."""
    return tuple(dict.fromkeys(key for key, _ in _spelled(name)))


def _spelled(name: str) -> Iterator[tuple[str, str]]:
    """The keys of a name, each with the name that it is the key of."""
    yield text_key(name), name
    base, inner = bracketed(name)
    if is_acronym(inner):
        yield text_key(base), base
    else:
        base = name
    if (key := text_key(base)).isascii():
        yield singular(key, shortest=5), singular(base, shortest=5)


def _claim(key: str, name: str, code: int, *, doubt: bool = False) -> Claim:
    """A claim with how its name is spelt; a long text is spelt in one way, and only a single word is in doubt."""
    if key.startswith("#") or len(key) > SHORT_CHARS:
        return key, code, 0
    in_doubt = OPEN if doubt and " " not in name.strip() and not _HAN.match(name) else 0
    return key, code | SHORT | in_doubt, hash64(spelling(one_form(name))) & 0x7FFFFFFF


def _named_in_brackets(name: str) -> Iterator[Claim]:
    """What brackets say beside the name.

    The acronym of `변조(PWM)` and the Hangul of `전기(電氣)` join unless another concept has them too: `전기(前期)`.
    """
    base, inner = bracketed(name)
    if is_acronym(inner):
        yield _claim(text_key(inner), inner, ABBREVIATION)
    elif (_HAN.match(inner) and _HANGUL.search(base)) or (is_acronym(base) and initials_match(base, inner)):
        yield _claim(text_key(base), base, ABBREVIATION)
        yield _claim(text_key(inner), inner, NAME)


def is_generic(definition: str) -> bool:
    """Whether so short a definition says little: several terms may have it and be different things."""
    wide = len(_WIDE.findall(definition))
    return len(definition) + wide < SPECIFIC_CHARS or (not wide and len(definition.split()) < SPECIFIC_WORDS)


def claims_of(record: Record) -> Iterator[Claim]:
    """What a record calls its concept: keys with code and spelling."""
    entry = record.entry
    if record.stated_pair:
        yield from _stated_claims(entry.term, entry.definition)
        if entry.aliases:  # names of one thing, as a thesaurus lists them
            yield from (_claim(key, name, ALIAS, doubt=True) for key, name in _spelled(entry.definition))
        else:
            yield from _stated_claims(entry.definition, entry.term)
    else:
        yield from (_claim(key, name, NAME, doubt=True) for key, name in _spelled(entry.term))
        yield from _named_in_brackets(entry.term)
        key, code, spelt = _claim(text_key(entry.definition), entry.definition, NAME)
        yield key, code | (GENERIC if is_generic(entry.definition) else 0), spelt
    for alias in entry.aliases:
        claim = ABBREVIATION if alias.kind == "abbreviation" else ALIAS
        doubt = alias.kind == "synonym"
        yield from (_claim(key, name, claim, doubt=doubt) for key, name in _spelled(alias.text))


def _stated_claims(text: str, partner: str) -> Iterator[Claim]:
    code = ABBREVIATION if is_acronym(text) and initials_match(text, partner) else NAME
    if len(text) > KEY_CHARS:
        yield text_key(text), code, 0
        return
    yield from (_claim(key, name, code) for key, name in _spelled(text))
    yield from _named_in_brackets(text)


class Claims:
    """Who claims which key: `key`s sorted, each with the records that claim it and what they call it."""

    def __init__(self, records: Sequence[Record]) -> None:
        everyday = _everyday_aliases(records)
        keys, owners, codes, spelt = array("Q"), array("i"), array("b"), array("i")
        acronyms = acronyms_of(records)
        for number, record in enumerate(records):
            explained = (_claim(text_key(name), name, ABBREVIATION) for name in acronyms.get(number, ()))
            for key, how, form in (*claims_of(record), *explained):
                keys.append(hash64(key))
                owners.append(number)
                codes.append(how | (EVERYDAY if key in everyday else 0))
                spelt.append(form)
        hashes, owner = np.array(keys, dtype=np.uint64), np.array(owners, dtype=np.int32)
        code, form_of = np.array(codes, dtype=np.int8), np.array(spelt, dtype=np.int32)
        del keys, owners, codes, spelt
        order = np.lexsort((owner, hashes))
        hashes, owner = hashes[order], owner[order]
        code, form_of = code[order], form_of[order]
        new_key = changes(hashes)
        once = np.flatnonzero(
            new_key | changes(owner)
        )  # a record's second claim of one key adds only its doubt
        place = np.flatnonzero(new_key)
        self.keys = hashes[place]
        self.first = np.minimum.reduceat(order, place) if len(place) else place
        self.doubts = _strongest(code, place)
        self._owner, self._code, self._spelt = owner[once], _strongest(code, once), form_of[once]
        self.spelt_alike = _alike(form_of, place)
        self.starts = np.append(np.searchsorted(once, place), len(once)).astype(np.int64)
        self.counts = np.diff(self.starts)

    def of_key(self, key: int) -> tuple[list[int], list[int], list[int]]:
        """The records that claim a key, how, and how each spells it."""
        span = slice(self.starts[key], self.starts[key + 1])
        return self._owner[span].tolist(), self._code[span].tolist(), self._spelt[span].tolist()

    def concepts(self, of_record: array[int]) -> tuple[Numbers, NDArray[np.int32]]:
        """For each key the concepts of those who claim it, each once: starts and members."""
        concept = np.frombuffer(of_record, dtype=np.int32)[self._owner] if len(of_record) else self._owner
        key = np.repeat(np.arange(len(self.keys), dtype=np.int32), self.counts)
        order = np.lexsort((concept, key))
        key, concept = key[order], concept[order]
        once = changes(key) | changes(concept)
        sizes = np.bincount(key[once], minlength=len(self.keys))
        return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), concept[once]


def _strongest(codes: NDArray[np.int8], places: Numbers) -> NDArray[np.int8]:
    """Of the claims from each place on the strongest doubt, and every flag that one of them has."""
    if not len(places):
        return codes
    flags: NDArray[np.int8] = np.bitwise_or.reduceat(codes & ~np.int8(3), places)
    strongest: NDArray[np.int8] = np.maximum.reduceat(codes & np.int8(3), places) | flags
    return strongest


def _alike(forms: NDArray[np.int32], places: Numbers) -> NDArray[np.bool_]:
    """Whether all who claim a key spell it alike."""
    if not len(places):
        return np.empty(0, dtype=np.bool_)
    same: NDArray[np.bool_] = np.minimum.reduceat(forms, places) == np.maximum.reduceat(forms, places)
    return same


def changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a value differs from the one before it; the first does."""
    changed = np.ones(len(values), dtype=np.bool_)
    changed[1:] = values[1:] != values[:-1]
    return changed


def _everyday_aliases(records: Sequence[Record]) -> set[str]:
    """One-word aliases that stand in so many definitions that they name nothing in particular."""
    aliases = {fold(a.text) for r in records for a in r.entry.aliases if " " not in a.text}
    if not aliases:
        return set()
    seen: Counter[str] = Counter()
    for record in records:
        if not record.stated_pair:
            seen.update(aliases.intersection(_WORD.findall(record.entry.definition.casefold())))
    least = max(EVERYDAY_LEAST, EVERYDAY_SHARE * len(records))
    return {word for word, count in seen.items() if count > least}
