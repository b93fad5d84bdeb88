"""How often the verdict is wrong, and how often it finds what is there: simulated models, all else as in `evaluate`.

    python benchmarks/coverage.py [--models 4000] [--resamples 2000]

Each design of `tests/evaluation/test_verdict_coverage.py` has no difference on average; a SHIP or DO NOT SHIP is false.
The columns are what each test would say by itself, and the two together, which is the verdict. Bars: 6 % (8 % where
losses are skewed), power 80 % for .05 on 300 concepts. Then everyday language: how often each word is said of models
that keep it and of models that lose .03; "fell" is said where it cannot tell whether by more than .02. Ten minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.evaluation import test_verdict_coverage as simulated

from embedkit.evaluation.measure.compare import LEVEL, PerQuery, compare, judge, word_of
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.records import MetricResult, Word
from embedkit.text import align

DESIGNS = (simulated.equal, simulated.unequal, simulated.sparse, simulated.skewed, simulated.components)
COLUMNS = ("bootstrap", "sign flips", "signed ranks", "verdict")


def words_of(metric: MetricResult, differences: np.ndarray, concepts: int) -> tuple[Word, ...]:
    """The word of each column for one simulated model; `differences` are those of the concepts `(C,)`."""
    from scipy.stats import rankdata, wilcoxon

    rise: Word = "SHIP" if metric.difference > 0 else "DO NOT SHIP"
    signs: Word = rise if (metric.permutation_p or 1) <= LEVEL else "NO DIFFERENCE"
    moved = differences[differences != 0]
    ranked = float((np.sign(moved) * rankdata(np.abs(moved))).sum())
    sure = len(moved) > 0 and wilcoxon(moved).pvalue <= LEVEL
    ranks: Word = "NO DIFFERENCE" if not sure else "SHIP" if ranked > 0 else "DO NOT SHIP"
    return word_of(metric.difference_interval), signs, ranks, judge([metric], concepts=concepts)


def shares(values: np.ndarray, codes: np.ndarray, resamples: int) -> Iterator[str]:
    """The share of models called better and worse, `2.1 + 0.9 %`, by each column."""
    zeros = np.zeros_like(values)
    tested = PerQuery(before=zeros, after=values, bm25=zeros, concepts=codes)
    metrics = compare(tested, Resampling(resamples, 3), names=[str(n) for n in range(values.shape[1])])
    sums = np.zeros((tested.concept_count, values.shape[1]))
    np.add.at(sums, codes, values)
    means = sums / np.bincount(codes)[:, None]
    said = [words_of(metric, means[:, n], tested.concept_count) for n, metric in enumerate(metrics)]
    for column in zip(*said, strict=True):
        better, worse = (
            100 * np.mean([word == wanted for word in column]) for wanted in ("SHIP", "DO NOT SHIP")
        )
        yield f"{better:.1f} + {worse:.1f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=4000)
    parser.add_argument("--resamples", type=int, default=2000)
    given = parser.parse_args()
    simulated.MODELS = given.models
    rows: list[tuple[str, ...]] = [("called better + worse, %", "concepts", *COLUMNS)]
    for design in DESIGNS:
        for concepts in (20, 30, 100, 300):
            values, codes = design(concepts, np.random.default_rng(concepts))
            rows.append((design.__name__, str(concepts), *shares(values, codes, given.resamples)))
    for gain in (0.05, -0.05):
        values = np.random.default_rng(1).normal(gain, 0.3, (300, given.models))
        rows.append((f"{gain:+.2f}", "300", *shares(values, np.arange(300), given.resamples)))
    print(*align(rows), sep="\n")
    simulated.EVERYDAY_RUNS = 200
    for noise, change in ((0.0, "0"), (0.13, "-.03"), (0.17, "-.05"), (0.19, "-.06")):
        said = Counter(simulated.everyday_words(noise=noise))
        print(
            f"everyday {change}: "
            + ", ".join(f"{word} {count / 2:g} %" for word, count in said.most_common())
        )


if __name__ == "__main__":
    main()
