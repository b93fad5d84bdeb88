"""Every loss of embedkit, a line each. To add one: a file with the class that computes it, and a line here.

`cfg.json`, its JSON Schema, the docs, `compare` and the check of rows against losses are made from these lines. Of the
losses that fit some rows, `config init` writes the first. Nothing here loads torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model

from embedkit.trainer.losses.sections import (
    CutSection,
    DenoisingSection,
    DistillSection,
    GuidedSection,
    LossSection,
    MaskedSection,
    PairScoreSection,
    RankingSection,
    ScaleSection,
    TemperatureSection,
    TripletSection,
)

if TYPE_CHECKING:
    from embedkit.data.shapes import Shape

ModelKind = Literal["embedding", "cross_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One loss: its name, the shape of the rows it is computed from, its settings, what builds it, and a sentence.

    `builder` is a class or function of this folder that is called with the settings and a `LossContext`. `in_turns`:
    texts take turns in memory by default (GradCache). `knows_concepts`: the other rows of a concept are no negatives,
    so that they may share a batch. `also`: shapes that it takes as they are, beside `rows`. `model`: what it trains.
    """

    name: str
    rows: Shape
    settings: type[LossSection]
    builder: str
    summary: str
    in_turns: bool = False
    knows_concepts: bool = False
    also: tuple[Shape, ...] = ()
    model: ModelKind = "embedding"


_LOSSES = (
    Loss(
        name="masked_mnrl",
        rows="pairs",
        settings=MaskedSection,
        builder="ranking.InBatchRankingLoss",
        summary="InfoNCE without false negatives: the batch's other texts of the anchor's concept are no negatives.",
        knows_concepts=True,
    ),
    Loss(
        name="mnrl",
        rows="pairs",
        settings=RankingSection,
        builder="ranking.InBatchRankingLoss",
        summary="InfoNCE: find each anchor's positive among the positives and hard negatives of the batch.",
    ),
    Loss(
        name="cached_mnrl",
        rows="pairs",
        settings=RankingSection,
        builder="ranking.InBatchRankingLoss",
        summary="mnrl in little memory: the texts of a batch take turns, train.micro_batch_size at once.",
        in_turns=True,
    ),
    Loss(
        name="gist",
        rows="pairs",
        settings=GuidedSection,
        builder="ranking.GuidedRankingLoss",
        summary="InfoNCE without the negatives that guide_model puts nearer to the anchor than the positive.",
    ),
    Loss(
        name="cached_gist",
        rows="pairs",
        settings=GuidedSection,
        builder="ranking.GuidedRankingLoss",
        summary="gist in little memory: the texts of a batch take turns, train.micro_batch_size at once.",
        in_turns=True,
    ),
    Loss(
        name="distill",
        rows="pairs",
        settings=DistillSection,
        builder="distill.DistillLoss",
        summary="Learn a teacher's scores: those of teacher_model, or those that the rows carry.",
    ),
    Loss(
        name="batch_all_triplet",
        rows="labelled",
        settings=TripletSection,
        builder="stock.build_batch_all",
        summary="Texts of one label nearer than texts of others: over all triplets of the batch.",
    ),
    Loss(
        name="batch_hard_triplet",
        rows="labelled",
        settings=TripletSection,
        builder="stock.build_batch_hard",
        summary="Texts of one label nearer than texts of others: each text's farthest of its own, nearest of others.",
    ),
    Loss(
        name="batch_semi_hard_triplet",
        rows="labelled",
        settings=TripletSection,
        builder="stock.build_batch_semi_hard",
        summary="Texts of one label nearer than texts of others: each pair of it, against the nearest other text that "
        "is farther.",
    ),
    Loss(
        name="triplet",
        rows="triplets",
        settings=TripletSection,
        builder="stock.build_triplet",
        summary="The positive nearer to the anchor than the negative, by margin.",
    ),
    Loss(
        name="softmax",
        rows="classed_pairs",
        settings=LossSection,
        builder="stock.SoftmaxLoss",
        summary="Tell the class of two sentences from both vectors and their difference, by a classifier that is "
        "thrown away afterwards.",
    ),
    Loss(
        name="cosent",
        rows="scored_pairs",
        settings=ScaleSection,
        builder="stock.build_cosent",
        summary="Pairs in the order of their scores, by cosine similarity (CoSENT).",
    ),
    Loss(
        name="cosine",
        rows="scored_pairs",
        settings=CutSection,
        builder="stock.build_cosine",
        summary="The cosine similarity of two sentences is to be their score.",
    ),
    Loss(
        name="angle",
        rows="scored_pairs",
        settings=ScaleSection,
        builder="stock.build_angle",
        summary="Pairs in the order of their scores, by the angle between their vectors as complex numbers (AnglE).",
    ),
    Loss(
        name="simcse",
        rows="texts",
        settings=TemperatureSection,
        builder="texts.SimCseLoss",
        summary="Find each text again under another dropout mask, among the texts of the batch (SimCSE).",
    ),
    Loss(
        name="tsdae",
        rows="texts",
        settings=DenoisingSection,
        builder="texts.DenoisingLoss",
        summary="Write each text again from the vector of what is left of it when most tokens are deleted (TSDAE); for "
        "BERT, RoBERTa and others that have a decoder.",
    ),
    Loss(
        name="bce",
        rows="pairs",
        also=("scored_pairs",),
        settings=PairScoreSection,
        builder="cross.BinaryCrossEntropyLoss",
        summary="Score positives 1 and negatives 0, or each pair as it is graded (binary cross-entropy).",
        model="cross_encoder",
    ),
    Loss(
        name="lce",
        rows="pairs",
        settings=PairScoreSection,
        builder="cross.LocalContrastiveLoss",
        summary="Score each anchor's positive above its negatives: softmax over all that it is scored with (LCE).",
        model="cross_encoder",
    ),
)
LOSSES: Mapping[str, Loss] = {loss.name: loss for loss in _LOSSES}


def _section(loss: Loss) -> type[LossSection]:
    """Section `loss` of cfg.json where `name` is this loss's."""
    title = "".join(word.title() for word in loss.name.split("_"))
    name: Any = (Literal[loss.name], Field(default=loss.name, description="The loss."))
    return create_model(f"{title}Settings", __base__=loss.settings, __doc__=loss.summary, name=name)


SECTIONS: Mapping[str, type[LossSection]] = {loss.name: _section(loss) for loss in _LOSSES}
