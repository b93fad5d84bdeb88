"""The shapes of training rows, which losses fit which shape, and how one shape is read as another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from embedkit.data.jsonl import read_objects
from embedkit.data.pairs import Pair, pair_from_object
from embedkit.data.rows import ClassedPair, Labelled, ScoredPair, Triplet
from embedkit.errors import UserError
from embedkit.messages import Phrase

Row = Pair | Labelled | ClassedPair | ScoredPair | Triplet
Shape = Literal["pairs", "labelled", "classed_pairs", "scored_pairs", "triplets"]

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
