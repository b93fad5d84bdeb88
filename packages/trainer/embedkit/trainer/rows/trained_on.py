"""`trained_on.npz` of a run: hashes of the rows that it trains on and of the dev rows that choose its weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from embedkit.data.records import Pair, Row, Triplet, texts_of
from embedkit.models.run_folder import TRAINED_ON
from embedkit.ranking.fingerprints import TestRow, fingerprints_of, write_fingerprints
from embedkit.ranking.leak import file_rows
from embedkit.trainer.rows.sources import TrainingRows


def write_trained_on(run: Path, rows: TrainingRows, *, dev_files: Sequence[Path]) -> None:
    """Write the hashes: some 30 µs a row. `dev_files` are those that choose the weights."""
    parts = {"rows": fingerprints_of(_trained(rows))}
    if dev_files:
        parts["dev"] = fingerprints_of(chain.from_iterable(map(file_rows, dev_files)))
    write_fingerprints(run / TRAINED_ON, parts)


def _trained(rows: TrainingRows) -> Iterator[TestRow]:
    for number in range(len(rows)):
        row: Row = rows.store[number]
        texts = texts_of(row)
        yield TestRow(texts[:2] if isinstance(row, Pair | Triplet) else texts, getattr(row, "group", ""))
