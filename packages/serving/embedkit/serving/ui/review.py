"""What a person decides: pairs that may be one concept. Decisions go to `synonym_candidates.csv`, one at a time.

A decision names what its page showed; where the file says something else by then, nothing is written and the person
is told. So several people may decide in turn, and a decision is never overwritten unseen.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from embedkit.data.candidates import DECISIONS, Candidate, CandidateTable, read_candidate_table
from embedkit.data.entries import Entry
from embedkit.errors import UserError
from embedkit.serving.ui.work import FileState, state_of, update
from embedkit.text import fold, language_of

HARD_NEGATIVE = "hard negative"  # the reason of rows that a person added here; they go when taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSide:
    """One of two texts: its term, and the definition and other names of its entry where that is known."""

    term: str
    text: str
    lang: str
    definition: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """Two texts to decide on. `decision` is empty, accept or reject."""

    key: str
    left: ReviewSide
    right: ReviewSide
    reason: str
    score: str = ""
    judgement: str = ""
    decision: str = ""


class StaleDecisionError(Exception):
    """Somebody else decided since the page was shown; `decision` is theirs."""

    def __init__(self, decision: str) -> None:
        super().__init__(decision)
        self.decision = decision


class ReviewQueue(Protocol):
    """Items in the order in which they are to be decided."""

    def items(self) -> Sequence[ReviewItem]:
        """All of them, decided or not."""

    def decide(self, key: str, decision: str, *, expected: str) -> None:
        """Write one decision. Raises `StaleDecisionError` where it is no longer `expected`, `UserError`."""


def pair_key(left: str, right: str) -> str:
    """What two texts are called in addresses."""
    return hashlib.sha256(f"{left}\x1f{right}".encode()).hexdigest()[:16]


def check_decision(decision: str) -> None:
    """Raise `UserError` for anything but accept, reject and the empty text, which takes a decision back."""
    if decision not in ("", *DECISIONS):
        raise UserError("the decision {decision!r} is neither accept nor reject", decision=decision)


class EntryTexts:
    """The entries of the glossaries by each of their texts."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._of: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            for text in dict.fromkeys(map(fold, entry.texts)):
                self._of[text].append(entry)

    def find(self, text: str, term: str) -> Entry | None:
        """The entry of that term that has the text, else the first that has it, else the term's."""
        found = self._of.get(fold(text), [])
        named = (entry for entry in found if fold(entry.term) == fold(term))
        return next(named, None) or next(iter(found or self._of.get(fold(term), [])), None)

    def side(self, term: str, text: str, lang: str = "") -> ReviewSide:
        """A text with what its entry says beside it."""
        entry = self.find(text, term)
        known = entry is not None and fold(entry.definition) != fold(text)
        names = () if entry is None else (entry.term, *entry.names)
        return ReviewSide(
            term=term or (entry.term if entry else ""),
            text=text,
            lang=lang or language_of(text),
            definition=entry.definition if entry and known else "",
            names=tuple(name for name in dict.fromkeys(names) if fold(name) not in (fold(term), fold(text))),
        )


class DecisionFile:
    """The table on disk, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[FileState, CandidateTable] | None = None

    @property
    def version(self) -> str:
        """Changes with the file."""
        return "-".join(map(str, state_of(self.path) or ()))

    def table(self) -> CandidateTable:
        """What the file says now; an empty table where there is none. Raises `UserError` where it is damaged."""
        state = state_of(self.path)
        if self._read is None or self._read[0] != state:
            self._read = state, self._fresh()
        return self._read[1]

    def _fresh(self) -> CandidateTable:
        return read_candidate_table(self.path) if self.path.is_file() else CandidateTable()

    def write(self, row: Candidate, decision: str, *, expected: str, place: int | None) -> None:
        """Decide one row, which is added where it is not there (`place` None) and goes when it is taken back.

        `place` is where the row stood when it was shown; it is looked for again.
        """

        def edited() -> Iterable[str]:
            table = self._fresh()
            wanted = pair_key(row.text_a, row.text_b)
            at = _place(table, wanted)
            if at is None and place is not None:
                raise UserError("this pair is no longer in the table", place=str(self.path))
            found = table.rows[at].decision if at is not None else ""
            if found != expected:
                raise StaleDecisionError(found)
            return _edited(table, at, row, decision).lines()

        update(self.path, edited)


def _place(table: CandidateTable, key: str) -> int | None:
    places = (place for place, row in enumerate(table.rows) if pair_key(row.text_a, row.text_b) == key)
    return next(places, None)


def _edited(table: CandidateTable, at: int | None, row: Candidate, decision: str) -> CandidateTable:
    if at is None:
        return table.with_row(row) if decision else table
    if not decision and table.rows[at].reason == HARD_NEGATIVE:
        return table.without(at)
    return table.with_decision(at, decision)


class SynonymQueue:
    """The rows of the table, in its order: the likeliest first."""

    def __init__(self, file: DecisionFile, texts: EntryTexts) -> None:
        self._file, self._texts = file, texts

    def items(self) -> Sequence[ReviewItem]:
        """The pairs that compose proposed and those that were decided elsewhere; a pair stands there once."""
        return list({item.key: item for item in map(self._item, reversed(self._file.table().rows))}.values())[
            ::-1
        ]

    def _item(self, row: Candidate) -> ReviewItem:
        return ReviewItem(
            key=pair_key(row.text_a, row.text_b),
            left=self._texts.side(row.term_a, row.text_a, row.lang_a),
            right=self._texts.side(row.term_b, row.text_b, row.lang_b),
            reason=row.reason,
            score=row.score or row.similarity,
            judgement=row.judgement,
            decision=row.decision,
        )

    def decide(self, key: str, decision: str, *, expected: str) -> None:
        """Fill in the row's decision."""
        check_decision(decision)
        table = self._file.table()
        place = _place(table, key)
        if place is None:
            raise UserError("this pair is no longer in the table", place=str(self._file.path))
        self._file.write(table.rows[place], decision, expected=expected, place=place)


def undecided(items: Sequence[ReviewItem], after: str = "") -> Iterator[ReviewItem]:
    """Those that nobody decided, from the one after `after` on and then from the beginning."""
    keys = [item.key for item in items]
    start = keys.index(after) + 1 if after in keys else 0
    for item in (*items[start:], *items[:start]):
        if not item.decision and item.key != after:
            yield item
