"""The answers of language models, kept in a SQLite file of the cache as soon as each has arrived: none is paid twice.

An answer is committed by the thread that got it, before anything else is done with it: whoever kills the run loses at
most the answers that were still on their way.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from embedkit.cache import BUSY_SECONDS, cache_dir, readable_cache
from embedkit.compose.llm.records import Answer
from embedkit.text import hash64

try:
    import fcntl
except ImportError:  # Windows: two processes may ask for the same
    fcntl = None  # type: ignore[assignment]

_CLAIM_POLL_S = 0.2
_COLUMNS = "text, finished, tokens_in, tokens_out, seconds"


@dataclass(frozen=True, slots=True)
class AnswerStore:
    """An open cache of answers that several threads may use."""

    path: Path
    _db: sqlite3.Connection
    _lock: threading.Lock
    _claims: int | None = (
        None  # a file of which each call locks a byte; the system frees those of a dead process
    )

    def get(self, key: str) -> Answer | None:
        """The answer kept under a key."""
        with self._lock:
            row = self._db.execute(f"SELECT {_COLUMNS} FROM answers WHERE key = ?", (key,)).fetchone()
        return _answer(row) if row else None

    def put(self, key: str, llm: str, answer: Answer) -> None:
        """Keep an answer, on disk when this returns."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", (key, llm, *astuple(answer))
            )

    @contextmanager
    def claimed(self, key: str, stop: threading.Event) -> Iterator[None]:
        """Wait until no other process is asking for a key, and keep it from them while the block runs."""
        place = hash64(key) >> 2
        if self._claims is None or fcntl is None:
            yield
            return
        while True:
            try:
                fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except (BlockingIOError, PermissionError):
                if not stop.wait(_CLAIM_POLL_S):
                    continue
            except OSError:  # a file system without locks
                pass
            break
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, place)

    def seconds_a_token(self, llm: str) -> float | None:
        """What a written token of this model took on average; None where it has answered nothing yet."""
        query = "SELECT sum(seconds), sum(tokens_out) FROM answers WHERE llm = ?"
        with self._lock:
            seconds, tokens = self._db.execute(query, (llm,)).fetchone()
        return seconds / tokens if tokens else None


def _answer(row: tuple[str, int, int, int, float]) -> Answer:
    text, finished, tokens_in, tokens_out, seconds = row
    return Answer(
        text=text, finished=bool(finished), tokens_in=tokens_in, tokens_out=tokens_out, seconds=seconds
    )


@contextmanager
def open_answers() -> Iterator[AnswerStore]:
    """The cache of answers. Raises `UserError` where it cannot be used."""
    path = cache_dir("answers") / "answers.sqlite"
    with (
        readable_cache(path),
        closing(sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)) as db,
    ):
        db.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, llm TEXT, text TEXT, finished INTEGER, "
            "tokens_in INTEGER, tokens_out INTEGER, seconds REAL)"
        )
        claims = os.open(path.with_suffix(".claims"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield AnswerStore(path, db, threading.Lock(), claims)
        finally:
            os.close(claims)
