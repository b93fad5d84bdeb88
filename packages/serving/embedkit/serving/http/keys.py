"""Who may ask, and how often: keys compared in constant time, and a rate limit for each."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.errors import UserError

API_KEY = "EMBEDKIT_API_KEY"
_OTHERS = 0o007  # permissions of people who are neither the owner nor in the group
_LEAST_KEY = 8
_MOST_CLIENTS = 10_000
_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key by its digest, and the name that the access log has for it."""

    name: str
    digest: bytes


def read_keys(environment: Mapping[str, str], file: Path | None) -> tuple[ApiKey, ...]:
    """The keys of `EMBEDKIT_API_KEY`, commas or spaces between them, and of a file with lines `KEY` or `NAME KEY`.

    Raises:
        UserError: the file cannot be read, others may read it, or it holds no keys.
    """
    stated = environment.get(API_KEY, "").replace(",", " ").split()
    keys = [_key(f"key-{n}" if n > 1 else "key", text) for n, text in enumerate(stated, start=1)]
    if file is not None:
        keys += _of_file(file)
    return tuple(keys)


def _key(name: str, text: str) -> ApiKey:
    return ApiKey(name=name, digest=hashlib.sha256(text.encode()).digest())


def _of_file(file: Path) -> list[ApiKey]:
    try:
        mode, lines = file.stat().st_mode, file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError("cannot be read ({reason})", place=str(file), reason=reason) from error
    if os.name == "posix" and mode & _OTHERS:
        raise UserError(
            "holds keys and everyone on this machine may read it",
            place=str(file),
            hint="chmod 600 {file}",
            file=file,
        )
    keys = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2 or len(words[-1]) < _LEAST_KEY:
            raise UserError(
                "is not a key of at least {least} characters, with or without a name before it",
                place=f"{file}:{number}",
                least=_LEAST_KEY,
            )
        keys.append(_key(words[0] if len(words) > 1 else f"line-{number}", words[-1]))
    if not keys:
        raise UserError("holds no keys", place=str(file), hint="a line a key: KEY or NAME KEY")
    return keys


def find_key(keys: Sequence[ApiKey], presented: str) -> ApiKey | None:
    """The key that was presented; all are compared, whichever it is."""
    digest = hashlib.sha256(presented.encode("latin-1", "replace")).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


class RateLimit:
    """At most `per_minute` requests a minute for each client, evenly refilled; 0 is no limit."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._left: dict[str, tuple[float, float]] = {}

    def wait_s(self, client: str) -> float:
        """0 where the client may ask now, which is counted; else the seconds until it may."""
        if not self._per_minute:
            return 0.0
        now = time.monotonic()
        left, then = self._left.pop(client, (self._per_minute, now))
        left = min(self._per_minute, left + (now - then) * self._per_minute / _MINUTE)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.pop(next(iter(self._left)))
        return 0.0 if allowed else (1 - left) * _MINUTE / self._per_minute
