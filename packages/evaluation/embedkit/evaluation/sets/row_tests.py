"""Test files that hold no pairs: graded or labelled sentence pairs, triplets, labelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.data.records import ClassedPair, Row, ScoredPair, Triplet, texts_of
from embedkit.errors import UserError
from embedkit.evaluation.records import Task
from embedkit.evaluation.sets.test_rows import file_shape, read_test_rows, require_grades
from embedkit.files import sha256_file
from embedkit.shipped_data import data_path

# Classes that say two sentences mean the same; the other classes of a file say that they do not.
_SAME = {"1", "true", "yes", "entailment", "duplicate", "paraphrase", "equivalent", "similar", "same"}
_DIFFERENT = {
    "0", "-1", "false", "no", "neutral", "contradiction", "not_entailment", "not_duplicate", "unrelated", "different",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTests:
    """The rows of a test file and what they test."""

    task: Task
    rows: tuple[Row, ...]
    file: Path

    @property
    def hash(self) -> str:
        """Of the file."""
        return sha256_file(self.file)[:16]


def read_row_tests(path: Path) -> RowTests | None:
    """The rows of a test file that holds no pairs; None for pairs. Raises `UserError`."""
    shape = file_shape(path)
    if shape == "pairs":
        return None
    if shape == "texts":
        raise UserError(
            "holds texts alone, and nothing that they are like",
            place=str(path),
            hint="give each a label, or a pair",
        )
    rows = read_test_rows(path)
    if shape == "scored_pairs":
        scored = [row for row in rows if isinstance(row, ScoredPair)]
        require_grades(scored, path)
        task: Task = "binary" if {row.score for row in scored} == {0, 1} else "graded"
    elif shape == "classed_pairs":
        _require_classes([row for row in rows if isinstance(row, ClassedPair)], path)
        task = "binary"
    else:
        task = "triplet" if shape == "triplets" else "labelled"
    return RowTests(task=task, rows=tuple(rows), file=path)


def default_similarity_file() -> Path:
    """The graded pairs of everyday language that ship with embedkit, half English and half Korean."""
    return data_path("similarity.jsonl")


def tested_texts(row: Row) -> tuple[str, ...]:
    """The texts that a row asks about; a triplet's negative may have been trained on."""
    return (row.anchor, row.positive) if isinstance(row, Triplet) else texts_of(row)


def means_the_same(row: ScoredPair | ClassedPair) -> bool:
    """Whether a row of a binary test says that its sentences mean the same."""
    return row.score == 1 if isinstance(row, ScoredPair) else _class_of(row) in _SAME


def _require_classes(rows: Sequence[ClassedPair], path: Path) -> None:
    labels = {_class_of(row) for row in rows}
    unknown = sorted(labels - _SAME - _DIFFERENT)
    if unknown:
        raise UserError(
            "the label {unknown_key!r} does not say whether two sentences mean the same",
            place=str(path),
            hint="use 1 and 0, or entailment, neutral, contradiction",
            unknown_key=unknown[0],
        )
    if not labels & _SAME or not labels & _DIFFERENT:
        raise UserError("all pairs have the same class", place=str(path), hint="add pairs of the other class")


def _class_of(row: ClassedPair) -> str:
    return str(row.label).strip().lower()
