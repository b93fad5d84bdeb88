"""Dense search: exact under a bar for any block and any number of threads; an index whose recall is measured."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedkit.compose.mine.candidates.ann import IvfIndex
from embedkit.compose.mine.candidates.base import Bar, Question
from embedkit.compose.mine.candidates.dense import DenseMiner
from embedkit.errors import UserError
from embedkit.models.resolve import ModelSource
from embedkit.ranking import nearest as searching
from embedkit.ranking.nearest import DECIMALS, NearestQuery, NearestRow, Vectors, nearest

Answer = list[tuple[list[int], list[float], list[int], bool]]
# Prints a hash of every index and score that the search gives on the same data, exactly and where it is there by FAISS.
THREADS = """
import hashlib, importlib.util, numpy as np
from embedkit.compose.mine.candidates.ann import IvfIndex
from embedkit.ranking.nearest import NearestQuery, nearest
rng = np.random.default_rng(5)
pool = rng.standard_normal((3000, 48)).astype(np.float32)
pool /= np.linalg.norm(pool, axis=1, keepdims=True)
asked = {"bars": np.full(700, 0.4), "blocked": [np.array([i]) for i in range(700)], "limit": 20, "over": 5}
found = list(nearest(NearestQuery(anchors=pool[:700], **asked), pool, budget_bytes=1 << 22))
if importlib.util.find_spec("faiss"):
    found += IvfIndex(pool, least_recall=0.5, budget_bytes=1 << 22).search(NearestQuery(anchors=pool[:700], **asked))
digest = hashlib.sha256()
for row in found:
    digest.update(row.under.tobytes() + row.under_scores.tobytes() + row.over.tobytes())
print(digest.hexdigest())
"""


def unit(rows: int, columns: int, seed: int) -> Vectors:
    """Vectors of few distinct directions, so that ties and near ties are many."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(2, rows // 4), columns))
    vectors = centres[rng.integers(0, len(centres), rows)] + 0.2 * rng.integers(0, 2, (rows, columns))
    normal: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return normal


def by_sorting(
    anchors: Vectors,
    pool: Vectors,
    bars: NDArray[np.float64],
    blocked: Sequence[NDArray[np.int64]],
    limit: int,
    over: int,
) -> Answer:
    scores = np.round(anchors.astype(np.float64) @ pool.T.astype(np.float64), DECIMALS)
    answer: Answer = []
    for row, bar, out in zip(scores, bars, blocked, strict=True):
        order = [i for i in np.lexsort((np.arange(len(row)), -row)).tolist() if i not in out]
        under = [i for i in order if row[i] <= bar]
        above = [i for i in order if row[i] > bar][:over]
        answer.append((under[:limit], row[under[:limit]].tolist(), above, len(under) <= limit))
    return answer


def listed(found: Iterator[NearestRow]) -> Answer:
    return [(f.under.tolist(), f.under_scores.tolist(), f.over.tolist(), f.complete) for f in found]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 40),
    size=st.integers(1, 300),
    limit=st.integers(1, 50),
    over=st.integers(0, 5),
    tile=st.sampled_from([8, 64, 2048]),
    budget=st.sampled_from([1, 30_000, 1 << 24]),
    seed=st.integers(0, 5),
)
def test_the_search_is_what_sorting_everything_gives(
    rows: int, size: int, limit: int, over: int, tile: int, budget: int, seed: int
) -> None:
    pool, anchors = unit(size, 12, seed), unit(rows, 12, seed + 1)
    rng = np.random.default_rng(seed)
    bars = np.round(rng.uniform(-0.5, 1.1, rows), DECIMALS)
    blocked = [np.unique(rng.integers(0, size, rng.integers(0, 4))) for _ in range(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "TILE", tile)
        patch.setattr(searching, "STRIP", 4)
        query = NearestQuery(anchors=anchors, bars=bars, blocked=blocked, limit=limit, over=over)
        found = nearest(query, pool, budget_bytes=budget)
        assert listed(found) == by_sorting(anchors, pool, bars, blocked, limit, over)


def test_no_number_of_threads_shows_in_the_answer() -> None:
    digests = set()
    for threads in ("1", "2", "3"):
        env = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", THREADS], env=env, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_the_last_bits_of_the_vectors_do_not_part_what_ties() -> None:
    """The same text in other batches differs by 2e-7 at most; "Group" and "group" are one text to many a model."""
    pool = np.repeat(unit(300, 64, seed=3), 3, axis=0)
    noise = np.random.default_rng(4).uniform(-2e-7, 2e-7, pool.shape)
    asked = {"bars": np.full(300, 0.9), "blocked": [np.empty(0, np.int64)] * 300, "limit": 5, "over": 2}
    plain, noisy = (
        listed(nearest(NearestQuery(anchors=texts[::3], **asked), texts, budget_bytes=1 << 22))
        for texts in (pool, (pool + noise).astype(np.float32))
    )
    same = sum(left[0] == right[0] for left, right in zip(plain, noisy, strict=True))
    assert same >= 0.98 * len(plain)


def test_the_memory_of_a_block_stays_in_the_budget() -> None:
    blocked = [np.arange(1000, dtype=np.int64)] * 5000
    vectors = np.zeros((5000, 1), dtype=np.float32)
    query = NearestQuery(anchors=vectors, bars=np.zeros(5000), blocked=blocked, limit=35, over=16)
    sizes = [part.stop - part.start for part in searching._blocks(query, budget_bytes=8 << 20)]
    assert sum(sizes) == 5000
    assert max(sizes) * (searching.TILE * 5 + 1000 * 16) <= 8 << 20


class Hashed:
    """An encoder with a random direction a text; texts of one first letter are near each other."""

    source = ModelSource(requested="hashed", path="hashed", origin="folder")
    hash = "hashed"

    def encode(self, texts: Sequence[str], *, role: str = "document") -> Vectors:
        rows = []
        for text in texts:
            parts = [int.from_bytes(hashlib.sha256(t.encode()).digest()[:4]) for t in (text[0], text)]
            near, own = (np.random.default_rng(part).standard_normal(24) for part in parts)
            rows.append(near + 0.7 * own)
        vectors = np.array(rows, dtype=np.float32)
        normal: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return normal


POOL = [f"{chr(97 + n % 26)} text {n}" for n in range(800)]
QUESTIONS = [Question(f"{text} asked", text, np.array([n], dtype=np.int64)) for n, text in enumerate(POOL)]


def miner(**options: float) -> DenseMiner:
    return DenseMiner(POOL, Hashed(), bar=Bar(), **options)  # type: ignore[arg-type]


def test_above_the_threshold_an_index_answers_nearly_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faiss", reason="the extra ann is not installed")
    exact = [r.indices[:5].tolist() for r in miner().rank(QUESTIONS, 5)]
    assert not capsys.readouterr().err
    indexed = [r.indices[:5].tolist() for r in miner(ann_above=500).rank(QUESTIONS, 5)]
    assert "recall@21" in capsys.readouterr().err
    same = sum(len(set(a) & set(b)) for a, b in zip(exact, indexed, strict=True))
    assert same >= 0.95 * sum(map(len, exact))
    for question, indices in zip(QUESTIONS, indexed, strict=True):
        assert not set(indices) & set(question.blocked.tolist())


def test_an_index_under_its_floor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss", reason="the extra ann is not installed")
    monkeypatch.setattr("embedkit.compose.mine.candidates.ann.PROBES", (1,))
    with pytest.raises(UserError, match="of the nearest texts, wanted 1"):
        list(miner(ann_above=500, ann_recall=1.0).rank(QUESTIONS, 5))


def test_a_question_that_the_index_has_too_little_for_is_answered_exactly() -> None:
    pytest.importorskip("faiss", reason="the extra ann is not installed")
    pool = unit(900, 24, 3)
    bars = np.full(30, -0.2)  # nothing near may be taken
    index = IvfIndex(pool, least_recall=0.9, budget_bytes=1 << 22)
    asked = {"bars": bars, "blocked": [np.empty(0, dtype=np.int64)] * 30, "limit": 10, "over": 0}
    query = NearestQuery(anchors=pool[:30], **asked)  # type: ignore[arg-type]
    assert listed(index.search(query)) == listed(nearest(query, pool, budget_bytes=1 << 22))


def test_without_faiss_a_large_pool_is_searched_exactly_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("embedkit.compose.mine.candidates.dense.find_spec", lambda name: None)
    list(miner(ann_above=500).rank(QUESTIONS[:3], 5))
    assert "800 texts are searched exactly: FAISS is not installed" in capsys.readouterr().err
