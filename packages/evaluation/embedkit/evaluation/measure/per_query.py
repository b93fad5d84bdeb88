"""`queries.jsonl`: what each query of an evaluation found, to look into and to compare one run with another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.data.jsonl import read_objects, write_objects
from embedkit.errors import UserError
from embedkit.evaluation.records import Evaluation, QueryResult
from embedkit.ranking.metrics import METRICS, Values

FILE_NAME = "queries.jsonl"


@dataclass(frozen=True, slots=True)
class QueryValues:
    """The metrics of a run's model `(Q, M)`, in the order of `METRICS`, and the number of each query's concept."""

    values: Values
    concepts: NDArray[np.int64]


def write_queries(path: Path, asked: tuple[QueryResult, ...]) -> Path | None:
    """Write a line for each query; where there are none, leave no older file behind."""
    if not asked:
        path.unlink(missing_ok=True)
        return None
    write_objects(path, map(_row, asked))
    return path


def _row(result: QueryResult) -> dict[str, Any]:
    return {
        "query": result.query,
        "kind": result.kind,
        "lang": result.lang,
        "concept": result.concept,
        "rank_before": result.rank_before,
        "rank_after": result.rank_after,
        "before": dict(zip(METRICS, result.before, strict=True)),
        "after": dict(zip(METRICS, result.after, strict=True)),
    }


def read_queries(path: Path, evaluation: Evaluation) -> QueryValues | None:
    """The values behind an evaluation; None where the file is missing or belongs to another one.

    Raises:
        UserError: the file is not what `write_queries` writes.
    """
    if not path.is_file():
        return None
    rows = list(_values(path))
    values = np.array([row for row, _ in rows], dtype=np.float64).reshape(-1, len(METRICS))
    _, concepts = np.unique([concept for _, concept in rows], return_inverse=True)
    expected = [metric.after for metric in evaluation.metrics if metric.name in METRICS]
    same = len(rows) == evaluation.queries and np.allclose(values.mean(axis=0), expected, rtol=0, atol=1e-9)
    return QueryValues(values, concepts.astype(np.int64)) if same else None


def _values(path: Path) -> Iterator[tuple[list[float], str]]:
    for number, row in read_objects(path):
        try:
            yield [float(row["after"][name]) for name in METRICS], str(row["concept"])
        except (KeyError, TypeError, ValueError):
            raise UserError(
                "is not a row that embedkit evaluate wrote",
                place=f"{path}:{number}",
                hint="run embedkit evaluate again",
            ) from None
