"""Several processes behind one address: forked once the model is loaded, so that they share its memory.

On GPUs each process loads the model by itself. A process that dies is replaced.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from embedkit.console import say, warn
from embedkit.errors import UserError

_YOUNG_SECONDS = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Work = Callable[[int, Callable[[], None]], None]


class _Workers:
    """The processes by their ids. `work` gets a worker's number, and what to call once it answers."""

    def __init__(self, count: int, work: Work) -> None:
        self._count, self._work = count, work
        self._numbers: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._reading, self._writing = os.pipe()
        self.stopped_by = 0

    def stop(self, number: int, _: FrameType | None = None) -> None:
        """Ask every process to answer what is open and to end."""
        self.stopped_by = self.stopped_by or number
        for process in list(self._numbers):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)

    def start_all(self) -> None:
        """Return when each answers. Raises `UserError` where they all died."""
        for number in range(self._count):
            self._start(number)
        os.close(self._writing)
        ready = 0
        while ready < self._count and not self.stopped_by:
            signs = os.read(self._reading, self._count)
            if not signs:
                raise UserError("no worker could start; the messages above say why")
            ready += len(signs)

    def wait(self) -> None:
        """Replace what dies, until they are asked to stop and have ended."""
        while self._numbers:
            process, status = os.wait()
            number = self._numbers.pop(process, None)
            if number is None or self.stopped_by:
                continue
            warn(
                "worker {number} ended ({status}); another takes its place", number=number + 1, status=status
            )
            if time.monotonic() - self._started.pop(process) < _YOUNG_SECONDS:
                time.sleep(1)
            self._start(number)

    def _start(self, number: int) -> None:
        # A signal waits until the process is in the list, and has its own way to end: else it would never be asked to.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        process = 0 if self.stopped_by else os.fork()
        if process or self.stopped_by:
            if process:
                self._numbers[process] = number
                self._started[process] = time.monotonic()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return
        code = 1
        try:
            for name in _SIGNALS:
                signal.signal(name, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._work(number, self._tell)
            code = 0
        except KeyboardInterrupt:
            code = 0
        except UserError as error:
            say("{error}", error=error)
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _tell(self) -> None:
        with suppress(OSError):
            os.write(self._writing, b".")


def run_workers(count: int, work: Work, on_ready: Callable[[], None]) -> int:
    """Run `work` in so many processes until SIGTERM or Ctrl-C; the number of that signal.

    Raises:
        UserError: there is no fork on this system, or no process could start.
    """
    if not hasattr(os, "fork"):
        raise UserError("--workers needs a system with fork", hint="start several services behind a proxy")
    workers = _Workers(count, work)
    before = {name: signal.signal(name, workers.stop) for name in _SIGNALS}
    try:
        workers.start_all()
        if not workers.stopped_by:
            on_ready()
        workers.wait()
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return workers.stopped_by
