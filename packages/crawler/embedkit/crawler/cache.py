"""Every answer that was fetched, in one SQLite file: for revalidation and for `--offline`."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from embedkit.cache import cache_dir

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_VERSION = 2
_SCHEMA = """
    DROP TABLE IF EXISTS answers;
    CREATE TABLE answers (url TEXT PRIMARY KEY, status INTEGER NOT NULL, final_url TEXT NOT NULL,
        headers TEXT NOT NULL, body BLOB NOT NULL, fetched_at TEXT NOT NULL, checked_at TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS crawls (key TEXT PRIMARY KEY, began_at TEXT NOT NULL);
"""
_COLUMNS = "status, final_url, headers, body, fetched_at, checked_at"
_local = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. Header names are lower case; times are UTC, as 2026-11-24T08:15:00Z.

    `fetched_at`: when the bytes came; `checked_at`: when the server last said that they are still right.
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
        """Seconds since the server last stood by the bytes."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.checked_at)).total_seconds()


def now() -> str:
    """The time of day in UTC, to the second."""
    return datetime.now(UTC).strftime(_TIME)


def _open() -> sqlite3.Connection:
    """This thread's connection. A write-ahead log keeps what was committed when the process is killed."""
    path = cache_dir("http") / "http.sqlite"
    if getattr(_local, "path", None) == (path, os.getpid()):
        return cast(sqlite3.Connection, _local.db)
    close()
    db = sqlite3.connect(path, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    _local.path, _local.db = (path, os.getpid()), db
    return db


def close() -> None:
    """Close this thread's connection."""
    db = getattr(_local, "db", None)
    if db is not None:
        db.close()
    _local.path = _local.db = None


def lookup(url: str) -> Answer | None:
    """The stored answer for `url`."""
    row = _open().execute(f"SELECT {_COLUMNS} FROM answers WHERE url = ?", (url,)).fetchone()
    if row is None:
        return None
    status, final_url, headers, body, fetched_at, checked_at = row
    return Answer(
        url=url,
        final_url=final_url,
        status=status,
        headers=json.loads(headers),
        body=body,
        fetched_at=fetched_at,
        checked_at=checked_at,
        from_cache=True,
    )


def store(answer: Answer) -> None:
    """Keep an answer, in place of an earlier one of the same address; it survives a kill right after."""
    row = (
        answer.url,
        answer.status,
        answer.final_url,
        json.dumps(dict(answer.headers)),
        answer.body,
        answer.fetched_at,
        answer.checked_at,
    )
    with _open() as db:
        db.execute(f"INSERT OR REPLACE INTO answers (url, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def begin(key: str) -> str:
    """Note that a crawl starts. When its last run was cut off less than a day ago, that run's start, else ""."""
    day_ago = (datetime.now(UTC) - timedelta(days=1)).strftime(_TIME)
    with _open() as db:
        db.execute("DELETE FROM crawls WHERE began_at < ?", (day_ago,))
        row = db.execute("SELECT began_at FROM crawls WHERE key = ?", (key,)).fetchone()
        if row is None:
            db.execute("INSERT INTO crawls VALUES (?, ?)", (key, now()))
    return str(row[0]) if row is not None else ""


def finish(key: str) -> None:
    """Note that a crawl came to its end: its next run asks every server again."""
    with _open() as db:
        db.execute("DELETE FROM crawls WHERE key = ?", (key,))
