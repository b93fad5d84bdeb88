"""Pairs of texts that may name one concept, and what people decided of them: the table `synonym_candidates.csv`.

`compose` writes it and reads it back (`--synonyms`), `judge` and `ui` fill in its decisions.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from embedkit.data.entries import phrase
from embedkit.data.reading import read_columns
from embedkit.data.tables import Cells
from embedkit.errors import UserError

DECISIONS = ("accept", "reject")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Two texts that may name one concept. The field order is the column order of `synonym_candidates.csv`."""

    term_a: str
    text_a: str
    lang_a: str
    term_b: str
    text_b: str
    lang_b: str
    score: str = ""
    positive_score: str = ""
    similarity: str = ""
    reason: str = ""
    rows: str = ""
    decision: str = ""
    judgement: str = ""


JUDGEMENT = "judgement"  # what a language model says of a candidate (`embedkit judge`)
COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Candidate))


def synonyms_path(output: Path) -> Path:
    """`data/pairs.jsonl` has its candidates in `data/synonym_candidates.csv`; another name is put before it."""
    name = "synonym_candidates.csv"
    return output.with_name(name if output.stem == "pairs" else f"{output.stem}.{name}")


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """The table as it stands in its file, with columns that others added: `cells[i]` are those of `rows[i]`."""

    names: tuple[str, ...] = COLUMNS
    cells: tuple[tuple[str, ...], ...] = ()
    rows: tuple[Candidate, ...] = ()

    def with_decision(self, place: int, decision: str) -> CandidateTable:
        """The table with another decision in one row."""
        given = dict(zip(self.names, self.cells[place], strict=True)) | {"decision": decision}
        row = replace(self.rows[place], decision=decision)
        return self._with(place, (tuple(given.values()),), (row,))

    def with_row(self, row: Candidate) -> CandidateTable:
        """The table with one more row at its end."""
        cells = tuple(str(getattr(row, name, "")) for name in self.names)
        return self._with(len(self.rows), (cells,), (row,))

    def without(self, place: int) -> CandidateTable:
        """The table without one row."""
        return self._with(place, (), ())

    def _with(
        self, place: int, cells: tuple[tuple[str, ...], ...], rows: tuple[Candidate, ...]
    ) -> CandidateTable:
        after = place + 1
        return CandidateTable(
            self.names,
            (*self.cells[:place], *cells, *self.cells[after:]),
            (*self.rows[:place], *rows, *self.rows[after:]),
        )

    def lines(self) -> Iterator[str]:
        """The lines of the file."""
        return csv_lines((self.names, *self.cells))


def read_candidates(path: Path) -> list[Candidate]:
    """The rows of a table of candidates, as a spreadsheet may have saved it. Raises as `read_candidate_table` does."""
    return list(read_candidate_table(path).rows)


def read_candidate_table(path: Path) -> CandidateTable:
    """The table with the cells of its rows.

    Raises:
        UserError: a column is missing, or a decision is none; with the line.
    """
    table = read_columns(path)
    missing = [name for name in ("text_a", "text_b", "decision") if name not in table.names]
    if missing:
        raise UserError(
            "has no column {columns}",
            place=str(path),
            hint="--synonyms takes a synonym_candidates.csv with its decision column filled in",
            columns=", ".join(missing),
        )
    rows = tuple(_candidate(table.names, row, f"{path}:{row.line}") for row in table.rows)
    return CandidateTable(table.names, tuple(row.cells for row in table.rows), rows)


def _candidate(names: Sequence[str], row: Cells, place: str) -> Candidate:
    if row.problem:
        raise UserError(phrase(row.problem), place=place)
    given = dict(zip(names, row.cells, strict=True))
    cells = {name: given.get(name, "").strip() for name in COLUMNS}
    cells["decision"] = cells["decision"].casefold()
    if cells["decision"] not in ("", *DECISIONS):
        raise UserError(
            "the decision {decision!r} is neither accept nor reject",
            place=place,
            hint="write accept or reject, or leave it empty",
            decision=cells["decision"],
        )
    if not cells["text_a"] or not cells["text_b"]:
        raise UserError("text_a or text_b is empty", place=place)
    return Candidate(**cells)


def table_lines(rows: Iterable[Candidate]) -> Iterator[str]:
    """The lines of `synonym_candidates.csv`."""
    return csv_lines((COLUMNS, *map(astuple, rows)))


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """CSV (RFC 4180) with the byte order mark that spreadsheets need."""
    buffer = io.StringIO("\ufeff")
    buffer.seek(1)
    writer = csv.writer(buffer)
    for cells in rows:
        writer.writerow(cells)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
