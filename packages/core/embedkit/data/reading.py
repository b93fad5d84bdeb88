"""The one reader of tables: CSV, TSV, JSON lines, xlsx and ods in any encoding, as records, as entries or by columns.

`read_records` yields a bad row as a `Reject` with its file, line and reason; nothing is passed over in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embedkit.console import say
from embedkit.data.encoding import BAD
from embedkit.data.entries import Entry, Record, Reject, category, entry_from_row, phrase, rejected, to_record
from embedkit.data.foreign_formats import refuse_documents
from embedkit.data.jsonl import BadLineError, parse_object, require_whole_characters
from embedkit.data.table.columns import (
    WRONG_COUNT,
    Chosen,
    Fitting,
    choose,
    fitted_row,
    refuse_training_rows,
    rows_of,
    say_columns,
    say_unused,
    shown_columns,
)
from embedkit.data.table.columns import parse_mapping as parse_mapping
from embedkit.data.table.headers import (
    TEXT_ROLES,
    RoleColumn,
    complete,
    known_columns,
    language_of_header,
    role_of,
)
from embedkit.data.table.language import TableLanguage
from embedkit.data.table.opening import JSON_SUFFIXES as JSON_SUFFIXES
from embedkit.data.table.opening import OpenTable, json_of, opened
from embedkit.data.tables import DELIMITERS, Cells, Dialect, Line, sniff, split
from embedkit.errors import UserError
from embedkit.files import STDIO, missing_file
from embedkit.messages import tr
from embedkit.shipped_data import data_path

_OWN_KEYS = {"hard_negatives", "id", "group", "kind", "mining", "scores"}  # of pairs, made anew
_ALONE = "the only name of its concept"
# What is wrong with a line, not with what a person wrote in it: where most are so, the file is no table.
_NO_ROWS = frozenset(
    (str(WRONG_COUNT), "broken quote", "undecodable", "not UTF-8", "not JSON", "not a JSON object")
)
_FEW = 2  # so many bad lines are told one by one


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
        raise missing_file(name)
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
    with opened(path, name) as table:
        table.refuse_empty()
        refuse_documents(table.name, [line.text for line in table.sample if line.text.strip()])
        reader = _read_json if table.is_json else _read_table
        yield from _mostly_rows(reader(table, mapping or {}, quiet), table.name)


def _mostly_rows(items: Iterable[Record | Reject], name: str) -> Iterator[Record | Reject]:
    """The items of a table. Raises `UserError` at its end where most lines were no rows."""
    total, bad, first = 0, 0, None
    for item in items:
        total += 1
        if isinstance(item, Reject) and category(item.reason) in _NO_ROWS:
            bad, first = bad + 1, first or item
        yield item
    if first and bad > _FEW and bad * 2 > total:
        raise UserError(
            "is no table: {bad} of {total} rows cannot be read",
            place=name,
            hint="the first on line {line}: {reason}",
            bad=bad,
            total=total,
            line=first.line,
            reason=phrase(first.reason),
        )


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
    with opened(path) as table:
        table.say_encoding()
        if table.is_json:
            return _json_columns(table)
        if lines:
            texts = (
                Cells(line.number, (line.text.rstrip("\r\n"),), text=line.text) for line in table.lines()
            )
            return Columns((), tuple(fitted_row(row, 1) for row in texts))
        table.refuse_empty()
        first, rows = _one_column(table) or rows_of(table)[1:]
        filled = (row for row in rows if row.problem or any(map(str.strip, row.cells)))
        width = len(first.cells)
        return Columns(first.cells, tuple(fitted_row(row, width) for row in filled))


def read_lines(path: Path | str) -> Iterator[Line]:
    """The lines of a text in any encoding. Raises `UserError` where it cannot be read."""
    with opened(path) as table:
        table.say_encoding()
        yield from table.lines()


def has_columns(path: Path | str) -> bool:
    """Whether a file is a table of two columns or more, or JSON lines. Raises `UserError` where it cannot be read."""
    with opened(path) as table:
        return table.is_json or sniff(table.sample).width > 1


def _json_columns(table: OpenTable) -> Columns:
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


def _one_column(table: OpenTable) -> tuple[Cells, Iterator[Cells]] | None:
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


def _read_table(table: OpenTable, mapping: Mapping[str, str], quiet: bool) -> Iterator[Record | Reject]:
    chosen = choose(table, mapping)
    if not quiet:
        say_columns(table, chosen)
    found = _table_records(table, chosen)
    yield from _names_of_concepts(found, table.name, quiet=quiet) if chosen.names_by_group else found


def _table_records(table: OpenTable, chosen: Chosen) -> Iterator[Record | Reject]:
    fitting, name = Fitting(table, chosen), table.name
    # Of a row with one name of a concept nothing else is asked: the term stands for what is said of it.
    columns = [*chosen.columns, *_repeated(chosen.columns)] if chosen.names_by_group else chosen.columns
    texts = [column.at for column in columns if column.role in TEXT_ROLES]
    sample = (row.cells for row in split(table.sample, chosen.dialect) if row.cells != chosen.first.cells)
    header = "" if chosen.headless else language_of_header(chosen.first.cells)
    language = TableLanguage((" ".join(c[at] for at in texts if at < len(c)) for c in sample), header)
    for row in chosen.rows:
        fitted = fitting(row)
        if fitted.problem:
            yield rejected(name, row.line, fitted.problem, row.text)
        else:
            cells = [(column, fitted.cells[column.at]) for column in columns]
            yield to_record(name, row.line, cells, row.text, language.of)


def _repeated(columns: Iterable[RoleColumn]) -> Iterator[RoleColumn]:
    return (RoleColumn("definition", column.at) for column in columns if column.role == "term")


def _names_of_concepts(
    found: Iterable[Record | Reject], name: str, *, quiet: bool
) -> Iterator[Record | Reject]:
    """Pairs of the first name of each concept with every other; a concept with one name makes none."""
    first: dict[str, Record] = {}
    paired: set[str] = set()
    names = 0
    for item in found:
        if isinstance(item, Reject):
            yield item
            continue
        names += 1
        lead = first.setdefault(item.group, item)
        if lead is not item:
            paired.add(item.group)
            entry = replace(lead.entry, definition=item.entry.term)
            yield replace(item, entry=entry, stated_pair=True)
    if not quiet:
        say("{name}: {names} names of {count} concepts", name=name, names=names, count=len(first))
    for group, lead in first.items():
        if group not in paired:
            yield rejected(name, lead.line, _ALONE, lead.entry.term)


def _read_json(table: OpenTable, mapping: Mapping[str, str], quiet: bool) -> Iterator[Record | Reject]:
    name, sample = table.name, table.sample
    keys = _Keys(mapping, sample, name)
    if not quiet:
        say("{name}: {encoding}, JSON lines", name=name, encoding=table.encoding.label)
        if any('"hard_negatives": ["' in line.text for line in sample):
            say("{name}: its hard negatives are not taken over; they are mined anew", name=name)
        say_unused(name, [key for key in keys.names if key not in _OWN_KEYS and not keys.role_of(key)])
    language = TableLanguage(keys.texts, language_of_header(keys.names))
    for line in table.lines():
        if line.text.strip("\ufeff \r\n\t"):
            row = _json_row(line)
            if isinstance(row, str):
                yield rejected(name, line.number, row, line.text)
            else:
                yield _from_json(name, line, row, keys, language)


class _Keys:
    """What the keys of the rows of one file are.

    Raises:
        UserError: `--map` names a key that no row has, or the rows are of something else.
    """

    def __init__(self, mapping: Mapping[str, str], sample: Sequence[Line], name: str) -> None:
        self._renamed = {column: role for role, column in mapping.items()}
        self._known: dict[tuple[str, ...], tuple[RoleColumn, ...]] = {}
        self._rows = rows = [row for line in sample if isinstance(row := json_of(line.text), dict)]
        self.names = list(dict.fromkeys(key for row in rows for key in row))
        for key in self._renamed:
            if rows and key not in self.names:
                raise UserError(
                    "has no column {column!r}",
                    place=name,
                    hint="its columns: {names}",
                    column=key,
                    names=shown_columns(self.names),
                )
        columns = complete(self._columns(self.names))
        if not mapping or not columns:
            refuse_training_rows(name, self.names, columns)
        if rows and not columns:
            raise UserError(
                "has no keys that name term and definition",
                place=name,
                hint="its keys: {names}; --map term=KEY --map definition=KEY names them",
                names=shown_columns(self.names),
            )

    @property
    def texts(self) -> Iterator[str]:
        """The texts of the rows of the sample."""
        for row in self._rows:
            columns = (column for column in self.of_row(row) if column.role in TEXT_ROLES)
            yield " ".join(str(row[list(row)[column.at]]) for column in columns)

    def role_of(self, key: str) -> str:
        """The role of a key, by `--map` or by its name."""
        return self._renamed.get(key) or role_of(key)

    def of_row(self, row: Mapping[str, Any]) -> tuple[RoleColumn, ...]:
        """What the keys of one row are; `at` counts them."""
        keys = tuple(row)
        if keys not in self._known:
            columns = self._columns(keys)
            self._known[keys] = complete(columns) or tuple(columns)
        return self._known[keys]

    def _columns(self, keys: Sequence[str]) -> list[RoleColumn]:
        stated = [RoleColumn(self._renamed[key], at) for at, key in enumerate(keys) if key in self._renamed]
        roles = {column.role for column in stated}
        own = [c for c in known_columns(keys) if keys[c.at] not in self._renamed and c.role not in roles]
        return [*stated, *own]


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


def _from_json(
    name: str, line: Line, row: Mapping[str, Any], keys: _Keys, language: TableLanguage
) -> Record | Reject:
    values = list(row.values())
    cells: list[tuple[RoleColumn, str]] = []
    for column in keys.of_row(row):
        item = values[column.at]
        if column.role in TEXT_ROLES and not isinstance(item, str | None):
            return rejected(name, line.number, "not a text", line.text, detail=column.role)
        if item is not None:
            cells.append((column, _cell(item)))
    return to_record(name, line.number, cells, line.text, language.of)
