"""What a row becomes: a record that can be used, or a reject with its file, line and reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from embedkit.compose.rows.spool import Spool
from embedkit.data.encoding import BAD
from embedkit.data.entries import COLUMNS, Alias, AliasKind, Entry, aliases_from_json
from embedkit.messages import Phrase
from embedkit.text import clean, is_acronym, language_of

MAX_TEXT_CHARS = 10_000
SHOWN_CHARS = 500
_OTHER_COLUMNS = tuple(column for column in COLUMNS if column not in ("term", "definition", "aliases"))
_KINDS: tuple[AliasKind, ...] = ("abbreviation", "translation")  # that may have a column of their own
_rest = attrgetter(*_OTHER_COLUMNS)
_TEXT_COLUMNS = ("lang", "domain", "source", "source_url", "permalink", "revision", "license", "entry_id")


@dataclass(frozen=True, slots=True)
class Record:
    """A row that can be used. A `stated_pair` has its anchor and positive as term and definition."""

    file: str
    line: int
    entry: Entry
    stated_pair: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that goes no further, as it stands in `pairs.rejected.jsonl`."""

    file: str
    line: int
    reason: str
    text: str

    def to_object(self) -> dict[str, Any]:
        """The JSON object of the quarantine file."""
        return {"file": self.file, "line": self.line, "reason": self.reason, "text": self.text}


def records_spool() -> Spool[Record]:
    """An empty spool of records."""
    return Spool(_pack, _unpack)


def rejects_spool() -> Spool[Reject]:
    """An empty spool of rejects."""
    return Spool(
        lambda reject: (reject.file, reject.line, reject.reason, reject.text), lambda row: Reject(*row)
    )


def _pack(record: Record) -> tuple[Any, ...]:
    entry = record.entry
    aliases = tuple((alias.text, alias.kind, alias.lang) for alias in entry.aliases)
    return record.file, record.line, record.stated_pair, entry.term, entry.definition, aliases, _rest(entry)


def _unpack(row: tuple[Any, ...]) -> Record:
    file, line, stated_pair, term, definition, aliases, rest = row
    others = dict(zip(_OTHER_COLUMNS, rest, strict=True))
    entry = Entry(
        term=term, definition=definition, aliases=tuple(Alias(*alias) for alias in aliases), **others
    )
    return Record(file, line, entry, stated_pair)


def rejected(name: str, line: int, problem: str, text: str, *, detail: object = "") -> Reject:
    """A reject that shows the beginning of its row; its reason is the problem and, in brackets, the detail."""
    reason = f"{problem} ({detail})" if detail else problem
    return Reject(name, line, reason, clean(text.replace(BAD, "�")[: SHOWN_CHARS * 2])[:SHOWN_CHARS])


def to_record(name: str, line: int, cells: Mapping[str, str], text: str) -> Record | Reject:
    """The record that cells by role make; `text` is the row as it stands."""
    left = "anchor" if "anchor" in cells else "term"
    right = "positive" if "positive" in cells else "definition"
    stated = left == "anchor" or right == "positive"
    values = {role: clean(cell) for role, cell in cells.items() if role != "aliases"}
    for role in (left, right):
        if not values.get(role):
            return rejected(name, line, "missing cell", text, detail=role)
        if len(values[role]) > MAX_TEXT_CHARS:
            return rejected(name, line, "over-long", text)
    try:
        aliases = _aliases(cells)
    except (ValueError, RecursionError) as error:
        return rejected(name, line, "bad aliases", text, detail=error)
    known = {column: values[column] for column in _TEXT_COLUMNS if values.get(column)}
    known.setdefault("lang", language_of(values[left] + " " + values[right]))
    entry = Entry(term=values[left], definition=values[right], aliases=aliases, **known)
    return Record(name, line, entry, stated)


def _aliases(cells: Mapping[str, str]) -> tuple[Alias, ...]:
    """A JSON list of aliases, or names with `;` or `|` between them as other people's tables have."""
    cell = cells.get("aliases", "")
    if cell.lstrip().startswith(("[", "{")):
        found = list(aliases_from_json(cell))
    else:
        found = [Alias(text, "abbreviation" if is_acronym(text) else "synonym") for text in _names(cell)]
    for kind in _KINDS:
        found += (Alias(text, kind) for text in _names(cells.get(kind, "")))
    cleaned = (Alias(clean(a.text), a.kind, clean(a.lang)) for a in found)
    return tuple(dict.fromkeys(a for a in cleaned if a.text and len(a.text) <= MAX_TEXT_CHARS))


def _names(cell: str) -> Iterator[str]:
    return (text for part in cell.replace("|", ";").split(";") if (text := clean(part)))


def phrase(reason: str) -> Phrase:
    """The reason as it can be translated, its detail as it is."""
    problem, _, detail = reason.partition(" (")
    return (
        Phrase("{problem} ({detail})", problem=Phrase(problem), detail=detail[:-1])
        if detail
        else Phrase(problem)
    )


def category(reason: str) -> str:
    """The reason without its detail: `missing cell (term)` is counted as `missing cell`."""
    return reason.partition(" (")[0]
