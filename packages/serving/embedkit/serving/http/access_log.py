"""The access log: a JSON object a request, on one line, with sizes and times and without any text."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import orjson

from embedkit.errors import UserError
from embedkit.files import STDIO


@dataclass(slots=True, kw_only=True)
class RequestEntry:
    """One request. `status` is 500 until an endpoint answers."""

    id: str
    method: str
    path: str
    client: str
    key: str = ""
    model: str = ""
    status: int = 500
    ms: float = 0.0
    texts: int = 0
    tokens: int = 0


class AccessLog:
    """Appends to a file, or to stdout for `-`, a line at once. A full disk ends no request."""

    def __init__(self, path: str = "") -> None:
        """Raises `UserError` where the file cannot be opened."""
        self._file: int | None = None
        try:
            if path == STDIO:
                self._file = sys.stdout.fileno()
            elif path:
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except OSError as error:
            raise UserError("cannot be written ({reason})", place=path, reason=error.strerror) from error

    def write(self, entry: RequestEntry) -> None:
        """Append one request."""
        if self._file is None:
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **asdict(entry)}
        with suppress(OSError):
            os.write(self._file, orjson.dumps(line) + b"\n")
