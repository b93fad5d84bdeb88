"""Known rows: questions for the concepts of the training rows, in wordings that no training row has.

Sources, the best first: a person's own questions; names kept out of training; question forms that make no training
row, with and without a slip of the fingers; clauses of a definition without its names. A row whose anchor stands in a
training row (as it is, folded, or nearly) is dropped and counted.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from embedkit.compose.known.clauses import clauses_of
from embedkit.compose.known.forms import Forms, asked_in, forms_of, seeded, typed
from embedkit.compose.known.typos import with_typo
from embedkit.data.entries import Entry
from embedkit.data.tally import Tally
from embedkit.messages import Phrase
from embedkit.ranking.near_duplicates import SENTENCE_CHARS, name_key, near_matches
from embedkit.text import fold, hash64

Kind = Literal["question", "keyword", "typo", "name", "description", "named", "other_name", "described"]
KnownPart = Literal["known", "known.dev"]
KNOWN_PARTS: tuple[KnownPart, ...] = ("known", "known.dev")
PER_SLICE = 300  # rows of one language and kind: 1 / sqrt(300) is an interval of six points in a hundred
CANDIDATES = 800  # records of one language that are asked for, before what training has seen is dropped
LEAST_NAMES = 3
HELD_OUT_SHARE = 0.1
EXACT = "stands in a training row"
NEAR = "nearly stands in a training row"
TWO_ANSWERS = "asks for two concepts"
TOO_MANY = "more than a slice needs"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRow:
    """A question and the number of the record whose definition answers it."""

    anchor: str
    kind: Kind
    record: int
    lang: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is asked for one record, and what training must leave alone: the slip and the clause (folded)."""

    rows: tuple[KnownRow, ...]
    kept_out: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRows:
    """The rows of both files and the books: which candidates were dropped and why."""

    parts: Mapping[KnownPart, tuple[KnownRow, ...]]
    tally: Tally

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))


def chosen_records(entries: Iterable[tuple[int, Entry]], *, seed: int) -> list[int]:
    """The records that questions are made for: all of a small glossary, some of each language of a large one."""
    drawn: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for record, entry in entries:
        item = (-hash64(f"{seed}\x1fknown\x1f{entry.term}\x1f{entry.lang}"), record)
        drawn_here = drawn[entry.lang]
        (heapq.heappush if len(drawn_here) < CANDIDATES else heapq.heappushpop)(drawn_here, item)
    return sorted(record for items in drawn.values() for _, record in items)


def measured(record: int, entry: Entry, *, said: str, others: Iterable[str] = (), seed: int) -> Measured:
    """A question, a keyword search, a slip and a clause for one record; no question where the term is ambiguous.

    The term is asked for as it is `said`, without its brackets; nothing is said of an ambiguous one. `others` are the
    names of its concept that other records have.

    The clause is one of the two longest: a short one may say too little. A single clause is left to training.
    """
    random = seeded(seed, "known", entry.term, entry.lang)
    forms = forms_of(asked_in(said, entry)) if said else None
    slip = with_typo(said or entry.term, random)
    asked = list(_in_forms(said, forms, slip, random)) if forms else []
    clauses = sorted(clauses_of(entry, others), key=len)[-2:]
    clause = random.choice(clauses) if len(clauses) > 1 else ""
    if clause:
        asked.append(("description", clause))
    rows = (KnownRow(anchor=anchor, kind=kind, record=record, lang=entry.lang) for kind, anchor in asked)
    return Measured(rows=tuple(rows), kept_out=frozenset(map(fold, filter(None, (slip, clause)))))


def _in_forms(said: str, forms: Forms, slip: str, random: Random) -> Iterator[tuple[Kind, str]]:
    yield "question", random.choice(forms.question).render({"term": typed(said, random)})
    yield "keyword", random.choice(forms.keyword).render({"term": typed(said, random).lower()})
    if slip != said:
        form = random.choice((None, *forms.question, *forms.keyword))
        yield "typo", form.render({"term": slip}) if form else slip


def held_out_names(
    entries: Iterable[tuple[int, Entry]], *, concept_of: Callable[[int], int], most: int, seed: int
) -> dict[int, str]:
    """One other name of some records with three names and more, by record: training does without it.

    At most `most` concepts lose one, and none its term, a translation or the only other name of its kind.
    """
    found: dict[int, str] = {}
    taken: set[int] = set()
    order = sorted(entries, key=lambda item: hash64(f"{seed}\x1fname\x1f{item[1].lang}\x1f{item[1].term}"))
    for record, entry in order:
        names = [alias.text for alias in entry.aliases if alias.kind in ("synonym", "abbreviation")]
        fitting = [name for name in names if len(name) < SENTENCE_CHARS and fold(name) != fold(entry.term)]
        concept = concept_of(record)
        if len(taken) < most and 1 + len(names) >= LEAST_NAMES and fitting and concept not in taken:
            found[record] = fitting[hash64(f"{seed}\x1f{entry.term}") % len(fitting)]
            taken.add(concept)
    return found


def with_one_spelling(names: Mapping[int, str], texts: Iterable[str]) -> dict[int, str]:
    """Those of `names` that no other of `texts` spells nearly alike: "resistors" beside "resistor" measures nothing."""
    keys = {name_key(name): fold(name) for name in names.values()}
    spoilt = {key for text in texts if keys.get(key := name_key(text), fold(text)) != fold(text)}
    return {record: name for record, name in names.items() if name_key(name) not in spoilt}


def divide_known(
    own: Sequence[KnownRow],
    made: Iterable[KnownRow],
    training: Callable[[], Iterable[str]],
    *,
    concept_of: Callable[[int], int],
    seed: int,
) -> KnownRows:
    """The rows in two halves, without those that training has seen.

    `own` are a person's own, of which none is too many; `training` gives the texts of the training rows, and is read
    twice.
    """
    tally = Tally(Phrase("known rows"))
    rows = [*own, *made]
    tally.taken_in = len(rows)
    own_anchors = {fold(row.anchor) for row in own}
    fresh = _unseen(_distinct(rows, concept_of, tally), training, tally)
    slices: defaultdict[tuple[str, str, bool], list[KnownRow]] = defaultdict(list)
    for row in fresh:
        slices[row.lang, row.kind, fold(row.anchor) in own_anchors].append(row)
    parts: dict[KnownPart, list[KnownRow]] = {"known": [], "known.dev": []}
    for (_, _, is_own), slice_rows in slices.items():
        drawn = sorted(slice_rows, key=lambda row: hash64(f"{seed}\x1f{row.anchor}"))
        kept = drawn if is_own else drawn[: 2 * PER_SLICE]
        tally.reject(TOO_MANY, len(drawn) - len(kept))
        for place, row in enumerate(kept):
            parts["known.dev" if place % 2 else "known"].append(row)
    tally.given_out = sum(map(len, parts.values()))
    tally.rejected = Counter({reason: count for reason, count in tally.rejected.items() if count})
    return KnownRows(
        parts={
            part: tuple(sorted(kept, key=lambda row: (row.record, row.kind))) for part, kept in parts.items()
        },
        tally=tally,
    )


def _distinct(rows: Iterable[KnownRow], concept_of: Callable[[int], int], tally: Tally) -> list[KnownRow]:
    """Each anchor once; what two concepts would answer tells nothing."""
    by_anchor: defaultdict[str, list[KnownRow]] = defaultdict(list)
    for row in rows:
        by_anchor[fold(row.anchor)].append(row)
    kept = []
    for group in by_anchor.values():
        if len({concept_of(row.record) for row in group}) > 1:
            tally.reject(TWO_ANSWERS, len(group))
        else:
            tally.merged += len(group) - 1
            kept.append(group[0])
    return kept


def _unseen(
    rows: Sequence[KnownRow], training: Callable[[], Iterable[str]], tally: Tally
) -> Iterator[KnownRow]:
    seen = seen_anchors([row.anchor for row in rows], training)
    for number, row in enumerate(rows):
        if number in seen:
            tally.reject(seen[number])
        else:
            yield row


def seen_anchors(anchors: Sequence[str], training: Callable[[], Iterable[str]]) -> dict[int, str]:
    """The places of the anchors that stand in the training texts, exactly or nearly, and which of the two it is."""
    keys = {fold(anchor) for anchor in anchors}
    standing = {key for text in training() if (key := fold(text)) in keys}
    near = (place for place, _ in near_matches(anchors, training(), same_meaning=False))
    seen = dict.fromkeys(near, NEAR)
    seen.update((place, EXACT) for place, anchor in enumerate(anchors) if fold(anchor) in standing)
    return seen
