"""The glossary record: what a row of a table becomes, or a reject with its file, line and reason; and its CSV.

The CSV has one row per sense and its aliases as a JSON list; cells are never altered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from embedkit.data.encoding import BAD
from embedkit.data.tables import write_table
from embedkit.messages import Phrase
from embedkit.text import clean, fold, is_acronym, language_of

AliasKind = Literal["synonym", "abbreviation", "full_form", "translation", "redirect", "plural"]
ALIAS_KINDS: tuple[str, ...] = get_args(AliasKind)


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a term. `lang` is set where it differs from the entry's language."""

    text: str
    kind: AliasKind
    lang: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sense of one term. The field order is the column order of `glossary.csv`."""

    term: str
    definition: str
    aliases: tuple[Alias, ...] = ()
    lang: str = ""
    domain: str = ""
    source: str = ""
    source_url: str = ""
    permalink: str = ""
    revision: str = ""
    license: str = ""
    retrieved_at: str = ""
    entry_id: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The term's other names."""
        return tuple(alias.text for alias in self.aliases)

    @property
    def texts(self) -> tuple[str, ...]:
        """What a query is compared with: the definition, the term and its other names."""
        return (self.definition, self.term, *self.names)


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Entry))
MAX_TEXT_CHARS = 10_000
SHOWN_CHARS = 500
_KINDS: tuple[AliasKind, ...] = ("abbreviation", "translation")  # that may have a column of their own
_TEXT_COLUMNS = tuple(
    name for name in COLUMNS if name not in ("term", "definition", "aliases", "retrieved_at")
)


def entry_id(source: str, term: str, sense: int = 0) -> str:
    """An id that survives a re-crawl: it depends on the source's name, the folded term and the sense's place."""
    key = f"{source}\x1f{fold(term)}\x1f{sense}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def aliases_to_json(aliases: Iterable[Alias]) -> str:
    """The `aliases` cell; the empty string where there are none."""
    items = [{"text": a.text, "kind": a.kind, **({"lang": a.lang} if a.lang else {})} for a in aliases]
    return json.dumps(items, ensure_ascii=False) if items else ""


def aliases_from_json(cell: str) -> tuple[Alias, ...]:
    """Parse an `aliases` cell. Raises `ValueError` saying what is wrong with it."""
    if not cell.strip():
        return ()
    items = json.loads(cell)
    if not isinstance(items, list):
        raise ValueError("aliases is not a JSON list")
    return tuple(_alias(item) for item in items)


def _alias(item: object) -> Alias:
    if not isinstance(item, dict) or not isinstance(item.get("text"), str) or not item["text"]:
        raise ValueError('an alias is not {"text": ..., "kind": ...}')
    kind = item.get("kind", "synonym")
    if kind not in ALIAS_KINDS:
        raise ValueError(
            Phrase("alias kind {kind!r} is not one of {kinds}", kind=kind, kinds=", ".join(ALIAS_KINDS))
        )
    return Alias(item["text"], kind, str(item.get("lang", "")))


def entry_from_row(row: Mapping[str, str]) -> Entry:
    """Build an entry from a CSV row's cells; unknown columns are ignored. Raises `ValueError`."""
    known = {name: row.get(name) or "" for name in COLUMNS if name != "aliases"}
    if not known["term"].strip():
        raise ValueError("the term is empty")
    if not known["definition"].strip():
        raise ValueError("the definition is empty")
    return Entry(aliases=aliases_from_json(row.get("aliases") or ""), **known)


def entry_to_row(entry: Entry) -> dict[str, str]:
    """The CSV cells of an entry."""
    row = {name: str(getattr(entry, name)) for name in COLUMNS}
    row["aliases"] = aliases_to_json(entry.aliases)
    return row


def write_glossary(path: Path | str, entries: Iterable[Entry]) -> int:
    """Write a whole `glossary.csv` and return its number of rows."""
    return write_table(path, COLUMNS, map(entry_to_row, entries))


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
