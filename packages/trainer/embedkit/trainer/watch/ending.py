"""When a run with `train.epochs: auto` has learnt enough: decided by what the dev rows gave, never by a clock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedkit.console import say

if TYPE_CHECKING:
    from embedkit.trainer.step.loop import Ending, TrainingLoop
    from embedkit.trainer.watch.dev_evaluation import DevResult

KNOWN = "known_recall_at_1"
UNSEEN = "ndcg_at_10"
DESCRIBED = "known_described_recall_at_1"
EVERYDAY = "everyday_spearman"
# Known recall has stopped rising when the mean of the last so many evaluations is less than that above the mean of as
# many before: one evaluation of 600 questions is off by .02.
EVALUATIONS = 3
LEAST_GAIN = 0.005
# So many evaluations in a row beyond a guard end a run.
BEYOND = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A metric that must not fall clearly below the base model's, and the reason to end where it does.

    `spread` is the standard deviation of one draw's difference before and after: of a concept, a question or a pair.
    """

    metric: str
    ending: Ending
    spread: float

    def allowed(self, draws: int) -> float:
        """How far the metric of so many draws may fall: `LOSS`, and one standard error for chance."""
        return LOSS + self.spread / math.sqrt(max(draws, 1))


LOSS = 0.02
GUARDS = (
    Guard(metric=UNSEEN, ending="unseen", spread=0.35),
    Guard(metric=DESCRIBED, ending="described", spread=0.5),
    Guard(metric=EVERYDAY, ending="everyday", spread=0.3),
)
SAID: dict[Ending, str] = {
    "flat": "recall@1 on the known dev rows has stopped rising: the learning rate falls to 0 in {steps} more steps",
    "unseen": "concepts outside the training rows are found clearly worse than by the base model: the learning rate "
    "falls to 0 in {steps} more steps",
    "described": "questions that describe a thing are answered clearly worse than by the base model: the learning "
    "rate falls to 0 in {steps} more steps",
    "everyday": "everyday language is understood clearly worse than by the base model: the learning rate falls to 0 "
    "in {steps} more steps",
    "time": "four fifths of train.max_minutes are over: the learning rate falls to 0 in {steps} more steps",
}


def keeping(
    results: Sequence[DevResult], draws: Mapping[str, int], guards: Sequence[Guard] = GUARDS
) -> list[DevResult]:
    """Those of the results that no guard stops; all where the base model, the first, was not measured.

    `draws` is how many concepts, questions or pairs each metric is a mean of.
    """
    base = results[0] if results[0].step == 0 else None
    if base is None:
        return list(results)
    least = {
        guard.metric: base.value(guard.metric) - guard.allowed(draws.get(guard.metric, 0)) for guard in guards
    }
    # NaN, what was not measured, is never less.
    return [one for one in results if not any(one.value(name) < value for name, value in least.items())]


def reason_to_end(results: Sequence[DevResult], draws: Mapping[str, int]) -> Ending | None:
    """Why training longer would not help; None where it may. `results` begin with the base model's."""
    trained = [result for result in results if result.step > 0]
    if len(trained) > BEYOND:
        for guard in GUARDS:
            kept = keeping(results, draws, [guard])
            if not any(result in kept for result in trained[-BEYOND:]):
                return guard.ending
    before, last = trained[-2 * EVALUATIONS : -EVALUATIONS], trained[-EVALUATIONS:]
    if len(before) < EVALUATIONS:
        return None
    return "flat" if _mean_known(last) < _mean_known(before) + LEAST_GAIN else None


def _mean_known(results: Sequence[DevResult]) -> float:
    return sum(result.value(KNOWN) for result in results) / len(results)


def wind_down(loop: TrainingLoop, ending: Ending) -> None:
    """Let the run come to its end, and say so once."""
    if loop.wind_down(ending):
        say(SAID[ending], steps=loop.total - loop.step)
