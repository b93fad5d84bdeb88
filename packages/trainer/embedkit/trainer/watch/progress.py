"""A bar on a terminal, elsewhere a line every 30 s: steps, loss, samples a second, time left."""

from __future__ import annotations

import time
from typing import Any

from embedkit.console import LINE_SECONDS, QUIET_SECONDS, say, shows_bars
from embedkit.messages import tr
from embedkit.trainer.step.loop import StepResult
from embedkit.trainer.step.processes import is_first


class Progress:
    """Shows on stderr how far training is, of `total` steps; the loss shown is a running mean."""

    def __init__(self, *, start: int, total: int, rows_per_step: float) -> None:
        """`start` of `total` steps are done already."""
        self.total = total
        self._start, self._rows = start, rows_per_step
        self._loss = float("nan")
        self._started = time.monotonic()
        self._due = self._started + LINE_SECONDS
        self._bar: Any = None
        if shows_bars() and is_first():
            from tqdm import tqdm

            self._bar = tqdm(desc="train", total=total, initial=start, delay=QUIET_SECONDS, leave=False)

    def after_step(self, done: StepResult) -> None:
        """Move the bar, or say a line when one is due."""
        self._loss = done.loss if self._loss != self._loss else 0.9 * self._loss + 0.1 * done.loss
        now, steps = time.monotonic(), done.step - self._start
        rate = steps * self._rows / max(now - self._started, 1e-9)
        if self._bar is not None:
            self._bar.total = self.total
            self._bar.update(1)
            self._bar.set_postfix_str(f"loss {self._loss:.3f}, {rate:.1f} samples/s", refresh=False)
        elif now >= self._due and is_first():
            self._due = now + LINE_SECONDS
            say(
                "train: {done} of {total} steps, loss {loss}, {rate} samples/s, {left} left",
                done=done.step,
                total=self.total,
                loss=f"{self._loss:.3f}",
                rate=f"{rate:.1f}",
                left=duration((self.total - done.step) * (now - self._started) / steps),
            )

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """`47 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return tr("{seconds} s", seconds=whole)
    if whole < 3600:
        return tr("{minutes} min {seconds} s", minutes=whole // 60, seconds=f"{whole % 60:02d}")
    return tr("{hours} h {minutes} min", hours=whole // 3600, minutes=f"{whole % 3600 // 60:02d}")
