"""Which losses fit which shape of rows, and how one shape is read as another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from embedkit.data.records import ClassedPair, Pair, Row, ScoredPair, Triplet
from embedkit.data.shapes import KEYS, NAMES, Shape
from embedkit.errors import UserError
from embedkit.messages import tr
from embedkit.trainer.losses.registry import LOSSES, ModelKind

# How alike the sentences of an inference class are, for the losses that learn from a score.
CLASS_SCORES: Mapping[str, float] = {"entailment": 1.0, "neutral": 0.5, "contradiction": 0.0}
MIN_LABELS = 3


def losses_for(shape: Shape, model: ModelKind | None = None) -> list[str]:
    """The losses that can train on rows of this shape, those of one kind of model or of all."""
    return [
        loss.name
        for loss in LOSSES.values()
        if model in (None, loss.model)
        and (shape in (loss.rows, *loss.also) or (shape, loss.rows) in CONVERSIONS)
    ]


def require_fit(loss: str, shape: Shape, *, place: str) -> None:
    """Raise `UserError` naming the losses that fit, when this one does not."""
    if loss in losses_for(shape):
        return
    wanted = [KEYS[other] for other in KEYS if loss in losses_for(other)]
    raise UserError(
        "the loss {loss} cannot train on {rows}; it wants rows of {wanted}",
        place=place,
        hint="losses that fit these rows: {fitting}",
        loss=loss,
        rows=tr(NAMES[shape]),
        wanted=" | ".join(wanted),
        fitting=", ".join(losses_for(shape, LOSSES[loss].model)) or "-",
    )


def trained_shape(shape: Shape, loss: str | None) -> Shape:
    """The shape that rows are trained in: the one that the loss is computed from; without a loss their own."""
    return LOSSES[loss].rows if loss and shape not in LOSSES[loss].also else shape


def converted(rows: Iterable[Row], shape: Shape, loss: str | None, *, dropped: Counter[str]) -> Iterator[Row]:
    """The rows in the shape that they are trained in; those that have no place in it are counted in `dropped`."""
    wanted = trained_shape(shape, loss)
    return iter(rows) if wanted == shape else CONVERSIONS[shape, wanted](rows, dropped)


def converts_row_by_row(shape: Shape, loss: str | None) -> bool:
    """Whether one row of the file is one row of training, so that the rows can stay on disk."""
    wanted = trained_shape(shape, loss)
    return wanted == shape or (shape, wanted) in _ROW_BY_ROW


def _triplets_as_pairs(rows: Iterable[Any], dropped: Counter[str]) -> Iterator[Row]:
    for row in rows:
        yield Pair(anchor=row.anchor, positive=row.positive, hard_negatives=(row.negative,))


def _pairs_as_triplets(rows: Iterable[Any], dropped: Counter[str]) -> Iterator[Row]:
    for row in rows:
        if not row.hard_negatives:
            dropped["no hard negative"] += 1
        for negative in row.hard_negatives:
            yield Triplet(anchor=row.anchor, positive=row.positive, negative=negative)


def _classed_as_scored(rows: Iterable[Any], dropped: Counter[str]) -> Iterator[Row]:
    for row in rows:
        score = CLASS_SCORES[_inference_class(row)]
        yield ScoredPair(sentence1=row.sentence1, sentence2=row.sentence2, score=score)


def _classed_as_pairs(rows: Iterable[Any], dropped: Counter[str]) -> Iterator[Row]:
    """Entailed sentences are positives, contradictions of the same premise hard negatives."""
    by_premise: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_premise[row.sentence1][_inference_class(row)].append(row.sentence2)
    for premise, classes in by_premise.items():
        dropped["neutral"] += len(classes["neutral"])
        if not classes["entailment"]:
            dropped["contradiction without an entailment"] += len(classes["contradiction"])
        negatives = tuple(classes["contradiction"])
        for entailed in classes["entailment"]:
            yield Pair(anchor=premise, positive=entailed, hard_negatives=negatives)


def _classed_as_triplets(rows: Iterable[Any], dropped: Counter[str]) -> Iterator[Row]:
    return _pairs_as_triplets(_classed_as_pairs(rows, dropped), dropped)


def is_inference_class(label: object) -> bool:
    """Whether a label is entailment, neutral or contradiction."""
    return str(label).strip().lower() in CLASS_SCORES


def _inference_class(row: ClassedPair) -> str:
    if not is_inference_class(row.label):
        raise UserError(
            "the label {label!r} is no inference class",
            place=repr(row.sentence1[:40]),
            hint="under this loss the labels have to be {classes}; softmax takes any",
            label=row.label,
            classes=", ".join(CLASS_SCORES),
        )
    return str(row.label).strip().lower()


CONVERSIONS: Mapping[tuple[Shape, Shape], Callable[[Iterable[Any], Counter[str]], Iterator[Row]]] = {
    ("triplets", "pairs"): _triplets_as_pairs,
    ("pairs", "triplets"): _pairs_as_triplets,
    ("classed_pairs", "scored_pairs"): _classed_as_scored,
    ("classed_pairs", "pairs"): _classed_as_pairs,
    ("classed_pairs", "triplets"): _classed_as_triplets,
}
_ROW_BY_ROW = {("triplets", "pairs"), ("classed_pairs", "scored_pairs")}
