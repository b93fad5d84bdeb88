"""The metrics of a cross-encoder's dev rows: how well it ranks again what plain words find, or scores as graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from embedkit.models.cross_encoder import Orders
from embedkit.ranking.bm25 import Bm25Scorer
from embedkit.ranking.metrics import METRICS, query_metrics
from embedkit.ranking.retrieval import rank
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.model.precision import autocast
from embedkit.trainer.model.weight_average import WeightAverage
from embedkit.trainer.step.batch import RowCollator, TextKey
from embedkit.trainer.watch.dev_metrics import DevMetrics, DevSet
from embedkit.trainer.watch.ending import UNSEEN

# Queries that are asked in an evaluation, and texts that plain words (BM25) offer for each.
QUERIES = 200
OFFERED = 20
# Dev rows whose loss is computed, at most.
LOSS_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranking:
    """Queries, the places of the corpus that each is scored with `(Q, OFFERED + relevant)`, -1 for none: those that
    BM25 finds, and the relevant ones.
    """

    dev: DevSet
    places: NDArray[np.int64]


def make_reranking(dev: DevSet) -> Reranking:
    """The candidates of the first `QUERIES` queries; the relevant ones come last, so that ties help nobody."""
    queries = dev.queries[:QUERIES]
    found = rank(
        Bm25Scorer([asked.text for asked in queries], dev.corpus),
        top_k=OFFERED,
        excluded=[asked.excluded for asked in queries],
        windows=np.array([asked.window for asked in queries]).reshape(-1, 2),
    ).places
    rows = [
        [*(place for place in row.tolist() if place >= 0 and place not in asked.relevant), *asked.relevant]
        for row, asked in zip(found, queries, strict=True)
    ]
    places = np.full((len(rows), max(map(len, rows), default=0)), -1, dtype=np.int64)
    for number, row in enumerate(rows):
        places[number, : len(row)] = row
    return Reranking(dev=replace(dev, queries=queries), places=places)


def make_search(asked: DevSet) -> Reranking:
    """What BM25 finds for the first `QUERIES` queries, as a search hands it on: what it misses is missed."""
    queries = asked.queries[:QUERIES]
    places = rank(
        Bm25Scorer([query.text for query in queries], asked.corpus),
        top_k=OFFERED,
        excluded=[query.excluded for query in queries],
        windows=np.array([query.window for query in queries]).reshape(-1, 2),
    ).places
    return Reranking(dev=replace(asked, queries=queries), places=places)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEvaluator:
    """All that measuring the dev rows of a cross-encoder takes. `texts` are those of pairs and what they search, and
    `search` what a search hands on for the known questions, or the dev rows; None of graded rows.
    """

    dev: DevSet
    texts: Reranking | None
    search: Reranking | None
    collator: RowCollator
    loss: BatchLoss
    average: WeightAverage
    batch_size: int
    dtype: str

    @property
    def draws(self) -> Mapping[str, int]:
        """How many concepts the dev rows ask for."""
        return {UNSEEN: len({asked.concept for asked in self.dev.queries})}

    def measure(self) -> DevMetrics:
        """The metrics with the weights that would be saved."""
        was_training = self.loss.training
        self.loss.eval()
        with self.average.applied(), autocast(self.loss.model.device.type, self.dtype):
            found = self._graded() if self.texts is None else self._reranked(self.texts)
            mean = None if self.dev.source is None else self._mean_loss(self.dev.source)
        self.loss.train(was_training)
        return DevMetrics(loss=mean, **found)

    def orders(self) -> Orders | None:
        """Whether the order of what a search found becomes better, with the weights that would be saved."""
        if self.search is None or not self.search.dev.queries:
            return None
        relevant = [asked.relevant for asked in self.search.dev.queries]
        given = query_metrics(self.search.places, relevant).mean(axis=0)[list(METRICS).index("ndcg@10")]
        self.loss.eval()
        with self.average.applied(), autocast(self.loss.model.device.type, self.dtype):
            found = self._reranked(self.search)
        return Orders(queries=len(relevant), given=float(given), reranked=found["ndcg_at_10"])

    def _reranked(self, what: Reranking) -> dict[str, float]:
        rows, columns = np.nonzero(what.places >= 0)
        texts = [
            (what.dev.queries[row].text, what.dev.corpus[what.places[row, column]])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        scores = np.full(what.places.shape, -np.inf)
        scores[rows, columns] = self._scores(texts).cpu().numpy()
        best_first = np.argsort(-scores, axis=1, kind="stable")
        ranked = np.take_along_axis(what.places, best_first, axis=1)
        values = query_metrics(ranked, [asked.relevant for asked in what.dev.queries]).mean(axis=0)
        means = dict(zip(METRICS, values.tolist(), strict=True))
        return {name.replace("@", "_at_"): means[name] for name in ("ndcg@10", "mrr@10", "recall@1")}

    def _graded(self) -> dict[str, float]:
        rows = [self.dev.rows.store[number] for number in range(len(self.dev.rows))]
        wanted = np.array([row.score for row in rows])
        scores = self._scores([(row.sentence1, row.sentence2) for row in rows]).sigmoid().cpu().numpy()
        if len(rows) < 2 or np.ptp(scores) == 0 or np.ptp(wanted) == 0:
            return {}
        return {
            "pearson": float(pearsonr(scores, wanted).statistic),
            "spearman": float(spearmanr(scores, wanted).statistic),
        }

    def _mean_loss(self, source: int) -> float:
        count, total = min(len(self.dev.rows), LOSS_ROWS), 0.0
        for start in range(0, count, self.batch_size):
            numbers = list(range(start, min(start + self.batch_size, count)))
            keys = self.collator.distinct(numbers)
            scores = self._scores(keys)[:, None]
            plan: Any = self.collator.plan(numbers, {key: place for place, key in enumerate(keys)})
            with torch.inference_mode():
                found = self.loss.of_vectors(scores, replace(plan, source=source).to(scores.device))
            total += float(found) * len(numbers)
        return total / count

    def _scores(self, texts: Sequence[TextKey]) -> torch.Tensor:
        """One number for each pair of texts, `(N,)`, before the logistic function."""
        model: Any = self.loss.model
        options = {"batch_size": self.batch_size, "show_progress_bar": False, "convert_to_tensor": True}
        scores: torch.Tensor = model.predict(list(texts), activation_fn=torch.nn.Identity(), **options)
        return scores.float()
