"""The HTTP cache: every answer in one SQLite file, for revalidation and for `--offline`."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from embedkit.cache import BUSY_SECONDS, cache_dir, readable_cache

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_VERSION = 2
_TABLES = {
    "answers": """(url TEXT PRIMARY KEY, status INTEGER NOT NULL, final_url TEXT NOT NULL, headers TEXT NOT NULL,
        body BLOB NOT NULL, fetched_at TEXT NOT NULL, checked_at TEXT NOT NULL)""",
    "crawls": "(key TEXT PRIMARY KEY, began_at TEXT NOT NULL)",
}
_COLUMNS = "status, final_url, headers, body, fetched_at, checked_at"
_local = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """One HTTP answer. Header names are lower case; times are UTC, as 2026-11-24T08:15:00Z.

    `fetched_at`: when the bytes came; `checked_at`: when the server last confirmed them.
    """

    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_at: str
    checked_at: str
    from_cache: bool = False

    @property
    def age_s(self) -> float:
        """Seconds since the server last confirmed the bytes."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.checked_at)).total_seconds()


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime(_TIME)


@contextmanager
def _transaction() -> Iterator[sqlite3.Connection]:
    path = cache_dir("http") / "http.sqlite"
    with readable_cache(path), _connection(path) as db:
        yield db


def _connection(path: Path) -> sqlite3.Connection:
    """This thread's connection. A write-ahead log keeps what was committed when the process is killed."""
    if getattr(_local, "path", None) == (path, os.getpid()):
        return cast(sqlite3.Connection, _local.db)
    close()
    db = sqlite3.connect(path, timeout=BUSY_SECONDS)
    _log_ahead(db)
    db.execute("PRAGMA synchronous = NORMAL")
    with db:
        db.execute("BEGIN IMMEDIATE")  # one of several processes makes the tables
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            for table, columns in _TABLES.items():
                db.execute(f"DROP TABLE IF EXISTS {table}")
                db.execute(f"CREATE TABLE {table} {columns}")
            db.execute(f"PRAGMA user_version = {_VERSION}")
    _local.path, _local.db = (path, os.getpid()), db
    return db


def _log_ahead(db: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. SQLite does not wait for other processes here, so this does."""
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > patience:
                raise
            time.sleep(0.01)


def close() -> None:
    """Close this thread's connection."""
    db = getattr(_local, "db", None)
    if db is not None:
        db.close()
    _local.path = _local.db = None


def lookup(url: str) -> HttpAnswer | None:
    """The stored answer for `url`."""
    with _transaction() as db:
        row = db.execute(f"SELECT {_COLUMNS} FROM answers WHERE url = ?", (url,)).fetchone()
    if row is None:
        return None
    status, final_url, headers, body, fetched_at, checked_at = row
    return HttpAnswer(
        url=url,
        final_url=final_url,
        status=status,
        headers=json.loads(headers),
        body=body,
        fetched_at=fetched_at,
        checked_at=checked_at,
        from_cache=True,
    )


def store(answer: HttpAnswer) -> None:
    """Store an answer in place of an earlier one of the same address; it survives a kill right after."""
    row = (
        answer.url,
        answer.status,
        answer.final_url,
        json.dumps(dict(answer.headers)),
        answer.body,
        answer.fetched_at,
        answer.checked_at,
    )
    with _transaction() as db:
        db.execute(f"INSERT OR REPLACE INTO answers (url, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def begin(key: str) -> str:
    """Record that a crawl starts; the start of its last run, if that was cut off less than a day ago, else ""."""
    day_ago = (datetime.now(UTC) - timedelta(days=1)).strftime(_TIME)
    with _transaction() as db:
        db.execute("DELETE FROM crawls WHERE began_at < ?", (day_ago,))
        row = db.execute("SELECT began_at FROM crawls WHERE key = ?", (key,)).fetchone()
        if row is None:
            db.execute("INSERT INTO crawls VALUES (?, ?)", (key, now()))
    return str(row[0]) if row is not None else ""


def finish(key: str) -> None:
    """Record that a crawl ended: its next run asks every server again."""
    with _transaction() as db:
        db.execute("DELETE FROM crawls WHERE key = ?", (key,))
