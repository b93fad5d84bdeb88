"""Looks at the dev rows while training: when, the best weights so far, and when more training is no use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.torch import save_file
from transformers import TrainerCallback

from embedkit.console import say, warn
from embedkit.data.run_folder import CHECKPOINTS
from embedkit.errors import UserError
from embedkit.trainer.config import TrainSection
from embedkit.trainer.step.distributed import from_first, wait
from embedkit.trainer.step.memory import is_out_of_memory
from embedkit.trainer.step.processes import is_first
from embedkit.trainer.step.sharding import is_split, put
from embedkit.trainer.watch.callbacks import StopFlag
from embedkit.trainer.watch.dev_metrics import DevMetrics, evaluate_dev, label

if TYPE_CHECKING:
    from embedkit.trainer.run.plan import Ready
    from embedkit.trainer.step.loop import PairTrainer

_BEST = "best.safetensors"
# How far the best weights, read back, may measure from what they did: the order of sums on a GPU is not fixed.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the dev rows said after a step; step 0 is the base model."""

    step: int
    epoch: float
    metrics: DevMetrics


class DevLooks(TrainerCallback):  # type: ignore[misc]
    """Measures the dev rows before the first step and then every `train.eval_steps` or epoch.

    What was seen travels in the trainer's state, so that a resumed run knows it too.
    """

    trainer: PairTrainer  # set when there is one

    def __init__(self, ready: Ready, stop: StopFlag) -> None:
        self._ready = ready
        self._stop = stop
        self._train = ready.config.train
        self._metric = best_metric(self._train)
        self.looks: list[Look] = []
        self.stopped_early = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Remember, and make up for a look that a signal came before."""
        self.looks = looks_in(state.log_history)
        if self._due(state) and state.global_step not in [look.step for look in self.looks]:
            self._look(state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look when it is time, unless the run is about to stop."""
        last = state.global_step == state.max_steps
        if self._train.eval_steps and (self._due(state) or last) and not self._stop.raised:
            self._look(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look, unless the run is about to stop."""
        if not self._train.eval_steps and not self._stop.raised:
            self._look(state, control)

    def _due(self, state: Any) -> bool:
        every = self._train.eval_steps
        return bool(state.global_step % every == 0 if every else float(state.epoch or 0).is_integer())

    def _look(self, state: Any, control: Any) -> None:
        metrics = from_first(measure(self._ready))
        if metrics is None:
            return
        look = Look(step=state.global_step, epoch=round(state.epoch or 0, 4), metrics=metrics)
        self.looks.append(look)
        self.trainer.log({f"eval_{name}": value for name, value in metrics.measured().items()})
        shown = (f"{label(name)} {value:.4f}" for name, value in metrics.measured().items())
        say("dev after epoch {epoch}: {metrics}", epoch=f"{look.epoch:g}", metrics=", ".join(shown))
        if self._metric is not None:
            self._compare(look, self._metric, control)

    def _compare(self, look: Look, metric: str, control: Any) -> None:
        """Keep the weights of a look that is the best so far; stop when the best one lies too far back."""
        if metric not in look.metrics.measured():
            raise UserError(
                "train.best_metric is {metric}, which these dev rows do not give",
                hint="take one of: {names}",
                metric=metric,
                names=", ".join(look.metrics.measured()),
            )
        trained = [look for look in self.looks if look.step > 0]
        best = best_look(trained, metric)
        if best is look:
            self._save()
        patience = self._train.early_stopping_patience
        if best is not None and patience and len(trained) - 1 - trained.index(best) >= patience:
            control.should_training_stop = self.stopped_early = True
            say(
                "stopped early: {metric} has not been better than {value} (epoch {epoch}) for {patience} looks",
                metric=label(metric),
                value=f"{best.metrics.measured()[metric]:.4f}",
                epoch=f"{best.epoch:g}",
                patience=patience,
            )

    def _save(self) -> None:
        weights = self.trainer.whole_weights()
        if not is_first():
            return
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{_BEST}.part")
        save_file(weights, part, metadata={"step": str(self.looks[-1].step)})
        part.replace(path)

    def take_best(self) -> Look | None:
        """Put the weights of the best look into the model, and prove that they are those; None: the last are kept.

        Raises:
            UserError: they are another step's, or do not measure as they did.
        """
        best = best_look([look for look in self.looks if look.step > 0], self._metric or "loss")
        if self._metric is None or best is None:
            return None
        wait()
        found = self._read_back(best, self._metric)
        say(
            "the model is that of epoch {epoch}: {metric} {value}",
            epoch=f"{best.epoch:g}",
            metric=label(self._metric),
            value=f"{found:.4f}",
        )
        base = next((look for look in self.looks if look.step == 0), None)
        if base is not None and not is_better(found, base.metrics.measured()[self._metric], self._metric):
            warn("no look at the dev rows was better than the base model")
        return best

    def forget_best(self) -> None:
        """Delete the best look's weights: they are the saved model now."""
        if is_first():
            self._path().unlink(missing_ok=True)

    def _read_back(self, best: Look, metric: str) -> float:
        with safe_open(self._path(), framework="pt") as saved:
            step = int((saved.metadata() or {})["step"])
            for name, parameter in self.trainer.trained():
                put(parameter, saved.get_tensor(name))
        now = measure(self._ready)
        told, found = best.metrics.measured()[metric], now.measured()[metric] if now else math.nan
        if step != best.step or not abs(told - found) <= _TOLERANCE:
            raise UserError(
                "the best weights (step {saved}, {metric} {told:.4f}) were not read back: step {step}, {found:.4f}",
                place=str(self._path()),
                hint="--resume trains on from the last checkpoint",
                saved=best.step,
                metric=metric,
                told=told,
                step=step,
                found=found,
            )
        return found

    def _path(self) -> Path:
        return self._ready.folder / CHECKPOINTS / _BEST


def measure(ready: Ready) -> DevMetrics | None:
    """The dev rows' metrics with the weights that would be saved, with fewer texts at once where memory runs out:
    the vectors are the same.
    """
    size = ready.config.train.batch_size
    while ready.dev is not None and ready.dev_collator is not None:
        try:
            with ready.blend.applied():
                return evaluate_dev(ready.model, ready.loss, ready.dev_collator, ready.dev, batch_size=size)
        except RuntimeError as error:
            if size == 1 or not is_out_of_memory(error) or is_split(ready.model):
                raise
        size //= 2
    return None


def best_metric(train: TrainSection) -> str | None:
    """The metric that decides which weights are kept; None: the last ones are."""
    return train.best_metric or ("ndcg_at_10" if train.early_stopping_patience else None)


def is_better(one: float, other: float, metric: str) -> bool:
    """Whether a value of the metric beats another; what is no number beats nothing."""
    return one < other if metric == "loss" else one > other


def best_look(looks: Sequence[Look], metric: str) -> Look | None:
    """The first of the best looks."""
    best: Look | None = None
    for look in looks:
        value = look.metrics.measured().get(metric, math.nan)
        if not math.isnan(value) and (
            best is None or is_better(value, best.metrics.measured()[metric], metric)
        ):
            best = look
    return best


def looks_in(history: Sequence[Mapping[str, Any]]) -> list[Look]:
    """The looks that a trainer's log holds."""
    names = [field.name for field in fields(DevMetrics)]
    return [
        Look(
            step=int(entry["step"]),
            epoch=round(entry.get("epoch") or 0, 4),
            metrics=DevMetrics(**{n: entry[f"eval_{n}"] for n in names if f"eval_{n}" in entry}),
        )
        for entry in history
        if any(f"eval_{name}" in entry for name in names)
    ]
