"""Every answer that was fetched, in one SQLite file: for revalidation and for `--offline`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from embedkit.cache import cache_dir

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers (url TEXT PRIMARY KEY, status INTEGER NOT NULL,"
    " final_url TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, fetched_at TEXT NOT NULL)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. Header names are lower case; `fetched_at` is UTC, as 2026-11-24T08:15:00Z."""

    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_at: str
    from_cache: bool = False

    @property
    def age_s(self) -> float:
        """Seconds since the bytes were fetched."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.fetched_at)).total_seconds()


def now() -> str:
    """The time of day in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _open() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(cache_dir("http") / "http.sqlite", timeout=30)) as db:
        db.execute(_SCHEMA)
        yield db


def lookup(url: str) -> Answer | None:
    """The stored answer for `url`."""
    with _open() as db:
        row = db.execute(
            "SELECT final_url, status, headers, body, fetched_at FROM answers WHERE url = ?", (url,)
        ).fetchone()
    if row is None:
        return None
    return Answer(
        url=url,
        final_url=row[0],
        status=row[1],
        headers=json.loads(row[2]),
        body=row[3],
        fetched_at=row[4],
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
    )
    with _open() as db, db:
        db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)


def forget(url: str) -> None:
    """Take an answer out again: an API's error comes with HTTP 200 and must not be served twice."""
    with _open() as db, db:
        db.execute("DELETE FROM answers WHERE url = ?", (url,))
