"""Which records speak of one concept: union-find over folded names, aliases, redirects, definitions.

A name that several concepts claim (an ambiguous abbreviation, an everyday word) joins none of them and
belongs to all: a text with that name is a negative of none of them. Linear in the number of names, of
which 64-bit hashes are kept: some 100 bytes a record at the peak.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.concepts.acronyms import acronyms_of
from embedkit.compose.concepts.han import one_form
from embedkit.data.entries import Record
from embedkit.disjoint_sets import DisjointSets
from embedkit.ranking.near_duplicates import singular
from embedkit.text import fold, hash64, is_acronym

MAX_CLAIMS = 8  # one word that more concepts than this claim is an everyday word
EVERYDAY_SHARE = 0.02  # so is an alias that stands in more of the definitions than this
EVERYDAY_LEAST = 20
KEY_CHARS = 48
SHORT_CHARS = 20  # a key longer than this is no everyday word
LARGE_SHARE = 0.01
LARGE_LEAST = 12
_BRACKETED = re.compile(r"^(.+?)\s*[(（\[]([^()（）\[\]]+)[)）\]]$")
_HAN = re.compile(r"^[\u4e00-\u9fff\s·]+$")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_WORD = re.compile(r"\w+")
# What a record calls a key: a name (or its definition), one more name, an abbreviation. The strongest doubt counts.
NAME, ALIAS, ABBREVIATION = 0, 1, 2
_SHORT, _EVERYDAY = 4, 8
Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class Ids(Sequence[str]):
    """The concepts' ids, twelve hex digits each, kept as numbers."""

    def __init__(self, numbers: Hashes) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> list[str]: ...
    def __getitem__(self, number: int | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [f"{n:012x}" for n in self._numbers[number].tolist()]
        return f"{int(self._numbers[number]):012x}"


@dataclass(frozen=True, slots=True)
class Concepts:
    """`of_record[i]` numbers record i's concept; `of_text` gives all the concepts that claim a text.

    `keys` are the sorted hashes of all names; those that key i names are `members[starts[i] : starts[i + 1]]`.
    """

    of_record: array[int]
    ids: Ids
    keys: Hashes
    starts: Numbers
    members: NDArray[np.int32]
    ambiguous: int
    largest: int
    largest_name: str

    def of_text(self, text: str) -> tuple[int, ...]:
        """Every concept that `text` belongs to."""
        return self.of_hash(text_hash(text))

    def of_hash(self, key: int) -> tuple[int, ...]:
        """Every concept that claims the text whose `text_hash` is `key`."""
        place = int(self.keys.searchsorted(np.uint64(key)))
        if place == len(self.keys) or int(self.keys[place]) != key:
            return ()
        return tuple(self.members[self.starts[place] : self.starts[place + 1]].tolist())

    def shared(self) -> Iterator[list[int]]:
        """Yield the concepts of each name that more than one claims."""
        for place in np.flatnonzero(np.diff(self.starts) > 1).tolist():
            yield self.members[self.starts[place] : self.starts[place + 1]].tolist()

    @property
    def texts(self) -> int:
        """How many different names and definitions there are."""
        return len(self.keys)

    @property
    def over_merged(self) -> bool:
        """Whether the largest concept holds so many texts that a wrong merge is likely."""
        return self.largest >= LARGE_LEAST and self.largest > LARGE_SHARE * self.texts


def text_key(text: str) -> str:
    """The folded text with its Chinese characters in one form, under which two texts are one."""
    return _short(one_form(fold(text)))


def _short(folded: str) -> str:
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


def variants(name: str) -> tuple[str, ...]:
    """Keys of a name: itself, singular, and without an acronym in brackets, as in `펄스 폭 변조(PWM)`."""
    keys = [text_key(name)]
    base, inner = _bracketed(name)
    if is_acronym(inner):
        keys.append(text_key(base))
    keys.append(singular(keys[-1], shortest=5) if keys[-1].isascii() else keys[-1])
    return tuple(dict.fromkeys(keys))


def _bracketed(name: str) -> tuple[str, str]:
    match = _BRACKETED.match(name)
    return (match[1], match[2]) if match else (name, "")


def _named_in_brackets(name: str) -> Iterator[tuple[str, int]]:
    """What brackets say beside the name.

    The acronym of `변조(PWM)` and the Hangul of `전기(電氣)` join unless another concept has them too: `전기(前期)`.
    """
    base, inner = _bracketed(name)
    if is_acronym(inner):
        yield text_key(inner), ABBREVIATION
    elif (_HAN.match(inner) and _HANGUL.search(base)) or (is_acronym(base) and initials_match(base, inner)):
        yield text_key(base), ABBREVIATION
        yield text_key(inner), NAME


def initials_match(short: str, long: str) -> bool:
    """Whether `short` could abbreviate `long` by first letters: PWM and pulse-width modulation."""
    letters = "".join(c for c in short.casefold() if c.isalpha())
    words = re.findall(r"[^\W\d_]+", long.casefold())
    return len(words) > 1 and "".join(word[0] for word in words).startswith(letters[:3])


def build(records: Sequence[Record], *, joined: Iterable[tuple[int, int]] = ()) -> Concepts:
    """The concepts of `records`, in their order. `joined` are pairs that a person declared to be one concept."""
    claims = _Claims(records, _everyday_aliases(records))
    forest = DisjointSets(len(records))
    several = claims.counts > 1
    weak = several & ((claims.doubts & 3 > NAME) | (claims.counts > MAX_CLAIMS))
    for key in np.flatnonzero(several & ~weak).tolist():
        forest.union(claims.of_key(key)[0])
    for pair in joined:
        forest.union(pair)
    doubtful = np.flatnonzero(weak)
    in_order = doubtful[np.argsort(claims.first[doubtful], kind="stable")]
    ambiguous = sum(not _join_weak(forest, claims, key) for key in in_order.tolist())
    return _numbered(records, forest, claims, ambiguous)


class _Claims:
    """Who claims which key: `key`s sorted, each with the records that claim it and what they call it."""

    def __init__(self, records: Sequence[Record], everyday: set[str]) -> None:
        keys, owners, codes = array("Q"), array("i"), array("b")
        acronyms = acronyms_of(records)
        for number, record in enumerate(records):
            explained = ((text_key(acronym), ABBREVIATION) for acronym in acronyms.get(number, ()))
            for key, claim in (*_claims(record), *explained):
                short = _SHORT if not key.startswith("#") and len(key) <= SHORT_CHARS else 0
                keys.append(hash64(key))
                owners.append(number)
                codes.append(claim | short | (_EVERYDAY if key in everyday else 0))
        hashes, owner = np.array(keys, dtype=np.uint64), np.array(owners, dtype=np.int32)
        code = np.array(codes, dtype=np.int8)
        del keys, owners, codes
        order = np.lexsort((owner, hashes))
        hashes, owner, code = hashes[order], owner[order], code[order]
        new_key = _changes(hashes)
        once = np.flatnonzero(
            new_key | _changes(owner)
        )  # a record's second claim of one key adds only its doubt
        place = np.flatnonzero(new_key)
        self.keys = hashes[place]
        self.first = np.minimum.reduceat(order, place) if len(place) else place
        self.doubts = np.maximum.reduceat(code, place) if len(place) else code
        self._owner, self._code = owner[once], np.maximum.reduceat(code, once) if len(once) else code
        self.starts = np.append(np.searchsorted(once, place), len(once)).astype(np.int64)
        self.counts = np.diff(self.starts)

    def of_key(self, key: int) -> tuple[list[int], list[int]]:
        """The records that claim a key, and how."""
        span = slice(self.starts[key], self.starts[key + 1])
        return self._owner[span].tolist(), self._code[span].tolist()

    def concepts(self, of_record: array[int]) -> tuple[Numbers, NDArray[np.int32]]:
        """For each key the concepts of those who claim it, each once: starts and members."""
        concept = np.frombuffer(of_record, dtype=np.int32)[self._owner] if len(of_record) else self._owner
        key = np.repeat(np.arange(len(self.keys), dtype=np.int32), self.counts)
        order = np.lexsort((concept, key))
        key, concept = key[order], concept[order]
        once = _changes(key) | _changes(concept)
        sizes = np.bincount(key[once], minlength=len(self.keys))
        return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), concept[once]


def _changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a value differs from the one before it; the first does."""
    changed = np.ones(len(values), dtype=np.bool_)
    changed[1:] = values[1:] != values[:-1]
    return changed


def _claims(record: Record) -> Iterator[tuple[str, int]]:
    entry = record.entry
    if record.stated_pair:
        yield from _stated_claims(entry.term, entry.definition)
        yield from _stated_claims(entry.definition, entry.term)
    else:
        yield from ((key, NAME) for key in variants(entry.term))
        yield from _named_in_brackets(entry.term)
        yield text_key(entry.definition), NAME
    for alias in entry.aliases:
        claim = ABBREVIATION if alias.kind == "abbreviation" else ALIAS
        yield from ((key, claim) for key in variants(alias.text))


def _stated_claims(text: str, partner: str) -> Iterator[tuple[str, int]]:
    claim = ABBREVIATION if is_acronym(text) and initials_match(text, partner) else NAME
    if len(text) > KEY_CHARS:
        yield text_key(text), claim
        return
    yield from ((key, claim) for key in variants(text))
    yield from _named_in_brackets(text)


def _join_weak(forest: DisjointSets, claims: _Claims, key: int) -> bool:
    """Join by a key in doubt (an abbreviation, an alias, a word that many claim) unless it is ambiguous.

    The answer is whether nothing stays apart.
    """
    owners, codes = claims.of_key(key)
    roots = {forest.find(owner) for owner in owners}
    if len(roots) == 1:
        return True
    short = {forest.find(o) for o, code in zip(owners, codes, strict=True) if code & 3 == ABBREVIATION}
    everyday = codes[0] & _SHORT and (len(roots) > MAX_CLAIMS or codes[0] & _EVERYDAY)
    if len(short) > 1 or everyday:
        return False
    forest.union(owners)
    return True


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


def _numbered(records: Sequence[Record], forest: DisjointSets, claims: _Claims, ambiguous: int) -> Concepts:
    roots = np.array([forest.find(number) for number in range(len(records))], dtype=np.int64)
    first = roots == np.arange(len(records))
    of_record = array("i", (np.cumsum(first) - 1)[roots].tolist())
    starts, members = claims.concepts(of_record)
    sizes = np.bincount(members, minlength=1)
    top = int(sizes.argmax())
    return Concepts(
        of_record=of_record,
        ids=_ids(records, of_record, int(first.sum())),
        keys=claims.keys,
        starts=starts,
        members=members,
        ambiguous=ambiguous,
        largest=int(sizes[top]),
        largest_name=records[of_record.index(top)].entry.term if len(records) else "",
    )


def _ids(records: Sequence[Record], of_record: array[int], count: int) -> Ids:
    """A hash of the first name and definition in alphabetical order: no matter the records' order or the extras."""
    left = np.bincount(np.frombuffer(of_record, dtype=np.int32), minlength=count) if count else np.empty(0)
    waiting: dict[int, str] = {}
    ids = np.zeros(count, dtype=np.uint64)
    for number, record in zip(of_record, records, strict=True):
        name = f"{_short(fold(record.entry.term))}\x1f{_short(fold(record.entry.definition))}"
        name = min(waiting.pop(number, name), name)
        left[number] -= 1
        if left[number]:
            waiting[number] = name
        else:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
            ids[number] = int.from_bytes(digest[:6], "big")
    return Ids(ids)
