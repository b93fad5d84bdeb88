"""Progress: on a terminal a bar after two seconds, elsewhere a line every 30 seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from embedkit.console import say

T = TypeVar("T")
QUIET_SECONDS = 2.0
LINE_SECONDS = 30.0


def track(items: Iterable[T], *, label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and report the progress on stderr."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=label, total=total, delay=QUIET_SECONDS, leave=False)
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
            say("{label}: {done}", label=self.label, done=done)
        else:
            say("{label}: {done} of {total}", label=self.label, done=done, total=self.total)
