"""Which columns of a table are used, and which row names them; a refusal lists the columns that `--map` can name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest

from embedkit.console import say
from embedkit.data.encoding import BAD
from embedkit.data.foreign_formats import refuse_known
from embedkit.data.shapes import TRAINING_ROWS, whole_shape_of
from embedkit.data.table.headers import (
    ROLES,
    RoleColumn,
    complete,
    known_columns,
    language_code,
    role_of,
    roles_of_header,
)
from embedkit.data.table.opening import OpenTable, empty_error
from embedkit.data.tables import NAMES, Cells, Dialect, sniff, split
from embedkit.errors import UserError
from embedkit.messages import Phrase, tr
from embedkit.text import clean, shorten

WRONG_COUNT = Phrase("wrong column count")
CUT = "an unquoted comma may cut the text"
TITLE_ROWS = 10  # a spreadsheet's title and remarks above its header
SHOWN_COLUMNS, SHOWN_COLUMN_CHARS = 20, 40
LEAST_LABELLED, LABEL_CHARS = 8, 20  # rows that tell a column of labels, and their length
NAME_COLUMNS = frozenset(("aliases", "abbreviation", "translation"))
# Columns beside a question and an answer that say whether they belong together, and how convert reads them.
_GRADES: Mapping[str, str] = {
    **dict.fromkeys(
        ("label", "gold_label", "is_duplicate", "relevant", "is_relevant", "라벨", "레이블"), "nli"
    ),
    **dict.fromkeys(("score", "similarity", "relevance", "relevance_score", "유사도"), "sts"),
}
_SHOWN_ROLES = ("term", "definition", "anchor", "positive", *sorted(NAME_COLUMNS), "group")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The columns that are used, the row that names them or is the first, and the rows under it."""

    dialect: Dialect
    columns: tuple[RoleColumn, ...]
    first: Cells
    rows: Iterator[Cells]
    headless: bool

    @property
    def names_by_group(self) -> bool:
        """Whether each row holds one name of a concept and nothing that is said of it."""
        roles = {column.role for column in self.columns}
        return "group" in roles and not roles & {"definition", "positive", *NAME_COLUMNS}


def shown_columns(names: Iterable[str]) -> str:
    """The names of columns as a message lists them: the first twenty, each cut to forty columns of a terminal."""
    listed = [shorten(clean(name), SHOWN_COLUMN_CHARS) for name in names]
    more = len(listed) - SHOWN_COLUMNS
    text = ", ".join(listed[:SHOWN_COLUMNS]) or "-"
    return text if more <= 0 else tr("{columns} and {count} more", columns=text, count=more)


def rows_of(table: OpenTable) -> tuple[Dialect, Cells, Iterator[Cells]]:
    """How the cells are told apart, the first row, and those after it."""
    tab_first = table.name.endswith((".tsv", ".tab"))
    dialect = sniff(table.sample, tab_first=tab_first, only=table.delimiter)
    rows = split(table.lines(), dialect)
    first = next(rows, None)
    if first is None:
        raise empty_error(table.name)
    return dialect, first, rows


def choose(table: OpenTable, mapping: Mapping[str, str]) -> Chosen:
    """Find the header and what its columns are. Raises `UserError` where no row says it, and for what is no table."""
    name = table.name
    dialect, first, rows = rows_of(table)
    if table.columns and not mapping:
        rows = chain((first,), rows)
        header = Cells(first.line, table.header, text="")
        return Chosen(dialect, table.columns, header, rows, headless=False)
    first, rows = _header(first, rows, mapping)
    if not mapping:
        first, rows = _two_rows(first, rows)
    columns = _mapped(first, mapping, name) if mapping else roles_of_header(first.cells)
    if not mapping:
        refuse_training_rows(name, first.cells, columns)
    width = len(first.cells) if columns and not _is_row(first, mapping) else dialect.width
    if max(width, dialect.width) < 2:
        raise UserError(
            "has one column only",
            place=name,
            hint="a glossary has columns for term and definition, pairs have two; synth --terms takes a list of terms",
        )
    headless = not columns or _is_row(first, mapping)
    if not columns:
        _refuse_unnamed(name, dialect, first)
        _refuse_labels(table, dialect)
        columns = RoleColumn("anchor", 0), RoleColumn("positive", 1)
    if headless:
        rows = chain((first,), rows)
        width = dialect.width
    return Chosen(Dialect(dialect.delimiter, dialect.quoted, width), columns, first, rows, headless)


def _header(first: Cells, rows: Iterator[Cells], mapping: Mapping[str, str]) -> tuple[Cells, Iterator[Cells]]:
    """The row that names the columns, below a title where one stands there; else the first."""
    if _names(first, mapping) or (mapping and _is_row(first, mapping)):
        return first, rows
    above = [first]
    for row in islice(rows, TITLE_ROWS):
        if _names(row, mapping) and not any(_is_like(other, row) for other in above):
            return row, rows
        above.append(row)
        if len(above) > 1 and _is_like(above[-1], above[-2]) and len(_filled(row)) > 1:
            break  # rows already
    return first, chain(above[1:], rows)


def _two_rows(header: Cells, rows: Iterator[Cells]) -> tuple[Cells, Iterator[Cells]]:
    """A header of two rows as one: `용어,,정의,` above `한글,영문,한글,영문`, as merged cells are saved."""
    below = next(rows, None)
    if below is None:
        return header, rows
    inner = [cell.strip() for cell in below.cells]
    gaps = any(not cell.strip() for cell in header.cells)
    named = [cell for cell in inner if cell]
    if not gaps or len(named) < 2 or not all(language_code(cell) or role_of(cell) for cell in named):
        return header, chain((below,), rows)
    above: list[str] = []
    for cell in map(str.strip, header.cells):
        above.append(cell or (above[-1] if above else ""))
    cells = tuple(" ".join(filter(None, pair)) for pair in zip_longest(above, inner, fillvalue=""))
    return replace(header, cells=cells), rows


def _names(row: Cells, mapping: Mapping[str, str]) -> bool:
    cells = [clean(cell) for cell in row.cells]
    if mapping:
        return all(column in cells or column.isdecimal() for column in mapping.values())
    return bool(roles_of_header(cells))


def _filled(row: Cells) -> list[str]:
    return list(filter(str.strip, row.cells))


def _is_like(row: Cells, other: Cells) -> bool:
    """Whether a row above a header is a row of the same table rather than a title."""
    return len(row.cells) == len(other.cells) and len(_filled(row)) > 1


def refuse_training_rows(name: str, keys: Collection[str], columns: Collection[object]) -> None:
    """Raise `UserError` for rows with a grade or a class, of which not all are alike, and for all that is no table."""
    own = [clean(key).casefold() for key in keys]
    shape = whole_shape_of(dict.fromkeys(own, ""))
    if not columns:
        refuse_known(name, keys)
    if shape in ("classed_pairs", "scored_pairs") or (shape == "labelled" and not columns):
        what, form = TRAINING_ROWS[shape]
        raise UserError(
            what,
            place=name,
            hint="embedkit convert --from {form} --input {name} --output rows.jsonl makes rows of it for train",
            form=form,
            name=name,
        )
    if shape == "pairs" and (grade := next((key for key in own if key in _GRADES), "")):
        raise UserError(
            "holds pairs with a grade ({column}): not all of them are alike",
            place=name,
            hint="embedkit convert --from {form} reads them; or keep the right ones, or name both columns with --map",
            column=grade,
            form=_GRADES[grade],
        )


def _refuse_unnamed(name: str, dialect: Dialect, first: Cells) -> None:
    """Raise `UserError` where no header says which of several columns are meant."""
    if dialect.width > 2:
        raise UserError(
            "has {width} columns and no header that names term and definition",
            place=name,
            hint="its columns: {names}; --map term=COLUMN --map definition=COLUMN names them "
            "(numbers from 1 where there is no header)",
            width=dialect.width,
            names=shown_columns(first.cells),
        )


def _refuse_labels(table: OpenTable, dialect: Dialect) -> None:
    """Raise `UserError` for two columns without a header of which the second holds labels: few values, or numbers."""
    rows = [row.cells for row in split(table.sample, dialect) if len(row.cells) == 2]
    values = {row[1].strip() for row in rows}
    few = (
        len(rows) >= LEAST_LABELLED and len(values) * 4 <= len(rows) and max(map(len, values)) <= LABEL_CHARS
    )
    if few or (len(rows) > 1 and all(value.isdecimal() for value in values)):
        raise UserError(
            "its second column holds labels: {count} different values in {rows} rows",
            place=table.name,
            hint="put text,label above it for embedkit convert --from labelled; "
            "--map anchor=1 --map positive=2 takes the rows as pairs",
            count=len(values),
            rows=len(rows),
        )


def _is_row(first: Cells, mapping: Mapping[str, str]) -> bool:
    """Whether the first row is one already: its columns are told by number, and no cell is a known name."""
    numbered = bool(mapping) and all(column.isdecimal() for column in mapping.values())
    return numbered and not any(role_of(cell) and not language_code(cell) for cell in first.cells)


def say_columns(table: OpenTable, chosen: Chosen) -> None:
    """Say how the table is read, and which of its columns are not used."""
    first, dialect, headless = chosen.first, chosen.dialect, chosen.headless
    columns = {(c.role, c.at): c for c in chosen.columns if c.role in _SHOWN_ROLES}.values()
    shown = ", ".join(f"{c.role}={c.at + 1 if headless else first.cells[c.at].strip()}" for c in columns)
    say(
        "{name}: {encoding}, {delimiter}-separated, {quoting}, {header}",
        name=table.name,
        encoding=table.encoding.label,
        delimiter=NAMES.get(dialect.delimiter, dialect.delimiter),
        quoting=tr('quote "' if dialect.quoted else "no quoting"),
        header=tr("no header: {columns}" if headless else "header {columns}", columns=shown),
    )
    if not headless:
        if first.line > 1 and table.sample[0].number < first.line and not table.columns:
            say(
                "{name}: the header stands on line {line}; what is above it is left out",
                name=table.name,
                line=first.line,
            )
        used = {column.at for column in chosen.columns}
        cells = enumerate(map(clean, first.cells))
        say_unused(table.name, [cell for at, cell in cells if cell and at not in used])


def say_unused(name: str, columns: Sequence[str]) -> None:
    """Say which columns are not used."""
    if columns:
        say("{name}: columns that are not used: {columns}", name=name, columns=shown_columns(columns))


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


def _mapped(header: Cells, mapping: Mapping[str, str], name: str) -> tuple[RoleColumn, ...]:
    """The header's own columns under those of `--map`; a mapped column loses the role its name had."""
    names = [clean(cell) for cell in header.cells]
    by_number = _is_row(header, mapping)
    stated: list[RoleColumn] = []
    for role, column in mapping.items():
        named = column in names and not by_number
        at = names.index(column) if named else int(column) - 1 if column.isdecimal() else -1
        if not 0 <= at < len(names):
            raise UserError(
                "has no column {column!r}",
                place=name,
                hint="its columns: {names}",
                column=column,
                names=shown_columns(names),
            )
        stated.append(RoleColumn(role, at))
    places = {column.at for column in stated}
    own = [c for c in known_columns(names) if c.at not in places and c.role not in mapping]
    columns = complete([*stated, *own])
    if not columns:
        raise UserError(
            "--map leaves no pair of columns",
            place=name,
            hint="map term and definition, or anchor and positive, or term and group; its columns: {names}",
            names=shown_columns(names),
        )
    return columns


class Fitting:
    """What makes a row of a chosen table sound."""

    def __init__(self, table: OpenTable, chosen: Chosen) -> None:
        names = chosen.first.cells if not chosen.headless else ()
        last = max((at for at, cell in enumerate(names) if cell.strip()), default=len(names) - 1)
        used = max((c.at for c in chosen.columns), default=0)
        self._width = chosen.dialect.width
        self._named = max(last, used) + 1 if names else self._width
        self._nameless = self._named < self._width and not _is_filled(table, chosen.dialect, self._named)
        texts = [c.at for c in chosen.columns if c.role in ("definition", "positive")]
        spaced = any(cell.startswith(" ") for cell in chosen.first.cells[1:])
        comma = chosen.dialect.delimiter == "," and not spaced
        self._after = texts[0] + 1 if texts and comma and not chosen.headless else 0

    def __call__(self, row: Cells) -> Cells:
        """The row when it is sound; else one that says what is wrong."""
        fitted = fitted_row(row, self._width)
        if fitted.problem:
            return fitted
        if self._nameless and any(cell.strip() for cell in fitted.cells[self._named :]):
            return Cells(row.line, problem=CUT, text=row.text)
        at = self._after
        if 0 < at < len(fitted.cells) and _goes_on(fitted.cells[at - 1], fitted.cells[at], row.text):
            return Cells(row.line, problem=CUT, text=row.text)
        return fitted


def _is_filled(table: OpenTable, dialect: Dialect, at: int) -> bool:
    """Whether a column without a name holds something in most rows: then it is one, and no text that was cut off."""
    rows = [row for row in islice(split(table.sample, dialect), 300) if len(row.cells) > at][1:]
    filled = [row.cells[at] for row in rows if row.cells[at].strip()]
    return (
        len(rows) > 2
        and 2 * len(filled) > len(rows)
        and 2 * sum(c.startswith(" ") for c in filled) < len(filled)
    )


def _goes_on(text: str, rest: str, row: str) -> bool:
    """Whether a cell is the rest of the one before it, which a comma that nobody quoted cut."""
    if not rest.startswith(" ") or f"{text},{rest}" not in row:
        return False
    first = rest.strip()[:1]
    return first.islower() or "가" <= first <= "힣"


def fitted_row(row: Cells, width: int) -> Cells:
    """The row with its number of cells when it is sound; else one that says what is wrong."""
    if row.problem:
        return row
    if BAD in row.text:
        return Cells(row.line, problem="undecodable", text=row.text)
    if len(row.cells) < width or any(cell.strip() for cell in row.cells[width:]):
        problem = f"{WRONG_COUNT} ({len(row.cells)} ≠ {width})"
        return Cells(row.line, problem=problem, text=row.text)
    return row if len(row.cells) == width else Cells(row.line, row.cells[:width], text=row.text)
