"""The training rows that rooms exchange: pairs with hard negatives, texts with a label or alone, …

`{"anchor": "PWM", "positive": "pulse-width modulation", "hard_negatives": ["pulse-amplitude modulation"]}` is a `Pair`.
The annotations say what a value must be; `data.shapes` checks rows against them and reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from embedkit.data.jsonl import write_objects

DEFAULT_PATHS = (Path("data/pairs.jsonl"), Path("pairs.jsonl"))


@dataclass(frozen=True, slots=True)
class Checked:
    """How pydantic checks a value. The schema is a plain dict, so that no record imports pydantic."""

    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> dict[str, Any]:
        """The schema in pydantic's own form."""
        return dict(self.schema)


_STRING = {"type": "str", "strict": True}
_NUMBER = {"type": "float", "strict": True, "allow_inf_nan": False}
Text = Annotated[str, Checked({**_STRING, "pattern": r"\S"})]
Negative = Annotated[str, Checked({**_STRING, "min_length": 1})]
Number = Annotated[float, Checked(_NUMBER)]
Label = Annotated[
    str | int,
    Checked({"type": "union", "choices": [{**_STRING, "min_length": 1}, {"type": "int", "strict": True}]}),
]


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

    anchor: Text
    positive: Text
    hard_negatives: tuple[Negative, ...] = ()
    id: str = ""
    group: str = ""
    kind: str = ""
    lang: str = ""
    source: str = ""
    license: str = ""
    mining: tuple[Mining, ...] = ()
    scores: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneText:
    """A text and nothing that it is like or unlike."""

    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A text and the name of its class."""

    text: Text
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassedPair:
    """Two sentences and their class: entailment, neutral, contradiction, or any other text or number."""

    sentence1: Text
    sentence2: Text
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPair:
    """Two sentences and how alike they are, 0 to 1."""

    sentence1: Text
    sentence2: Text
    score: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Triplet:
    """An anchor, a text like it, and one that is not."""

    anchor: Text
    positive: Text
    negative: Text


Row = Pair | LoneText | Labelled | ClassedPair | ScoredPair | Triplet
# Kinds of pairs whose anchors are no names: what people ask.
QUESTION_KINDS = frozenset(
    (
        *("question", "keyword", "typo", "description", "named", "other_name", "described"),
        *("question-definition", "question-heading", "typo-definition", "description-definition"),
    )
)
# What only describes a pair: whatever stands there is turned into a text.
# Kinds of rows that ask for a concept in another way than by its name.
ASKING_KINDS = ("question-definition", "typo-definition", "description-definition")
NOTES = ("id", "group", "kind", "lang", "source", "license")


def pair_to_object(pair: Pair) -> dict[str, Any]:
    """The JSON object of a pair; empty extra keys are left out."""
    row: dict[str, Any] = {
        "anchor": pair.anchor,
        "positive": pair.positive,
        "hard_negatives": list(pair.hard_negatives),
    }
    row |= {name: value for name in NOTES if (value := getattr(pair, name))}
    if pair.scores:
        row["scores"] = list(pair.scores)
    if pair.mining:
        row["mining"] = [_receipt(m) for m in pair.mining]
    return row


def _receipt(mining: Mining) -> dict[str, Any]:
    optional = {name: value for name in ("rule", "weights") if (value := getattr(mining, name))}
    return {"score": mining.score, "rank": mining.rank, "miner": mining.miner, **optional}


def write_pairs(path: Path | str, pairs: Iterable[Pair]) -> int:
    """Write a whole `pairs.jsonl` and return its number of rows."""
    return write_objects(path, map(pair_to_object, pairs))


def split_path(path: Path, part: str) -> Path:
    """The file of a split beside `pairs.jsonl`: `pairs.dev.jsonl` for `dev`; train is the file itself."""
    return path if part == "train" else path.with_name(f"{path.stem}.{part}{path.suffix}")


def texts_of(row: Row) -> tuple[str, ...]:
    """Every text of a row, in the order of its columns."""
    if isinstance(row, Pair):
        return (row.anchor, row.positive, *row.hard_negatives)
    if isinstance(row, Triplet):
        return (row.anchor, row.positive, row.negative)
    return (row.text,) if isinstance(row, Labelled | LoneText) else (row.sentence1, row.sentence2)
