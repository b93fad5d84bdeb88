"""Texts that a task reads, a line each or a column of a table in any encoding (`-` is stdin), and result rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.console import say
from embedkit.data.reading import JSON_SUFFIXES, Columns, read_columns, say_left_out
from embedkit.data.tables import Cells, write_table
from embedkit.errors import UserError
from embedkit.files import STDIO, refuse_existing
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
TABLES = (".csv", ".tsv", *JSON_SUFFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A file's cells, blank where a row is bad. Without names of columns a line is a text."""

    path: str
    columns: Columns

    def column(self, names: Sequence[str], *, wanted: str | None = None, option: str) -> tuple[str, ...]:
        """The cells of the column `wanted`, else of the first of `names` that is there; blank cells too.

        Raises:
            UserError: there is none; it lists the columns and names `option`.
        """
        columns = self.columns.names
        cells = self.optional((wanted,) if wanted else names if columns else ())
        if cells is None:
            raise UserError(
                "no column {wanted!r}" if wanted else "no column {names}",
                place=self.path,
                hint="it has {columns}; {option} names one"
                if columns
                else "it has no columns, a line is a text; {option} names one",
                wanted=wanted,
                names=tr(" or ").join(names[:3]),
                columns=", ".join(columns),
                option=option,
            )
        return cells

    def optional(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """The cells of the first of `names` that is a column; the lines where there are no columns and no `names`."""
        place = self.columns.find(names) if self.columns.names or names else 0
        return None if place is None else tuple(_cell(row, place) for row in self.columns.rows)


def _cell(row: Cells, place: int) -> str:
    return "" if row.problem else unicodedata.normalize("NFC", row.cells[place]).strip()


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
    tidy = tuple(unicodedata.normalize("NFC", text).strip() for text in texts)
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


def read_table(path: str | Path) -> TextTable:
    """Read `.txt`, `.csv`, `.tsv` or `.jsonl`; on stdin a first `{` means JSON Lines, else a line is a text.

    Raises:
        UserError: another kind of file, or one that cannot be read.
    """
    name = str(path)
    suffix = Path(name).suffix.lower() if name != STDIO else ""
    if suffix not in (*PLAIN, *TABLES):
        raise UserError("expected .txt, .csv, .tsv or .jsonl", place=name)
    columns = read_columns(path, lines=suffix in PLAIN)
    say_left_out(name, [(row.line, row.problem) for row in columns.rows if row.problem])
    return TextTable(path=name, columns=columns)


def check_output(path: Path, *, force: bool) -> None:
    """Raise `UserError` for an ending other than `.csv` or `.jsonl`, or a file that is there without `force`."""
    if path.suffix not in (".csv", ".jsonl"):
        raise UserError("expected a name that ends in .csv or .jsonl", place=str(path))
    refuse_existing(path, force=force)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str]) -> None:
    """Write the rows, JSON Lines where the name says so, else CSV."""
    written = write_table(path, columns, rows)
    if str(path) != STDIO:
        say("wrote {path}: {rows} rows", path=path, rows=written)
