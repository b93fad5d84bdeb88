"""A person's own questions: a table of `question` and what it asks for (`term`, `entry_id` or `definition`).

`{"question": "which part keeps 5 V steady?", "term": "voltage regulator"}`. A row that asks for nothing in the
glossary, or for two things, is a reject with its file, line and reason.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from embedkit.compose.known.names import stands_in
from embedkit.data.entries import Entry, Record, Reject, rejected
from embedkit.data.names import said_names
from embedkit.data.reading import read_columns
from embedkit.data.tables import Cells
from embedkit.errors import UserError
from embedkit.text import clean, fold, language_of

AskedKind = Literal["named", "other_name", "described"]
ASKED_KINDS: tuple[AskedKind, ...] = get_args(AskedKind)
_TARGETS = ("entry_id", "definition", "term")
_UNKNOWN = {"entry_id": "unknown entry_id", "definition": "unknown definition", "term": "unknown term"}
_AMBIGUOUS = {
    "entry_id": "ambiguous entry_id",
    "definition": "ambiguous definition",
    "term": "ambiguous term",
}
_MOST_CHARS = 2000
TWO_CONCEPTS = "asks for two concepts"
_WORD = re.compile(r"\w")
_RUN = ("llm", "prompt", "seed")  # what `ask` writes beside a question


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnQuestion:
    """A question and the number of the record that answers it. `train` says that it may be trained on.

    `style` and `run` are of those that a language model wrote: how it was to ask, and which model with which prompt.
    """

    question: str
    kind: AskedKind
    record: int
    lang: str
    train: bool
    style: str = ""
    run: str = ""
    file: str = ""
    line: int = 0

    def reject(self, reason: str) -> Reject:
        """The question as one that goes no further."""
        return rejected(self.file, self.line, reason, self.question)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row as it was read: `target` is the column that says what is asked for, `value` its cell."""

    file: str
    cells: Cells
    question: str
    target: str
    value: str
    kind: str
    train: bool
    lang: str = ""
    style: str = ""
    run: str = ""

    @property
    def key(self) -> str:
        """What the entry is looked up by."""
        return self.value if self.target == "entry_id" else fold(self.value)

    def reject(self, problem: str, detail: str = "") -> Reject:
        return rejected(self.file, self.cells.line, problem, self.cells.text, detail=detail)


def read_questions(
    paths: Sequence[Path | str],
    training_paths: Sequence[Path | str],
    records: Iterable[Record],
    concept_of: Callable[[int], int],
) -> Iterator[OwnQuestion | Reject]:
    """Yield every row of the files as a question of a record, or as a reject. `records` are read twice.

    Raises:
        UserError: a file cannot be read or has no column for the question or for what it asks for.
    """
    rows: list[_Row] = []
    for train, files in ((False, paths), (True, training_paths)):
        for path in files:
            for row in _rows(path, train=train):
                if isinstance(row, _Row):
                    rows.append(row)
                else:
                    yield row
    found = _Found(rows, records, concept_of)
    for row in rows:
        yield found.resolve(row)


def _rows(path: Path | str, *, train: bool) -> Iterator[_Row | Reject]:
    name = "stdin" if str(path) == "-" else str(path)
    table = read_columns(path)
    places = {column: table.find(names) for column, names in _COLUMNS.items()}
    if places["question"] is None or all(places[target] is None for target in _TARGETS):
        raise UserError(
            "has no column for the question or for what it asks for",
            place=name,
            hint="columns: question and one of term, entry_id, definition; its columns: {names}",
            names=", ".join(table.names) or "-",
        )
    for cells in table.rows:
        if cells.problem:
            yield rejected(name, cells.line, cells.problem, cells.text)
            continue
        values = {column: clean(cells.cells[at]) for column, at in places.items() if at is not None}
        target = next((target for target in _TARGETS if values.get(target)), "")
        row = _Row(
            file=name,
            cells=cells,
            question=values["question"],
            target=target,
            value=values.get(target, ""),
            kind=values.get("kind", ""),
            train=train,
            style=values.get("style", ""),
            lang=values.get("lang", "") if values.get("style") else "",
            run=" ".join(filter(None, (values.get(column, "") for column in _RUN))),
        )
        yield _problem(row) or row


_COLUMNS = {
    "question": ("question", "query", "anchor"),
    "term": ("term",),
    "entry_id": ("entry_id",),
    "definition": ("definition", "positive"),
    "kind": ("kind",),
    "style": ("style",),
    "lang": ("lang",),
    **{column: (column,) for column in _RUN},
}


def _problem(row: _Row) -> Reject | None:
    if not _WORD.search(row.question):
        return row.reject("missing cell", "question")
    if len(row.question) > _MOST_CHARS:
        return row.reject("over-long")
    if not row.target:
        return row.reject("missing cell", "term")
    if row.kind and row.kind not in ASKED_KINDS:
        return row.reject("unknown kind", row.kind)
    return None


class _Found:
    """The records that the rows ask for, and the names of their concepts."""

    def __init__(
        self, rows: Sequence[_Row], records: Iterable[Record], concept_of: Callable[[int], int]
    ) -> None:
        self._concept_of = concept_of
        wanted = {(row.target, row.key) for row in rows}
        # By what was asked: the records whose own term, id or definition it is, and those that have it as another name.
        self._own: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._other: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for number, record in enumerate(records):
            entry = record.entry
            own = (
                ("entry_id", entry.entry_id),
                ("definition", fold(entry.definition)),
                ("term", fold(entry.term)),
            )
            for key in wanted.intersection(own):
                self._own[key].append(number)
            said = (form for name in (entry.term, *entry.names) for form in (name, *said_names(name)))
            for key in wanted.intersection(("term", fold(form)) for form in said).difference(own):
                self._other[key].append(number)
        concepts = {concept_of(n) for found in (self._own, self._other) for ns in found.values() for n in ns}
        self._entries: dict[int, Entry] = {}
        self._members: defaultdict[int, list[int]] = defaultdict(list)
        for number, record in enumerate(records):
            if (concept := concept_of(number)) in concepts:
                self._entries[number] = record.entry
                self._members[concept].append(number)

    def resolve(self, row: _Row) -> OwnQuestion | Reject:
        """The question of a record; a definition or an id means its own record, a name the record of its language."""
        key = (row.target, row.key)
        found = self._own.get(key) or self._other.get(key)
        if not found:
            return row.reject(_UNKNOWN[row.target], row.value)
        concepts = {self._concept_of(number) for number in found}
        if len(concepts) > 1:
            return row.reject(_AMBIGUOUS[row.target], row.value)
        members = self._members[concepts.pop()]
        lang = row.lang or language_of(row.question, fallback=self._entries[found[0]].lang)
        if row.target == "term":
            named = [*found, *(n for n in self._other.get(key, ()) if n in members)]
            found = [n for n in named if self._entries[n].lang.partition("-")[0] == lang] or found
        entry = self._entries[found[0]]
        names = (name for n in members for name in (self._entries[n].term, *self._entries[n].names))
        kind = row.kind or kind_of(row.question, entry.term, names)
        return OwnQuestion(
            question=row.question,
            kind=next(known for known in ASKED_KINDS if known == kind),
            record=found[0],
            lang=lang,
            train=row.train,
            style=row.style,
            run=row.run,
            file=row.file,
            line=row.cells.line,
        )


def kind_of(question: str, term: str, names: Iterable[str]) -> AskedKind:
    """Whether a question has the term, another name of the concept, or neither."""
    if _has(term, question):
        return "named"
    return "other_name" if any(_has(name, question) for name in names) else "described"


def _has(name: str, question: str) -> bool:
    return any(stands_in(form, question) for form in (name, *said_names(name)))


def once_each(
    questions: Iterable[OwnQuestion], concept_of: Callable[[int], int]
) -> Iterator[OwnQuestion | Reject | None]:
    """Yield each question once; None for one that stands there twice, a reject for one that asks for two concepts."""
    found = list(questions)
    concepts: defaultdict[str, set[int]] = defaultdict(set)
    for question in found:
        concepts[fold(question.question)].add(concept_of(question.record))
    seen: set[tuple[str, bool]] = set()
    for question in found:
        key = fold(question.question)
        if len(concepts[key]) > 1:
            yield question.reject(TWO_CONCEPTS)
        elif (key, question.train) in seen:
            yield None
        else:
            seen.add((key, question.train))
            yield question
