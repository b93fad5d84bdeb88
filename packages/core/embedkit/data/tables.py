"""Tables of cells: delimiter, quoting and header are detected, a broken row costs itself only; and the one writer."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from embedkit.data.jsonl import write_objects
from embedkit.data.table.headers import roles_of_header
from embedkit.files import atomic
from embedkit.messages import Phrase

MAX_QUOTED_LINES = 200  # a cell of more lines is over-long
MOST_LINES = 20 * MAX_QUOTED_LINES  # whoever finds no end of a quote within so many takes it for a mistake
SAMPLE_ROWS = 300
DELIMITERS = ("\t", ",", ";", "|")
NAMES = {"\t": Phrase("tab"), ",": Phrase("comma"), ";": Phrase("semicolon"), "|": Phrase("bar")}
_QUOTED_CELL = re.compile(r'(?:^|\t)"(?:[^"]|"")*"(?:\t|\r|\n|$)')
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s|:-]*--[\s|:-]*")  # under the header of a Markdown table


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line; `over_long` when only its beginning was read."""

    number: int
    text: str
    over_long: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are told apart. `width` is the number of columns of a right row."""

    delimiter: str
    quoted: bool
    width: int = 0


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of cells and the line it begins on, or the reason why there is none."""

    line: int
    cells: tuple[str, ...] = ()
    problem: str = ""
    text: str = ""


def sniff(lines: Sequence[Line], *, tab_first: bool = False, only: str = "") -> Dialect:
    """The dialect under which the most rows have the same number of columns, at least two.

    `width` is 1 when nothing separates two columns. The delimiter is `only` where the file itself says which.
    """
    best, best_score = Dialect(",", quoted=True, width=1), (False, 0.0, False)
    for delimiter in only or DELIMITERS:
        dialect = Dialect(delimiter, quoted=delimiter != "\t" or _has_quoted_cell(lines))
        rows = list(islice(split(lines, dialect), SAMPLE_ROWS))
        header = bool(rows and roles_of_header(rows[0].cells))
        width, share = _usual_width(rows)
        if header:
            width = len(rows[0].cells)
        score = (header, share, tab_first and delimiter == "\t")
        if width >= 2 and score > best_score:
            best, best_score = Dialect(delimiter, quoted=dialect.quoted, width=width), score
    return best


def _has_quoted_cell(lines: Iterable[Line]) -> bool:
    return any('"' in line.text and _QUOTED_CELL.search(line.text) for line in lines)


def _usual_width(rows: Sequence[Cells]) -> tuple[int, float]:
    widths = Counter(len(row.cells) for row in rows if len(row.cells) >= 2)
    if not widths:
        return 1, 0.0
    width, count = max(widths.items(), key=lambda item: (item[1], -item[0]))
    return width, count / len(rows)


def split(lines: Iterable[Line], dialect: Dialect) -> Iterator[Cells]:
    """Yield each row; a quote that nothing closes costs its own line only."""
    source, waiting = iter(lines), deque[Line]()
    while True:
        line = waiting.popleft() if waiting else next(source, None)
        if line is None:
            return
        if line.over_long:
            yield Cells(line.number, problem="over-long", text=line.text)
        elif line.text.strip() and not (dialect.delimiter == "|" and _RULE.fullmatch(line.text)):
            yield _row(line, source, waiting, dialect)


def _row(line: Line, source: Iterator[Line], waiting: deque[Line], dialect: Dialect) -> Cells:
    if dialect.delimiter == "|" and "\\|" in line.text:
        return Cells(line.number, tuple(_escaped_bars(line.text)), text=line.text)
    if not dialect.quoted or '"' not in line.text:
        return Cells(line.number, tuple(line.text.rstrip("\r\n").split(dialect.delimiter)), text=line.text)
    taken = [line]
    cells = _cells(taken, dialect)
    while cells is None and len(taken) < MOST_LINES:
        more = waiting.popleft() if waiting else next(source, None)
        if more is None:
            break
        taken.append(more)
        if more.over_long:
            break
        if '"' in more.text:
            cells = _cells(taken, dialect)
    swallowed = len(taken) > 1 and dialect.width and len(cells or ()) != dialect.width
    if not cells or swallowed:
        waiting.extendleft(reversed(taken[1:]))
        return Cells(line.number, problem="broken quote", text=line.text)
    if len(taken) > MAX_QUOTED_LINES:
        return Cells(line.number, problem="over-long", text=line.text)
    return Cells(line.number, cells, text="".join(part.text for part in taken))


def _escaped_bars(text: str) -> Iterator[str]:
    """The cells of a line in which `\\|` is a bar of the text, as Markdown tables write it."""
    return (cell.replace("\\|", "|") for cell in _BAR.split(text.rstrip("\r\n")))


def _cells(lines: Sequence[Line], dialect: Dialect) -> tuple[str, ...] | None:
    """The cells, None while a quote is open, or nothing at all when a quote is in the wrong place."""
    try:
        text = "".join(line.text for line in lines)
        row = next(csv.reader([text], delimiter=dialect.delimiter, strict=True), None)
    except csv.Error as error:
        return None if "unexpected end of data" in str(error) else ()
    return None if row is None else tuple(row)


def write_table(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a whole CSV (UTF-8, RFC 4180, CRLF), or JSON lines to a name in `.jsonl`; return the number of rows."""
    if Path(path).suffix == ".jsonl":
        return write_objects(path, rows)
    count = 0
    with atomic(path, newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
    return count
