"""JSON lines: one object a line, UTF-8, NFC, never escaped to ASCII; a broken line is named by its number."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from embedkit.errors import UserError
from embedkit.files import STDIO, atomic, open_bytes
from embedkit.messages import Phrase
from embedkit.text import dumps


class BadLineError(ValueError):
    """What is wrong with a line, from which column on (0: the whole line), and the reason under which it is counted."""

    def __init__(self, problem: Phrase, *, column: int = 0, reason: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.column = column
        self.reason = reason or problem


def parse_object(line: bytes | str) -> dict[str, Any]:
    """The object of one line. Raises `BadLineError`: not UTF-8, not JSON or no object."""
    try:
        text = line if isinstance(line, str) else line.decode("utf-8-sig")
        value = json.loads(text)
    except UnicodeDecodeError:
        raise BadLineError(Phrase("not UTF-8")) from None
    except (ValueError, RecursionError) as error:
        why = getattr(error, "msg", str(error))
        problem, reason = Phrase("not JSON: {reason}", reason=why), f"not JSON ({why})"
        raise BadLineError(problem, column=getattr(error, "colno", 1), reason=reason) from None
    if not isinstance(value, dict):
        problem = Phrase("expected an object, found {kind}", kind=type(value).__name__)
        raise BadLineError(problem, reason="not a JSON object")
    return value


def require_whole_characters(value: Mapping[str, Any]) -> None:
    """Raise `BadLineError` where a text of the object holds half a character, which no file can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        problem = Phrase("a text holds half a character (a lone surrogate)")
        raise BadLineError(problem, reason="half a character") from None


def read_objects(path: Path | str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(line number from 1, object)`; blank lines are passed over.

    Raises:
        UserError: a missing file, bytes that are not UTF-8, or a line that is not a JSON object.
    """
    for number, line in filled_lines(path):
        try:
            yield number, parse_object(line)
        except BadLineError as error:
            raise line_error(path, number, error) from None


def line_error(path: Path | str, number: int, error: BadLineError) -> UserError:
    """The error that names file, line and column."""
    place = f"{path}:{number}:{error.column}" if error.column else f"{path}:{number}"
    hint = "save the file as UTF-8" if error.problem == "not UTF-8" else ""
    return UserError(error.problem, place=place, hint=hint)


def filled_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """The lines of `raw_lines` that are not blank."""
    return ((number, line) for number, line in raw_lines(path) if not is_blank(line))


def is_blank(line: bytes) -> bool:
    """Whether a line holds nothing but spaces and the mark of UTF-8."""
    first = line.lstrip()[:1]
    return not first or (first > b"\x7f" and not line.decode("utf-8-sig", "replace").strip())


def raw_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """Yield `(line number from 1, bytes)` of a file or of stdin, one line in memory at a time.

    Raises:
        UserError: the file cannot be read.
    """
    with sys.stdin.buffer if str(path) == STDIO else open_bytes(path) as handle:
        yield from enumerate(handle, start=1)


def write_objects(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write every row to a whole file and return how many there were."""
    count = 0
    with atomic(path) as handle:
        for row in rows:
            handle.write(dumps(row) + "\n")
            count += 1
    return count
