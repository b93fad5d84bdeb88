"""Which records are the full forms of other records' acronyms, where the initials fit and a definition confirms it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from embedkit.data.entries import Record
from embedkit.text import fold, is_acronym

LEAST_LETTERS = 3
_WORD = re.compile(r"\w+")
_LETTERS = re.compile(r"[^\W\d_]+")
_ARTICLES = frozenset(("a", "an", "the"))
_SMALL_WORDS = _ARTICLES | {"of", "for", "in", "on", "and", "to", "with"}


def acronyms_of(records: Sequence[Record]) -> dict[int, list[str]]:
    """For each record that is the full form of acronyms that are records too, those acronyms.

    Initials alone prove nothing (NPV, "net present value", "no pulse voltage"): the acronym's definition has to say the
    full form, or the full form's definition the acronym.
    """
    short: defaultdict[str, list[int]] = defaultdict(list)
    for number, record in enumerate(records):
        term = record.entry.term
        if not record.stated_pair and is_acronym(term) and len(letters := _letters(term)) >= LEAST_LETTERS:
            short[letters].append(number)
    found: dict[int, list[str]] = {}
    for number, record in enumerate(records) if short else ():
        if not record.stated_pair and not is_acronym(record.entry.term):
            numbers = {n for letters in initials(record.entry.term) for n in short.get(letters, ())}
            found[number] = [records[n].entry.term for n in sorted(numbers) if _borne_out(records[n], record)]
    return {number: acronyms for number, acronyms in found.items() if acronyms}


def initials(name: str) -> set[str]:
    """The first letters of a name's words: of all, without articles, and without small words."""
    words = _LETTERS.findall(name.casefold())
    if len(words) < LEAST_LETTERS:
        return set()
    without: tuple[frozenset[str], ...] = (frozenset(), _ARTICLES, _SMALL_WORDS)
    return {"".join(word[0] for word in words if word not in left_out) for left_out in without}


def _letters(acronym: str) -> str:
    return "".join(c for c in acronym.casefold() if c.isalpha())


def _borne_out(short: Record, full: Record) -> bool:
    said = fold(full.entry.term) in fold(short.entry.definition)
    return said or short.entry.term in _WORD.findall(full.entry.definition)
