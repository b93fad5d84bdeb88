"""The shapes of training rows, which losses fit which shape, and how one shape is read as another."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from embedkit.data.jsonl import read_objects
from embedkit.data.pairs import Pair, pair_from_object
from embedkit.data.rows import ClassedPair, Labelled, ScoredPair, Triplet
from embedkit.errors import UserError
from embedkit.messages import Phrase, tr

Row = Pair | Labelled | ClassedPair | ScoredPair | Triplet
Shape = Literal["pairs", "labelled", "classed_pairs", "scored_pairs", "triplets"]

# What each loss is computed from. Rows of another shape fit where `CONVERSIONS` leads to it.
EATS: Mapping[str, Shape] = {
    "masked_mnrl": "pairs",
    "mnrl": "pairs",
    "cached_mnrl": "pairs",
    "gist": "pairs",
    "cached_gist": "pairs",
    "distill": "pairs",
    "batch_all_triplet": "labelled",
    "batch_hard_triplet": "labelled",
    "batch_semi_hard_triplet": "labelled",
    "triplet": "triplets",
    "softmax": "classed_pairs",
    "cosine": "scored_pairs",
    "cosent": "scored_pairs",
    "angle": "scored_pairs",
}
KEYS: Mapping[Shape, str] = {
    "pairs": '{"anchor","positive","hard_negatives"}',
    "labelled": '{"text","label"}',
    "classed_pairs": '{"sentence1","sentence2","label"}',
    "scored_pairs": '{"sentence1","sentence2","score"}',
    "triplets": '{"anchor","positive","negative"}',
}
NAMES: Mapping[Shape, str] = {
    "pairs": "pairs",
    "labelled": "labelled sentences",
    "classed_pairs": "sentence pairs with a class",
    "scored_pairs": "sentence pairs with a score",
    "triplets": "triplets",
}
# How alike the sentences of an inference class are, for the losses that learn from a score.
CLASS_SCORES: Mapping[str, float] = {"entailment": 1.0, "neutral": 0.5, "contradiction": 0.0}
MIN_LABELS = 3


def losses_for(shape: Shape) -> list[str]:
    """The losses that can train on rows of this shape."""
    return [loss for loss, eaten in EATS.items() if eaten == shape or (shape, eaten) in CONVERSIONS]


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
        fitting=", ".join(losses_for(shape)),
    )


def shape_of(row: Mapping[str, Any]) -> Shape | None:
    """The shape that a JSON object's keys say it has."""
    if "anchor" in row or "positive" in row:
        return "triplets" if "negative" in row and "hard_negatives" not in row else "pairs"
    if "sentence1" in row or "sentence2" in row:
        return "scored_pairs" if "score" in row else "classed_pairs"
    return "labelled" if "text" in row else None


def read_typed(path: str) -> Iterator[tuple[Shape, Row]]:
    """Yield the rows of a file in the shape that its first row has.

    Raises:
        UserError: at the first bad row, naming file and line.
    """
    shape: Shape | None = None
    for number, value in read_objects(path):
        place = f"{path}:{number}"
        shape = shape or shape_of(value)
        if shape is None:
            raise UserError(
                "no training row that is known",
                place=place,
                hint="known are {known}",
                known=", ".join(KEYS.values()),
            )
        try:
            yield shape, row_from_object(value, shape)
        except ValueError as error:
            raise UserError(str(error), place=place) from None


def row_from_object(value: dict[str, Any], shape: Shape) -> Row:
    """Check one JSON object and make a row of it; `ValueError` says what is wrong."""
    return _READERS[shape](value)


def texts_of(row: Row) -> tuple[str, ...]:
    """Every text of a row, in the order of its columns."""
    if isinstance(row, Pair):
        return (row.anchor, row.positive, *row.hard_negatives)
    if isinstance(row, Triplet):
        return (row.anchor, row.positive, row.negative)
    return (row.text,) if isinstance(row, Labelled) else (row.sentence1, row.sentence2)


def converted(rows: Iterable[Row], shape: Shape, loss: str | None, *, dropped: Counter[str]) -> Iterator[Row]:
    """The rows in the shape that a loss is computed from; without a loss as they are."""
    eaten = EATS[loss] if loss else shape
    if eaten == shape:
        return iter(rows)
    return CONVERSIONS[shape, eaten](rows, dropped)


def converts_row_by_row(shape: Shape, loss: str | None) -> bool:
    """Whether one row of the file is one row of training, so that the rows can stay on disk."""
    return loss is None or EATS[loss] == shape or (shape, EATS[loss]) in _ROW_BY_ROW


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(Phrase("{key!r} is missing or is not a text", key=name))
    return text


def _label(value: Mapping[str, Any]) -> str | int:
    label = value.get("label")
    if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
        raise ValueError("'label' is missing or is neither a text nor a whole number")
    return label


def _score(value: Mapping[str, Any]) -> float:
    score = value.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError("'score' is missing or is not a number")
    if not 0 <= score <= 1:
        problem = "'score' is {score}, but has to be from 0 to 1: divide it by the highest score"
        raise ValueError(Phrase(problem, score=score))
    return float(score)


def _labelled(value: dict[str, Any]) -> Labelled:
    return Labelled(text=_text(value, "text"), label=_label(value))


def _classed(value: dict[str, Any]) -> ClassedPair:
    first, second = _text(value, "sentence1"), _text(value, "sentence2")
    return ClassedPair(sentence1=first, sentence2=second, label=_label(value))


def _scored(value: dict[str, Any]) -> ScoredPair:
    first, second = _text(value, "sentence1"), _text(value, "sentence2")
    return ScoredPair(sentence1=first, sentence2=second, score=_score(value))


def _triplet(value: dict[str, Any]) -> Triplet:
    anchor, positive, negative = (_text(value, name) for name in ("anchor", "positive", "negative"))
    return Triplet(anchor=anchor, positive=positive, negative=negative)


_READERS: Mapping[Shape, Callable[[dict[str, Any]], Row]] = {
    "pairs": pair_from_object,
    "labelled": _labelled,
    "classed_pairs": _classed,
    "scored_pairs": _scored,
    "triplets": _triplet,
}


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


def _inference_class(row: ClassedPair) -> str:
    name = str(row.label).strip().lower()
    if name not in CLASS_SCORES:
        raise UserError(
            "the label {label!r} is no inference class",
            place=repr(row.sentence1[:40]),
            hint="under this loss the labels have to be {classes}; softmax takes any",
            label=row.label,
            classes=", ".join(CLASS_SCORES),
        )
    return name


CONVERSIONS: Mapping[tuple[Shape, Shape], Callable[[Iterable[Any], Counter[str]], Iterator[Row]]] = {
    ("triplets", "pairs"): _triplets_as_pairs,
    ("pairs", "triplets"): _pairs_as_triplets,
    ("classed_pairs", "scored_pairs"): _classed_as_scored,
    ("classed_pairs", "pairs"): _classed_as_pairs,
    ("classed_pairs", "triplets"): _classed_as_triplets,
}
_ROW_BY_ROW = {("triplets", "pairs"), ("classed_pairs", "scored_pairs")}
