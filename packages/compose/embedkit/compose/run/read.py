"""Tables of any origin to records, a row at a time: CSV, TSV or JSON lines, glossary columns or two columns.

A bad row is yielded as a `Reject` with its file, line and reason; nothing is passed over in silence.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from embedkit.compose.rows.records import SHOWN_CHARS, Record, Reject, rejected, to_record
from embedkit.console import say
from embedkit.data.encoding import BAD, Encoding, detect
from embedkit.data.foreign_formats import refuse_documents, refuse_graded, refuse_known
from embedkit.data.shipped import data_path
from embedkit.data.tables import (
    NAMES,
    ROLES,
    SAMPLE_ROWS,
    Dialect,
    Line,
    Row,
    role_of,
    roles_of_header,
    sniff,
    split,
)
from embedkit.errors import UserError
from embedkit.files import STDIO
from embedkit.messages import tr
from embedkit.text import clean, writable

MAX_LINE_CHARS = 1_000_000
TITLE_ROWS = 10  # a spreadsheet's title and remarks above its header
# Spreadsheets old and new, archives, PDF, pictures, databases: how those begin that are taken for tables.
_BINARY: tuple[bytes, ...] = (
    *(b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"\xfd7zXZ", b"(\xb5/\xfd", b"7z\xbc\xaf"),
    *(b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"PAR1", b"SQLite format 3", b"\x93NUMPY"),
)
_SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\s*$", re.IGNORECASE)  # Excel's own, for Excel
_OWN_KEYS = {"hard_negatives", "id", "group", "kind", "mining", "scores"}  # of pairs, made anew
_JSON_SUFFIXES = (".jsonl", ".ndjson")
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
    )


def read(
    path: Path | str, *, mapping: Mapping[str, str] | None = None, quiet: bool = False, name: str = ""
) -> Iterator[Record | Reject]:
    """Yield every row of one table as a record or a reject; `name` is what it is called, if not by its path.

    Raises:
        UserError: the file cannot be read, is empty, is a spreadsheet, or has one column only.
    """
    name = name or ("stdin" if str(path) == STDIO else writable(str(path)))
    with _opened(path) as handle:
        encoding = _checked(handle, name)
        text = io.TextIOWrapper(handle, encoding=encoding.codec, errors="embedkit-mark", newline="")
        lines = _lines(text)
        sample = list(islice(lines, SAMPLE_ROWS))
        if not any(line.text.replace("\ufeff", "").strip() for line in sample):
            raise _empty(name)
        refuse_documents(name, [line.text for line in sample if line.text.strip()])
        is_json = name.endswith(_JSON_SUFFIXES) or _looks_like_json(sample)
        reader = _read_json if is_json else _read_table
        yield from reader(name, sample, lines, mapping or {}, encoding, quiet)


@contextmanager
def _opened(path: Path | str) -> Iterator[IO[bytes]]:
    """A seekable handle; standard input is laid down in a temporary file first."""
    try:
        handle: Any = tempfile.TemporaryFile() if str(path) == STDIO else Path(path).open("rb")  # noqa: SIM115
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=str(path), reason=error.strerror) from error
    with handle:
        if str(path) == STDIO:
            while block := sys.stdin.buffer.read(1 << 20):
                handle.write(block)
        yield handle


def _checked(handle: IO[bytes], name: str) -> Encoding:
    try:
        handle.seek(0)
        if handle.read(16).startswith(_BINARY):
            raise UserError(
                "is a spreadsheet, an archive or another binary file",
                place=name,
                hint="save it as CSV (UTF-8) and read that",
            )
        return detect(handle)
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=name, reason=error.strerror) from error


def _lines(text: IO[str]) -> Iterator[Line]:
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


def _looks_like_json(sample: Sequence[Line]) -> bool:
    return isinstance(_json(next(line.text for line in sample if line.text.strip())), dict)


def _read_table(
    name: str,
    sample: list[Line],
    lines: Iterator[Line],
    mapping: Mapping[str, str],
    encoding: Encoding,
    quiet: bool,
) -> Iterator[Record | Reject]:
    said = _SEPARATOR_LINE.match(sample[0].text)
    sample = sample[1:] if said else sample
    dialect = sniff(sample, tab_first=name.endswith((".tsv", ".tab")), only=said[1] if said else "")
    rows = split(chain(sample, lines), dialect)
    first = next(rows, None)
    if first is None:
        raise _empty(name)
    roles = _mapped(first, mapping, name) if mapping else roles_of_header(first.cells)
    if not mapping:
        refuse_graded(name, first.cells)
    if not roles:
        refuse_known(name, first.cells)
    if dialect.width < 2:
        raise UserError(
            "has one column only",
            place=name,
            hint="a glossary has columns for term and definition, pairs have two; synth --terms takes a list of terms",
        )
    if not roles:
        _refuse_unnamed(name, dialect, sample)
    headless = not roles or _is_row(first, mapping)
    roles = roles or {"anchor": 0, "positive": 1}
    if not quiet:
        _state(name, encoding, dialect, roles, first, headless=headless)
    if headless:
        rows = chain((first,), rows)
    for row in rows:
        yield _from_row(name, row, roles, dialect.width)


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


def _is_row(first: Row, mapping: Mapping[str, str]) -> bool:
    """Whether the first row is one already: its columns are told by number, and no cell is a known name."""
    numbered = bool(mapping) and all(column.isdecimal() for column in mapping.values())
    return numbered and not any(map(role_of, first.cells))


def _state(
    name: str, encoding: Encoding, dialect: Dialect, roles: Mapping[str, int], first: Row, *, headless: bool
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


def _mapped(header: Row, mapping: Mapping[str, str], name: str) -> dict[str, int]:
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


def _from_row(name: str, row: Row, roles: Mapping[str, int], width: int) -> Record | Reject:
    cells = row.cells
    if row.problem:
        problem = row.problem
    elif BAD in row.text:
        problem = "undecodable"
    elif len(cells) < width or any(cell.strip() for cell in cells[width:]):
        detail = f"{len(cells)} ≠ {width}"
        return rejected(name, row.line, "wrong column count", row.text, detail=detail)
    else:
        return to_record(name, row.line, {role: cells[at] for role, at in roles.items()}, row.text)
    return rejected(name, row.line, problem, row.text)


def _read_json(
    name: str,
    sample: list[Line],
    lines: Iterator[Line],
    mapping: Mapping[str, str],
    encoding: Encoding,
    quiet: bool,
) -> Iterator[Record | Reject]:
    renamed = {column: role for role, column in mapping.items()}
    keys = _keys(renamed, sample, name)
    if not quiet:
        say("{name}: {encoding}, JSON lines", name=name, encoding=encoding.label)
        if any('"hard_negatives": ["' in line.text for line in sample):
            say("{name}: its hard negatives are not taken over; they are mined anew", name=name)
        _say_unused(
            name, [key for key in keys if key not in _OWN_KEYS and not (renamed.get(key) or role_of(key))]
        )
    for line in chain(sample, lines):
        if line.over_long:
            yield rejected(name, line.number, "over-long", line.text)
        elif line.text.strip("\ufeff \r\n\t"):
            yield _from_json(name, line, renamed)


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
    if not renamed:
        refuse_graded(name, keys)
    roles = {renamed.get(key) or role_of(key) for key in keys}
    if rows and not (roles & {"term", "anchor"} and roles & {"definition", "positive"}):
        refuse_known(name, keys)
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


def _from_json(name: str, line: Line, renamed: Mapping[str, str]) -> Record | Reject:
    if BAD in line.text:
        return rejected(name, line.number, "undecodable", line.text)
    try:
        value = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        return rejected(name, line.number, "not JSON", line.text, detail=getattr(error, "msg", error))
    if not isinstance(value, dict):
        return rejected(name, line.number, "not a JSON object", line.text)
    cells: dict[str, str] = {}
    for key, item in sorted(value.items(), key=lambda item: item[0] not in renamed):
        role = renamed.get(key) or role_of(key)
        if role in ("term", "definition", "anchor", "positive") and not isinstance(item, str | None):
            return rejected(name, line.number, "not a text", line.text, detail=role)
        if role and item is not None:
            cells.setdefault(role, item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))
    return to_record(name, line.number, cells, line.text)
