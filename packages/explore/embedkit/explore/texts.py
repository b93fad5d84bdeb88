"""Texts that a task reads: a line each, or a column of a table in any encoding; `-` is stdin."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.console import say
from embedkit.data.reading import JSON_SUFFIXES, read_columns, say_left_out
from embedkit.data.tables import role_of
from embedkit.errors import UserError
from embedkit.files import STDIO
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
    """A file's cells, blank where a row is bad. `columns` is empty where a line is a text."""

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
        """The cells of the first of `names` that is a column, or that stands for a column in another language."""
        folded = [name.strip().casefold() for name in self.columns]
        roles = list(map(role_of, self.columns))
        for known in (folded, roles):
            for name in names:
                if name.casefold() in known:
                    place = known.index(name.casefold())
                    return tuple(row[place] for row in self.rows)
        return None


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


def read_table(path: str | Path) -> TextTable:
    """Read `.txt`, `.csv`, `.tsv` or `.jsonl`; on stdin a first `{` means JSON Lines, else a line is a text.

    Raises:
        UserError: another kind of file, or one that cannot be read.
    """
    name = str(path)
    suffix = Path(name).suffix.lower() if name != STDIO else ""
    if suffix not in (*PLAIN, *TABLES):
        raise UserError("expected .txt, .csv, .tsv or .jsonl", place=name)
    table = read_columns(path, lines=suffix in PLAIN)
    say_left_out(name, [(row.line, row.problem) for row in table.rows if row.problem])
    blank = ("",) * (len(table.names) or 1)
    rows = tuple(blank if row.problem else tuple(map(_tidy, row.cells)) for row in table.rows)
    return TextTable(path=name, columns=table.names, rows=rows)


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
