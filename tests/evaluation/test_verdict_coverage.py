"""The verdict on simulated models: how often it calls a difference that is not there, and finds one that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.data.records import Pair
from embedkit.evaluation.measure.compare import PerQuery, compare, judge
from embedkit.evaluation.measure.everyday import everyday_metric, fell, kept_word
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.sets.row_tests import default_similarity_file
from embedkit.evaluation.sets.test_rows import read_graded
from embedkit.ranking.queries import queries_over

MODELS = 1000
Values = NDArray[np.float64]
Codes = NDArray[np.int64]
Simulated = tuple[Values, Codes]
Design = Callable[[int, np.random.Generator], Simulated]


def equal(concepts: int, rng: np.random.Generator) -> Simulated:
    """A query each."""
    return rng.normal(0, 0.3, (concepts, MODELS)), np.arange(concepts)


def unequal(concepts: int, rng: np.random.Generator) -> Simulated:
    """A tenth of the concepts have 20 queries, which rise and fall together; the others one."""
    codes = np.repeat(np.arange(concepts), np.where(np.arange(concepts) % 10 == 0, 20, 1))
    shared = rng.normal(0, 0.3, (concepts, MODELS))
    return shared[codes] + rng.normal(0, 0.05, (len(codes), MODELS)), codes


def sparse(concepts: int, rng: np.random.Generator) -> Simulated:
    """recall@1: nearly all first answers stay, some become right and as many wrong."""
    return rng.choice([-1.0, 0.0, 1.0], p=[0.06, 0.88, 0.06], size=(concepts, MODELS)), np.arange(concepts)


def skewed(concepts: int, rng: np.random.Generator) -> Simulated:
    """Nine concepts in ten gain a little, one loses much: nothing on average."""
    loses = rng.random((concepts, MODELS)) < 0.1
    return np.where(loses, -0.45, 0.05) + rng.normal(0, 0.02, loses.shape), np.arange(concepts)


def components(concepts: int, rng: np.random.Generator) -> Simulated:
    """Rows without a group that share their positives, three queries each, joined as the reader of test rows does."""
    rows = [Pair(anchor=f"q{n}", positive=f"answer {n // 3} of {n // 3 * 7}") for n in range(3 * concepts)]
    queries, _, _ = queries_over(rows, rows)
    names, codes = np.unique([query.concept for query in queries], return_inverse=True)
    assert len(names) == concepts
    shared = rng.normal(0, 0.3, (concepts, MODELS))
    return shared[codes] + rng.normal(0, 0.1, (len(codes), MODELS)), codes


def share_called(values: Values, codes: Codes, *words: str) -> float:
    """The share of the models (columns) whose difference gets one of the words."""
    zeros = np.zeros_like(values)
    tested = PerQuery(before=zeros, after=values, bm25=zeros, concepts=codes)
    metrics = compare(tested, Resampling(1000, 3), names=[str(n) for n in range(values.shape[1])])
    concepts = tested.concept_count
    return float(np.mean([judge([metric], concepts=concepts) in words for metric in metrics]))


@pytest.mark.parametrize("concepts", [30, 100])
@pytest.mark.parametrize(
    ("design", "most"),
    [(equal, 0.06), (unequal, 0.06), (sparse, 0.06), (skewed, 0.08), (components, 0.06)],
)
def test_a_difference_that_is_not_there_is_rarely_called(design: Design, most: float, concepts: int) -> None:
    values, codes = design(concepts, np.random.default_rng(5))
    assert share_called(values, codes, "SHIP", "DO NOT SHIP") <= most


def test_a_gain_of_five_points_on_three_hundred_concepts_is_found() -> None:
    values = np.random.default_rng(5).normal(0.05, 0.3, (300, MODELS))
    assert share_called(values, np.arange(300), "SHIP") >= 0.8


def test_a_loss_of_five_points_on_three_hundred_concepts_is_found() -> None:
    values = np.random.default_rng(6).normal(-0.05, 0.3, (300, MODELS))
    assert share_called(values, np.arange(300), "DO NOT SHIP") >= 0.8


def test_rows_without_a_group_are_one_concept_where_they_share_a_text_directly_or_through_others() -> None:
    rows = [
        Pair(anchor="a", positive="first answer"),
        Pair(anchor="b", positive="First answer!"),
        Pair(anchor="B", positive="second answer"),
        Pair(anchor="second answer", positive="third"),
        Pair(anchor="c", positive="alone"),
        Pair(anchor="d", positive="of a group", group="g"),
        Pair(anchor="e", positive="of the group too", group="g"),
    ]
    queries, _, _ = queries_over(rows, rows)
    assert len({query.concept for query in queries}) == 3
    assert len({query.concept for query in queries[:4]}) == 1


def test_groups_that_share_an_answer_are_one_concept_of_the_statistics() -> None:
    rows = [
        Pair(anchor="a", positive="ask the seller", group="1"),
        Pair(anchor="b", positive="ask the seller", group="2"),
        Pair(anchor="c", positive="ask the maker", group="3"),
    ]
    queries, _, _ = queries_over(rows, rows)
    assert [query.concept for query in queries] == ["1", "1", "3"]


EVERYDAY_RUNS = 50


def everyday_words(*, noise: float) -> list[str]:
    """What is said of models on the shipped pairs: cosines are the grades, noise that both share, and own noise.

    Of own noise a model has as much as the baseline, and `noise` more. "fell" is "cannot tell" where a fall is certain.
    """
    gold = np.array([row.score for row in read_graded(default_similarity_file())])
    parts = np.array_split(np.arange(len(gold)), 2)
    rng = np.random.default_rng(8)
    said = []
    for run in range(EVERYDAY_RUNS):
        shared = gold + rng.normal(0, 0.28, len(gold))
        before, after = (shared + rng.normal(0, own, len(gold)) for own in (0.1, np.hypot(0.1, noise)))
        metric = everyday_metric((before, after, gold), gold, parts, Resampling(300, run))
        word = kept_word(metric.difference_interval)
        said.append("fell" if word == "cannot tell" and fell(metric.difference_interval) else word)
    return said


def test_everyday_language_that_is_kept_is_called_kept() -> None:
    said = everyday_words(noise=0.0)
    assert said.count("kept") >= 0.8 * EVERYDAY_RUNS
    assert "forgotten" not in said
    assert said.count("fell") <= 0.06 * EVERYDAY_RUNS


def test_a_fall_of_three_hundredths_is_hardly_called_kept_and_one_of_six_is_forgotten() -> None:
    said = everyday_words(noise=0.13)
    assert said.count("kept") <= 0.05 * EVERYDAY_RUNS
    assert said.count("fell") + said.count("forgotten") >= 0.8 * EVERYDAY_RUNS
    assert everyday_words(noise=0.19).count("forgotten") >= 0.8 * EVERYDAY_RUNS
