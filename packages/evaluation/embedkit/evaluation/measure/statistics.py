"""Whether a difference is real: paired bootstrap over concepts, sign-flip permutation test, McNemar on hit@1.

A verdict needs bootstrap and sign-flip test to agree: the bootstrap alone is wrong too often where a few concepts hold
most queries, the test alone where a few concepts lose much (`benchmarks/coverage.py`).

Queries of one concept rise and fall together, so whole concepts are resampled. All tables of a call share one
resampling: how often each concept is drawn `(B, C)` times the sums of each concept, in exact arithmetic. 10,000
resamples of 1,400 concepts with thirty tables take half a second on one core and 100 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.evaluation.measure.weighted import Statistic, Weights, exact_totals, once
from embedkit.evaluation.records import Interval, McNemar
from embedkit.ranking.metrics import Values

CONFIDENCE = 0.95
LEVEL = 0.05
# With fewer concepts than this even a clean sweep has a sign-flip p above 0.05 (2 / 2**5 = 0.0625).
FEWEST_CONCEPTS = 6
_BLOCK_CELLS = 500_000
_TABLES_AT_ONCE = 32
# Sums that differ by less are one: 0.1 + 0.2 and 0.3 are a tie of the permutation test.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Resampling:
    """How often, and from which seed: one resampling for everything that is compared."""

    resamples: int = 10_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class GroupedValues:
    """Values of queries or rows `(Q, M)` and the number of each one's concept `(Q,)`."""

    values: Values
    concepts: NDArray[np.int64]


def intervals(tables: Sequence[GroupedValues], resampling: Resampling) -> list[tuple[Interval, ...]]:
    """The interval of each column's mean over each table's rows, concepts resampled with replacement.

    Tables and columns share their resamples, so a column of differences is a paired test; a resample without any
    concept of a table does not count for it. The percentiles are widened for small samples (Hesterberg 2015,
    "expanded percentile"): plain ones are too narrow below some fifty concepts.
    """
    summed = _by_concept(tables)
    found = []
    for start in range(0, len(summed), _TABLES_AT_ONCE):
        batch = summed[start : start + _TABLES_AT_ONCE]
        drawn = _resampled(len(batch[0]), resampling)
        totals = np.hstack([exact_totals(np.hstack(batch), weights) for weights in drawn])
        ends = np.cumsum([table.shape[1] for table in batch])
        for table, part in zip(batch, np.split(totals, ends[:-1]), strict=True):
            found.append(_interval(part, concepts=int(np.count_nonzero(table[:, -1]))))
    return found


def _interval(totals: Values, *, concepts: int) -> tuple[Interval, ...]:
    """From the resampled sums of each column, with the counts as the last row `(M + 1, B)`."""
    sums, counts = totals[:-1, totals[-1] > 0], totals[-1, totals[-1] > 0]
    tail = _expanded_tail(concepts)
    low, high = np.quantile(sums / counts, [tail, 1 - tail], axis=1)
    return tuple(Interval(float(a), float(b)) for a, b in zip(low, high, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One statistic of two systems on the same units: its values, their intervals, the difference's interval."""

    before: float
    after: float
    before_interval: Interval
    after_interval: Interval
    difference_interval: Interval


def paired(before: Statistic, after: Statistic, groups: NDArray[np.int64], resampling: Resampling) -> Paired:
    """Bootstrap a statistic that is no mean over units, `groups` `(U,)` of them resampled whole."""
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1
    parts = []
    for block in _resampled(count, resampling, columns=len(codes)):
        weights = block.take(codes, axis=1)
        parts.append(np.stack([before(weights), after(weights)]))
    first, second = np.hstack(parts)
    tail = _expanded_tail(count)
    low, high = np.quantile([first, second, second - first], [tail, 1 - tail], axis=1)
    found = [Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return Paired(
        before=float(before(once(len(codes)))[0]),
        after=float(after(once(len(codes)))[0]),
        before_interval=found[0],
        after_interval=found[1],
        difference_interval=found[2],
    )


def permutation_p(differences: Sequence[GroupedValues], resampling: Resampling) -> list[Values]:
    """Two-sided p of each column's mean `(M,)` when concepts' signs are flipped at random (Fisher 1935).

    The observed signs count as one of the flips, so that no p is zero (Phipson & Smyth 2010).
    """
    summed = _by_concept(differences)
    widths = [table.shape[1] - 1 for table in summed]
    stacked = np.hstack([table[:, :-1] for table in summed])
    observed = np.abs(exact_totals(stacked, once(len(stacked)))) - _TIE
    at_least = np.zeros(len(observed))
    for signs in _signs(len(stacked), resampling):
        at_least += (np.abs(exact_totals(stacked, signs)) >= observed).sum(axis=1)
    return np.split((at_least + 1) / (resampling.resamples + 1), np.cumsum(widths)[:-1])


def mcnemar(hit_before: NDArray[np.bool_], hit_after: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test (1947) on paired hits; it takes queries as independent."""
    from scipy.stats import binomtest

    fixed = int((~hit_before & hit_after).sum())
    broken = int((hit_before & ~hit_after).sum())
    p_value = float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return McNemar(fixed=fixed, broken=broken, p_value=p_value)


def _by_concept(tables: Sequence[GroupedValues]) -> list[Values]:
    """Each table's sums by concept and, last, its rows by concept `(C, M + 1)`; `C` are the concepts of all tables."""
    every = np.unique(np.concatenate([table.concepts for table in tables]))
    found = []
    for table in tables:
        counted = np.column_stack([table.values, np.ones(len(table.values))])
        sums = np.zeros((len(every), counted.shape[1]))
        np.add.at(sums, np.searchsorted(every, table.concepts), counted)
        found.append(sums)
    return found


def _resampled(count: int, resampling: Resampling, *, columns: int = 0) -> Iterator[Weights]:
    """How often each concept is drawn: blocks `(B, C)` that add up to `resamples` rows, whatever their size the same.

    `columns` is how wide the rows become later, where that is wider.
    """
    rng = np.random.default_rng(resampling.seed)
    for size in _sizes(resampling.resamples, max(count, columns)):
        drawn = rng.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)


def _signs(count: int, resampling: Resampling) -> Iterator[Weights]:
    """Blocks `(B, C)` of 1 and -1 that add up to `resamples` rows, whatever their size the same."""
    rng = np.random.default_rng(resampling.seed)
    words = -(-count // 64)
    for size in _sizes(resampling.resamples, count):
        drawn = rng.integers(0, 2**64, (size, words), dtype=np.uint64).astype("<u8").view(np.uint8)
        yield np.unpackbits(drawn, axis=1, count=count) * np.int64(2) - 1


def _sizes(rows: int, columns: int) -> Iterator[int]:
    size = max(1, _BLOCK_CELLS // columns)
    return (min(size, rows - start) for start in range(0, rows, size))


def _expanded_tail(count: int) -> float:
    from scipy.stats import norm, t

    if count < 2:
        return 0.0
    reach = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * float(np.sqrt(count / (count - 1)))
    return float(norm.cdf(-reach))
