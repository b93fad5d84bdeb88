"""CSV, TSV, JSON lines and spreadsheets, read as every other command reads tables."""

from __future__ import annotations

import tempfile
from pathlib import Path

from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.formats.content import Content
from embedkit.data.entries import Record
from embedkit.data.reading import read_records, say_left_out
from embedkit.errors import UserError

SUFFIXES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".xlsx", ".ods")


def read(body: bytes, *, place: str, suffix: str) -> Content:
    """The rows of a table that name a term and define it. Raises `UserError` for rows of another kind."""
    if Path(place).is_file():
        return _read(place, place)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        path.write_bytes(body)
        return _read(path, place)


def _read(path: Path | str, place: str) -> Content:
    found: list[RawEntry] = []
    bad: list[tuple[int, str]] = []
    for item in read_records(path, quiet=True, name=place):
        if not isinstance(item, Record):
            bad.append((item.line, item.reason))
            continue
        entry = item.entry
        if item.stated_pair and place.endswith((".jsonl", ".ndjson")):
            raise UserError(
                "holds pairs, not a glossary", place=place, hint="embedkit train reads them as they are"
            )
        found.append(
            RawEntry(
                heads=(entry.term,),
                senses=(entry.definition,),
                aliases=entry.aliases,
                lang=entry.lang,
                evidence="file",
            )
        )
    say_left_out(place, bad)
    return Content(groups=(Group(structure="table row", found=tuple(found), marked=True, certain=True),))
