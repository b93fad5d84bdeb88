"""metrics.jsonl and the trackers: loss, learning rate, gradient norm and speed, and the metrics of the dev rows."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedkit.models.run_folder import CHECKPOINTS, ENVIRONMENT, METRICS
from embedkit.models.tracking import MlflowRun, settings_of
from embedkit.text import dumps
from embedkit.trainer.config import OutputSection
from embedkit.trainer.step.loop import StepResult
from embedkit.trainer.step.processes import is_first

_PROJECT = "embedkit"


class MetricsLog:
    """Writes a line every `log_steps` steps, after the last of `total` steps, and after each dev evaluation."""

    def __init__(
        self, run: Path, output: OutputSection, *, start: int, total: int, rows_per_step: float
    ) -> None:
        """`start` of `total` steps are done already."""
        self._path = run / METRICS if output.save_metrics else None
        self._trackers = start_trackers(output.report_to, run, start=start) if is_first() else []
        self.total = total
        self._every, self._rows = output.log_steps, rows_per_step
        self._last = (time.monotonic(), start)
        self._losses: list[float] = []

    def after_step(self, done: StepResult) -> None:
        """Write the means since the last line, when a line is due."""
        self._losses.append(done.loss)
        if done.step % self._every and done.step != self.total:
            return
        now, (then, before) = time.monotonic(), self._last
        numbers = {
            "loss": sum(self._losses) / len(self._losses),
            "learning_rate": done.learning_rate,
            "grad_norm": done.grad_norm,
        }
        speed = (done.step - before) * self._rows / max(now - then, 1e-9)
        self._last, self._losses = (now, done.step), []
        epoch = round(done.epoch, 4)
        self.write({"step": done.step, "epoch": epoch, **numbers, "samples_per_second": speed})
        self._track(
            done.step, {f"train/{name}": value for name, value in numbers.items()} | {"train/epoch": epoch}
        )

    def after_evaluation(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Write what the dev rows gave."""
        self.write({"step": step, "epoch": epoch} | {f"dev_{name}": value for name, value in metrics.items()})
        self._track(step, {f"eval/{name}": value for name, value in metrics.items()})

    def write(self, row: dict[str, Any]) -> None:
        """Append one line and let it reach the file at once; what is not a finite number becomes null."""
        if self._path is None or not is_first():
            return
        row = {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in row.items()}
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(dumps(row) + "\n")

    def _track(self, step: int, values: dict[str, float]) -> None:
        for tracker in self._trackers:
            tracker.log(values, step=step)

    def close(self) -> None:
        """Tell the trackers that nothing more comes."""
        for tracker in self._trackers:
            tracker.finish()


def start_trackers(names: Sequence[str], run: Path, *, start: int) -> list[Any]:
    """accelerate's trackers by name, ours for MLflow; `WANDB_PROJECT` and `TRACKIO_PROJECT` count.

    Each gets the run's settings as parameters. Of a run that is gone on with (`start` of its steps are done) the
    numbers go on in the same run of the tracker.
    """
    if not names:
        return []
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    trackers: list[Any] = []
    for name in names:
        kind = LOGGER_TYPE_TO_CLASS[name]
        tracker: Any
        if name == "mlflow":
            tracker = MlflowRun(run)
        elif name == "tensorboard":
            tracker = kind(name, run / CHECKPOINTS, purge_step=start + 1 if start else None)
        else:
            project = os.environ.get(f"{name.upper()}_PROJECT", _PROJECT)
            tracker = kind(project, **_same_again(name, run))
        tracker.start()
        if name != "mlflow" and not (name == "tensorboard" and start):
            tracker.store_init_configuration(settings_of(run))
        trackers.append(tracker)
    return trackers


def _same_again(name: str, run: Path) -> dict[str, str]:
    """What makes a tracker go on with a run: a name or id that a run keeps from its beginning to its end."""
    started = str(json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))["started_at"])
    own = f"{run.name}-{hashlib.sha256(started.encode()).hexdigest()[:8]}"
    return (
        {"name": run.name, "id": own, "resume": "allow"}
        if name == "wandb"
        else {"name": own, "resume": "allow"}
    )
