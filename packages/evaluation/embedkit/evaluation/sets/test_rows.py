"""Test files of every row shape: which shape a file has, and its rows read whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from embedkit.data.records import Row, ScoredPair
from embedkit.data.shapes import NAMES, Shape, open_rows, read_typed
from embedkit.errors import UserError
from embedkit.messages import tr


def file_shape(path: Path) -> Shape:
    """What the keys of a file's first row say. Raises `UserError` where they say nothing."""
    return open_rows(path)[0].shape


def read_test_rows(path: Path) -> list[Row]:
    """Every row of a file. Raises `UserError` at the first bad one, naming file and line, and when there is none."""
    rows = list(read_typed(path)[1])
    if not rows:
        raise UserError("holds no test rows", place=str(path))
    return rows


def read_graded(path: Path) -> list[ScoredPair]:
    """The graded pairs of a file. Raises `UserError`, also when all have the same grade."""
    shape = file_shape(path)
    if shape != "scored_pairs":
        raise UserError(
            "holds {rows}, not sentence pairs with a score", place=str(path), rows=tr(NAMES[shape])
        )
    rows = [row for row in read_test_rows(path) if isinstance(row, ScoredPair)]
    require_grades(rows, path)
    return rows


def require_grades(rows: Iterable[ScoredPair], path: Path) -> None:
    """Raise `UserError` when all pairs have the same grade: nothing correlates with that."""
    if len({row.score for row in rows}) < 2:
        raise UserError("all pairs have the same score", place=str(path), hint="grade the pairs from 0 to 1")
