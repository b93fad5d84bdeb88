"""The one reader of tables: CSV, TSV or JSON lines in any encoding, as records, as entries or by their columns.

`read_records` yields a bad row as a `Reject` with its file, line and reason; nothing is passed over in silence.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from embedkit.console import say
from embedkit.data.encoding import BAD, Encoding, detect
from embedkit.data.entries import (
    SHOWN_CHARS,
    Entry,
    Record,
    Reject,
    entry_from_row,
    phrase,
    rejected,
    to_record,
)
from embedkit.data.foreign_formats import refuse_documents, refuse_known
from embedkit.data.jsonl import BadLineError, parse_object, require_whole_characters
from embedkit.data.shapes import whole_shape_of
from embedkit.data.tables import (
    DELIMITERS,
    NAMES,
    ROLES,
    SAMPLE_ROWS,
    Cells,
    Dialect,
    Line,
    role_of,
    roles_of_header,
    sniff,
    split,
)
from embedkit.errors import UserError
from embedkit.files import STDIO, open_bytes
from embedkit.messages import Phrase, tr
from embedkit.shipped_data import data_path
from embedkit.text import clean, writable

MAX_LINE_CHARS = 1_000_000
WRONG_COUNT = Phrase("wrong column count")
TITLE_ROWS = 10  # a spreadsheet's title and remarks above its header
# Spreadsheets old and new, archives, PDF, pictures, databases: how those begin that are taken for tables.
BINARY: tuple[bytes, ...] = (
    *(b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"\xfd7zXZ", b"(\xb5/\xfd", b"7z\xbc\xaf"),
    *(b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"PAR1", b"SQLite format 3", b"\x93NUMPY"),
)
_SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\s*$", re.IGNORECASE)  # Excel's own, for Excel
_OWN_KEYS = {"hard_negatives", "id", "group", "kind", "mining", "scores"}  # of pairs, made anew
JSON_SUFFIXES = (".jsonl", ".ndjson")
_SHOWN_ROLES = ("term", "definition", "anchor", "positive", "aliases", "abbreviation", "translation")


def locate(name: str) -> Path | str:
    """The file meant by `--input NAME`: as given, else under `data/`, else what ships; it says which.

    Raises:
        UserError: there is none, or it is a folder.
    """
    if name == STDIO:
        return name
    tried = (Path(name), Path("data") / name, data_path(name))
    for path in tried:
        if path.is_dir():
            raise UserError("is a folder, not a file", place=name, hint="name a CSV, TSV or JSONL file in it")
        if path.is_file():
            if path != tried[0]:
                say("{name} is not here; reading {path}", name=name, path=path)
            return path
    if tried[0].exists():
        raise UserError("is a pipe or a device", place=name, hint="pipe it in: - is standard input")
    if tried[0].is_absolute():
        raise UserError("there is no such file", place=name, hint="check the path")
    raise UserError(
        "there is no such file",
        place=name,
        hint="looked at {name}, data/{name} and the data that ships with embedkit",
        name=name,
        there=_names_there(Path(name).parent),
    )


def _names_there(folder: Path) -> Iterator[str]:
    """The files that a wrong name may mean: those of its folder, of data/, and those that ship."""
    for place in dict.fromkeys((folder, Path("data"))):
        yield from (str(path) for path in place.glob("*"))
    yield from (path.name for path in data_path().iterdir())


def read_records(
    path: Path | str, *, mapping: Mapping[str, str] | None = None, quiet: bool = False, name: str = ""
) -> Iterator[Record | Reject]:
    """Yield every row of one table as a record or a reject; `name` is what it is called, if not by its path.

    Raises:
        UserError: the file cannot be read, is empty, is a spreadsheet, or has one column only.
    """
    with _opened(path, name) as table:
        table.refuse_empty()
        refuse_documents(table.name, [line.text for line in table.sample if line.text.strip()])
        reader = _read_json if table.is_json else _read_table
        yield from reader(table, mapping or {}, quiet)


def read_entries(path: Path | str, *, mapping: Mapping[str, str] | None = None) -> tuple[Entry, ...]:
    """The entries of a table; bad rows are left out, which is said with the first of them. Raises `UserError`."""
    entries: list[Entry] = []
    rejects: list[Reject] = []
    for item in read_records(path, mapping=mapping, quiet=True):
        if isinstance(item, Record):
            entries.append(item.entry)
        else:
            rejects.append(item)
    say_left_out(str(path), [(reject.line, reject.reason) for reject in rejects])
    return tuple(entries)


def say_left_out(name: str, bad: Sequence[tuple[int, str]]) -> None:
    """Say how many bad rows, as `(line, reason)`, are left out, and what is wrong with the first."""
    for line, reason in bad[:1]:
        say(
            "{file}: {count} bad rows are left out, the first on line {line}: {reason}",
            file=name,
            count=len(bad),
            line=line,
            reason=phrase(reason),
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """A table by its columns. A sound row has a cell for each name; `names` is empty where a line is a text."""

    names: tuple[str, ...]
    rows: tuple[Cells, ...]

    def find(self, names: Sequence[str]) -> int | None:
        """The place of the first of `names` that is a column, else of one that says it in another language."""
        for known in ([name.strip().casefold() for name in self.names], list(map(role_of, self.names))):
            for name in names:
                if name.casefold() in known:
                    return known.index(name.casefold())
        return None


def read_columns(path: Path | str, *, lines: bool = False) -> Columns:
    """The cells of a table whose first row names its columns, or of JSON lines, as they stand in the file.

    With `lines` a file that is no JSON lines holds a text a line. Rows without any text are left out.

    Raises:
        UserError: the file cannot be read.
    """
    with _opened(path) as table:
        table.say_encoding()
        if table.is_json:
            return _json_columns(table)
        if lines:
            texts = (
                Cells(line.number, (line.text.rstrip("\r\n"),), text=line.text) for line in table.lines()
            )
            return Columns((), tuple(_fitted(row, 1) for row in texts))
        table.refuse_empty()
        first, rows = _one_column(table) or _rows_of(table)[1:]
        filled = (row for row in rows if row.problem or any(map(str.strip, row.cells)))
        width = len(first.cells)
        return Columns(first.cells, tuple(_fitted(row, width) for row in filled))


def read_lines(path: Path | str) -> Iterator[Line]:
    """The lines of a text in any encoding. Raises `UserError` where it cannot be read."""
    with _opened(path) as table:
        table.say_encoding()
        yield from table.lines()


def has_columns(path: Path | str) -> bool:
    """Whether a file is a table of two columns or more, or JSON lines. Raises `UserError` where it cannot be read."""
    with _opened(path) as table:
        return table.is_json or sniff(table.sample).width > 1


def _json_columns(table: _Table) -> Columns:
    found = [(line, _json_row(line)) for line in table.lines() if line.text.strip("\ufeff \r\n\t")]
    names = tuple(dict.fromkeys(key for _, row in found if isinstance(row, dict) for key in row))
    rows = (
        Cells(line.number, tuple(map(_cell, map(row.get, names))), text=line.text)
        if isinstance(row, dict)
        else Cells(line.number, problem=row, text=line.text)
        for line, row in found
    )
    return Columns(names, tuple(rows))


def _cell(value: object) -> str:
    """A text as it is, nothing where there is none, and anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _one_column(table: _Table) -> tuple[Cells, Iterator[Cells]] | None:
    """The rows of a table whose header is one cell under any delimiter: a comma in a text is no delimiter."""
    header = next(line.text for line in table.sample if line.text.strip())
    if any(delimiter in header for delimiter in DELIMITERS):
        return None
    rows = split(table.lines(), Dialect("\x1f", quoted=True, width=1))
    return next(rows, Cells(1, ("",))), rows


def read_glossary(path: Path | str) -> Iterator[Entry]:
    """Read a glossary that must be right, as the ones embedkit writes are: its cells as they stand in the file.

    Raises:
        UserError: at the first bad row, naming file and line. (`read_entries` leaves bad rows out and says so.)
    """
    table = read_columns(path)
    if missing := [name for name in ("term", "definition") if name not in table.names]:
        raise UserError(
            "no column {names}",
            place=f"{path}:1",
            hint="a glossary needs the columns term and definition",
            names=tr(" and no column ").join(missing),
        )
    for row in table.rows:
        try:
            if row.problem:
                raise ValueError(phrase(row.problem))
            yield entry_from_row(dict(zip(table.names, row.cells, strict=True)))
        except ValueError as error:
            raise UserError(str(error), place=f"{path}:{row.line}") from None


@dataclass(frozen=True, slots=True)
class _Table:
    """A file that is open: its first lines, and what comes after them."""

    name: str
    encoding: Encoding
    sample: list[Line]
    rest: Iterator[Line]

    @property
    def is_json(self) -> bool:
        """Whether it is JSON lines, by its name or by its first line."""
        filled = (line.text for line in self.sample if line.text.strip())
        return self.name.endswith(JSON_SUFFIXES) or isinstance(_json(next(filled, "")), dict)

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
            raise _empty(self.name)


@contextmanager
def _opened(path: Path | str, name: str = "") -> Iterator[_Table]:
    """A table to be read in its encoding; standard input is laid down in a temporary file first."""
    name = name or ("stdin" if str(path) == STDIO else writable(str(path)))
    from_stdin = str(path) == STDIO
    with tempfile.TemporaryFile() if from_stdin else open_bytes(path, name) as handle:
        if from_stdin:
            shutil.copyfileobj(sys.stdin.buffer, handle)
        encoding = _checked(handle, name)
        text = io.TextIOWrapper(handle, encoding=encoding.codec, errors="embedkit-mark", newline="")
        lines = _bounded_lines(text)
        yield _Table(name, encoding, list(islice(lines, SAMPLE_ROWS)), lines)


def _checked(handle: IO[bytes], name: str) -> Encoding:
    try:
        handle.seek(0)
        if handle.read(16).startswith(BINARY):
            raise UserError(
                "is a spreadsheet, an archive or another binary file",
                place=name,
                hint="save it as CSV (UTF-8) and read that",
            )
        return detect(handle)
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=name, reason=error.strerror) from error


def _bounded_lines(text: IO[str]) -> Iterator[Line]:
    number = 0
    while line := text.readline(MAX_LINE_CHARS):
        number += 1
        over_long = len(line) == MAX_LINE_CHARS and not line.endswith(("\n", "\r"))
        if over_long:
            while (rest := text.readline(MAX_LINE_CHARS)) and not rest.endswith(("\n", "\r")):
                continue
        yield Line(number, line[:SHOWN_CHARS] if over_long else line, over_long)


def _empty(name: str) -> UserError:
    return UserError("is empty", place=name, hint="it needs at least one row with two columns")


def _rows_of(table: _Table) -> tuple[Dialect, Cells, Iterator[Cells]]:
    """How the cells are told apart, the first row, and those after it."""
    said = _SEPARATOR_LINE.match(table.sample[0].text)
    if said:
        del table.sample[0]
    tab_first = table.name.endswith((".tsv", ".tab"))
    dialect = sniff(table.sample, tab_first=tab_first, only=said[1] if said else "")
    rows = split(table.lines(), dialect)
    first = next(rows, None)
    if first is None:
        raise _empty(table.name)
    return dialect, first, rows


def _read_table(table: _Table, mapping: Mapping[str, str], quiet: bool) -> Iterator[Record | Reject]:
    name = table.name
    dialect, first, rows = _rows_of(table)
    roles = _mapped(first, mapping, name) if mapping else roles_of_header(first.cells)
    if not mapping:
        _refuse_training_rows(name, first.cells, roles)
    if dialect.width < 2:
        raise UserError(
            "has one column only",
            place=name,
            hint="a glossary has columns for term and definition, pairs have two; synth --terms takes a list of terms",
        )
    if not roles:
        _refuse_unnamed(name, dialect, table.sample)
    headless = not roles or _is_row(first, mapping)
    roles = roles or {"anchor": 0, "positive": 1}
    if not quiet:
        _state(name, table.encoding, dialect, roles, first, headless=headless)
    if headless:
        rows = chain((first,), rows)
    for row in rows:
        fitted = _fitted(row, dialect.width)
        if fitted.problem:
            yield rejected(name, row.line, fitted.problem, row.text)
        else:
            yield to_record(name, row.line, {role: row.cells[at] for role, at in roles.items()}, row.text)


def _refuse_training_rows(name: str, keys: Collection[str], roles: Collection[object]) -> None:
    """Raise `UserError` for rows with a grade or a class, of which not all are alike, and for all that is no table."""
    shape = whole_shape_of(dict.fromkeys(keys, ""))
    if not roles:
        refuse_known(name, keys)
    if shape in ("classed_pairs", "scored_pairs") or (shape == "labelled" and not roles):
        raise UserError(
            "holds training rows of another kind", place=name, hint="embedkit train reads them as JSON lines"
        )


def _refuse_unnamed(name: str, dialect: Dialect, sample: Sequence[Line]) -> None:
    """Raise `UserError` where no header says which columns are meant, or where one stands further down."""
    for row in islice(split(sample, dialect), TITLE_ROWS):
        if roles_of_header(row.cells):
            raise UserError(
                "has its header on line {line}",
                place=name,
                hint="delete the lines above it: `tail -n +{line} FILE > table.csv`",
                line=row.line,
            )
        if len(list(filter(str.strip, row.cells))) > 1:
            break
    if dialect.width > 2:
        raise UserError(
            "has {width} columns and no header that names term and definition",
            place=name,
            hint="name them: --map term=COLUMN --map definition=COLUMN (numbers from 1 where there is no header)",
            width=dialect.width,
        )


def _is_row(first: Cells, mapping: Mapping[str, str]) -> bool:
    """Whether the first row is one already: its columns are told by number, and no cell is a known name."""
    numbered = bool(mapping) and all(column.isdecimal() for column in mapping.values())
    return numbered and not any(map(role_of, first.cells))


def _state(
    name: str, encoding: Encoding, dialect: Dialect, roles: Mapping[str, int], first: Cells, *, headless: bool
) -> None:
    shown = ", ".join(
        f"{role}={at + 1 if headless else first.cells[at].strip()}"
        for role, at in roles.items()
        if role in _SHOWN_ROLES
    )
    say(
        "{name}: {encoding}, {delimiter}-separated, {quoting}, {header}",
        name=name,
        encoding=encoding.label,
        delimiter=NAMES.get(dialect.delimiter, dialect.delimiter),
        quoting=tr('quote "' if dialect.quoted else "no quoting"),
        header=tr("no header: {columns}" if headless else "header {columns}", columns=shown),
    )
    if not headless:
        cells = enumerate(map(clean, first.cells))
        _say_unused(name, [cell for at, cell in cells if cell and at not in roles.values()])


def _say_unused(name: str, columns: Sequence[str]) -> None:
    if columns:
        say("{name}: columns that are not used: {columns}", name=name, columns=", ".join(columns))


def parse_mapping(items: Iterable[str]) -> dict[str, str]:
    """`--map term=용어` items to role → column. Raises `UserError` on an unknown role."""
    mapping: dict[str, str] = {}
    for item in items:
        role, sign, column = item.partition("=")
        if not sign or not column.strip() or role.strip() not in ROLES:
            raise UserError(
                "--map {item!r} is not ROLE=COLUMN",
                hint="roles: {roles}",
                item=item,
                roles=", ".join(r for r in ROLES),
            )
        mapping[role.strip()] = column.strip()
    return mapping


def _mapped(header: Cells, mapping: Mapping[str, str], name: str) -> dict[str, int]:
    """The header's own roles under those of `--map`; a mapped column loses the role its name had."""
    names = [clean(cell) for cell in header.cells]
    roles = {role: at for at, cell in enumerate(names) if (role := role_of(cell))}
    by_number = _is_row(header, mapping)
    for role, column in mapping.items():
        named = column in names and not by_number
        at = names.index(column) if named else int(column) - 1 if column.isdecimal() else -1
        if not 0 <= at < len(names):
            raise UserError(
                "has no column {column!r}",
                place=name,
                hint="its columns: {names}",
                column=column,
                names=", ".join(names),
            )
        roles = {known: place for known, place in roles.items() if place != at} | {role: at}
    if not (roles.keys() & {"term", "anchor"} and roles.keys() & {"definition", "positive"}):
        raise UserError(
            "--map leaves no pair of columns",
            place=name,
            hint="map term and definition, or anchor and positive",
        )
    return roles


def _fitted(row: Cells, width: int) -> Cells:
    """The row when it is sound; else one that says what is wrong."""
    if row.problem:
        return row
    if BAD in row.text:
        return Cells(row.line, problem="undecodable", text=row.text)
    if len(row.cells) < width or any(cell.strip() for cell in row.cells[width:]):
        problem = f"{WRONG_COUNT} ({len(row.cells)} ≠ {width})"
        return Cells(row.line, problem=problem, text=row.text)
    return row if len(row.cells) == width else Cells(row.line, row.cells[:width], text=row.text)


def _read_json(table: _Table, mapping: Mapping[str, str], quiet: bool) -> Iterator[Record | Reject]:
    name, sample = table.name, table.sample
    renamed = {column: role for role, column in mapping.items()}
    keys = _keys(renamed, sample, name)
    if not quiet:
        say("{name}: {encoding}, JSON lines", name=name, encoding=table.encoding.label)
        if any('"hard_negatives": ["' in line.text for line in sample):
            say("{name}: its hard negatives are not taken over; they are mined anew", name=name)
        _say_unused(
            name, [key for key in keys if key not in _OWN_KEYS and not (renamed.get(key) or role_of(key))]
        )
    for line in table.lines():
        if line.text.strip("\ufeff \r\n\t"):
            row = _json_row(line)
            if isinstance(row, str):
                yield rejected(name, line.number, row, line.text)
            else:
                yield _from_json(name, line, row, renamed)


def _keys(renamed: Mapping[str, str], sample: Sequence[Line], name: str) -> list[str]:
    """The keys of the sample's rows.

    Raises:
        UserError: `--map` names a key that no row has, or the rows are of something else.
    """
    rows = [row for line in sample if isinstance(row := _json(line.text), dict)]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    for key in renamed:
        if rows and key not in keys:
            hint = "its columns: {names}"
            raise UserError(
                "has no column {column!r}", place=name, hint=hint, column=key, names=", ".join(keys)
            )
    roles = {role for key in keys if (role := renamed.get(key) or role_of(key))}
    paired = roles & {"term", "anchor"} and roles & {"definition", "positive"}
    if not renamed or not paired:
        _refuse_training_rows(name, keys, paired)
    if rows and not paired:
        raise UserError(
            "has no keys that name term and definition",
            place=name,
            hint="its keys: {names}; --map term=KEY --map definition=KEY names them",
            names=", ".join(keys) or "-",
        )
    return keys


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_row(line: Line) -> dict[str, Any] | str:
    """The object of a line, or what is wrong with it."""
    if line.over_long or BAD in line.text:
        return "over-long" if line.over_long else "undecodable"
    try:
        value = parse_object(line.text)
        if "\\u" in line.text:
            require_whole_characters(value)
    except BadLineError as error:
        return error.reason
    return value


def _from_json(name: str, line: Line, row: Mapping[str, Any], renamed: Mapping[str, str]) -> Record | Reject:
    cells: dict[str, str] = {}
    for key, item in sorted(row.items(), key=lambda item: item[0] not in renamed):
        role = renamed.get(key) or role_of(key)
        if role in ("term", "definition", "anchor", "positive") and not isinstance(item, str | None):
            return rejected(name, line.number, "not a text", line.text, detail=role)
        if role and item is not None:
            cells.setdefault(role, _cell(item))
    return to_record(name, line.number, cells, line.text)
