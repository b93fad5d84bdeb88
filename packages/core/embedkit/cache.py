"""The cache folder for pages, vectors, models and answers: `EMBEDKIT_CACHE`, else the platform's cache folder."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from embedkit.errors import UserError
from embedkit.files import share_lock

Room = Literal["http", "vectors", "models", "answers"]
BUSY_SECONDS = 120.0  # how long a process waits for another that writes to the same SQLite file
_held: dict[Path, int | None] = {}  # the rooms this process uses, with the descriptor of each lock


def cache_root() -> Path:
    """The folder of all rooms; it may not exist yet."""
    root = os.environ.get("EMBEDKIT_CACHE")
    if root:
        return Path(root)
    from platformdirs import user_cache_path

    return user_cache_path("embedkit", appauthor=False)


def cache_dir(room: Room) -> Path:
    """The folder of one room; it is created, and `cache clear` keeps it until this process ends.

    Raises:
        UserError: it cannot be created.
    """
    folder = cache_root() / room
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "cannot write here ({reason})",
            place=str(folder),
            hint="set EMBEDKIT_CACHE to a folder that can be written",
            reason=error.strerror,
        ) from error
    if folder not in _held:
        _held[folder] = share_lock(folder)
    return folder


@contextmanager
def readable_cache(path: Path) -> Iterator[None]:
    """Wraps work with a SQLite file of the cache: a damaged or read-only one is a `UserError`."""
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise UserError(
            "the cache cannot be used ({error})",
            place=str(path),
            hint="make room; what is in it is kept"
            if full
            else "delete this file, or set EMBEDKIT_CACHE to a folder that can be written",
            error=error,
        ) from error
