"""sentence-transformers' own losses for rows of a fixed number of texts, on vectors that are already there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses import BatchHardTripletLossDistanceFunction as Distance
from torch import Tensor, nn

from embedkit.trainer.losses.base import BatchLoss, LossContext
from embedkit.trainer.losses.sections import LossSection, ScaleSection, TripletSection
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

    def __init__(self, settings: LossSection, context: LossContext) -> None:
        super().__init__(context.model)
        self.stock = losses.SoftmaxLoss(context.model, whole_width(context.model), num_labels=context.classes)
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


def build_batch_all(settings: TripletSection, context: LossContext) -> StockLoss:
    """All triplets of the batch."""
    return _over_labels(losses.BatchAllTripletLoss, settings, context)


def build_batch_hard(settings: TripletSection, context: LossContext) -> StockLoss:
    """Each text's hardest triplet in the batch."""
    return _over_labels(losses.BatchHardTripletLoss, settings, context)


def build_batch_semi_hard(settings: TripletSection, context: LossContext) -> StockLoss:
    """The batch's semi-hard triplets."""
    return _over_labels(losses.BatchSemiHardTripletLoss, settings, context)


def _over_labels(kind: Any, settings: TripletSection, context: LossContext) -> StockLoss:
    distance = _BATCH_DISTANCES[settings.distance]
    return StockLoss(context.model, kind(context.model, distance_metric=distance, margin=_margin(settings)))


def build_triplet(settings: TripletSection, context: LossContext) -> StockLoss:
    """Rows of anchor, positive and negative."""
    distance = _DISTANCES[settings.distance]
    made = losses.TripletLoss(context.model, distance_metric=distance, triplet_margin=_margin(settings))
    return StockLoss(context.model, made)


def _margin(settings: TripletSection) -> float:
    return settings.margin or _MARGINS[settings.distance]


def build_cosine(settings: LossSection, context: LossContext) -> StockLoss:
    """The cosine similarity against the score."""
    return StockLoss(context.model, losses.CosineSimilarityLoss(context.model))


def build_cosent(settings: ScaleSection, context: LossContext) -> StockLoss:
    """The order of cosine similarities."""
    return StockLoss(context.model, losses.CoSENTLoss(context.model, scale=settings.scale))


def build_angle(settings: ScaleSection, context: LossContext) -> StockLoss:
    """The order of angles."""
    return StockLoss(context.model, losses.AnglELoss(context.model, scale=settings.scale))
