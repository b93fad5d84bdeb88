"""The training row that rooms exchange: an anchor, its positive, and the hard negatives mined for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.data.jsonl import read_objects, write_objects
from embedkit.errors import UserError
from embedkit.messages import Phrase

DEFAULT_PATHS = (Path("data/pairs.jsonl"), Path("pairs.jsonl"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mining:
    """The receipt of one hard negative: its score and rank, the miner and rule that admitted it, the weights' hash."""

    score: float
    rank: int
    miner: str
    rule: str = ""
    weights: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row of `pairs.jsonl`. `group` is the concept; `mining[i]` belongs to `hard_negatives[i]`.

    `scores` are a teacher's, of the positive and then of each hard negative: what the loss `distill` learns.
    """

    anchor: str
    positive: str
    hard_negatives: tuple[str, ...] = ()
    id: str = ""
    group: str = ""
    kind: str = ""
    lang: str = ""
    source: str = ""
    license: str = ""
    mining: tuple[Mining, ...] = ()
    scores: tuple[float, ...] = ()


_TEXTS = ("id", "group", "kind", "lang", "source", "license")


def pair_from_object(row: dict[str, Any]) -> Pair:
    """Check one JSON object and make a pair of it; keys that are not known are ignored. Raises `ValueError`."""
    for name in ("anchor", "positive"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise ValueError(Phrase("{key!r} is missing or is not a text", key=name))
    negatives = row.get("hard_negatives") or []
    if not isinstance(negatives, list) or not all(isinstance(n, str) and n for n in negatives):
        raise ValueError("'hard_negatives' is not a list of texts")
    receipts = row.get("mining") or []
    try:
        mining = tuple(
            Mining(
                score=float(m["score"]),
                rank=int(m["rank"]),
                miner=str(m["miner"]),
                rule=str(m.get("rule", "")),
                weights=str(m.get("weights", "")),
            )
            for m in receipts
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("'mining' is not a list of {score, rank, miner}") from None
    texts = {name: str(row.get(name) or "") for name in _TEXTS}
    scores = row.get("scores") or []
    if not isinstance(scores, list) or not all(
        type(score) in (int, float) and math.isfinite(score) for score in scores
    ):
        raise ValueError("'scores' is not a list of numbers")
    if scores and len(scores) != 1 + len(negatives):
        raise ValueError("'scores' has to hold one number for the positive and one for each hard negative")
    return Pair(
        anchor=row["anchor"],
        positive=row["positive"],
        hard_negatives=tuple(negatives),
        mining=mining,
        scores=tuple(map(float, scores)),
        **texts,
    )


def pair_to_object(pair: Pair) -> dict[str, Any]:
    """The JSON object of a pair; empty extra keys are left out."""
    row: dict[str, Any] = {
        "anchor": pair.anchor,
        "positive": pair.positive,
        "hard_negatives": list(pair.hard_negatives),
    }
    row |= {name: value for name in _TEXTS if (value := getattr(pair, name))}
    if pair.scores:
        row["scores"] = list(pair.scores)
    if pair.mining:
        row["mining"] = [_receipt(m) for m in pair.mining]
    return row


def _receipt(mining: Mining) -> dict[str, Any]:
    optional = {name: value for name in ("rule", "weights") if (value := getattr(mining, name))}
    return {"score": mining.score, "rank": mining.rank, "miner": mining.miner, **optional}


def read_pairs(path: Path | str) -> Iterator[Pair]:
    """Yield the pairs of a file that must be right; `UserError` at the first bad row, naming file and line."""
    for number, row in read_objects(path):
        try:
            yield pair_from_object(row)
        except ValueError as error:
            raise UserError(str(error), place=f"{path}:{number}") from None


def write_pairs(path: Path | str, pairs: Iterable[Pair]) -> int:
    """Write a whole `pairs.jsonl` and return its number of rows."""
    return write_objects(path, map(pair_to_object, pairs))


def split_path(path: Path, part: str) -> Path:
    """The file of a split beside `pairs.jsonl`: `pairs.dev.jsonl` for `dev`; train is the file itself."""
    return path if part == "train" else path.with_name(f"{path.stem}.{part}{path.suffix}")
