"""Spreadsheets (xlsx, ods) as lines of comma-separated cells, of the first sheet with a header and those with the same.

Without a header the first sheet with rows is read.

A date is written as 2026-03-02 00:00:00, an error as #REF!; a line break in a cell becomes a space.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO, Any

from embedkit.data.table.headers import roles_of_header
from embedkit.errors import UserError
from embedkit.extras import require

HEADER_ROWS = 10  # a header stands among these
MOST_COLUMNS = 1000
_ODS = "application/vnd.oasis.opendocument.spreadsheet"
Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is read: its name, those of the sheets that are not, and the rows with their numbers on their sheet."""

    name: str
    others: tuple[str, ...]
    rows: Iterable[tuple[int, str]]


def archive_kind(handle: IO[bytes]) -> str:
    """What a zip archive is: xlsx, ods, docx, or the empty string for another or a broken one."""
    try:
        with zipfile.ZipFile(handle) as archive:
            names = archive.namelist()
            if "xl/workbook.xml" in names:
                return "xlsx"
            if "word/document.xml" in names:
                return "docx"
            kind = archive.read("mimetype")[:100].decode("ascii", "replace") if "mimetype" in names else ""
            return "ods" if kind.startswith(_ODS) else ""
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError):
        return ""
    finally:
        handle.seek(0)


def read_sheet(handle: IO[bytes], kind: str, name: str) -> Sheet:
    """The sheet that holds the table. Raises `UserError` for a damaged file and without the extra `excel`."""
    load = _xlsx if kind == "xlsx" else _ods
    module = require("openpyxl" if kind == "xlsx" else "odf.opendocument", extra="excel")
    try:
        sheets = [
            (title, [row for row in rows if any(cell for cell in row[1])])
            for title, rows in load(module, handle)
        ]
    except UserError:
        raise
    except Exception as error:  # both libraries let all kinds of errors of a damaged file through
        raise UserError(
            "cannot be read as a spreadsheet ({reason})",
            place=name,
            hint="open it and save it anew, or save it as CSV (UTF-8)",
            reason=str(error)[:100] or type(error).__name__,
        ) from error
    filled = [sheet for sheet in sheets if sheet[1]]
    if not filled:
        raise UserError("is empty", place=name, hint="it needs at least one row with two columns")
    chosen = next((sheet for sheet in filled if _header_of(sheet[1])), filled[0])
    header = _header_of(chosen[1])
    alike = [s for s in filled if s is not chosen and header and _header_of(s[1]) == header]
    rows = [*chosen[1], *(row for _, found in alike for row in _below(found, header))]
    names = [title for title, _ in (chosen, *alike)]
    others = tuple(title for title, _ in filled if title not in names)
    width = max(len(row) for _, row in rows)
    return Sheet(", ".join(names), others, ((number, _line(row, width)) for number, row in rows))


def _header_of(rows: Sequence[tuple[int, Row]]) -> Row:
    """The row that names the columns, or none."""
    return next((row for _, row in islice(rows, HEADER_ROWS) if roles_of_header(row)), ())


def _below(rows: Sequence[tuple[int, Row]], header: Row) -> Sequence[tuple[int, Row]]:
    return rows[[row for _, row in rows].index(header) + 1 :]


def _line(row: Row, width: int) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([*(" ".join(cell.split()) for cell in row), *[""] * (width - len(row))])
    return buffer.getvalue()


def _trimmed(cells: Iterable[str]) -> Row:
    row = list(cells)
    while row and not row[-1]:
        row.pop()
    return row


def _xlsx(openpyxl: Any, handle: IO[bytes]) -> Iterator[tuple[str, Iterator[tuple[int, Row]]]]:
    book = openpyxl.load_workbook(handle, read_only=True, data_only=True)
    for sheet in book.worksheets:
        rows = enumerate(sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS), start=1)
        yield sheet.title, ((number, _trimmed(map(_text, row))) for number, row in rows)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _ods(opendocument: Any, handle: IO[bytes]) -> Iterator[tuple[str, Iterator[tuple[int, Row]]]]:
    from odf.table import Table, TableRow

    document = opendocument.load(handle)
    for sheet in document.spreadsheet.getElementsByType(Table):
        yield sheet.getAttribute("name"), _ods_rows(sheet.getElementsByType(TableRow))


def _ods_rows(rows: Iterable[Any]) -> Iterator[tuple[int, Row]]:
    number = 1
    for row in rows:
        cells = _trimmed(_ods_cells(row))
        times = int(row.getAttribute("numberrowsrepeated") or 1)
        if cells:
            yield from ((number + again, cells) for again in range(min(times, 1000)))
        number += times


def _ods_cells(row: Any) -> Iterator[str]:
    from odf import teletype

    for cell in row.childNodes:
        if cell.qname[1] not in ("table-cell", "covered-table-cell"):
            continue
        texts = [teletype.extractText(child) for child in cell.childNodes if child.qname[1] in ("p", "h")]
        times = int(cell.getAttribute("numbercolumnsrepeated") or 1)
        yield from [" ".join(texts)] * min(times, MOST_COLUMNS)
