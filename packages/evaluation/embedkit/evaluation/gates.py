"""Bounds a model must keep: `ndcg@10=0.6` for its own metrics, a least gain over the baseline in the first one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from embedkit.errors import AnswerNoError, UserError
from embedkit.evaluation.records import Gate, MetricResult
from embedkit.ranking.metrics import METRICS

Bound = tuple[str, float]  # a metric and the least value it may have
_SHOWN = 8  # metrics in a message
_SHORT = {"map": "map@100", "mrr": "mrr@10", "ndcg": "ndcg@10", "spearman": "spearman_cosine"}


def parse_bounds(
    texts: Sequence[str], *, names: Sequence[str] = METRICS, option: str = "--fail-under"
) -> tuple[Bound, ...]:
    """`("nDCG@10=0.6",)` to `(("ndcg@10", 0.6),)`; `names` are the metrics of the test file. Raises `UserError`."""
    return tuple(_bound(text, names, option) for text in texts)


def _bound(text: str, names: Sequence[str], option: str) -> Bound:
    name, sign, number = text.partition("=")
    metric = _SHORT.get(name.strip().lower(), name.strip().lower())
    if not sign or metric not in names:
        raise UserError(
            "{option} {text!r} is not METRIC=NUMBER",
            hint="for example {first}=0.6; the metrics of these rows are {names}",
            option=option,
            text=text,
            first=names[0],
            names=", ".join([*names[:_SHOWN], *("…" for _ in names[_SHOWN : _SHOWN + 1])]),
            there=[f"{each}{sign}{number}" for each in names] if sign else (),
        )
    try:
        least = float(number)
    except ValueError:
        least = math.nan
    if not 0 <= least <= 1:
        raise UserError(
            "{option} {text!r}: {number!r} is not a number from 0 to 1",
            option=option,
            text=text,
            number=number,
        )
    return metric, least


def check_gates(
    metrics: Sequence[MetricResult], *, bounds: Sequence[Bound], least_gain: float | None
) -> Iterator[Gate]:
    """Compare the model's metrics with every bound; a value equal to its bound passes."""
    by_name = {metric.name: metric for metric in metrics}
    for name, least in bounds:
        found = by_name[name].after
        yield Gate(name=name, least=least, found=found, passed=found >= least)
    if least_gain is not None:
        found = metrics[0].difference
        yield Gate(name=f"{metrics[0].name} gain", least=least_gain, found=found, passed=found >= least_gain)


def require_passed(gates: Sequence[Gate]) -> None:
    """Raise `AnswerNoError` naming every missed gate."""
    missed = [f"{g.name} is {g.found:.4f}, under {g.least:g}" for g in gates if not g.passed]
    if missed:
        raise AnswerNoError("gate missed: {missed}", missed="; ".join(missed))
