"""A question with its right entry, added to `questions.jsonl` as `compose --questions` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from embedkit.data.entries import Entry
from embedkit.data.reading import read_columns
from embedkit.errors import UserError
from embedkit.serving.ui.work import update
from embedkit.text import clean, dumps, fold

MOST_CHARACTERS = 2000
_QUESTION = ("question", "query", "anchor")
_DEFINITION = ("definition", "positive")
_TARGETS = ("term", "definition", "positive", "entry_id")


class AskedBeforeError(Exception):
    """The question stands in the file already; `entry` is what it asks for there."""

    def __init__(self, entry: str) -> None:
        super().__init__(entry)
        self.entry = entry


@dataclass(frozen=True, slots=True)
class _AskedRows:
    """What the file holds, each question with what it asks for; and its own words for two columns.

    `compose` reads a column by one name: beside rows with `query`, a row with `question` would hide them all.
    """

    rows: tuple[tuple[str, str], ...] = ()
    question: str = "question"
    definition: str = "definition"


@dataclass(frozen=True, slots=True)
class OwnQuestions:
    """The file of a person's questions."""

    path: Path

    def _read(self) -> _AskedRows:
        """The rows. Raises `UserError` where the file is none of questions."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return _AskedRows()
        table = read_columns(self.path)
        at, targets = table.find(_QUESTION), [table.find((name,)) for name in _TARGETS]
        if at is None:
            raise UserError(
                "has no column for the question", place=str(self.path), hint="move it away, or mend it"
            )
        if bad := next((row for row in table.rows if row.problem), None):
            raise UserError(
                "this line cannot be read: {line}",
                place=f"{self.path}:{bad.line}",
                hint="mend it first; nothing was added",
                line=bad.text.strip()[:60],
            )
        rows = (
            (row.cells[at], next((row.cells[n] for n in targets if n is not None and row.cells[n]), ""))
            for row in table.rows
        )
        own = table.find(_DEFINITION)
        return _AskedRows(tuple(rows), table.names[at], _DEFINITION[0] if own is None else table.names[own])

    def add(self, question: str, entry: Entry, entries: Iterable[Entry]) -> int:
        """Add a question and return how many there are; what is there stays as it is, byte for byte.

        Raises:
            AskedBeforeError: it is there already.
            UserError: the question is empty or too long, or the file cannot be read or written.
        """
        question = clean(question)
        if not question:
            raise UserError("the question is empty")
        if len(question) > MOST_CHARACTERS:
            raise UserError("the question has more than {most} characters", most=MOST_CHARACTERS)
        target = _target(entry, entries)
        count = 0

        def appended() -> Iterator[str]:
            nonlocal count
            asked = self._read()
            there = next((wanted for text, wanted in asked.rows if fold(text) == fold(question)), None)
            if there is not None:
                raise AskedBeforeError(there)
            count = len(asked.rows) + 1
            names = {"definition": asked.definition}
            row = {asked.question: question, **{names.get(key, key): value for key, value in target.items()}}
            text = self._text()
            yield text if not text or text.endswith("\n") else f"{text}\n"
            yield f"{dumps(row)}\n"

        update(self.path, appended)
        return count

    def _text(self) -> str:
        if not self.path.is_file():
            return ""
        try:
            text = self.path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise UserError("not UTF-8", place=str(self.path), hint="save the file as UTF-8") from None
        if text.lstrip("\ufeff \r\n\t")[:1] not in ("", "{"):
            raise UserError(
                "is a table, no JSON lines", place=str(self.path), hint="move it away; nothing was added"
            )
        return text


def _target(entry: Entry, entries: Iterable[Entry]) -> dict[str, str]:
    """What tells this entry from all others: its term, which any glossary has; where several have it, its id."""
    same = [other for other in entries if other is not entry and fold(other.term) == fold(entry.term)]
    if not same:
        return {"term": entry.term}
    if entry.entry_id:
        return {"term": entry.term, "entry_id": entry.entry_id}
    return {"term": entry.term, "definition": entry.definition}
