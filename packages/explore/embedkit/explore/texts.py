"""Texts that a task reads: a line each, or a column of a CSV, TSV or JSON Lines file; `-` is stdin."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.console import say
from embedkit.data.jsonl import parse_objects
from embedkit.errors import UserError
from embedkit.files import STDIO, read_bytes
from embedkit.messages import tr

TEXT_COLUMNS = (
    "text",
    "sentence",
    "term",
    "query",
    "question",
    "anchor",
    "텍스트",
    "문장",
    "글",
    "용어",
    "질문",
)
PLAIN = ("", ".txt", ".md")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file's cells. `columns` is empty where a line is a text."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, names: Sequence[str], *, wanted: str | None = None, option: str) -> tuple[str, ...]:
        """The cells of the column `wanted`, else of the first of `names` that is there; blank cells too.

        Raises:
            UserError: there is none; it lists the columns and names `option`.
        """
        if not self.columns and not wanted:
            return tuple(text for (text,) in self.rows)
        cells = self.optional((wanted,) if wanted else names)
        if cells is None:
            raise UserError(
                "no column {wanted!r}" if wanted else "no column {names}",
                place=self.path,
                hint="it has {columns}; {option} names one"
                if self.columns
                else "it has no columns, a line is a text; {option} names one",
                wanted=wanted,
                names=tr(" or ").join(names[:3]),
                columns=", ".join(self.columns),
                option=option,
            )
        return cells

    def optional(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """The cells of the first of `names` that is a column."""
        folded = [name.strip().casefold() for name in self.columns]
        place = next((folded.index(name.casefold()) for name in names if name.casefold() in folded), None)
        return None if place is None else tuple(row[place] for row in self.rows)


def given_texts(texts: Sequence[str], file: str | None, *, column: str | None = None) -> tuple[str, ...]:
    """The texts of the command line, or of `file` (a text `-` alone means stdin).

    Raises:
        UserError: neither or both are given, or a text is blank.
    """
    if list(texts) == [STDIO] and file is None:
        texts, file = (), STDIO
    if bool(texts) == (file is not None):
        raise UserError("name texts, or a file with --file", hint="- reads a text a line from stdin")
    if file is not None:
        return read_texts(file, column=column)
    tidy = tuple(_tidy(text) for text in texts)
    if not all(tidy):
        raise UserError("a text is empty", hint="check the quotes")
    return tidy


def read_texts(path: str | Path, *, column: str | None = None) -> tuple[str, ...]:
    """The texts of a file's column, blank ones left out and counted. Raises `UserError` when none are left."""
    cells = read_table(path).column(TEXT_COLUMNS, wanted=column, option="--column")
    texts = tuple(cell for cell in cells if cell)
    if len(texts) < len(cells):
        say("{count} blank texts left out", count=len(cells) - len(texts))
    if not texts:
        raise UserError("holds no texts", place=str(path))
    return texts


def read_table(path: str | Path) -> Table:
    """Read `.txt`, `.csv`, `.tsv` or `.jsonl`; on stdin a first `{` means JSON Lines, else a line is a text.

    Raises:
        UserError: another kind of file, or one that cannot be read as what it says it is.
    """
    name = str(path)
    suffix = Path(name).suffix.lower() if name != STDIO else ""
    if suffix not in (*PLAIN, *_DELIMITERS, ".jsonl"):
        raise UserError("expected .txt, .csv, .tsv or .jsonl", place=name)
    text = _decode(read_bytes(path), name)
    if suffix in _DELIMITERS:
        return _delimited(text, name, _DELIMITERS[suffix])
    if suffix == ".jsonl" or (name == STDIO and text.lstrip().startswith("{")):
        return _objects(text, name)
    return Table(path=name, columns=(), rows=tuple((_tidy(line),) for line in text.splitlines()))


def _decode(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("cp949")
    except UnicodeDecodeError:
        raise UserError("not UTF-8", place=name, hint="save the file as UTF-8") from None
    say("{file}: read as {encoding}", file=name, encoding="CP949")
    return text


def _delimited(text: str, name: str, delimiter: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head, *body = [row for row in reader if any(cell.strip() for cell in row)] or [[]]
    except csv.Error as error:
        raise UserError(str(error), place=f"{name}:{reader.line_num}") from None
    if not head:
        raise UserError("is empty", place=name)
    rows = (tuple(map(_tidy, [*row, *[""] * len(head)][: len(head)])) for row in body)
    return Table(path=name, columns=tuple(head), rows=tuple(rows))


def _objects(text: str, name: str) -> Table:
    objects = [row for _, row in parse_objects(enumerate(text.splitlines(), start=1), place=name)]
    columns = tuple(dict.fromkeys(key for row in objects for key in row))
    rows = (tuple(_cell(row.get(key)) for key in columns) for row in objects)
    return Table(path=name, columns=columns, rows=tuple(rows))


def _cell(value: object) -> str:
    return "" if value is None else _tidy(str(value))


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
