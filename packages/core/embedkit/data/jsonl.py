"""JSON lines: one object a line, UTF-8, NFC, never escaped to ASCII; a broken line is named by its number."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from embedkit.errors import UserError
from embedkit.files import STDIO, atomic


def dumps(value: Any) -> str:
    """One line of JSON in NFC, with no ASCII escapes."""
    return unicodedata.normalize("NFC", json.dumps(value, ensure_ascii=False, allow_nan=False))


def read_objects(path: Path | str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(line number from 1, object)`; blank lines are passed over.

    Raises:
        UserError: a missing file, bytes that are not UTF-8, or a line that is not a JSON object.
    """
    yield from parse_objects(_lines(path), place=str(path))


def parse_objects(lines: Iterable[tuple[int, str]], *, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """What `read_objects` yields, of numbered lines that are at hand; `place` names them in an error."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            column = getattr(error, "colno", 1)
            reason = getattr(error, "msg", str(error))
            raise UserError("not JSON: {reason}", place=f"{place}:{number}:{column}", reason=reason) from None
        if not isinstance(value, dict):
            raise UserError(
                "expected an object, found {kind}", place=f"{place}:{number}", kind=type(value).__name__
            )
        yield number, value


def _lines(path: Path | str) -> Iterator[tuple[int, str]]:
    for number, raw in raw_lines(path):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise UserError("not UTF-8", place=f"{path}:{number}", hint="save the file as UTF-8") from None
        yield number, text


def raw_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """Yield `(line number from 1, bytes)` of a file or of stdin, one line in memory at a time.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        handle = sys.stdin.buffer if str(path) == STDIO else Path(path).open("rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        raise UserError("there is no such file", place=str(path), hint="check the path") from None
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=str(path), reason=error.strerror) from error
    with handle:
        yield from enumerate(handle, start=1)


def write_objects(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write every row to a whole file and return how many there were."""
    count = 0
    with atomic(path) as handle:
        for row in rows:
            handle.write(dumps(row) + "\n")
            count += 1
    return count
