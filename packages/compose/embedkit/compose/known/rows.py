"""Known rows: questions for the concepts of the training rows, in wordings that no training row has.

Sources, the best first: a person's own questions; names kept out of training; question forms that make no training
row, with and without a slip of the fingers; clauses of a definition without its names. A row whose anchor stands in a
training row (as it is, folded, or nearly) is dropped and counted.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from embedkit.compose.known.forms import forms_of
from embedkit.compose.known.typos import with_typo
from embedkit.data.entries import Entry
from embedkit.ranking.near_duplicates import near_pairs
from embedkit.text import fold, hash64

Kind = Literal["question", "keyword", "typo", "name", "description", "named", "other_name", "described"]
KnownPart = Literal["known", "known.dev"]
PER_SLICE = 300  # rows of one language and kind: 1 / sqrt(300) is an interval of six points in a hundred
LEAST_NAMES = 3
HELD_OUT_SHARE = 0.1
_CLAUSE_CHARS = {"ko": 12, "ja": 12, "zh": 10}
_DEFAULT_CLAUSE_CHARS = 30
_CLAUSES = re.compile(r"[.;:!?。]\s+|[,、，]\s+|\s[–—-]\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRow:
    """A question and the number of the record whose definition answers it."""

    anchor: str
    kind: Kind
    record: int
    lang: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRows:
    """The rows of both files; `dropped` counts by reason those that training has seen or nearly seen."""

    parts: Mapping[KnownPart, tuple[KnownRow, ...]]
    dropped: Mapping[str, int]


def made_rows(entries: Iterable[tuple[int, Entry]], *, seed: int) -> Iterator[KnownRow]:
    """A question, a keyword search, a slip and a clause for each entry (record number, entry)."""
    for record, entry in entries:
        random = Random(hash64(f"{seed}\x1f{entry.lang}\x1f{entry.term}"))
        forms = forms_of(entry.lang)
        if forms is not None:
            question = random.choice(forms.question).render({"term": entry.term})
            keyword = random.choice(forms.keyword).render({"term": entry.term.lower()})
            slip = random.choice((*forms.question, *forms.keyword)).render(
                {"term": with_typo(entry.term, random)}
            )
            made: tuple[tuple[Kind, str], ...] = (
                ("question", question),
                ("keyword", keyword),
                ("typo", slip),
            )
            for kind, anchor in made:
                yield KnownRow(anchor=anchor, kind=kind, record=record, lang=entry.lang)
        clause = _clause(entry, random)
        if clause:
            yield KnownRow(anchor=clause, kind="description", record=record, lang=entry.lang)


def held_out_names(entries: Iterable[tuple[int, Entry]], *, seed: int) -> dict[int, str]:
    """One other name of some records with three names and more, by record: training does without it.

    At most every tenth record loses one, and never its term, a translation or an abbreviation that is all it has.
    """
    found: dict[int, str] = {}
    records = list(entries)
    most = int(len(records) * HELD_OUT_SHARE)
    order = sorted(records, key=lambda item: hash64(f"{seed}\x1fname\x1f{item[1].lang}\x1f{item[1].term}"))
    for record, entry in order:
        names = [alias.text for alias in entry.aliases if alias.kind in ("synonym", "abbreviation")]
        if len(found) < most and 1 + len(names) >= LEAST_NAMES:
            found[record] = names[hash64(f"{seed}\x1f{entry.term}") % len(names)]
    return found


def divide_known(rows: Iterable[KnownRow], training: Sequence[str], *, seed: int) -> KnownRows:
    """The rows in two halves, without those that training has seen. `training` are the texts of its rows."""
    dropped: Counter[str] = Counter()
    fresh = list(_unseen(_distinct(rows, dropped), training, dropped))
    slices: defaultdict[tuple[str, str], list[KnownRow]] = defaultdict(list)
    for row in fresh:
        slices[row.lang, row.kind].append(row)
    parts: dict[KnownPart, list[KnownRow]] = {"known": [], "known.dev": []}
    for slice_rows in slices.values():
        drawn = sorted(slice_rows, key=lambda row: hash64(f"{seed}\x1f{row.anchor}"))
        dropped["more than a slice needs"] += max(0, len(drawn) - 2 * PER_SLICE)
        for place, row in enumerate(drawn[: 2 * PER_SLICE]):
            parts["known.dev" if place % 2 else "known"].append(row)
    ordered = {
        part: tuple(sorted(kept, key=lambda row: (row.record, row.kind))) for part, kept in parts.items()
    }
    return KnownRows(parts=ordered, dropped={reason: count for reason, count in dropped.items() if count})


def _distinct(rows: Iterable[KnownRow], dropped: Counter[str]) -> list[KnownRow]:
    """Each anchor once: what two concepts would answer tells nothing."""
    by_anchor: defaultdict[str, list[KnownRow]] = defaultdict(list)
    for row in rows:
        by_anchor[fold(row.anchor)].append(row)
    several = sum(len(group) for group in by_anchor.values() if len(group) > 1)
    dropped["the same question twice"] += several
    return [group[0] for group in by_anchor.values() if len(group) == 1]


def _unseen(rows: Sequence[KnownRow], training: Sequence[str], dropped: Counter[str]) -> Iterator[KnownRow]:
    exact, folded = set(training), set(map(fold, training))
    texts = [*training, *(row.anchor for row in rows)]
    near = {right - len(training) for left, right in near_pairs(texts) if left < len(training) <= right}
    for number, row in enumerate(rows):
        if row.anchor in exact or fold(row.anchor) in folded:
            dropped["stands in a training row"] += 1
        elif number in near:
            dropped["nearly stands in a training row"] += 1
        else:
            yield row


def _clause(entry: Entry, random: Random) -> str:
    """A part of the definition that says something and names nothing; empty where there is none."""
    least = _CLAUSE_CHARS.get(entry.lang.partition("-")[0], _DEFAULT_CLAUSE_CHARS)
    names = sorted((entry.term, *(alias.text for alias in entry.aliases)), key=len, reverse=True)
    named = re.compile("|".join(rf"(?<!\w){re.escape(name)}" for name in names), re.IGNORECASE)
    clauses = [part.strip(" .") for part in _CLAUSES.split(entry.definition)]
    fitting = [
        part for part in clauses if len(part) >= least and not named.search(part) and part != entry.definition
    ]
    return random.choice(fitting) if fitting else ""
