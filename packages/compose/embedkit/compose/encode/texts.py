"""The texts of an input. A text's hash decides its shard, so processes need no contact with each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedkit.data.entries import Reject, category
from embedkit.data.jsonl import read_objects
from embedkit.data.reading import read_records
from embedkit.data.tally import Tally
from embedkit.errors import UserError
from embedkit.text import writable


@dataclass(frozen=True, slots=True)
class TextItem:
    """A text and its id: the input's own, else the line number, else of a table a hash of the text."""

    id: str
    text: str


def items_of(
    path: Path, tally: Tally, *, mapping: Mapping[str, str] | None = None, quiet: bool = False
) -> Iterator[TextItem]:
    """Every text to encode. A table's texts (terms, definitions, names) come once each.

    Raises:
        UserError: the file cannot be read, or a line of texts has none.
    """
    if path.suffix == ".txt":
        yield from _lines_of_text(path, tally)
    elif not mapping and _holds_texts(path):
        yield from _rows_with_text(path, tally)
    else:
        yield from _texts_of_table(path, tally, mapping, quiet)


def shard_of(text: str, count: int) -> int:
    """The shard of a text: equal texts lie together, so that none is encoded twice."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % count


def _holds_texts(path: Path) -> bool:
    if path.suffix not in (".jsonl", ".ndjson"):
        return False
    for _, row in read_objects(path):
        return "text" in row and "anchor" not in row and "term" not in row
    return False


def _rows_with_text(path: Path, tally: Tally) -> Iterator[TextItem]:
    for number, row in read_objects(path):
        text = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise UserError("'text' is missing or is not a text", place=f"{path}:{number}")
        if writable(text) != text:
            raise UserError("a text holds half a character (a lone surrogate)", place=f"{path}:{number}")
        tally.taken_in += 1
        tally.given_out += 1
        yield TextItem(str(row.get("id", number)), text)


def _lines_of_text(path: Path, tally: Tally) -> Iterator[TextItem]:
    try:
        with path.open(encoding="utf-8-sig") as handle:
            for number, line in enumerate(handle, start=1):
                tally.taken_in += 1
                if text := line.strip():
                    tally.given_out += 1
                    yield TextItem(str(number), text)
                else:
                    tally.reject("empty line")
    except UnicodeDecodeError:
        raise UserError("not UTF-8", place=str(path), hint="save the file as UTF-8") from None


def _texts_of_table(
    path: Path, tally: Tally, mapping: Mapping[str, str] | None, quiet: bool
) -> Iterator[TextItem]:
    seen: set[bytes] = set()
    for record in read_records(path, mapping=mapping, quiet=quiet):
        if isinstance(record, Reject):
            tally.taken_in += 1
            tally.reject(category(record.reason))
            continue
        entry = record.entry
        for text in (entry.term, entry.definition, *(alias.text for alias in entry.aliases)):
            tally.taken_in += 1
            digest = hashlib.sha256(text.encode()).digest()[:16]
            if digest in seen:
                tally.merged += 1
                continue
            seen.add(digest)
            tally.given_out += 1
            yield TextItem(digest.hex()[:16], text)
