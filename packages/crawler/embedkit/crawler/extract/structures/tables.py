"""Tables whose header names a term column and a definition column, with rowspan and colspan expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from selectolax.lexbor import LexborNode

from embedkit.crawler.extract import labels, reasons, words
from embedkit.crawler.extract.noise import attribute
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.structures.definition_lists import (
    LONG_PAGE,
    RARE,
    are_names,
)
from embedkit.crawler.extract.tree import Page, text_of, within
from embedkit.data.entries import Alias
from embedkit.text import clean, fold, is_acronym, language_of

MAX_HEADER_WORDS = 6
MAX_SPAN = 1000
MAX_COLUMNS = 60
MAX_CELLS = 100_000


# What a header's cell says to those who want to sort by it.
_SORTER = re.compile(
    r"\s*(?:open menu|sort(?: (?:by|ascending|descending).*)?|filter|sortable|정렬|[▲▼↑↓⇅↕▾▴⌄])+\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell where it shows; a spanned one shows several times with the same `id`."""

    text: str
    id: int
    header: bool
    node: LexborNode


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a table (or of one of its repeated groups) hold what."""

    term: int
    definition: int
    others: tuple[tuple[int, str], ...]  # column → "abbreviation", "synonym", "full_form" or a language


def tables(
    page: Page,
    *,
    named: bool,
    inside: frozenset[int] = frozenset(),
    ended: frozenset[int] = frozenset(),
) -> tuple[list[Group], frozenset[int]]:
    """The page's glossary tables, and the ids of all tables that the readers of lines must skip."""
    groups: list[Group] = []
    taken: set[int] = set()
    found = [t for t in page.body.css("table") if len(t.css("table")) < 2 and not within(t, ("dd", "dt"))]
    grids = [(table, _grid(table)) for table in found]
    bare = [r for _, rows in grids for r in rows if len(rows) < 3 and _header_row(rows) is None]
    together = named and bool(list(_headless(bare)))  # a small table for each letter
    for table, rows in grids:
        known = named or table.mem_id in inside
        group = _read(rows, table, named=known, together=together)
        if group is not None and page.maker != "wiki" and not known and not _has_term_header(rows):
            group = replace(group, refused=group.refused or reasons.OTHER_TABLE)
        if group is not None and not named and _is_small_part(table, page):
            group = replace(group, refused=group.refused or reasons.OTHER_PAGE)
        if group is not None and table.mem_id in ended:
            group = replace(group, refused=group.refused or reasons.SEE_ALSO_SECTION)
        if group is not None:
            groups.append(group)
        if group is not None or _is_data(rows):
            taken.add(table.mem_id)
    return groups, frozenset(taken)


def _is_small_part(table: LexborNode, page: Page) -> bool:
    """Whether a table is less than a fiftieth of a long page."""
    page_chars = len(page.body.text())
    return page_chars > LONG_PAGE and len(table.text()) * RARE < page_chars


def _has_term_header(rows: Sequence[Sequence[_Cell | None]]) -> bool:
    """Whether a header says term, and not only name, keyword or object."""
    at = _header_row(rows)
    return at is not None and any(words.TERM_HEADER.search(_title(c)) for c in rows[at])


def _is_data(rows: Sequence[Sequence[_Cell | None]]) -> bool:
    """Whether a table shows data (a header, or short cells in columns) and does not lay out a page."""
    cells = {c.id: c for row in rows for c in row if c is not None}
    return any(c.header for c in cells.values()) or (
        len(cells) >= 4 and max(map(len, rows)) > 1 and all(len(c.text) < 400 for c in cells.values())
    )


def _grid(table: LexborNode) -> list[list[_Cell | None]]:
    """The rows with every spanned cell repeated where it shows (HTML 4.9.12, "forming a table")."""
    grid: list[list[_Cell | None]] = []
    cells = 0
    carried: dict[int, tuple[int, _Cell]] = {}  # column → rows left, cell
    for tr in table.css("tr"):
        row: list[_Cell | None] = []
        for node in _cells(tr):
            _fill(row, carried)
            width, height = _span(node, "colspan", MAX_COLUMNS), _span(node, "rowspan", MAX_SPAN)
            cell = _Cell(text_of(node), node.mem_id, node.tag == "th", node)
            for _ in range(width):
                if height > 1:
                    carried[len(row)] = (height - 1, cell)
                row.append(cell)
        _fill(row, carried)
        grid.append(row)
        cells += len(row)
        if cells > MAX_CELLS:
            break  # spans that multiply
    return grid


def _cells(tr: LexborNode) -> Iterator[LexborNode]:
    node = tr.child
    while node is not None:
        if node.tag in ("td", "th"):
            yield node
        node = node.next


def _fill(row: list[_Cell | None], carried: dict[int, tuple[int, _Cell]]) -> None:
    while len(row) in carried:
        column = len(row)
        left, cell = carried.pop(column)
        if left > 1:
            carried[column] = (left - 1, cell)
        row.append(cell)


def _span(node: LexborNode, name: str, limit: int) -> int:
    text = attribute(node, name).strip()
    return min(max(int(text), 1), limit) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _read(
    rows: list[list[_Cell | None]], table: LexborNode, *, named: bool, together: bool = False
) -> Group | None:
    """The entries of a table; None when it has no column of terms."""
    at = _header_row(rows)
    header = [_title(c) for c in rows[at]] if at is not None else []
    body = rows[at + 1 :] if at is not None else rows
    if header and _is_count(header[0], body) and len(header) > 2:
        header, body = header[1:], [r[1:] for r in body]
    found: list[RawEntry] = []
    for start, end in _repeats(header):
        columns = _columns(header[start:end], [r[start:end] for r in body], named=named)
        if columns is not None:
            found += _entries([r[start:end] for r in body], columns)
    if not found and together and not any(header):
        found += _entries([r for r in rows if len(r) == 2], _Columns(0, 1, ()))
    if not found and named and not any(header):
        found += _headless([r[1:] for r in rows] if _is_count("", rows) and min(map(len, rows)) > 2 else rows)
    if not found:
        return None
    refused = _refusal(found, table, named=named)
    return Group(structure="table", found=tuple(found), refused=refused, node_id=table.mem_id)


def _header_row(rows: Sequence[Sequence[_Cell | None]]) -> int | None:
    """The first row that titles columns: header cells, or cells that read like a header."""
    for index, row in enumerate(rows[:3]):
        cells = [c for c in row if c is not None]
        if len({c.id for c in cells}) < 2:
            continue
        titles = [_title(c) for c in cells]
        if all(c.header for c in cells) or _names_definition(titles):
            return index
        return None
    return None


def _names_definition(titles: Sequence[str]) -> bool:
    if any(len(t.split()) > MAX_HEADER_WORDS for t in titles):
        return False
    defining = [t for t in titles if words.DEFINITION_HEADERS[0].match(t) or words.DEFINITION_LIKE.search(t)]
    return any(
        words.TERM_LIKE.search(t) or any(p.match(t) for p in words.TERM_HEADERS)
        for t in titles
        if defining and t not in defining
    )


def _title(cell: _Cell | None) -> str:
    return labels.trim(_SORTER.sub("", cell.text.replace("\n", " "))) if cell is not None else ""


def _is_count(title: str, body: Sequence[Sequence[_Cell | None]]) -> bool:
    """Whether the first column numbers the rows."""
    cells = [r[0].text for r in body if r and r[0] is not None]
    counted = sum(bool(re.fullmatch(r"\W*\d{1,5}\W*", c)) for c in cells)
    return counted >= 2 and counted * 5 > len(cells) * 4 and not words.TERM_LIKE.search(title)


def _repeats(header: list[str]) -> list[tuple[int, int]]:
    """The column groups of a header that repeats its titles: "Term | Definition | Term | Definition"."""
    for size in range(2, len(header) // 2 + 1):
        if len(header) % size == 0 and header == header[:size] * (len(header) // size):
            return [(start, start + size) for start in range(0, len(header), size)]
    return [(0, len(header))]


def _columns(header: list[str], body: Sequence[Sequence[_Cell | None]], *, named: bool) -> _Columns | None:
    strengths = words.DEFINITION_HEADERS if named else words.DEFINITION_HEADERS[:1]
    defining = [i for pattern in strengths for i, t in enumerate(header) if pattern.match(t)]
    exact = [i for i in defining if words.DEFINITION_HEADERS[0].match(header[i])]
    if not exact:
        like = [i for i, t in enumerate(header) if words.DEFINITION_LIKE.search(t) and i not in defining]
        like = [i for i in like if len(header[i].split()) <= MAX_HEADER_WORDS]
        defining = like + defining
    if not defining:
        return _by_content(header, body) if named else None
    term = _term_column(header, defining, body, named=named)
    rest = [i for i in defining if i != term]
    if term is None or not rest:
        return _by_content(header, body) if named else None
    others = tuple(
        (i, kind) for i, t in enumerate(header) if i not in (term, rest[0]) and (kind := _other(t))
    )
    return _Columns(term, rest[0], others)


def _by_content(header: Sequence[str], body: Sequence[Sequence[_Cell | None]]) -> _Columns | None:
    """A column of different short names and the column of the longest texts, where the header says neither."""
    if not 2 <= len(header) <= 6 or len(body) < 3:
        return None
    columns = [[c.text for r in body if (c := _at(r, i)) is not None and c.text] for i in range(len(header))]
    sizes = [
        median(len(t.split()) if t.isascii() else len(t) / 3 for t in texts) if texts else 0
        for texts in columns
    ]
    longest = max(range(len(header)), key=sizes.__getitem__)
    names = [
        i
        for i, texts in enumerate(columns)
        if i != longest and _has_names(body, i) and len(set(texts)) * 10 >= len(body) * 9 and sizes[i] <= 4
    ]
    if not names or sizes[longest] < 4 or sum(map(labels.is_code, columns[names[0]])) * 3 > len(body):
        return None
    others = tuple(
        (i, kind) for i, t in enumerate(header) if i not in (names[0], longest) and (kind := _other(t))
    )
    return _Columns(names[0], longest, others)


def _term_column(
    header: list[str], defining: list[int], body: Sequence[Sequence[_Cell | None]], *, named: bool
) -> int | None:
    for pattern in words.TERM_HEADERS:
        for index, title in enumerate(header):
            if not named and words.PROGRAM_HEADER.match(title):
                return None
            if index not in defining and pattern.match(title) and _has_names(body, index):
                return index
    for index, title in enumerate(header):
        if index not in defining and words.TERM_LIKE.search(title) and _has_names(body, index):
            return index
    languages = [i for i, t in enumerate(header) if any(p.match(t) for p in words.LANGUAGE_HEADERS.values())]
    if languages:
        return languages[0]
    if any(words.SYMBOL_HEADER.match(t) for t in header) and len(defining) > 1:
        # "Symbol | Meaning | Description": pictures have no name of their own, their meaning is the name.
        return defining[0]
    free = [i for i in range(len(header)) if i not in defining and header[i]]
    if len(free) == 1 and named and _has_names(body, free[0]):
        return free[0]
    return free[0] if named and free and free[0] == 0 and _has_names(body, 0) else None


def _has_names(body: Sequence[Sequence[_Cell | None]], column: int) -> bool:
    """Whether most cells of a column can be names: they are short, have letters and are no numbers."""
    texts = [cell.text for row in body if (cell := _at(row, column)) is not None]
    named = sum(bool(re.search(r"[^\W\d_]", t)) and labels.is_label(t) for t in texts)
    return named * 2 > len(texts)


def _other(title: str) -> str:
    if words.ABBREVIATION_HEADER.match(title):
        return "abbreviation"
    if words.FULL_FORM_HEADER.match(title):
        return "full_form"
    if words.SYNONYM_HEADER.match(title):
        return "synonym"
    return next((lang for lang, p in words.LANGUAGE_HEADERS.items() if p.match(title)), "")


def _entries(body: Sequence[Sequence[_Cell | None]], columns: _Columns) -> Iterator[RawEntry]:
    """One entry a term cell: the rows that one cell spans, and rows that leave it empty, are its senses."""
    pending: list[Sequence[_Cell | None]] = []
    for row in body:
        cells = [c for c in row if c is not None]
        if len({c.id for c in cells}) < 2 or all(c.header for c in cells):
            continue  # a letter across the table, or the header once more
        if pending and not _same_term(pending[-1], row, columns):
            yield from _entry(pending, columns)
            pending = []
        pending.append(row)
    yield from _entry(pending, columns)


def _same_term(before: Sequence[_Cell | None], row: Sequence[_Cell | None], columns: _Columns) -> bool:
    old, new = _at(before, columns.term), _at(row, columns.term)
    if old is None or new is None:
        return new is None
    return old.id == new.id


def _at(row: Sequence[_Cell | None], column: int) -> _Cell | None:
    return row[column] if column < len(row) else None


def _entry(rows: Sequence[Sequence[_Cell | None]], columns: _Columns) -> Iterator[RawEntry]:
    cell = _at(rows[0], columns.term) if rows else None
    if cell is None or not cell.text or cell.id == getattr(_at(rows[0], columns.definition), "id", None):
        return
    senses = [c.text for r in rows if (c := _at(r, columns.definition)) is not None and c.text]
    aliases = [a for r in rows for column, kind in columns.others for a in _names(_at(r, column), kind)]
    heads = _heads(cell)
    if not heads:
        return
    yield RawEntry(
        heads=heads,
        senses=tuple(dict.fromkeys(senses)),
        aliases=tuple(dict.fromkeys(aliases)),
        evidence="column",
        anchors=tuple(a for a in (attribute(cell.node, "id"), attribute(cell.node.parent, "id")) if a)
        if cell.node.parent
        else (),
    )


def _heads(cell: _Cell) -> tuple[str, ...]:
    shown = cell.text.split("\n")
    if len(shown) > 1 and are_names(shown):
        return tuple(name for part in shown if (name := labels.label(part)))
    head = labels.label(" ".join(shown))
    return (head,) if head else ()


def _names(cell: _Cell | None, kind: str) -> Iterator[Alias]:
    if cell is None:
        return
    for text in re.split(r"\s*[\n;；]\s*|,\s+|、|，", cell.text):
        name = labels.trim(text)
        if (
            not labels.is_label(name)
            or not re.search(r"\w", name)
            or name.lower() in ("n/a", "none", "해당 없음", "없음")
        ):
            continue
        if kind in ("abbreviation", "full_form", "synonym"):
            yield Alias(name, kind)  # type: ignore[arg-type]
        else:
            yield Alias(
                name,
                "abbreviation" if is_acronym(name) and kind == "en" else "translation",
                _lang(name, kind),
            )


def _lang(name: str, column: str) -> str:
    shown = language_of(name, fallback=column)
    return column if shown == "en" else shown


def _headless(rows: Sequence[Sequence[_Cell | None]]) -> Iterator[RawEntry]:
    """Two columns without a header, on a page that calls itself a glossary."""
    pairs = [r for r in rows if len(r) == 2 and r[0] is not None and r[1] is not None and r[0].id != r[1].id]
    full = [r for r in pairs if r[0] and r[1] and r[0].text and r[1].text]
    if len(full) < 3 or not _has_names(full, 0):
        return
    texts = [r[1].text for r in full if r[1] is not None]
    if median(map(len, texts)) > 15 and sum(t.count(" ") > 1 or not t.isascii() for t in texts) * 2 > len(
        texts
    ):
        yield from _entries(pairs, _Columns(0, 1, ()))


def _refusal(found: Sequence[RawEntry], table: LexborNode, *, named: bool) -> str:
    senses = [s for f in found for s in f.senses]
    if not senses:
        return reasons.BARE
    if labels.repeat([h for f in found for h in f.heads]):
        return reasons.REPEATED
    if named:
        return ""
    if len(found) < 3:
        return reasons.FEW_ROWS
    code = {clean(node.text()) for node in table.css("code, tt, kbd, samp, .literal")}
    heads = [h for f in found for h in f.heads]
    if sum(h in code or labels.is_code(h) for h in heads) * 2 > len(heads):
        return reasons.CODE
    if median(len(s) for s in senses) < 6 or sum(fold(s).isdigit() for s in senses) * 2 > len(senses):
        return reasons.VALUES
    return ""
