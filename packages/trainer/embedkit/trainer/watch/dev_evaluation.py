"""Evaluation on the dev rows while training: when, the best weights so far, and when to stop early."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from embedkit.console import say, warn
from embedkit.errors import UserError
from embedkit.files import write_text
from embedkit.models.run_folder import CHECKPOINTS
from embedkit.trainer.config import TrainSection
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.step.checkpoint import read_weights, write_weights
from embedkit.trainer.step.distributed import from_first, wait
from embedkit.trainer.step.loop import TrainingLoop
from embedkit.trainer.step.processes import is_first
from embedkit.trainer.watch.dev_metrics import DevMetrics, label
from embedkit.trainer.watch.ending import KNOWN, UNSEEN, keeping, reason_to_end, wind_down
from embedkit.trainer.watch.metrics_log import MetricsLog

_BEST = "best.safetensors"
_RESULTS = "dev.json"
# How far the metric of the best weights, read back, may be from what it was: the order of sums on a GPU is not fixed.
_TOLERANCE = 1e-3


class Evaluator(Protocol):
    """What measures the dev rows: of an embedding model or of a cross-encoder."""

    @property
    def loss(self) -> BatchLoss: ...

    @property
    def draws(self) -> Mapping[str, int]:
        """How many concepts, questions or pairs each guarded metric is a mean of."""
        ...

    def measure(self) -> DevMetrics: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DevResult:
    """The metrics of the dev rows after a step; step 0 is the base model."""

    step: int
    epoch: float
    metrics: DevMetrics

    def value(self, metric: str) -> float:
        """One metric; NaN where these rows do not give it."""
        return self.metrics.measured().get(metric, float("nan"))


class DevEvaluation:
    """Measures the dev rows before the first step and then every `train.eval_steps` or epoch.

    Keeps the weights of the best result, where `best_metric` names a metric, and brings a run whose `train.epochs` is
    auto to its end. Results are saved with each checkpoint, so that a resumed run knows them.
    """

    def __init__(self, evaluator: Evaluator, train: TrainSection, *, run: Path, log: MetricsLog) -> None:
        self.results: list[DevResult] = []
        self.stopped_early = False
        self._evaluator = evaluator
        self._train = train
        self._metric = best_metric(train)
        self._best_path = run / CHECKPOINTS / _BEST
        self._log = log

    def before_steps(self, loop: TrainingLoop) -> None:
        """Measure the base model, or what a checkpoint was written before."""
        if self._due(loop) and loop.step not in [result.step for result in self.results]:
            self._evaluate(loop)

    def after_step(self, loop: TrainingLoop) -> None:
        """Measure when it is time, and after the last step."""
        if self._due(loop) or loop.step == loop.total:
            self._evaluate(loop)

    def _due(self, loop: TrainingLoop) -> bool:
        every = self._train.eval_steps
        return loop.step % every == 0 if every else loop.ends_epoch

    def _evaluate(self, loop: TrainingLoop) -> None:
        metrics: DevMetrics = from_first(self._evaluator.measure())
        result = DevResult(step=loop.step, epoch=round(loop.epoch, 4), metrics=metrics)
        self.results.append(result)
        self._log.after_evaluation(result.step, result.epoch, metrics.measured())
        shown = (f"{label(name)} {value:.4f}" for name, value in metrics.measured().items())
        say("dev after epoch {epoch}: {metrics}", epoch=f"{result.epoch:g}", metrics=", ".join(shown))
        if self._metric is not None:
            self._compare(result, self._metric)
        auto = self._train.epochs == "auto"
        ending = reason_to_end(self.results, self._evaluator.draws) if auto else None
        if ending is not None:
            wind_down(loop, ending)

    def _compare(self, result: DevResult, metric: str) -> None:
        """Keep the weights of the best result so far; stop early when it lies too far back."""
        if metric not in result.metrics.measured():
            raise UserError(
                "train.best_metric is {metric}, which these dev rows do not give",
                hint="take one of: {names}",
                metric=metric,
                names=", ".join(result.metrics.measured()),
            )
        trained = self._trained()
        best = best_result(trained, metric)
        if best is result:
            self._write_best(result)
        patience = self._train.early_stopping_patience
        if best is not None and patience and len(trained) - 1 - trained.index(best) >= patience:
            self.stopped_early = True
            say(
                "stopped early: {metric} has not been better than {value} (epoch {epoch}) in {patience} evaluations",
                metric=label(metric),
                value=f"{best.value(metric):.4f}",
                epoch=f"{best.epoch:g}",
                patience=patience,
            )

    def _trained(self) -> list[DevResult]:
        """The results that may be the best; with epochs auto those that keep what the base model can do."""
        trained = [result for result in self.results if result.step > 0]
        if self._train.epochs != "auto":
            return trained
        kept = keeping(self.results, self._evaluator.draws)
        return [result for result in kept if result.step > 0] or trained

    def _write_best(self, result: DevResult) -> None:
        part = self._best_path.with_name(f"{_BEST}.part")
        write_weights(self._evaluator.loss, part, metadata={"step": str(result.step)})
        if is_first():
            part.replace(self._best_path)

    def take_best(self) -> DevResult | None:
        """Put the weights of the best result into the model, and prove that they are those; None: the last are kept.

        Raises:
            UserError: they are another step's, or do not measure as they did.
        """
        best = best_result(self._trained(), self._metric or "loss")
        if self._metric is None or best is None:
            return None
        wait()
        found = self._read_best(best, self._metric)
        say(
            "the model is that of epoch {epoch}: {metric} {value}",
            epoch=f"{best.epoch:g}",
            metric=label(self._metric),
            value=f"{found:.4f}",
        )
        base = next((result for result in self.results if result.step == 0), None)
        if base is not None and not is_better(found, base.value(self._metric), self._metric):
            warn("no evaluation on the dev rows was better than the base model")
        return best

    def forget_best(self) -> None:
        """Delete the best weights: they are the saved model now."""
        if is_first():
            self._best_path.unlink(missing_ok=True)

    def _read_best(self, best: DevResult, metric: str) -> float:
        step = int(read_weights(self._evaluator.loss, self._best_path)["step"])
        wanted, found = best.value(metric), self._evaluator.measure().measured().get(metric, float("nan"))
        if step != best.step or not abs(wanted - found) <= _TOLERANCE:
            raise UserError(
                "the best weights (step {saved}, {metric} {wanted:.4f}) were not read back: step {step}, {found:.4f}",
                place=str(self._best_path),
                hint="--resume trains on from the last checkpoint",
                saved=best.step,
                metric=metric,
                wanted=wanted,
                step=step,
                found=found,
            )
        return found

    def save(self, checkpoint: Path) -> None:
        """Write the results so far beside a checkpoint's weights."""
        if is_first():
            write_text(checkpoint / _RESULTS, json.dumps([asdict(result) for result in self.results]))

    def load(self, checkpoint: Path) -> None:
        """Read the results that `save` wrote."""
        for value in json.loads((checkpoint / _RESULTS).read_text(encoding="utf-8")):
            self.results.append(DevResult(**value | {"metrics": DevMetrics(**value["metrics"])}))


def best_metric(train: TrainSection) -> str | None:
    """The metric that decides which weights are kept; None: the last ones are.

    `train` has its automatic values filled in: its epochs are auto only where there are known dev rows.
    """
    if train.epochs == "auto":
        return train.best_metric or KNOWN
    return train.best_metric or (UNSEEN if train.early_stopping_patience else None)


def is_better(one: float, other: float, metric: str) -> bool:
    """Whether a value of the metric beats another; NaN beats nothing."""
    return one < other if metric == "loss" else one > other


def best_result(results: Sequence[DevResult], metric: str) -> DevResult | None:
    """The first of the best results."""
    best: DevResult | None = None
    for result in results:
        value = result.value(metric)
        if value == value and (best is None or is_better(value, best.value(metric), metric)):
            best = result
    return best
