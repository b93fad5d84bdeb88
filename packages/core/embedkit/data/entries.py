"""The glossary record and its CSV: one row per sense, aliases as a JSON list, cells never altered."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from embedkit.errors import UserError
from embedkit.files import atomic, read_bytes
from embedkit.messages import Phrase, tr
from embedkit.text import fold

AliasKind = Literal["synonym", "abbreviation", "full_form", "translation", "redirect", "plural"]
ALIAS_KINDS: tuple[str, ...] = get_args(AliasKind)
MAX_CELL = 10_000_000


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


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Entry))


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
    """Write a whole `glossary.csv` (UTF-8, RFC 4180, CRLF) and return its number of rows."""
    count = 0
    with atomic(path, newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        for entry in entries:
            writer.writerow(entry_to_row(entry))
            count += 1
    return count


def read_glossary(path: Path | str) -> Iterator[Entry]:
    """Read a glossary that must be right, as the ones embedkit writes are.

    Raises:
        UserError: at the first bad row, naming file and line. (compose's reader forgives and counts instead.)
    """
    csv.field_size_limit(min(sys.maxsize, MAX_CELL))
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("not UTF-8", place=str(path), hint="save the file as UTF-8") from None
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    missing = [name for name in ("term", "definition") if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(
            "no column {names}",
            place=f"{path}:1",
            hint="a glossary needs the columns term and definition",
            names=tr(" and no column ").join(missing),
        )
    try:
        for row in reader:
            yield entry_from_row(row)
    except (ValueError, csv.Error) as error:
        raise UserError(str(error), place=f"{path}:{reader.line_num}") from None
