"""Files that are whole or absent: written beside themselves as `.part`, synced, then moved into place."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from embedkit.errors import UserError

STDIO = "-"


def refuse_existing(path: Path | str, *, force: bool) -> None:
    """Raise `UserError` when `path` is there and `force` is not given."""
    if str(path) != STDIO and not force and Path(path).exists():
        raise UserError("already exists and is kept", place=str(path), hint="--force replaces it")


def require_writable(folder: Path) -> None:
    """Prove that a file can be written in `folder` before any long work starts, and leave no trace of it."""
    probe = folder / f".embedkit-probe-{os.getpid()}"
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        for path in missing:
            path.rmdir()
    except OSError as error:
        raise UserError(
            "cannot write here ({reason})",
            place=str(folder),
            hint="choose another folder",
            reason=error.strerror,
        ) from error


@contextmanager
def atomic(path: Path | str, *, newline: str = "\n") -> Iterator[IO[str]]:
    """Open `path` for UTF-8 text; the file appears only when the block ends without an error. `-` is stdout."""
    if str(path) == STDIO:
        yield sys.stdout
        return
    target = Path(path)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = part.open("w", encoding="utf-8", newline=newline)
    except OSError as error:
        raise UserError(
            "cannot be written ({reason})", place=str(path), hint="choose another path", reason=error.strerror
        ) from error
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write one whole text file."""
    with atomic(path) as handle:
        handle.write(text)


def read_bytes(path: Path | str) -> bytes:
    """The bytes of `path` (`-` is stdin); `UserError` when there are none to be had."""
    if str(path) == STDIO:
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError("there is no such file", place=str(path), hint="check the path") from None
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=str(path), reason=error.strerror) from error


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
