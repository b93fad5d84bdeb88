"""When a run with `train.epochs: auto` has learnt enough: decided by what the dev rows gave, never by a clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedkit.console import say

if TYPE_CHECKING:
    from embedkit.trainer.step.loop import Ending, TrainingLoop
    from embedkit.trainer.watch.dev_evaluation import DevResult

KNOWN = "known_recall_at_1"
UNSEEN = "ndcg_at_10"
# Known recall has stopped rising when the last so many evaluations together bring less than that.
EVALUATIONS = 2
LEAST_GAIN = 0.005
# How far nDCG@10 on unseen concepts may lie below the base model's, and for chance as much as one standard error: the
# nDCG@10 of a concept before and after differs by about so much.
UNSEEN_LOSS = 0.02
UNSEEN_SPREAD = 0.35
SAID: dict[Ending, str] = {
    "flat": "recall@1 on the known dev rows has stopped rising: the learning rate falls to 0 in {steps} more steps",
    "unseen": "concepts outside the training rows are found clearly worse than by the base model: the learning rate "
    "falls to 0 in {steps} more steps",
    "time": "four fifths of train.max_minutes are over: the learning rate falls to 0 in {steps} more steps",
}


def keeping_unseen(results: Sequence[DevResult], *, concepts: int) -> list[DevResult]:
    """Those of the results that find the `concepts` of the dev rows about as well as the base model, the first; all
    where that was not measured.
    """
    allowed = UNSEEN_LOSS + UNSEEN_SPREAD / math.sqrt(max(concepts, 1))
    base = results[0] if results[0].step == 0 else None
    return [one for one in results if base is None or not one.value(UNSEEN) < base.value(UNSEEN) - allowed]


def reason_to_end(results: Sequence[DevResult], *, concepts: int) -> Ending | None:
    """Why training longer would not help; None where it may. `results` begin with the base model's."""
    trained = [result for result in results if result.step > 0]
    before, last = trained[:-EVALUATIONS], trained[-EVALUATIONS:]
    if not before:
        return None
    keeping = keeping_unseen(results, concepts=concepts)
    if not any(result in keeping for result in last):
        return "unseen"
    best = max(result.value(KNOWN) for result in before)
    return "flat" if all(result.value(KNOWN) < best + LEAST_GAIN for result in last) else None


def wind_down(loop: TrainingLoop, ending: Ending) -> None:
    """Let the run come to its end, and say so once."""
    if loop.wind_down(ending):
        say(SAID[ending], steps=loop.total - loop.step)
