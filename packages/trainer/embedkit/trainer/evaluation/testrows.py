"""Test files of every row shape but pairs: their rows, read whole, and which shape a file has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from embedkit.errors import UserError
from embedkit.jsonl import read_objects
from embedkit.rows import ClassedPair, Labelled, ScoredPair, Triplet

Row = Labelled | ClassedPair | ScoredPair | Triplet
Shape = Literal["pairs", "labelled", "classed_pairs", "scored_pairs", "triplets"]
_RECORDS: Mapping[Shape, type[Row]] = {
    "labelled": Labelled,
    "classed_pairs": ClassedPair,
    "scored_pairs": ScoredPair,
    "triplets": Triplet,
}


def shape_of(path: Path) -> Shape:
    """What the keys of a file's first row say; an empty file counts as pairs, whose reader refuses it."""
    _, row = next(iter(read_objects(path)), (0, dict[str, Any]()))
    if "anchor" in row or "positive" in row or not row:
        return "triplets" if "negative" in row and "hard_negatives" not in row else "pairs"
    if "sentence1" in row or "sentence2" in row:
        return "scored_pairs" if "score" in row else "classed_pairs"
    return "labelled" if "text" in row else "pairs"


def read_test_rows(path: Path, shape: Shape) -> list[Row]:
    """Every row of a file. Raises `UserError` at the first bad one, naming file and line, and when there is none."""
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Row] = TypeAdapter(_RECORDS[shape])
    names = set(_RECORDS[shape].__dataclass_fields__)
    rows = []
    for number, value in read_objects(path):
        try:
            rows.append(adapter.validate_python({k: v for k, v in value.items() if k in names}))
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc']))!r}: {first['msg']}"
            raise UserError(problem, place=f"{path}:{number}") from None
    if not rows:
        raise UserError("holds no test rows", place=str(path))
    return rows


def read_graded(path: Path) -> list[ScoredPair]:
    """The graded pairs of a file. Raises `UserError`, also when all have the same grade."""
    shape = shape_of(path)
    if shape != "scored_pairs":
        raise UserError(f"holds {shape.replace('_', ' ')}, not graded pairs", place=str(path))
    rows = [row for row in read_test_rows(path, shape) if isinstance(row, ScoredPair)]
    require_grades(rows, path)
    return rows


def require_grades(rows: Iterable[ScoredPair], path: Path) -> None:
    """Raise `UserError` when all pairs have the same grade: nothing correlates with that."""
    if len({row.score for row in rows}) < 2:
        raise UserError("all pairs have the same score", place=str(path), hint="grade the pairs from 0 to 1")
