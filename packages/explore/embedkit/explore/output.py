"""Result rows as a CSV or JSON Lines file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedkit.console import say
from embedkit.data.tables import write_table
from embedkit.errors import UserError
from embedkit.files import STDIO, refuse_existing


def check_output(path: Path, *, force: bool) -> None:
    """Raise `UserError` for an ending other than `.csv` or `.jsonl`, or a file that is there without `force`."""
    if path.suffix not in (".csv", ".jsonl"):
        raise UserError("expected a name that ends in .csv or .jsonl", place=str(path))
    refuse_existing(path, force=force)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str]) -> None:
    """Write the rows, JSON Lines where the name says so, else CSV."""
    written = write_table(path, columns, rows)
    if str(path) != STDIO:
        say("wrote {path}: {rows} rows", path=path, rows=written)
