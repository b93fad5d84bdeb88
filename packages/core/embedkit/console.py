"""Output: data to stdout, messages and progress to stderr, never a control character.

Progress is a bar after two seconds on a terminal, elsewhere a line every 30 seconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from embedkit.errors import UserError
from embedkit.messages import tr
from embedkit.text import dumps, printable

T = TypeVar("T")
QUIET_SECONDS = 2.0
LINE_SECONDS = 30.0
_hushed = False
_keepers: list[list[str]] = []


@contextmanager
def kept() -> Iterator[list[str]]:
    """Print nothing in this block: its messages are put in the list that is given, its data lines go nowhere.

    For callers from Python, who get records. It holds for all threads, because a command's own threads speak too.
    """
    messages: list[str] = []
    _keepers.append(messages)
    try:
        yield messages
    finally:
        _keepers[:] = [one for one in _keepers if one is not messages]


def is_silent() -> bool:
    """Whether nothing is printed now: neither by this process nor by those that it starts."""
    return _hushed or bool(_keepers)


def hush(yes: bool) -> None:
    """Turn this process's output off or on: of several ranks, one prints."""
    global _hushed
    _hushed = yes


def out(text: str) -> None:
    """One line of data on stdout."""
    _write(printable(text))


def out_json(value: Any) -> None:
    """One JSON document on stdout, on one line."""
    _write(dumps(value))


def _write(line: str) -> None:
    if is_silent() or sys.stdout is None:  # closed by the caller (`>&-`)
        return
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # the rest of the buffer would be a second error at exit
            sys.stdout.close()
        raise UserError("cannot be written ({reason})", place="stdout", reason=error.strerror) from error


def say(template: str, **fields: object) -> None:
    """One message on stderr, in the user's language (`EMBEDKIT_LANG`)."""
    text = printable(tr(template, **fields))
    for messages in _keepers:
        messages.append(text)
    if is_silent() or sys.stderr is None:
        return
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def warn(template: str, **fields: object) -> None:
    """One warning on stderr."""
    say("warning: {text}", text=tr(template, **fields))


def debug_wanted() -> bool:
    """Whether `EMBEDKIT_DEBUG` asks for a traceback with every error."""
    return os.environ.get("EMBEDKIT_DEBUG", "") not in ("", "0")


def shows_bars() -> bool:
    """Whether progress is a moving bar: on a terminal that is written to."""
    return not is_silent() and sys.stderr is not None and sys.stderr.isatty()


def track(items: Iterable[T], *, label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and report the progress on stderr."""
    if shows_bars():
        from tqdm import tqdm

        yield from tqdm(items, desc=tr(label), total=total, delay=QUIET_SECONDS, leave=False)
        return
    ticker = Ticker(label, total)
    for done, item in enumerate(items, start=1):
        yield item
        ticker.at(done)


class Ticker:
    """Prints `label: 120 of 600` at most every `LINE_SECONDS`."""

    def __init__(self, label: str, total: int | None = None) -> None:
        self.label = label
        self.total = total
        self._due = time.monotonic() + LINE_SECONDS

    def at(self, done: int) -> None:
        """Print that `done` items are finished, if a line is due."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LINE_SECONDS
        if self.total is None:
            say("{label}: {done}", label=tr(self.label), done=done)
        else:
            say("{label}: {done} of {total}", label=tr(self.label), done=done, total=self.total)
