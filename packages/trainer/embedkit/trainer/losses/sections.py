"""The settings that losses have in section `loss` of cfg.json; a loss has those of one class (`registry.py`)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from embedkit.config import ConfigSection, Text


class LossSection(ConfigSection):
    """The name alone: the loss has no settings."""

    name: str


class CutSection(LossSection):
    """Settings of every loss that is computed from vectors of any length."""

    matryoshka_dims: list[Annotated[int, Field(ge=1)]] | None = Field(
        default=None,
        description="Train shorter vectors too: [256, 128, 64] adds the loss of each vector's first 256, 128 and "
        "64 numbers. null: whole vectors only.",
    )


class TemperatureSection(CutSection):
    """Settings of the losses with a softmax over similarities."""

    temperature: float = Field(
        default=0.05,
        gt=0,
        le=10,
        description="Cosine similarities are divided by this before the softmax; lower is sharper.",
    )


class RankingSection(TemperatureSection):
    """Settings of InfoNCE."""

    symmetric: bool = Field(
        default=True,
        description="Also find each positive's anchor among the batch's anchors, and average both losses.",
    )
    hardness: Literal["none", "in_batch_negatives", "hard_negatives", "all_negatives"] = Field(
        default="none",
        description="Negatives that weigh more in the softmax the more similar they are to the anchor.",
    )
    hardness_strength: float = Field(
        default=5.0,
        ge=0,
        le=100,
        description="How much more: this times the cosine similarity is added to the logit. Needs hardness.",
    )

    @model_validator(mode="after")
    def _strength_of_something(self) -> Self:
        if (
            self.hardness == "none"
            and self.hardness_strength != RankingSection.model_fields["hardness_strength"].default
        ):
            raise ValueError("hardness_strength is ignored where hardness is none")
        return self


class MaskedSection(RankingSection):
    """Settings of InfoNCE without false negatives."""

    same_concept: Literal["mask", "positive"] = Field(
        default="mask",
        description="The batch's other texts of the anchor's concept. mask: they are left out. positive: they are "
        "positives too.",
    )
    false_negative_margin: float | None = Field(
        default=None,
        ge=-2,
        le=2,
        description="Leave out a negative whose cosine similarity to the anchor exceeds the positive's by more than "
        "this. null: none is left out for its similarity.",
    )


class GuidedSection(TemperatureSection):
    """Settings of the losses whose false negatives another model finds."""

    guide_model: Text = Field(
        description="Model that finds false negatives: a folder, a run, or a Hugging Face id. Required."
    )
    guide_margin: float = Field(
        default=0.0,
        ge=-2,
        le=2,
        description="A text is a false negative where the guide's similarity to the anchor exceeds the positive's "
        "minus this.",
    )


class DistillSection(TemperatureSection):
    """Settings of learning a teacher's scores."""

    teacher_model: Text | None = Field(
        default=None,
        description="Model whose similarities are learnt. null: each row's own `scores` are, one for its positive "
        "and one for each hard negative.",
    )
    objective: Literal["margin_mse", "kl"] = Field(
        default="margin_mse",
        description="What is to be the teacher's. margin_mse: the difference between positive and negative. kl: the "
        "softmax over the texts, at temperature.",
    )
    teacher_temperature: float | None = Field(
        default=None,
        gt=0,
        description="Temperature of the teacher's softmax under kl; about 1 for a cross-encoder's scores. null: "
        "temperature.",
    )

    @model_validator(mode="after")
    def _temperature_of_something(self) -> Self:
        if self.objective == "margin_mse" and self.teacher_temperature is not None:
            raise ValueError("teacher_temperature is ignored where objective is margin_mse")
        return self


class TripletSection(CutSection):
    """Settings of the losses that compare two distances."""

    distance: Literal["euclidean", "cosine"] = Field(
        default="euclidean", description="Distance between two vectors."
    )
    margin: float | None = Field(
        default=None,
        gt=0,
        description="How much nearer the alike are to be than the others. null: 5, and 0.5 with the cosine distance.",
    )


class ScaleSection(CutSection):
    """Settings of the losses that order pairs by their score."""

    scale: float = Field(default=20.0, gt=0, le=1000, description="Similarities are multiplied by this.")


class PairScoreSection(LossSection):
    """Settings of the losses of a cross-encoder, which scores two texts that it reads together."""

    in_batch_negatives: int = Field(
        default=2,
        ge=0,
        le=1000,
        description="Positives of so many other concepts of the batch that each anchor is scored with too: easy "
        "negatives beside its hard ones.",
    )


class DenoisingSection(LossSection):
    """Settings of the loss that writes damaged texts again."""

    deleted: float = Field(
        default=0.6, ge=0, lt=1, description="Share of a text's tokens that are deleted before it is encoded."
    )
