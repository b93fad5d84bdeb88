"""Statistics of weighted units, many weightings at once: what a bootstrap of something other than a mean needs.

Each maker sorts once and returns a `Statistic`: whole weights `(B, U)` in, one value per row `(B,)` out, in O(B·U),
some 5 ns a weight. Equal weights give what scikit-learn and SciPy give. Sums of whole numbers are exact: no value
depends on how many weightings are looked at together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.ranking.metrics import Values

Weights = NDArray[np.int64]
Statistic = Callable[[Weights], Values]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
_TINY = 1e-12
_EXACT_BITS = 52


def once(units: int) -> Weights:
    """The weights that count every unit once `(1, U)`."""
    return np.ones((1, units), dtype=np.int64)


def exact_totals(columns: Values, weights: Weights) -> Values:
    """The weighted sum of each column: `columns` `(C, K)` and `weights` `(B, C)` to `(K, B)`.

    Every column is rounded to multiples of a power of two, so small that 52 bits hold any sum: the product has no
    rounding error, and is the same in every order of adding, with any number of threads.
    """
    most = len(columns) * np.abs(columns).max(axis=0, initial=0)
    spare = _EXACT_BITS - np.ceil(np.log2(np.where(most > 0, most, 1))).astype(np.int64)
    whole = np.rint(np.ldexp(columns, spare))
    totals: Values = np.ldexp(whole.T @ weights.T.astype(np.float64), -spare[:, None])
    return totals


def pearson_of(x: Values, y: Values) -> Statistic:
    """Pearson's correlation of two values of each unit; 0 where one is constant."""
    a, b = x - x.mean(), y - y.mean()
    moments = np.column_stack([a, b, a * a, b * b, a * b])

    def statistic(weights: Weights) -> Values:
        sums = exact_totals(moments, weights)
        return _correlation(sums[0], sums[1], sums[2], sums[3], sums[4], weights.sum(axis=1))

    return statistic


def spearman_of(x: Values, y: Values) -> Statistic:
    """Spearman's correlation: ranks are taken anew under each weighting, ties at their middle."""
    order_x, order_y = _Order.of(x), _Order.of(y)

    def statistic(weights: Weights) -> Values:
        a, b = order_x.ranks(weights), order_y.ranks(weights)
        left, right = weights * a, weights * b
        xx, yy, xy = _dot(left, a), _dot(right, b), _dot(left, b)
        return _correlation(left.sum(axis=1), right.sum(axis=1), xx, yy, xy, weights.sum(axis=1))

    return statistic


def auc_of(scores: Values, right: Flags) -> Statistic:
    """Share of (right, wrong) pairs of units in which the right one scores higher, ties as half; 0.5 without pairs."""
    split = _Split.of(scores, right)

    def statistic(weights: Weights) -> Values:
        mine, wrong = split.right_and_wrong(weights)
        above = wrong.take(split.above, axis=1) + wrong.take(split.upto, axis=1)
        pairs = (mine.sum(axis=1) * wrong[:, -1]).astype(np.float64)
        return np.where(pairs > 0, 1 - _dot(mine, above) / np.maximum(2 * pairs, _TINY), 0.5)

    return statistic


def average_precision_of(scores: Values, right: Flags) -> Statistic:
    """Average precision of the units in falling order of score, equal scores as one step; 0 without a right one."""
    split = _Split.of(scores, right)

    def statistic(weights: Weights) -> Values:
        mine, found, called = split.found_and_called(weights)
        result: Values = _dot(mine, found / np.maximum(called, 1)) / np.maximum(mine.sum(axis=1), 1)
        return result

    return statistic


def best_f1_of(scores: Values, right: Flags) -> Statistic:
    """The largest F1 that any threshold reaches."""
    split = _Split.of(scores, right)

    def statistic(weights: Weights) -> Values:
        best: Values = _f1(*split.found_and_called(weights)).max(axis=1)
        return best

    return statistic


def best_threshold(scores: Values, right: Flags) -> float:
    """The threshold of the best F1, half-way to the next lower score; at or above it two texts count as alike."""
    split = _Split.of(scores, right)
    at = int(_f1(*split.found_and_called(once(len(scores))))[0].argmax())
    value = scores[split.right[at]]
    lower = scores[scores < value]
    return float((value + lower.max()) / 2 if len(lower) else value)


@dataclass(frozen=True, slots=True)
class _Order:
    """Units in rising order of a value, and how many stand below and up to each unit's value, itself among them."""

    order: Places
    lower: Places
    upto: Places

    @classmethod
    def of(cls, values: Values) -> _Order:
        order = np.argsort(values, kind="stable")
        rising = values[order]
        lower, upto = (np.searchsorted(rising, values, side=side) for side in ("left", "right"))
        return cls(order, lower, upto)

    def ranks(self, weights: Weights) -> Values:
        seen = _running(weights.take(self.order, axis=1))
        ranks: Values = (seen.take(self.lower, axis=1) + seen.take(self.upto, axis=1)) / 2
        return ranks


@dataclass(frozen=True, slots=True)
class _Split:
    """The right and the wrong units in falling order of score.

    For each right unit `(G,)`: how many wrong ones score higher (`above`), how many at least as high (`upto`), and how
    many right ones at least as high, itself among them (`found`).
    """

    right: Places
    wrong: Places
    above: Places
    upto: Places
    found: Places

    @classmethod
    def of(cls, scores: Values, right: Flags) -> _Split:
        good, bad = (np.flatnonzero(flags) for flags in (right, ~right))
        good, bad = (units[np.argsort(-scores[units], kind="stable")] for units in (good, bad))
        falling, others = -scores[good], -scores[bad]
        return cls(
            right=good,
            wrong=bad,
            above=np.searchsorted(others, falling, side="left"),
            upto=np.searchsorted(others, falling, side="right"),
            found=np.searchsorted(falling, falling, side="right"),
        )

    def right_and_wrong(self, weights: Weights) -> tuple[Weights, Weights]:
        """The weight of each right unit `(B, G)`, and running sums of those of the wrong ones."""
        return weights.take(self.right, axis=1), _running(weights.take(self.wrong, axis=1))

    def found_and_called(self, weights: Weights) -> tuple[Weights, Weights, Weights]:
        """The weight of each right unit, and at its threshold that of the right units and of all `(B, G)`."""
        mine, wrong = self.right_and_wrong(weights)
        found = _running(mine).take(self.found, axis=1)
        return mine, found, found + wrong.take(self.upto, axis=1)


def _f1(mine: Weights, found: Weights, called: Weights) -> Values:
    result: Values = 2 * found / np.maximum(called + mine.sum(axis=1, keepdims=True), 1)
    return result


def _running(weights: Weights) -> Weights:
    """Running sums along each row, from 0 `(B, U + 1)`."""
    sums = np.zeros((len(weights), weights.shape[1] + 1), dtype=np.int64)
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


def _dot(left: NDArray[Any], right: NDArray[Any]) -> Values:
    """The product of each two rows."""
    dots: Values = np.einsum("bu,bu->b", left, right).astype(np.float64)
    return dots


def _correlation(x: Values, y: Values, xx: Values, yy: Values, xy: Values, total: Weights) -> Values:
    """From sums under each weighting: of x, of y, of their squares, of their product, of the weights."""
    count = np.maximum(total, 1)
    spread = np.sqrt(_varying(xx, x * x / count) * _varying(yy, y * y / count))
    return np.where(spread > 0, (xy - x * y / count) / np.where(spread > 0, spread, 1), 0.0)


def _varying(squares: Values, of_mean: Values) -> Values:
    """What squares hold beyond those of the mean; 0 where that is rounding and the values are constant."""
    rest = squares - of_mean
    return np.where(rest > _TINY * squares, rest, 0.0)
