"""`embedkit label`: a cross-encoder grades pairs of texts, which `cosine` and `cosent` then train on (Augmented SBERT).

Thakur et al. 2021. A cross-encoder reads both texts at once: slow in a search, a good teacher for a model that is not.
Costs some 10 ms a pair with a small one on one CPU core.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.console import out_json, say, track
from embedkit.data.jsonl import read_objects, write_objects
from embedkit.data.shapes import own_names
from embedkit.errors import UserError
from embedkit.files import STDIO, refuse_existing, refuse_inputs
from embedkit.models.cross_encoder import TextPair, find_cross_encoder, load_cross_encoder

BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions:
    """What `embedkit label` is asked for."""

    input: Path
    teacher: str
    output: Path
    force: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelResult:
    """How many pairs were graded, and their grades' lowest, mean and highest."""

    teacher: str
    output: str
    pairs: int
    lowest: float
    mean: float
    highest: float


def label(options: LabelOptions) -> LabelResult:
    """Grade each pair of texts of the input once and write `{"sentence1","sentence2","score"}` rows.

    Of pairs the anchor is graded with the positive and with each hard negative.

    Raises:
        UserError: no pairs, a file that is there without `force`, or a teacher that is no cross-encoder of one score.
    """
    if str(options.output) != STDIO:
        refuse_existing(options.output, force=options.force)
        refuse_inputs([options.output], [options.input])
    pairs = list(dict.fromkeys(_pairs(options.input)))
    if not pairs:
        raise UserError("holds no pairs of texts", place=str(options.input))
    teacher = load_cross_encoder(find_cross_encoder(options.teacher, option="--teacher"))
    scores = _grades(teacher, pairs)
    rows = (
        {"sentence1": one, "sentence2": other, "score": round(float(score), 4)}
        for (one, other), score in zip(pairs, scores, strict=True)
    )
    write_objects(options.output, rows)
    result = LabelResult(
        teacher=options.teacher,
        output=str(options.output),
        pairs=len(pairs),
        lowest=round(float(scores.min()), 4),
        mean=round(float(scores.mean()), 4),
        highest=round(float(scores.max()), 4),
    )
    say(
        "{output}: {pairs} pairs, graded {lowest} to {highest}, {mean} on average; train on them with the loss "
        "cosent or cosine",
        **asdict(result),
    )
    if options.as_json:
        out_json(asdict(result))
    return result


def _pairs(path: Path) -> Iterator[TextPair]:
    for number, row in read_objects(path):
        found = [
            pair
            for pair in _pairs_of(own_names(row))
            if all(isinstance(text, str) and text.strip() for text in pair)
        ]
        if not found:
            raise UserError(
                "holds no pair of texts",
                place=f"{path}:{number}",
                hint='rows are {"sentence1","sentence2"} or {"anchor","positive"}',
            )
        yield from found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _pairs_of(row: Mapping[str, Any]) -> Iterator[TextPair]:
    if "sentence1" in row and "sentence2" in row:
        yield row["sentence1"], row["sentence2"]
        return
    negatives = row.get("hard_negatives") or ([row["negative"]] if row.get("negative") else [])
    for other in (row.get("positive"), *negatives):
        yield row.get("anchor", ""), other or ""


def _grades(teacher: Any, pairs: list[TextPair]) -> NDArray[np.float64]:
    """From 0 to 1: the teacher's own where they lie there, else their logistic function."""
    blocks = range(0, len(pairs), BLOCK)
    found = [
        np.asarray(teacher.predict(pairs[start : start + BLOCK], show_progress_bar=False), dtype=np.float64)
        for start in track(blocks, label="grade", total=len(blocks))
    ]
    scores = np.concatenate(found)
    if not np.isfinite(scores).all():
        raise UserError("the teacher gives scores that are not finite")
    inside = scores.min() >= 0 and scores.max() <= 1
    return scores if inside else 1 / (1 + np.exp(-np.clip(scores, -math.log(1e300), None)))
