"""The verdict's word: what people do with the model decides first, then what it may have cost elsewhere.

SHIP: known terms are found better for certain (`compare.judge`) over `FEW_CONCEPTS` or more, no slice worse, the floor
is reached, terms outside the glossary do not lose more than `UNSEEN_TOLERANCE`, everyday language is not forgotten.
A person's own questions decide where there are enough (`KnownFindings.deciding`); without known questions the test rows
do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedkit.evaluation.measure.compare import judge, signs_agree
from embedkit.evaluation.measure.statistics import FEWEST_CONCEPTS, LEVEL
from embedkit.evaluation.records import (
    FEW_CONCEPTS,
    Findings,
    Forgetting,
    KnownFindings,
    KnownSlice,
    MetricResult,
    Reason,
    Word,
)

UNSEEN_TOLERANCE = 0.02
SLICES = "kind, lang"


@dataclass(frozen=True, slots=True)
class Decision:
    """The word, and what decided it where that was not the first metric's interval."""

    word: Word
    reason: Reason = ""


def decide(
    found: Findings, known: KnownFindings | None, forgetting: Forgetting, *, floor: Mapping[str, float]
) -> Decision:
    """Judge what was measured."""
    deciding = known.deciding if known else None
    metrics = deciding.fused if deciding else found.metrics
    concepts = deciding.concepts if deciding else found.concepts
    judged = judge(metrics, concepts=concepts)
    searched = known is not None or found.task == "retrieval"
    if forgetting.word == "forgotten":
        return Decision("DO NOT SHIP", "forgotten")
    if judged == "DO NOT SHIP":
        return Decision(judged)
    if known and worse_slices(known):
        return Decision("DO NOT SHIP", "slice")
    if known and found.task == "retrieval" and _loses(found.metrics[0]):
        return Decision("DO NOT SHIP", "unseen")
    gains = judged == "SHIP" or (searched and concepts < FEWEST_CONCEPTS and metrics[0].difference > 0)
    if not gains:
        return Decision("NO DIFFERENCE")
    if searched and missed_floor(metrics, floor):
        return Decision("NOT YET", "floor")
    return Decision("NOT YET", "few") if concepts < FEW_CONCEPTS else Decision("SHIP")


def missed_floor(metrics: Sequence[MetricResult], floor: Mapping[str, float]) -> list[MetricResult]:
    """The metrics that lie under the floor."""
    return [metric for metric in metrics if metric.after < floor.get(metric.name, 0)]


def worse_slices(known: KnownFindings) -> list[KnownSlice]:
    """The slices in which the search is worse for certain with the model than with the baseline."""
    parts = known_slices(known)
    return [part for part in parts if is_worse(part.fused[0], among=len(parts))]


def known_slices(known: KnownFindings) -> list[KnownSlice]:
    """The questions of one language and kind each."""
    return [part for part in known.slices if part.dimension == SLICES]


def is_worse(metric: MetricResult, *, among: int) -> bool:
    """Whether a metric falls for certain, one of `among` that are looked at (Bonferroni: chance has as many tries)."""
    interval, p_value = metric.difference_interval, metric.permutation_p
    below = interval is not None and interval.high < 0
    return below and p_value is not None and p_value * among <= LEVEL


def _loses(metric: MetricResult) -> bool:
    interval = metric.difference_interval
    return interval is not None and interval.high < -UNSEEN_TOLERANCE and signs_agree(metric)
