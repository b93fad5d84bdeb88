"""`embedkit train --dry-run`: what a run would do and take, and what is wrong with it, before it spends anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embedkit.console import say
from embedkit.errors import AnswerNoError
from embedkit.models.quiet import quiet_libraries
from embedkit.trainer.run.plan import TrainPlan
from embedkit.trainer.run.preflight import Check, check_run
from embedkit.trainer.run.prepare import PreparedRun
from embedkit.trainer.run.probe import Cost, probe
from embedkit.trainer.watch.progress import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a run would do, what it would take, and what was checked."""

    plan: TrainPlan
    cost: Cost
    checks: Sequence[Check]

    @property
    def fits(self) -> bool:
        """Whether the run could be done."""
        return self.cost.fits and not any(check.level == "error" for check in self.checks)

    def to_object(self) -> dict[str, Any]:
        """The JSON form: the plan's keys, and beside them what was found."""
        checks = [{"name": c.name, "level": c.level, "text": c.text} for c in self.checks]
        return {**self.plan.to_object(), "cost": asdict(self.cost), "checks": checks, "fits": self.fits}


def forecast(run: PreparedRun) -> DryRun:
    """Try the run's first steps, in memory only."""
    with quiet_libraries():
        cost, metrics = probe(run)
        return DryRun(plan=run.plan, cost=cost, checks=check_run(run, metrics))


def print_cost(done: DryRun) -> None:
    """Say on stderr what the run would take, and a line for each check."""
    cost = done.cost
    if cost.steps:
        say(
            "time: about {time}, {each} s a step, {rate} samples/s ({steps} steps were tried)",
            time=duration(cost.seconds),
            each=f"{cost.seconds_per_step:.2f}",
            rate=f"{cost.samples_per_second:.1f}",
            steps=cost.steps,
        )
    say(
        "memory: about {needed} at the peak, {free} can be had",
        needed=_size(cost.memory_bytes),
        free=_size(cost.memory_free_bytes),
    )
    if cost.texts_at_once is not None:
        say(
            "  {count} texts at once; the batch, its negatives and its loss stay whole",
            count=cost.texts_at_once,
        )
    say("disk: {needed} needed, {free} free", needed=_size(cost.disk_bytes), free=_size(cost.disk_free_bytes))
    for check in done.checks:
        say("{level}: {text}", level=check.level, text=check.text)


def require_fit(done: DryRun) -> None:
    """Raise `AnswerNoError` when the run could not be done."""
    cost = done.cost
    if cost.memory_bytes > cost.memory_free_bytes:
        raise AnswerNoError(
            "it does not fit into memory: {needed} needed, {free} can be had",
            hint="set train.micro_batch_size: fewer texts at once, with the same batch and loss; or lower "
            "train.max_length",
            needed=_size(cost.memory_bytes),
            free=_size(cost.memory_free_bytes),
        )
    if cost.disk_bytes > cost.disk_free_bytes:
        raise AnswerNoError(
            "it does not fit onto the disk: {needed} needed, {free} free",
            place=done.plan.run,
            hint="make room, or choose another output.save_dir",
            needed=_size(cost.disk_bytes),
            free=_size(cost.disk_free_bytes),
        )
    if not done.fits:
        wrong = next(check for check in done.checks if check.level == "error")
        raise AnswerNoError("the run would end with an error: {text}", text=wrong.text)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
