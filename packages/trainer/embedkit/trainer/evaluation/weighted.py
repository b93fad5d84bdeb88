"""Statistics of weighted units, many weightings at once: what a bootstrap of something other than a mean needs.

Each maker sorts once and returns a `Statistic`: weights `(B, U)` in, one value per row `(B,)` out, in O(B·U). Equal
weights give what scikit-learn and SciPy give.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embedkit.trainer.evaluation.metrics import Values

Statistic = Callable[[Values], Values]
_TINY = 1e-12


def pearson_of(x: Values, y: Values) -> Statistic:
    """Pearson's correlation of two values of each unit; 0 where one is constant."""

    def statistic(weights: Values) -> Values:
        return _correlation(np.broadcast_to(x, weights.shape), np.broadcast_to(y, weights.shape), weights)

    return statistic


def spearman_of(x: Values, y: Values) -> Statistic:
    """Spearman's correlation: ranks are taken anew under each weighting, ties at their middle."""
    ranks_x, ranks_y = _ranks_of(x), _ranks_of(y)

    def statistic(weights: Values) -> Values:
        return _correlation(ranks_x(weights), ranks_y(weights), weights)

    return statistic


def auc_of(scores: Values, right: NDArray[np.bool_]) -> Statistic:
    """Share of (right, wrong) pairs of units in which the right one scores higher, ties as half; 0.5 without pairs."""
    order, starts = _order(scores)
    wanted = right[order]

    def statistic(weights: Values) -> Values:
        good, bad = _by_score(weights[:, order], wanted, starts)
        pairs = good.sum(axis=1) * bad.sum(axis=1)
        below = np.cumsum(bad, axis=1) - bad / 2
        return np.where(pairs > 0, (good * below).sum(axis=1) / np.maximum(pairs, _TINY), 0.5)

    return statistic


def average_precision_of(scores: Values, right: NDArray[np.bool_]) -> Statistic:
    """Average precision of the units in falling order of score, equal scores as one step; 0 without a right one."""
    order, starts = _order(-scores)
    wanted = right[order]

    def statistic(weights: Values) -> Values:
        good, bad = _by_score(weights[:, order], wanted, starts)
        seen = np.cumsum(good + bad, axis=1)
        precision = np.cumsum(good, axis=1) / np.maximum(seen, _TINY)
        result: Values = (good * precision).sum(axis=1) / np.maximum(good.sum(axis=1), _TINY)
        return result

    return statistic


def best_f1_of(scores: Values, right: NDArray[np.bool_]) -> Statistic:
    """The largest F1 that any threshold reaches."""
    order, starts = _order(-scores)
    wanted = right[order]

    def statistic(weights: Values) -> Values:
        good, bad = _by_score(weights[:, order], wanted, starts)
        f1: Values = _f1(good, bad).max(axis=1)
        return f1

    return statistic


def best_threshold(scores: Values, right: NDArray[np.bool_]) -> float:
    """The threshold of the best F1, half-way to the next lower score; at or above it two texts count as alike."""
    order, starts = _order(-scores)
    good, bad = _by_score(np.ones((1, len(scores))), right[order], starts)
    levels = scores[order][starts]
    at = int(_f1(good, bad)[0].argmax())
    return float(levels[at] if at + 1 == len(levels) else (levels[at] + levels[at + 1]) / 2)


def _f1(good: Values, bad: Values) -> Values:
    found = np.cumsum(good, axis=1)
    called = np.cumsum(good + bad, axis=1)
    total = good.sum(axis=1, keepdims=True)
    result: Values = 2 * found / np.maximum(called + total, _TINY)
    return result


def _order(values: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The stable rising order, and where in it each distinct value begins."""
    order = np.argsort(values, kind="stable")
    rising = values[order]
    return order, np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]]))


def _by_score(ordered: Values, wanted: NDArray[np.bool_], starts: NDArray[np.int64]) -> tuple[Values, Values]:
    """Weight of the right and the wrong units at each distinct score `(B, G)`."""
    good: Values = np.add.reduceat(ordered * wanted, starts, axis=1)
    bad: Values = np.add.reduceat(ordered * ~wanted, starts, axis=1)
    return good, bad


def _ranks_of(values: Values) -> Statistic:
    order, starts = _order(values)
    group = np.zeros(len(values), dtype=np.int64)
    group[starts] = 1
    group = np.cumsum(group) - 1

    def ranks(weights: Values) -> Values:
        held = np.add.reduceat(weights[:, order], starts, axis=1)
        middle = np.cumsum(held, axis=1) - held / 2
        found = np.empty_like(weights)
        found[:, order] = middle[:, group]
        return found

    return ranks


def _correlation(x: Values, y: Values, weights: Values) -> Values:
    total = np.maximum(weights.sum(axis=1, keepdims=True), _TINY)
    a = x - (weights * x).sum(axis=1, keepdims=True) / total
    b = y - (weights * y).sum(axis=1, keepdims=True) / total
    together = (weights * a * b).sum(axis=1)
    spread = np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))
    return np.where(spread > _TINY, together / np.maximum(spread, _TINY), 0.0)
