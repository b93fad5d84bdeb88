"""The metrics of the dev rows: their loss, and how well the vectors do what the rows are for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from embedkit.data.records import ScoredPair
from embedkit.ranking.hybrid.questions import DESCRIBED_KINDS
from embedkit.ranking.metrics import DEPTH, METRICS, Values, query_metrics
from embedkit.ranking.queries import JudgedQuery, queries_over
from embedkit.ranking.retrieval import CosineScorer, rank
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.model.precision import autocast
from embedkit.trainer.model.weight_average import WeightAverage
from embedkit.trainer.rows.fit import CLASS_SCORES
from embedkit.trainer.rows.sampling import epoch_order, label_order, sample_rows
from embedkit.trainer.rows.sources import TrainingRows
from embedkit.trainer.rows.store import Rows
from embedkit.trainer.step.batch import RowCollator, TextKey
from embedkit.trainer.step.memory import is_out_of_memory
from embedkit.trainer.step.sharding import is_split
from embedkit.trainer.watch.ending import DESCRIBED, EVERYDAY, KNOWN, UNSEEN
from embedkit.trainer.watch.everyday import everyday_spearman, texts_of_pairs

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Train rows whose positives stand in the corpus too, so that finding the right one is not trivially easy.
TRAIN_ROWS = 500
# Known rows that are asked in an evaluation, at most.
KNOWN_ROWS = 600
# Labelled rows that are compared with one another, at most: the work grows with their square.
COMPARED_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class DevMetrics:
    """What was measured; None where the rows are of another kind.

    Pairs: means over the distinct dev anchors. `known_recall_at_1` is of questions for concepts that are trained
    on, in wordings that are not, `known_described_recall_at_1` of those among them that describe the thing;
    `everyday_spearman` is of graded pairs that no verdict uses, a mean over languages. Scored pairs and inference
    classes: correlations of cosine similarity and score. Labelled sentences and triplets: `accuracy`, the share of
    comparisons in which the alike are nearer than the others.
    """

    loss: float | None = None
    ndcg_at_10: float | None = None
    mrr_at_10: float | None = None
    recall_at_1: float | None = None
    recall_at_10: float | None = None
    known_recall_at_1: float | None = None
    known_described_recall_at_1: float | None = None
    everyday_spearman: float | None = None
    pearson: float | None = None
    spearman: float | None = None
    accuracy: float | None = None

    def measured(self) -> dict[str, float]:
        """The metrics that there are, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def label(name: str) -> str:
    """What a person calls a metric: `nDCG@10` for `ndcg_at_10`."""
    named = name.replace("_at_", "@").replace("ndcg", "nDCG").replace("mrr", "MRR")
    return (
        named.replace("known_", "known ")
        .replace("described_", "described ")
        .replace("everyday_", "everyday ")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DevSet:
    """The dev rows; the source whose loss they are measured with (None: none fits); for pairs, their queries
    and the corpus that these search.
    """

    rows: Rows
    source: int | None
    queries: Sequence[JudgedQuery]
    corpus: Sequence[str]


def make_dev_set(dev: Rows, train: TrainingRows, *, source: int | None, seed: int) -> DevSet:
    """Queries as `embedkit evaluate` makes them, over the positives of all dev and some train rows."""
    if dev.shape != "pairs":
        return DevSet(rows=dev, source=source, queries=(), corpus=())
    pairs = [dev.store[number] for number in range(len(dev))]
    known = [s for s in train.sources if s.rows.shape == "pairs"]
    also = [pair for s in known for pair in sample_rows(s.rows, limit=TRAIN_ROWS, seed=seed)]
    queries, corpus, _ = queries_over(pairs, [*pairs, *also])
    return DevSet(rows=dev, source=source, queries=queries, corpus=corpus)


def make_known_set(known: Rows, *, seed: int) -> DevSet:
    """Queries of up to `KNOWN_ROWS` rows, of every language and kind alike many, over the definitions of all."""
    pairs = [known.store[number] for number in range(len(known))]
    drawn = [pairs[number] for number in epoch_order(len(pairs), seed=seed, lap=0)]
    places = Counter[tuple[str, str]]()
    ranked = []
    for pair in drawn:
        ranked.append(places[pair.lang, pair.kind])
        places[pair.lang, pair.kind] += 1
    chosen = [drawn[number] for number in np.argsort(ranked, kind="stable")[:KNOWN_ROWS]]
    queries, corpus, _ = queries_over(chosen, pairs)
    return DevSet(rows=known, source=None, queries=queries, corpus=corpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevEvaluator:
    """All that measuring the dev rows takes: rows, collator, loss around the model, and the weights that count.

    `dev` are of concepts that are not trained on, `known` of those that are; one of them is there. `everyday` are
    graded pairs. `batch_size` texts are encoded at once, in the number format `dtype`.
    """

    dev: DevSet | None
    known: DevSet | None
    everyday: Sequence[ScoredPair]
    collator: RowCollator
    loss: BatchLoss
    average: WeightAverage
    batch_size: int
    dtype: str

    @property
    def draws(self) -> Mapping[str, int]:
        """How many concepts, questions and pairs the guarded metrics are means of."""
        return {
            UNSEEN: len({asked.concept for asked in self.dev.queries}) if self.dev else 0,
            DESCRIBED: int(_described(self.known).sum()) if self.known else 0,
            EVERYDAY: len(self.everyday),
        }

    def measure(self) -> DevMetrics:
        """The metrics with the weights that would be saved, with fewer texts at once where memory runs out: the
        vectors are the same.
        """
        size = self.batch_size
        while True:
            try:
                with self.average.applied(), autocast(self.loss.model.device.type, self.dtype):
                    return evaluate_dev(self, batch_size=size)
            except RuntimeError as error:
                if size == 1 or not is_out_of_memory(error) or is_split(self.loss.model):
                    raise
            size //= 2


def evaluate_dev(what: DevEvaluator, *, batch_size: int) -> DevMetrics:
    """Measure the model as it is, each distinct text encoded once. Nothing random is drawn."""
    loss, collator, dev, known = what.loss, what.collator, what.dev, what.known
    model = loss.model
    everyday = [(collator.prompts[0], text) for text in texts_of_pairs(what.everyday)]
    keys = [
        *(collator.distinct(range(len(dev.rows))) if dev else ()),
        *(key for searched in (dev, known) if searched for key in _searched(searched, collator)),
        *everyday,
    ]
    was_training = loss.training
    loss.eval()
    place, vectors = _encode(model, dict.fromkeys(keys), batch_size=batch_size)
    mean_loss = (
        None
        if dev is None or dev.source is None
        else _mean_loss(loss, collator, place, vectors, dev=dev, batch_size=batch_size)
    )
    loss.train(was_training)
    unit = torch.nn.functional.normalize(vectors[:, : model.truncate_dim], dim=-1).cpu().numpy()
    found: dict[str, float] = {}
    if dev is not None and dev.rows.shape == "pairs":
        found = retrieval_metrics(dev, unit, [place[key] for key in _searched(dev, collator)])
    elif dev is not None:
        plan: Any = collator.plan(range(len(dev.rows)), place)
        found = _likeness(dev.rows, unit[plan.columns.numpy()], plan.labels.numpy())
    if known is not None:
        found |= _known_metrics(known, unit, [place[key] for key in _searched(known, collator)])
    if everyday:
        found[EVERYDAY] = everyday_spearman(what.everyday, unit[[place[key] for key in everyday]])
    return DevMetrics(loss=mean_loss, **found)


def _searched(dev: DevSet, collator: RowCollator) -> list[TextKey]:
    """The queries of a dev set, then its corpus, each text with its prompt."""
    query, document = collator.prompts
    return [
        *((query, asked.text) for asked in dev.queries),
        *((document, text) for text in dev.corpus),
    ]


def retrieval_metrics(dev: DevSet, unit: NDArray[np.float32], places: Sequence[int]) -> dict[str, float]:
    """Means over the queries; `places` are theirs, then those of the corpus, among the vectors `unit` (N, D)."""
    means = dict(zip(METRICS, _query_metrics(dev, unit, places).mean(axis=0).tolist(), strict=True))
    names = ("ndcg@10", "mrr@10", "recall@1", "recall@10")
    return {name.replace("@", "_at_"): means[name] for name in names}


def _known_metrics(known: DevSet, unit: NDArray[np.float32], places: Sequence[int]) -> dict[str, float]:
    """Recall@1 of the known questions, and of those that describe the thing where there are some."""
    first = _query_metrics(known, unit, places)[:, METRICS.index("recall@1")]
    described = _described(known)
    found = {KNOWN: float(first.mean())}
    return found | ({DESCRIBED: float(first[described].mean())} if described.any() else {})


def _described(known: DevSet) -> NDArray[np.bool_]:
    """Whether each query describes the thing and does not name it `(Q,)`."""
    return np.array([asked.kind in DESCRIBED_KINDS for asked in known.queries], dtype=np.bool_)


def _query_metrics(dev: DevSet, unit: NDArray[np.float32], places: Sequence[int]) -> Values:
    queries, corpus = places[: len(dev.queries)], places[len(dev.queries) :]
    ranked = rank(
        CosineScorer(unit[queries], unit[corpus]),
        top_k=DEPTH,
        excluded=[asked.excluded for asked in dev.queries],
        windows=np.array([asked.window for asked in dev.queries]),
    ).places
    return query_metrics(ranked, [asked.relevant for asked in dev.queries])


def _likeness(rows: Rows, columns: NDArray[np.float32], labels: NDArray[np.float32]) -> dict[str, float]:
    """`columns` (K, B, D) are unit vectors, `labels` (B,) scores or classes."""
    if rows.shape == "labelled":
        return {"accuracy": label_accuracy(columns[0][:COMPARED_ROWS], labels[:COMPARED_ROWS])}
    if rows.shape == "triplets":
        anchor, positive, negative = columns
        return {"accuracy": float((((positive - negative) * anchor).sum(axis=1) > 0).mean())}
    if rows.shape == "classed_pairs":
        names = [str(label).lower() for label in rows.labels]
        if not set(names) <= set(CLASS_SCORES):
            return {}
        labels = np.array([CLASS_SCORES[names[int(label)]] for label in labels])
    cosines = (columns[0] * columns[1]).sum(axis=1)
    if len(cosines) < 2 or np.ptp(cosines) == 0 or np.ptp(labels) == 0:
        return {}
    return {
        "pearson": float(pearsonr(cosines, labels).statistic),
        "spearman": float(spearmanr(cosines, labels).statistic),
    }


def label_accuracy(unit: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """In what share of all (sentence, one of its label, one of another) the one of its label is nearer."""
    right = total = 0
    for i, cosines in enumerate(unit @ unit.T):
        same = labels == labels[i]
        same[i] = False
        others = np.sort(cosines[labels != labels[i]])
        right += int(np.searchsorted(others, cosines[same]).sum())
        total += int(same.sum()) * len(others)
    return right / max(total, 1)


def _encode(
    model: SentenceTransformer, keys: Iterable[TextKey], *, batch_size: int
) -> tuple[dict[TextKey, int], torch.Tensor]:
    """Vectors `(N, D)` of texts under their prompts, and where each stands among them."""
    place: dict[TextKey, int] = {}
    parts = []
    by_prompt: dict[str, list[str]] = {}
    for prompt, text in keys:
        by_prompt.setdefault(prompt, []).append(text)
    for prompt, texts in by_prompt.items():
        place |= {(prompt, text): len(place) + i for i, text in enumerate(texts)}
        options = {"batch_size": batch_size, "show_progress_bar": False, "convert_to_tensor": True}
        with model.truncate_embeddings(None):  # the loss is that of whole vectors
            parts.append(model.encode(texts, prompt=prompt, **options).float())
    return place, torch.cat(parts)


def _mean_loss(
    loss: BatchLoss,
    collator: RowCollator,
    place: Mapping[TextKey, int],
    vectors: torch.Tensor,
    *,
    dev: DevSet,
    batch_size: int,
) -> float:
    rows, total = len(dev.rows), 0.0
    order = np.arange(rows)
    if dev.rows.shape == "labelled":
        order = label_order(dev.rows.concepts.row_concepts, batch_size=batch_size, seed=0)(0)
    for start in range(0, rows, batch_size):
        numbers = order[start : start + batch_size].tolist()
        plan = replace(collator.plan(numbers, place), source=dev.source or 0).to(vectors.device)
        with torch.inference_mode():
            total += float(loss.of_vectors(vectors, plan)) * len(numbers)
    return total / rows
