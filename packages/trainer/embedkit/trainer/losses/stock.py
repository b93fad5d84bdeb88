"""sentence-transformers' own losses for rows of a fixed number of texts, on vectors that are already there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses import BatchHardTripletLossDistanceFunction as Distance
from torch import Tensor, nn

from embedkit.trainer.config import TrainSection
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.model.load import whole_width
from embedkit.trainer.step.batch import ColumnPlan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MARGINS = {"euclidean": 5.0, "cosine": 0.5}
_BATCH_DISTANCES = {"euclidean": Distance.euclidean_distance, "cosine": Distance.cosine_distance}
_DISTANCES = {
    "euclidean": losses.TripletDistanceMetric.EUCLIDEAN,
    "cosine": losses.TripletDistanceMetric.COSINE,
}
_OVER_LABELS = {
    "batch_all_triplet": losses.BatchAllTripletLoss,
    "batch_hard_triplet": losses.BatchHardTripletLoss,
    "batch_semi_hard_triplet": losses.BatchSemiHardTripletLoss,
}


class StockLoss(BatchLoss):
    """One of sentence-transformers' losses, given the vectors of each column of the batch."""

    def __init__(self, model: SentenceTransformer, stock: Any) -> None:
        super().__init__(model)
        self.stock = stock

    def score(self, vectors: Tensor, plan: ColumnPlan) -> Tensor:  # type: ignore[override]
        """The loss of vectors `(U, D)`."""
        loss: Tensor = self.stock.compute_loss_from_embeddings(
            [vectors[column] for column in plan.columns], plan.labels
        )
        return loss


class SoftmaxLoss(BatchLoss):
    """sentence-transformers' SoftmaxLoss (Reimers and Gurevych 2019): a classifier over both vectors and their
    difference, which is thrown away after training.
    """

    def __init__(self, model: SentenceTransformer, *, classes: int) -> None:
        super().__init__(model)
        self.stock = losses.SoftmaxLoss(model, whole_width(model), num_labels=classes)
        self.stock.model = _AsTheyAre()

    def score(self, vectors: Tensor, plan: ColumnPlan) -> Tensor:  # type: ignore[override]
        """The loss of vectors `(U, D)`."""
        columns = [{"sentence_embedding": vectors[column]} for column in plan.columns]
        loss: Tensor = self.stock(columns, plan.labels.long())
        return loss


class _AsTheyAre(nn.Module):  # type: ignore[misc]
    """Stands where the loss would encode texts: they are encoded already."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return features


def make_stock(name: str, model: SentenceTransformer, train: TrainSection) -> StockLoss:
    """The loss of that name with the config's margin, distance or scale."""
    distance = train.triplet_distance
    margin = train.triplet_margin or _MARGINS[distance]
    if name in _OVER_LABELS:
        return StockLoss(
            model, _OVER_LABELS[name](model, distance_metric=_BATCH_DISTANCES[distance], margin=margin)
        )
    if name == "triplet":
        made = losses.TripletLoss(model, distance_metric=_DISTANCES[distance], triplet_margin=margin)
    elif name == "cosine":
        made = losses.CosineSimilarityLoss(model)
    else:
        kind = losses.CoSENTLoss if name == "cosent" else losses.AnglELoss
        made = kind(model, scale=train.score_scale)
    return StockLoss(model, made)
