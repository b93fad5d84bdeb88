"""Which records speak of one concept: union-find over folded names, aliases, redirects, definitions.

A name that several concepts claim (an ambiguous abbreviation, an everyday word, a word whose meanings nothing links)
joins none of them and belongs to all: a text with that name is a negative of none of them. Linear in the number of
names, of which 64-bit hashes are kept: some 100 bytes a record at the peak.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import overload

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.concepts.claims import (
    ABBREVIATION,
    ALIAS,
    EVERYDAY,
    GENERIC,
    NAME,
    OPEN,
    SHORT,
    Claims,
    Hashes,
    Numbers,
    is_generic,
    short_key,
    text_hash,
)
from embedkit.compose.concepts.evidence import SAME_DEFINITION, Evidence
from embedkit.data.entries import Record
from embedkit.disjoint_sets import DisjointSets
from embedkit.messages import Phrase
from embedkit.text import fold

MAX_CLAIMS = 8  # one word that more concepts than this claim is an everyday word
LARGE_SHARE = 0.01
LARGE_LEAST = 12
MOST_JOINS = 500  # of those told one by one
SAME_NAME, OTHER_NAME = Phrase("the name"), Phrase("another name")
SHORT_FORM, KEY = Phrase("an abbreviation"), Phrase("the key of its concept")


@dataclass(frozen=True, slots=True)
class Join:
    """Two records that became one concept, and what said so."""

    left: int
    right: int
    evidence: str


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

    `evidence` counts by what said so how often two concepts became one; `joins` are the first of those in doubt.
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
    joins: tuple[Join, ...] = ()
    evidence: Counter[str] = field(default_factory=Counter)

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


def build(records: Sequence[Record], *, joined: Iterable[tuple[int, int]] = ()) -> Concepts:
    """The concepts of `records`, in their order. `joined` are pairs that a person declared to be one concept."""
    claims = Claims(records)
    joiner = _Joiner(records, claims)
    joiner.join_groups()
    several = claims.counts > 1
    weak = several & ((claims.doubts & 3 > NAME) | (claims.counts > MAX_CLAIMS))
    ambiguous = sum(not joiner.join_names(key) for key in np.flatnonzero(several & ~weak).tolist())
    for pair in joined:
        joiner.forest.union(pair)
    doubtful = np.flatnonzero(weak)
    in_order = doubtful[np.argsort(claims.first[doubtful], kind="stable")]
    ambiguous += sum(not joiner.join_weak(key) for key in in_order.tolist())
    return _numbered(records, joiner, claims, ambiguous)


class _Joiner:
    """Joins the records that claim a key, and keeps the books of why."""

    def __init__(self, records: Sequence[Record], claims: Claims) -> None:
        self.forest = DisjointSets(len(records))
        self.evidence: Counter[str] = Counter()
        self.joins: list[Join] = []
        self._records, self._claims = records, claims
        self._evidence = Evidence(records)
        self._group = array("i", [-1]) * len(records)

    def join_groups(self) -> None:
        """Join the records of a file that have the same key of a concept."""
        first: dict[tuple[str, str], int] = {}
        for number, record in enumerate(self._records):
            if record.group:
                lead = first.setdefault((record.file, record.group), number)
                self._group[number] = lead
                self._union(lead, number, KEY)

    def join_names(self, key: int) -> bool:
        """Join by a key that all claim as a name or a definition. The answer is whether nothing stays apart."""
        owners, codes, spelt = self._claims.of_key(key)
        by = SAME_DEFINITION if not codes[0] & SHORT else SAME_NAME
        return self._join(key, list(zip(owners, codes, spelt, strict=True)), by)

    def join_weak(self, key: int) -> bool:
        """Join by a key in doubt (an abbreviation, an alias, a word that many claim) unless it is ambiguous.

        The answer is whether nothing stays apart.
        """
        owners, codes, spelt = self._claims.of_key(key)
        roots = {self.forest.find(owner) for owner in owners}
        if len(roots) == 1:
            return True
        kinds = [code & 3 for code in codes]
        short = {self.forest.find(o) for o, kind in zip(owners, kinds, strict=True) if kind == ABBREVIATION}
        everyday = codes[0] & SHORT and (len(roots) > MAX_CLAIMS or any(code & EVERYDAY for code in codes))
        generic = len(roots) > MAX_CLAIMS and any(code & GENERIC for code in codes)
        if len(short) > 1 or everyday or generic:
            return False
        by = SHORT_FORM if ABBREVIATION in kinds else OTHER_NAME if ALIAS in kinds else SAME_DEFINITION
        return self._join(key, list(zip(owners, codes, spelt, strict=True)), by)

    def _join(self, key: int, found: Sequence[tuple[int, int, int]], by: str) -> bool:
        """Join those who claim a key where they spell it alike and nothing makes it doubtful."""
        if not self._claims.spelt_alike[key]:
            spellings = defaultdict(list)
            for item in found:
                spellings[item[2]].append(item)
            parts = list(spellings.values())
        else:
            parts = [list(found)]
        for part in parts:
            keyed = {self._group[owner] for owner, _, _ in part} - {-1}
            if len(keyed) > 1:  # homonyms: the keys of their concepts differ
                continue
            if not any(code & (OPEN | GENERIC) for _, code, _ in part):
                for owner, _, _ in part[1:]:
                    self._union(part[0][0], owner, by)
                continue
            for here, there in combinations(part, 2):
                self._join_two(key, here[:2], there[:2], by)
        return len({self.forest.find(owner) for owner, _, _ in found}) == 1

    def _join_two(self, key: int, left: tuple[int, int], right: tuple[int, int], by: str) -> None:
        here, there = left[0], right[0]
        if self.forest.find(here) == self.forest.find(there):
            return
        doubted = [bool(code & (OPEN | GENERIC)) for _, code in (left, right)]
        if not all(doubted):
            vague = next((other for other, code in (left, right) if code & GENERIC), None)
            target = there if vague == here else here
            if vague is None or not is_generic(self._records[target].entry.definition):
                self._union(here, there, by)
            return
        generic = all(code & GENERIC for _, code in (left, right))
        said = self._evidence.of(here, there, int(self._claims.keys[key]), generic=generic)
        if said:
            self._union(here, there, by)
            if len(self.joins) < MOST_JOINS:
                self.joins.append(Join(here, there, said))

    def _union(self, left: int, right: int, by: str) -> None:
        if self.forest.find(left) != self.forest.find(right):
            self.evidence[by] += 1
            self.forest.union((left, right))


def _numbered(records: Sequence[Record], joiner: _Joiner, claims: Claims, ambiguous: int) -> Concepts:
    roots = np.array([joiner.forest.find(number) for number in range(len(records))], dtype=np.int64)
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
        joins=tuple(joiner.joins),
        evidence=joiner.evidence,
    )


def _ids(records: Sequence[Record], of_record: array[int], count: int) -> Ids:
    """A hash of the first name and definition in alphabetical order: no matter the records' order or the extras."""
    left = np.bincount(np.frombuffer(of_record, dtype=np.int32), minlength=count) if count else np.empty(0)
    waiting: dict[int, str] = {}
    ids = np.zeros(count, dtype=np.uint64)
    for number, record in zip(of_record, records, strict=True):
        name = f"{short_key(fold(record.entry.term))}\x1f{short_key(fold(record.entry.definition))}"
        name = min(waiting.pop(number, name), name)
        left[number] -= 1
        if left[number]:
            waiting[number] = name
        else:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
            ids[number] = int.from_bytes(digest[:6], "big")
    return Ids(ids)
