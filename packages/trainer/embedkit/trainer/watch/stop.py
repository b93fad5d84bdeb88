"""SIGTERM while training: the run writes a checkpoint at the end of the step and stops."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from embedkit.trainer.step.distributed import any_of


class StopFlag:
    """Raised at the end of a step that SIGTERM came before: the same step in all processes.

    A signal after the last step stops nothing: the model is there, and saving it is what is left to do.
    """

    def __init__(self) -> None:
        self.raised = False
        self._signalled = False

    def after_step(self) -> None:
        """A signal to one process stops all of them."""
        self.raised = any_of(self._signalled)

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """While the block runs, take SIGTERM as a wish to stop soon (in the main thread only)."""

        def handle(_signal: int, _frame: FrameType | None) -> None:
            self._signalled = True

        try:
            before = signal.signal(signal.SIGTERM, handle)
        except ValueError:
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
