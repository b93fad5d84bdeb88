"""The statistics keep their promise on simulated models."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.trainer.evaluation.statistics import intervals, mcnemar, permutation_p

RUNS = 200


def _share_called_different(*, effect: float, concepts: int, sd: float = 0.30, queries: int = 1) -> float:
    rng = np.random.default_rng(11)
    codes = np.repeat(np.arange(concepts), queries)
    called = 0
    for run in range(RUNS):
        shared = rng.normal(effect, sd, concepts)
        values = (np.repeat(shared, queries) + rng.normal(0, 0.01, len(codes)))[:, None]
        (found,) = intervals(values, codes, resamples=400, seed=run)
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
    assert intervals(values, codes, resamples=300, seed=5) == intervals(values, codes, resamples=300, seed=5)


def test_columns_share_their_resamples() -> None:
    before = np.random.default_rng(0).normal(size=40)
    stacked = np.column_stack([before, before + 0.1, np.full(40, 0.1)])
    low, high, difference = intervals(stacked, np.arange(40), resamples=300, seed=1)
    assert high.low - low.low == pytest.approx(0.1)
    assert (difference.low, difference.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_permutation_p_is_small_for_a_clear_gain_and_one_for_none() -> None:
    values = np.column_stack([np.full(20, 0.2), np.zeros(20)])
    gain, nothing = permutation_p(values, np.arange(20), resamples=2000, seed=0)
    assert gain < 0.01
    assert nothing == 1


def test_permutation_flips_whole_concepts() -> None:
    values = np.full((40, 1), 0.2)
    assert permutation_p(values, np.repeat([0, 1], 20), resamples=2000, seed=0)[0] > 0.4


def test_mcnemar_is_the_exact_binomial_test() -> None:
    before = np.array([False] * 9 + [True] + [True] * 5)
    after = np.array([True] * 9 + [False] + [True] * 5)
    found = mcnemar(before, after)
    assert (found.fixed, found.broken) == (9, 1)
    assert found.p_value == pytest.approx(2 * 11 / 1024)


def test_mcnemar_of_equal_models_is_one() -> None:
    hits = np.array([True, False])
    assert mcnemar(hits, hits).p_value == 1
