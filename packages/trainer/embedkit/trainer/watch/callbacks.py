"""What happens around the steps: checkpoints, signals, metrics.jsonl, dev rows, and word of the progress."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback, set_seed

from embedkit.console import say
from embedkit.data.jsonl import dumps
from embedkit.data.run_folder import CHECKPOINTS, METRICS
from embedkit.progress import LINE_SECONDS, QUIET_SECONDS
from embedkit.trainer.config import OutputSection
from embedkit.trainer.run.resume import keep_newest, mark_complete
from embedkit.trainer.step.distributed import any_of, wait
from embedkit.trainer.step.processes import is_first


class StopFlag(TrainerCallback):  # type: ignore[misc]
    """Raised at the end of a step that SIGTERM came before: the same step in all processes.

    A signal after the last step stops nothing: the model is there, and saving it is what is left to do.
    """

    def __init__(self) -> None:
        self.raised = False
        self._signalled = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
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


class StepSeed(TrainerCallback):  # type: ignore[misc]
    """Makes what is random in a step a function of seed and step, so that a resumed run draws the same."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seed every generator anew; each process of a distributed run differently."""
        set_seed((self._seed + state.global_step * 1_000_003 + args.process_index * 7919) % 2**32)


class Checkpoints(TrainerCallback):  # type: ignore[misc]
    """Decides when a checkpoint is due, marks it when it is whole, and keeps the newest."""

    def __init__(self, run: Path, output: OutputSection, stop: StopFlag) -> None:
        self._run = run
        self._output = output
        self._stop = stop

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save every `checkpoint_steps` (the end of an epoch saves by itself) and before stopping."""
        every = self._output.checkpoint_steps
        ends_epoch = float(state.epoch).is_integer()
        if self._stop.raised:
            control.should_save = control.should_training_stop = True
        elif every and state.global_step % every == 0 and not (ends_epoch or control.should_training_stop):
            control.should_save = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save after each epoch but the last one, whose end is the model itself.

        A run that stops early is at its end: going on from a checkpoint there would train further.
        """
        if self._stop.raised:
            control.should_evaluate = control.should_save = False
        elif state.global_step < state.max_steps and not control.should_training_stop:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The files of all processes are there: make them count."""
        wait()
        if state.is_world_process_zero:
            mark_complete(self._run / CHECKPOINTS / f"checkpoint-{state.global_step}")
            keep_newest(self._run, keep=self._output.checkpoint_keep)


class MetricsLog(TrainerCallback):  # type: ignore[misc]
    """Appends loss, learning rate, gradient norm and speed to metrics.jsonl, a line at a time."""

    def __init__(self, run: Path, *, rows_per_step: float) -> None:
        self._path = run / METRICS
        self._rows = rows_per_step
        self._last = (time.monotonic(), 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._last = (time.monotonic(), state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The last step is logged too, whether or not it is due."""
        if state.global_step == state.max_steps:
            control.should_log = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Write what was logged, if it is about training steps or dev rows."""
        dev = {f"dev_{name[5:]}": value for name, value in logs.items() if name.startswith("eval_")}
        if dev:
            epoch = round(state.epoch or 0, 4)
            self.write({"step": state.global_step, "epoch": epoch} | dev)
        if "loss" not in logs or not state.is_world_process_zero:
            return
        now, (then, before) = time.monotonic(), self._last
        self._last = (now, state.global_step)
        speed = (state.global_step - before) * self._rows / max(now - then, 1e-9)
        names = ("loss", "learning_rate", "grad_norm")
        numbers = {name: float(logs[name]) for name in names if name in logs}
        self.write(
            {
                "step": state.global_step,
                "epoch": round(state.epoch, 4),
                **numbers,
                "samples_per_second": speed,
            }
        )

    def write(self, row: dict[str, Any]) -> None:
        """Append one line and let it reach the file at once; what is no number any more becomes null."""
        if not is_first():
            return
        row = {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in row.items()}
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(dumps(row) + "\n")


class Progress(TrainerCallback):  # type: ignore[misc]
    """A bar on a terminal, elsewhere a line every 30 s: steps, loss, samples a second, time left."""

    def __init__(self, *, rows_per_step: float) -> None:
        self._rows = rows_per_step
        self._bar: Any = None
        self._started = self._due = time.monotonic()
        self._first_step = 0
        self._loss = float("nan")

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock, and the bar where there is a terminal."""
        self._started = time.monotonic()
        self._due = self._started + LINE_SECONDS
        self._first_step = state.global_step
        if sys.stderr.isatty() and state.is_world_process_zero:
            from tqdm import tqdm

            total, done = state.max_steps, state.global_step
            self._bar = tqdm(desc="train", total=total, initial=done, delay=QUIET_SECONDS, leave=False)

    def saw_loss(self, loss: float) -> None:
        """The training loop tells each step's loss; what is shown is its running mean."""
        self._loss = loss if self._loss != self._loss else 0.9 * self._loss + 0.1 * loss

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar, or say a line when one is due."""
        now = time.monotonic()
        done = state.global_step - self._first_step
        rate = done * self._rows / max(now - self._started, 1e-9)
        if self._bar is not None:
            self._bar.update(1)
            self._bar.set_postfix_str(f"loss {self._loss:.3f}, {rate:.1f} samples/s", refresh=False)
        elif now >= self._due and state.is_world_process_zero:
            self._due = now + LINE_SECONDS
            left = (state.max_steps - state.global_step) * (now - self._started) / max(done, 1)
            say(
                "train: {done} of {total} steps, loss {loss}, {rate} samples/s, {left} left",
                done=state.global_step,
                total=state.max_steps,
                loss=f"{self._loss:.3f}",
                rate=f"{rate:.1f}",
                left=duration(left),
            )

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """`47 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
