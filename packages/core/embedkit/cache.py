"""The one cache folder for HTTP answers, vectors and indexes: `EMBEDKIT_CACHE`, else the platform's own place."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedkit.errors import UserError

BUSY_SECONDS = 120.0  # that long one process waits for another that writes to the same SQLite file


def cache_dir(room: str) -> Path:
    """The folder that `room` (http, vectors, index) may fill; it is created."""
    root = os.environ.get("EMBEDKIT_CACHE")
    if root:
        base = Path(root)
    else:
        from platformdirs import user_cache_path

        base = user_cache_path("embedkit", appauthor=False)
    folder = base / room
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def readable_cache(path: Path) -> Iterator[None]:
    """Around work with a cache's SQLite file: one that is damaged or cannot be written is a `UserError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise UserError(
            "the cache cannot be used ({error})",
            place=str(path),
            hint="delete this file, or set EMBEDKIT_CACHE to a folder that can be written",
            error=error,
        ) from error
