"""The statistics keep their promise on simulated models."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.evaluation.measure import statistics
from embedkit.evaluation.measure.statistics import (
    GroupedValues,
    Resampling,
    intervals,
    mcnemar,
    paired,
    permutation_p,
)
from embedkit.evaluation.measure.weighted import auc_of, exact_totals
from embedkit.evaluation.records import Interval

RUNS = 200


def _intervals(values: np.ndarray, concepts: np.ndarray, resampling: Resampling) -> tuple[Interval, ...]:
    (found,) = intervals([GroupedValues(values, concepts)], resampling)
    return found


def _share_called_different(*, effect: float, concepts: int, sd: float = 0.30, queries: int = 1) -> float:
    rng = np.random.default_rng(11)
    codes = np.repeat(np.arange(concepts), queries)
    called = 0
    for run in range(RUNS):
        shared = rng.normal(effect, sd, concepts)
        values = (np.repeat(shared, queries) + rng.normal(0, 0.01, len(codes)))[:, None]
        (found,) = _intervals(values, codes, Resampling(400, run))
        called += found.low > 0 or found.high < 0
    return called / RUNS


@pytest.mark.parametrize("concepts", [8, 60])
def test_at_most_eight_percent_of_null_models_are_called_different(concepts: int) -> None:
    assert _share_called_different(effect=0.0, concepts=concepts) <= 0.08


def test_many_queries_of_one_concept_are_no_extra_evidence() -> None:
    assert _share_called_different(effect=0.0, concepts=25, queries=6) <= 0.08


def test_a_gain_of_five_points_is_found_on_three_hundred_concepts() -> None:
    assert _share_called_different(effect=0.05, concepts=300) >= 0.80


def test_equal_seeds_give_equal_intervals() -> None:
    values = np.random.default_rng(0).normal(size=(40, 3))
    codes = np.arange(40)
    assert _intervals(values, codes, Resampling(300, 5)) == _intervals(values, codes, Resampling(300, 5))


def test_columns_share_their_resamples() -> None:
    before = np.random.default_rng(0).normal(size=40)
    stacked = np.column_stack([before, before + 0.1, np.full(40, 0.1)])
    low, high, difference = _intervals(stacked, np.arange(40), Resampling(300, 1))
    assert high.low - low.low == pytest.approx(0.1)
    assert (difference.low, difference.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_permutation_p_is_small_for_a_clear_gain_and_one_for_none() -> None:
    values = np.column_stack([np.full(20, 0.2), np.zeros(20)])
    ((gain, nothing),) = permutation_p([GroupedValues(values, np.arange(20))], Resampling(2000, 0))
    assert gain < 0.01
    assert nothing == 1


def test_permutation_flips_whole_concepts() -> None:
    values = np.full((40, 1), 0.2)
    ((found,),) = permutation_p([GroupedValues(values, np.repeat([0, 1], 20))], Resampling(2000, 0))
    assert found > 0.4


def test_mcnemar_is_the_exact_binomial_test() -> None:
    before = np.array([False] * 9 + [True] + [True] * 5)
    after = np.array([True] * 9 + [False] + [True] * 5)
    found = mcnemar(before, after)
    assert (found.fixed, found.broken) == (9, 1)
    assert found.p_value == pytest.approx(2 * 11 / 1024)


def test_mcnemar_of_equal_models_is_one() -> None:
    hits = np.array([True, False])
    assert mcnemar(hits, hits).p_value == 1


def _tables() -> list[GroupedValues]:
    rng = np.random.default_rng(2)
    whole = GroupedValues(rng.normal(size=(200, 3)), rng.integers(0, 70, 200))
    return [
        whole,
        GroupedValues(whole.values[:30], whole.concepts[:30]),
        GroupedValues(rng.random((9, 2)), np.arange(9)),
    ]


@pytest.mark.parametrize("cells", [1, 700, 10_000_000])
def test_no_number_depends_on_the_size_of_the_blocks(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = np.arange(80) % 3 == 0
    scores = np.random.default_rng(3).normal(size=(2, 80))

    def everything() -> list[object]:
        tables = _tables()
        before, after = (auc_of(row, right) for row in scores)
        found = paired(before, after, np.arange(80) // 2, Resampling(300, 4))
        p_values = permutation_p(tables, Resampling(300, 4))
        return [intervals(tables, Resampling(300, 4)), [p.tolist() for p in p_values], found]

    expected = everything()
    monkeypatch.setattr(statistics, "_BLOCK_CELLS", cells)
    monkeypatch.setattr(statistics, "_TABLES_AT_ONCE", 2)
    assert everything() == expected


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(6)
    values, concepts = rng.normal(size=(60, 1)), np.arange(60) // 2
    (found,) = _intervals(values, concepts, Resampling(4000, 0))
    drawn = rng.integers(0, 30, (4000, 30))
    tail = statistics._expanded_tail(30)
    means = values.reshape(30, 2).mean(axis=1)[drawn].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(np.quantile(means, [tail, 1 - tail]), abs=0.02)


def test_a_part_of_the_queries_is_called_different_as_rarely_as_the_whole() -> None:
    rng = np.random.default_rng(12)
    called = 0
    for run in range(RUNS):
        everything = GroupedValues(rng.normal(0, 0.3, (200, 1)), np.arange(200))
        part = GroupedValues(everything.values[:10], everything.concepts[:10])
        _, (found,) = intervals([everything, part], Resampling(400, run))
        called += found.low > 0 or found.high < 0
    assert 0.01 <= called / RUNS <= 0.08


def test_sums_of_whole_weights_are_exact() -> None:
    rng = np.random.default_rng(7)
    columns = rng.normal(size=(500, 4)) * [1e-6, 1, 1e6, 0]
    weights = rng.integers(0, 9, (50, 500))
    totals = exact_totals(columns, weights)
    order = rng.permutation(500)
    assert (totals == exact_totals(columns[order], weights[:, order])).all()
    assert totals == pytest.approx((weights @ columns).T, rel=1e-9, abs=1e-12)


def test_equal_sums_are_ties_of_the_permutation_test() -> None:
    values = np.array([[0.1], [0.2], [-0.3]])
    ((found,),) = permutation_p([GroupedValues(values, np.arange(3))], Resampling(500, 0))
    assert found == 1


def test_no_p_is_zero_and_exact_signs_are_met() -> None:
    ((found,),) = permutation_p([GroupedValues(np.full((8, 1), 0.5), np.arange(8))], Resampling(20_000))
    assert found == pytest.approx(2 / 2**8, abs=0.003)
    ((least,),) = permutation_p([GroupedValues(np.full((90, 1), 0.5), np.arange(90))], Resampling(99))
    assert least == 1 / 100
