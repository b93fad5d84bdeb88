"""Rows that are well-formed and look wrong, such as `fuse` defined as `fuse`: reported, counted, never changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.compose.check.length import TooLong, over_chars
from embedkit.compose.check.stubs import see_target
from embedkit.compose.concepts.claims import Hashes, Numbers, exact_key, text_hash, text_key
from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.rows.drafts import looks_like_definition
from embedkit.console import track
from embedkit.data.entries import Record
from embedkit.messages import Phrase
from embedkit.text import fold, hash64

CIRCULAR_WORDS = 2
SHOWN_NAMES = 5
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding at a line. `code` is what it is counted under; an error is a row that cannot be used."""

    file: str
    line: int
    code: str
    message: str
    error: bool = False


def lint(
    records: Sequence[Record], *, too_long: TooLong = over_chars, watch: bool = False
) -> Iterator[Problem]:
    """Yield the doubts about each record, in the order of the records; `watch` reports the progress."""
    seen = _Seen(records)
    watched = track(records, label="check", total=len(records)) if watch else records
    for number, record in enumerate(watched):
        yield from _own_findings(record, too_long)
        yield from _beside_others(record, number, seen)


def over_merged(records: Sequence[Record], concepts: Concepts) -> Iterator[Problem]:
    """Yield the largest concept, at its first record, when it is so large that one name may join too much."""
    if concepts.over_merged:
        top = int(np.bincount(concepts.members).argmax())
        numbers = [number for number, own in enumerate(concepts.of_record) if own == top]
        names = list(dict.fromkeys(_short(records[number].entry.term) for number in numbers[:100]))
        listed = ", ".join(names[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")
        message = Phrase(
            "{count} texts of {rows} rows form one concept: {names}",
            count=concepts.largest,
            rows=len(numbers),
            names=listed,
        )
        yield _problem(records[numbers[0]], "over-merged concept", message)


class _Seen:
    """The records compared by hashes of their texts; 60 bytes a record.

    `same_definition[i]` is the first record with record i's definition, `same_term[i]` the first with its term in its
    language and source, `mutual[i]` the first that explains record i's definition by its term; i where there is none.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        size = len(records)
        term, definition, sense = (np.empty(size, dtype=np.uint64) for _ in range(3))
        defines, stated = np.empty(size, dtype=np.bool_), np.empty(size, dtype=np.bool_)
        for number, record in enumerate(records):
            entry = record.entry
            name = text_key(entry.term)
            term[number], definition[number] = hash64(name), text_hash(entry.definition)
            sense[number] = hash64(f"{exact_key(entry.term)}\x1f{entry.lang}\x1f{entry.source}")
            stated[number] = record.stated_pair
            defines[number] = not record.stated_pair or looks_like_definition(entry.definition)
        own = np.arange(size)
        first = _first(definition, own[defines])
        self.same_definition = np.where(term[first] != term, first, own)
        first = _first(sense, own[~stated])
        self.same_term = np.where(definition[first] != definition, first, own)
        self.mutual = _mutual(term, definition, own[~stated])


def _first(hashes: Hashes, numbers: Numbers) -> Numbers:
    """For each of `numbers` the first of them with the same hash; the others are their own first."""
    first = np.arange(len(hashes))
    _, earliest, group = np.unique(hashes[numbers], return_index=True, return_inverse=True)
    first[numbers] = numbers[earliest][group]
    return first


def _mutual(term: Hashes, definition: Hashes, numbers: Numbers) -> Numbers:
    """For each of `numbers` an earlier one whose term is its definition and whose definition is its term."""
    back = np.arange(len(term))
    there = _mixed(term[numbers], definition[numbers])
    keys, earliest = np.unique(there, return_index=True)
    if len(keys):
        here = _mixed(definition[numbers], term[numbers])
        place = np.minimum(np.searchsorted(keys, here), len(keys) - 1)
        found = (keys[place] == here) & (numbers[earliest[place]] < numbers)
        back[numbers[found]] = numbers[earliest[place]][found]
    return back


def _mixed(left: Hashes, right: Hashes) -> Hashes:
    """One hash of two, in which their order counts."""
    mixed: Hashes = left * np.uint64(0x9E3779B97F4A7C15) ^ right
    return mixed


def _own_findings(record: Record, too_long: TooLong) -> Iterator[Problem]:
    term, definition = record.entry.term, record.entry.definition
    for done in record.cleaned:
        yield _problem(record, done, Phrase("read as {text}", text=_short(f"{term} = {definition}")))
    if term == definition:
        yield _problem(record, "self pair", Phrase("both sides are {text}", text=_short(term)))
    elif fold(term) == fold(definition):
        both = Phrase("{left} and {right}", left=_short(term), right=_short(definition))
        yield _problem(record, "equal but for case or brackets", both)
    elif not record.stated_pair and _is_circular(term, definition):
        itself = Phrase("{name} is explained by itself: {text}", name=_short(term), text=_short(definition))
        yield _problem(record, "circular definition", itself)
    if see_target(definition):
        pointer = Phrase("{name} is only a pointer: {text}", name=_short(term), text=_short(definition))
        yield _problem(record, "See stub", pointer)
    if message := too_long(term) or too_long(definition):
        yield _problem(record, "long text", message)


def _beside_others(record: Record, number: int, seen: _Seen) -> Iterator[Problem]:
    term = _short(record.entry.term)
    if (first := int(seen.same_definition[number])) != number:
        other = _named(seen.records[first], record)
        shared = Phrase("{name} has that of {other}", name=term, other=other)
        yield _problem(record, "one definition on many terms", shared)
    if (first := int(seen.same_term[number])) != number:
        other = _named(seen.records[first], record)
        yield _problem(record, "conflicting definitions", Phrase("another one of {other}", other=other))
    if (first := int(seen.mutual[number])) != number:
        other = _named(seen.records[first], record)
        mutual = Phrase("{name} and {other} explain each other", name=term, other=other)
        yield _problem(record, "circular definition", mutual)


def _problem(record: Record, code: str, message: str) -> Problem:
    return Problem(record.file, record.line, code, message)


def _named(other: Record, record: Record) -> str:
    name = _short(other.entry.term)
    if other.file == record.file:
        return Phrase("{name} (line {line})", name=name, line=other.line)
    return f"{name} ({other.file}:{other.line})"


def _short(text: str) -> str:
    return f"{text!r}" if len(text) <= 60 else f"{text[:57] + '…'!r}"


def _is_circular(term: str, definition: str) -> bool:
    words = _WORD.findall(definition.casefold())
    own = _WORD.findall(term.casefold())
    rest = [word for word in words if word not in own and word not in ("a", "an", "the", "is", "of")]
    return len(rest) < len(words) and len(rest) <= CIRCULAR_WORDS and set(own) <= set(words)
