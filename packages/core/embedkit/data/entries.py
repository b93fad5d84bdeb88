"""The glossary record: what a row of a table becomes, or a reject with its file, line and reason; and its CSV.

The CSV has one row per sense and its aliases as a JSON list; cells are never altered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from embedkit.data.encoding import BAD
from embedkit.data.names import said_names
from embedkit.data.table.cells import NO_NAME, cleaned_text, is_damaged, is_placeholder, problem_of
from embedkit.data.table.headers import RoleColumn, language_code
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
        """What a query is compared with: the definition, the term, also without its brackets, and its other names."""
        said = [name for name in said_names(self.term) if name not in self.names]
        return (self.definition, self.term, *said, *self.names)


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Entry))
MAX_TEXT_CHARS = 10_000
SHOWN_CHARS = 500
FULL_FORM_WORDS, FULL_FORM_CHARS = 8, 60  # a longer text explains an abbreviation
_KINDS: tuple[AliasKind, ...] = ("abbreviation", "translation")  # that may have a column of their own
_NAME_ROLES = frozenset(("aliases", *_KINDS))
_TEXTS = frozenset(("term", "definition", "anchor", "positive"))
# A comma between digits, as in 2,4-xylenol, is one of a name.
_BETWEEN_NAMES = re.compile(r"[;|；、\n]|,\s|(?<=[^\d\s]),(?=[^\d\s])|，")
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
    if isinstance(item, str) and item:
        return Alias(item, _kind("", item))
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
    """A row that can be used. A `stated_pair` has its anchor and positive as term and definition.

    Rows of one file with the same `group` are one concept. `cleaned` names what was taken out of the cells.
    """

    file: str
    line: int
    entry: Entry
    stated_pair: bool = False
    group: str = ""
    cleaned: tuple[str, ...] = ()


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


def to_record(
    name: str,
    line: int,
    cells: Sequence[tuple[RoleColumn, str]],
    text: str,
    language: Callable[[str], str] = language_of,
) -> Record | Reject:
    """The record that the cells of columns make; `text` is the row as it stands.

    `language` tells the language of a text where no cell and no column says it.
    """
    row = _Row(cells)
    values, (left, right) = row.values, row.sides
    stated = left == "anchor" or right == "positive"
    try:
        aliases = _aliases(row, language=values.get("lang", ""))
    except (ValueError, RecursionError) as error:
        return rejected(name, line, "bad aliases", text, detail=error)
    if (
        right not in values and row.names_only and aliases
    ):  # names of one thing: the first is said of the term
        first, *aliases = aliases
        values["definition"], stated = first.text, True
        right = "definition"
    for role in (left, right):
        if not values.get(role):
            return rejected(name, line, "missing cell", text, detail=role)
        if len(values[role]) > MAX_TEXT_CHARS:
            return rejected(name, line, "over-long", text)
    if problem := _problem(values[left], values[right], stated=stated):
        return rejected(name, line, problem[0], text, detail=(left, right)[problem[1]])
    if left == "term" and any(a.text == values[left] for a in aliases):
        aliases = _of_acronym(values[left], values[right], aliases)
    known = {column: values[column] for column in _TEXT_COLUMNS if values.get(column)}
    if "lang" not in known:
        known["lang"] = language(values[left] + " " + values[right])
    entry = Entry(term=values[left], definition=values[right], aliases=tuple(aliases), **known)
    return Record(name, line, entry, stated, values.get("group", ""), tuple(dict.fromkeys(row.cleaned)))


class _Row:
    """The cells of one row by role, those of names apart, without markup and mojibake."""

    def __init__(self, cells: Iterable[tuple[RoleColumn, str]]) -> None:
        self.values: dict[str, str] = {}
        self.names: list[tuple[RoleColumn, str]] = []
        self.cleaned: list[str] = []
        roles, said = set[str](), ""
        for column, cell in cells:
            roles.add(column.role)
            if column.role in _NAME_ROLES:
                self.names.append((column, cell))
            elif column.role not in self.values:
                self.values[column.role] = self._clean(cell) if column.role in _TEXTS else clean(cell)
            if column.role in ("term", "definition") and column.lang:
                said = said or column.lang
        if own := self.values.get("lang") or said:
            self.values["lang"] = language_code(own) or own
        self.sides = (
            "anchor" if "anchor" in roles else "term",
            "positive" if "positive" in roles else "definition",
        )
        self.names_only = not roles & {"definition", "positive"}

    def _clean(self, cell: str) -> str:
        text, done = cleaned_text(cell)
        self.cleaned += [done] if done else []
        return clean(text)

    def names_in(self, cell: str) -> Iterator[str]:
        """The names of a cell with `;`, `|`, `、` or commas between them; what is no name is counted."""
        for part in _BETWEEN_NAMES.split(cleaned_text(cell)[0]):
            if not (text := clean(part)):
                continue
            if is_placeholder(text) or problem_of(text, named=True):
                self.cleaned.append(NO_NAME)
            elif len(text) <= MAX_TEXT_CHARS:
                yield text


def _problem(left: str, right: str, *, stated: bool) -> tuple[str, int] | None:
    """What is wrong with the texts of a row and with which, 0 or 1. `N/A` may be told to mean `not applicable`."""
    for side, text in enumerate((left, right)):
        named = side == 0
        if (found := problem_of(text, filled=not stated, named=named)) and not (
            found == "placeholder" and is_placeholder(left)
        ):
            return found, side
        if is_damaged(text):
            return "mojibake", side
    return None


def _aliases(row: _Row, *, language: str) -> list[Alias]:
    """JSON lists of aliases, or names as other people's tables have them; the columns say kind and language."""
    found: list[Alias] = []
    own = language or next((c.lang for c, _ in row.names if c.role == "term"), "")
    for column, cell in row.names:
        if cell.lstrip().startswith(("[", "{")):
            listed = aliases_from_json(cell)
            found += (a for a in listed if not is_placeholder(a.text))
            row.cleaned += [NO_NAME for a in listed if is_placeholder(a.text)]
        else:
            lang = column.lang if column.lang and column.lang != own else ""
            role = "translation" if lang and column.role == "aliases" else column.role
            found += (Alias(text, _kind(role, text), lang) for text in row.names_in(cell))
    cleaned = (Alias(clean(a.text), a.kind, clean(a.lang)) for a in found)
    return list(dict.fromkeys(a for a in cleaned if a.text and len(a.text) <= MAX_TEXT_CHARS))


def _kind(role: str, text: str) -> AliasKind:
    """What a name is to the term, by its column or else by its looks."""
    stated = next((kind for kind in _KINDS if kind == role), None)
    return stated or ("abbreviation" if is_acronym(text) else "synonym")


def _of_acronym(term: str, definition: str, aliases: Iterable[Alias]) -> list[Alias]:
    """The other names of an abbreviation; a definition that is a name is what it stands for."""
    others = [alias for alias in aliases if alias.text != term]
    short = len(definition) < FULL_FORM_CHARS and len(definition.split()) <= FULL_FORM_WORDS
    return [*others, Alias(definition, "full_form")] if short else others


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
