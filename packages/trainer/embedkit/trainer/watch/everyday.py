"""Graded pairs of everyday language that training is watched with. They ship for this alone: no verdict uses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from embedkit.data.records import Pair, ScoredPair
from embedkit.data.shapes import read_typed
from embedkit.shipped_data import data_path
from embedkit.text import language_of
from embedkit.trainer.rows.store import Rows

WATCHED = "similarity.dev.jsonl"


def everyday_pairs(known: Rows) -> tuple[ScoredPair, ...]:
    """The pairs in the languages of the known rows."""
    rows = (known.store[number] for number in range(len(known)))
    langs = {language_of(row.positive) for row in rows if isinstance(row, Pair)}
    pairs = (row for row in read_typed(data_path(WATCHED))[1] if isinstance(row, ScoredPair))
    return tuple(pair for pair in pairs if language_of(pair.sentence1) in langs)


def texts_of_pairs(pairs: Sequence[ScoredPair]) -> list[str]:
    """The first sentences, then the second ones."""
    return [*(pair.sentence1 for pair in pairs), *(pair.sentence2 for pair in pairs)]


def everyday_spearman(pairs: Sequence[ScoredPair], unit: NDArray[np.float32]) -> float:
    """Spearman's correlation of grades and cosines of the unit vectors of `texts_of_pairs` `(2P, D)`: the mean over
    languages, whose cosines lie at levels of their own.
    """
    cosines = (unit[: len(pairs)] * unit[len(pairs) :]).sum(axis=1)
    grades = np.array([pair.score for pair in pairs])
    langs = np.array([language_of(pair.sentence1) for pair in pairs])
    own = [langs == lang for lang in np.unique(langs)]
    found = [spearmanr(cosines[of], grades[of]).statistic for of in own if np.ptp(cosines[of]) > 0]
    return float(np.mean(found)) if found else 0.0
