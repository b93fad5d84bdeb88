"""A table's file, opened: its lines in its encoding, those of a spreadsheet's sheet, and what it says of itself."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from embedkit.console import say
from embedkit.data.encoding import Encoding, detect
from embedkit.data.entries import SHOWN_CHARS
from embedkit.data.table.headers import RoleColumn, roles_of_header
from embedkit.data.table.spreadsheets import archive_kind, read_sheet
from embedkit.data.tables import SAMPLE_ROWS, Line
from embedkit.errors import UserError
from embedkit.files import STDIO, open_bytes
from embedkit.messages import Phrase
from embedkit.text import writable

MAX_LINE_CHARS = 1_000_000
JSON_SUFFIXES = (".jsonl", ".ndjson")
MOST_CONTROLS = 4  # different ones, of which a text has at most a few
ZIP = b"PK\x03\x04"
# Spreadsheets old and new, archives, PDF, pictures, databases: how those begin that are taken for tables.
BINARY: tuple[bytes, ...] = (
    *(ZIP, b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"\xfd7zXZ", b"(\xb5/\xfd", b"7z\xbc\xaf", b"BZh", b"Rar!"),
    *(b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PAR1", b"SQLite format 3", b"\x93NUMPY", b"\x7fELF"),
)
_SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\s*$", re.IGNORECASE)  # Excel's own, for Excel
_ANKI_LINE = re.compile(r"\ufeff?#([a-z ]+):(.*)", re.IGNORECASE)
_ANKI_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":", "space": " "}
_ANKI_COLUMN = re.compile(r"(?:guid|notetype|deck|tags) column")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(slots=True)
class OpenTable:
    """A file that is open: its first lines, and what comes after them.

    `delimiter` is set where the file says it, `columns` where it says what they are.
    """

    name: str
    encoding: Encoding
    sample: list[Line]
    rest: Iterator[Line]
    delimiter: str = ""
    columns: tuple[RoleColumn, ...] = ()
    header: tuple[str, ...] = field(default=())

    @property
    def is_json(self) -> bool:
        """Whether it is JSON lines, by its name or by its first line."""
        filled = (line.text for line in self.sample if line.text.strip())
        return self.name.endswith(JSON_SUFFIXES) or isinstance(json_of(next(filled, "")), dict)

    def lines(self) -> Iterator[Line]:
        """Every line, once."""
        return chain(self.sample, self.rest)

    def say_encoding(self) -> None:
        """Say which encoding was found, where it is not UTF-8."""
        if not self.encoding.label.startswith("UTF-8"):
            say("{file}: read as {encoding}", file=self.name, encoding=self.encoding.label)

    def refuse_empty(self) -> None:
        """Raise `UserError` where the file holds nothing."""
        if not any(line.text.replace("\ufeff", "").strip() for line in self.sample):
            raise empty_error(self.name)

    def read_own_lines(self) -> None:
        """Take out the lines at the top that say how the table is written: Excel's `sep=;`, Anki's `#separator:tab`."""
        if self.sample and (said := _SEPARATOR_LINE.match(self.sample[0].text)):
            del self.sample[0]
            self.delimiter = said[1]
        said_of_notes: dict[str, str] = {}
        while self.sample and (line := _ANKI_LINE.match(self.sample[0].text)):
            said_of_notes[line[1].casefold()] = line[2].strip("\r\n ")
            del self.sample[0]
        if "separator" in said_of_notes:
            self._take_notes(said_of_notes)

    def _take_notes(self, said: dict[str, str]) -> None:
        """What Anki says of its notes: the delimiter, the names of the fields, and which columns are no fields."""
        separator = said["separator"]
        self.delimiter = _ANKI_SEPARATORS.get(separator.casefold(), separator[:1] or "\t")
        width = max((len(line.text.split(self.delimiter)) for line in self.sample), default=2)
        names = said.get("columns", "").split(self.delimiter) if "columns" in said else [""] * width
        others = {
            int(at) - 1: key for key, at in said.items() if _ANKI_COLUMN.fullmatch(key) and at.isdecimal()
        }
        fields = [at for at in range(len(names)) if at not in others]
        known = roles_of_header([names[at] if at in fields else "" for at in range(len(names))])
        tags = tuple(RoleColumn("domain", at) for at, key in others.items() if key == "tags column")
        if not known and len(fields) > 1:
            known = RoleColumn("anchor", fields[0]), RoleColumn("positive", fields[1])
        shown = {
            **dict(enumerate(names)),
            **{at: key.split()[0] for at, key in others.items()},
        }
        self.header = tuple(shown[at] or str(at + 1) for at in sorted(shown))
        self.columns = (*known, *tags)


@contextmanager
def opened(path: Path | str, name: str = "") -> Iterator[OpenTable]:
    """A table to be read in its encoding; standard input is laid down in a temporary file first.

    Raises:
        UserError: the file cannot be read, or is neither text nor a spreadsheet.
    """
    name = name or ("stdin" if str(path) == STDIO else writable(str(path)))
    from_stdin = str(path) == STDIO
    with tempfile.TemporaryFile() if from_stdin else open_bytes(path, name) as handle:
        if from_stdin:
            shutil.copyfileobj(sys.stdin.buffer, handle)
        if kind := _spreadsheet(handle, name):
            sheet = read_sheet(handle, kind, name)
            if sheet.others:
                say(
                    "{file}: the sheet {sheet} is read; not read: {others}",
                    file=name,
                    sheet=sheet.name,
                    others=", ".join(sheet.others),
                )
            rows = iter([Line(number, text) for number, text in sheet.rows])
            label = Encoding("utf-8", Phrase("{kind}, sheet {sheet}", kind=kind, sheet=sheet.name))
            yield OpenTable(name, label, list(islice(rows, SAMPLE_ROWS)), rows, delimiter=",")
            return
        text = io.TextIOWrapper(
            handle, encoding=(encoding := _detected(handle, name)).codec, errors="embedkit-mark", newline=""
        )
        lines = _bounded_lines(text)
        sample = list(islice(lines, SAMPLE_ROWS))
        _refuse_binary(name, sample)
        table = OpenTable(name, encoding, sample, lines)
        table.read_own_lines()
        yield table


def _spreadsheet(handle: IO[bytes], name: str) -> str:
    """Which spreadsheet a file is, or the empty string. Raises `UserError` for another binary file."""
    try:
        handle.seek(0)
        head = handle.read(16)
        handle.seek(0)
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=name, reason=error.strerror) from error
    kind = archive_kind(handle) if head.startswith(ZIP) else ""
    if kind in ("xlsx", "ods"):
        return kind
    if head.startswith(BINARY):
        hint = "save it as CSV (UTF-8) and read that"
        if kind == "docx":
            raise UserError("is a Word document", place=name, hint=hint)
        raise UserError("is a spreadsheet, an archive or another binary file", place=name, hint=hint)
    return ""


def _detected(handle: IO[bytes], name: str) -> Encoding:
    try:
        return detect(handle)
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=name, reason=error.strerror) from error


def _refuse_binary(name: str, sample: list[Line]) -> None:
    """Raise `UserError` where control characters stand among the first lines as no text has them."""
    text = "".join(line.text for line in sample)[: 1 << 16]
    found = _CONTROLS.findall(text)
    if len(found) * 20 > len(text) > 64 and len(set(found)) > MOST_CONTROLS:
        raise UserError(
            "is a spreadsheet, an archive or another binary file",
            place=name,
            hint="save it as CSV (UTF-8) and read that",
        )


def _bounded_lines(text: IO[str]) -> Iterator[Line]:
    number = 0
    while line := text.readline(MAX_LINE_CHARS):
        number += 1
        over_long = len(line) == MAX_LINE_CHARS and not line.endswith(("\n", "\r"))
        if over_long:
            while (rest := text.readline(MAX_LINE_CHARS)) and not rest.endswith(("\n", "\r")):
                continue
        yield Line(number, line[:SHOWN_CHARS] if over_long else line, over_long)


def empty_error(name: str) -> UserError:
    """The error for a file without a row."""
    return UserError("is empty", place=name, hint="it needs at least one row with two columns")


def json_of(text: str) -> Any:
    """The JSON value of a line, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
