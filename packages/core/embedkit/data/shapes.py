"""The shapes of training rows: one table that every reader asks, and the one reader of their JSON lines.

A file holds rows of one shape, told by the keys of its first row. Keys of other projects (`query`, `premise`, `pos` …)
are read as ours and said; scores from 0 to 5 are divided by 5. pydantic checks rows against the records: 5 to 10 µs a
row from bytes to record, half of what checks written out in Python took.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from embedkit.console import say
from embedkit.data.entries import Entry
from embedkit.data.foreign_formats import refuse_known
from embedkit.data.jsonl import (
    BadLineError,
    filled_lines,
    line_error,
    parse_object,
    read_objects,
    require_whole_characters,
)
from embedkit.data.records import NOTES, ClassedPair, Labelled, LoneText, Pair, Row, ScoredPair, Triplet
from embedkit.errors import UserError
from embedkit.files import STDIO
from embedkit.messages import Phrase

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

Shape = Literal["pairs", "labelled", "classed_pairs", "scored_pairs", "triplets", "texts"]


@dataclass(frozen=True, slots=True)
class RowShape:
    """One shape of rows. `keys` must be there, `optional` ones are read too; `validate` calls it `checked_as`."""

    title: str
    checked_as: str
    record: type
    keys: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """The keys as they stand in a row."""
        return "{" + ",".join(f'"{key}"' for key in (*self.keys, *self.optional)) + "}"


SHAPES: Mapping[Shape, RowShape] = {
    "pairs": RowShape("pairs", "pairs", Pair, ("anchor", "positive"), ("hard_negatives",)),
    "labelled": RowShape("labelled sentences", "labelled", Labelled, ("text", "label")),
    "classed_pairs": RowShape(
        "sentence pairs with a class", "nli", ClassedPair, ("sentence1", "sentence2", "label")
    ),
    "scored_pairs": RowShape(
        "sentence pairs with a score", "scored", ScoredPair, ("sentence1", "sentence2", "score")
    ),
    "triplets": RowShape("triplets", "triplets", Triplet, ("anchor", "positive", "negative")),
    "texts": RowShape("texts alone", "texts", LoneText, ("text",)),
}
KEYS: Mapping[Shape, str] = {name: shape.example for name, shape in SHAPES.items()}
NAMES: Mapping[Shape, str] = {name: shape.title for name, shape in SHAPES.items()}

# Keys of other projects: what they are read as, where our own key is absent.
SPELLINGS: Mapping[str, str] = {
    **dict.fromkeys(("query", "question"), "anchor"),
    **dict.fromkeys(("pos", "answer", "passage", "document"), "positive"),
    **dict.fromkeys(("neg", "negatives", "negative"), "hard_negatives"),
    **dict.fromkeys(
        ("premise", "sentence_a", "sentencea", "sent1", "text1", "text_a", "question1", "문장1", "전제"),
        "sentence1",
    ),
    **dict.fromkeys(
        ("hypothesis", "sentence_b", "sentenceb", "sent2", "text2", "text_b", "question2", "문장2", "가설"),
        "sentence2",
    ),
    **dict.fromkeys(("sentence", "review", "utterance", "문장"), "text"),
    **dict.fromkeys(
        (
            "gold_label",
            "is_duplicate",
            "entailment_judgment",
            "entailment_label",
            "label_text",
            "category",
            "intent",
            "sentiment",
            "라벨",
            "레이블",
        ),
        "label",
    ),
    **dict.fromkeys(
        ("similarity", "similarity_score", "relatedness_score", "sts_score", "relevance", "유사도"), "score"
    ),
}
_LABELS = {"label", *(key for key, own in SPELLINGS.items() if own == "label")}
_CLASSED = {"sentence1", "text", *(key for key, own in SPELLINGS.items() if own in ("sentence1", "text"))}
# Rows of a grade or a class in a table: what they are, and the name under which convert reads them.
TRAINING_ROWS: Mapping[Shape, tuple[Phrase, str]] = {
    "classed_pairs": (Phrase("holds NLI rows: two sentences and their class"), "nli"),
    "scored_pairs": (Phrase("holds STS rows: two sentences and how alike they are"), "sts"),
    "labelled": (Phrase("holds labelled texts"), "labelled"),
    "triplets": (Phrase("holds triplets"), "triplets"),
}
_ANCHORS = {"anchor", *(key for key, own in SPELLINGS.items() if own == "anchor")}
_POSITIVES = {"positive", *(key for key, own in SPELLINGS.items() if own == "positive")}
# Keys that a row may have and its record not: such a line is looked at key by key.
_LOOKED_AT: Mapping[Shape, re.Pattern[bytes]] = {
    "pairs": re.compile(rb'"neg(?:ative|atives)?"'),
    "triplets": re.compile(rb'"(?:hard_negatives|negatives|neg)"'),
}
_PROBLEMS = {
    "hard_negatives": Phrase("'hard_negatives' is not a list of texts"),
    "mining": Phrase("'mining' is not a list of {score, rank, miner}"),
    "scores": Phrase("'scores' is not a list of numbers"),
    "label": Phrase("'label' is missing or is neither a text nor a whole number"),
    "score": Phrase("'score' is missing or is not a number"),
}
STS_SCALE = 5.0


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How the rows of one file are read: their shape, and what their scores are divided by."""

    shape: Shape
    scale: float = 1.0

    def row(self, line: bytes, seen: Counter[tuple[str, str]] | None = None) -> Row:
        """The row of one line; `seen` counts the keys that were read as others. Raises `BadLineError`."""
        looked_at = _LOOKED_AT.get(self.shape)
        if not (looked_at and looked_at.search(line)):
            try:
                return self._finished(_adapter(self.shape).validate_json(line))
            except _invalid():
                pass  # other keys, a mark of UTF-8, or wrong: told below
        return self.row_of(parse_object(line), seen)

    def row_of(self, value: Mapping[str, Any], seen: Counter[tuple[str, str]] | None = None) -> Row:
        """The row of one JSON object. Raises `BadLineError`."""
        own = own_names(value, seen)
        if self.shape == "pairs" and own.get("negative") is not None:
            own = _joined(own, seen)
        if self.shape == "triplets" and own.get("hard_negatives"):
            raise BadLineError(
                Phrase("'hard_negatives' stands in a file of triplets: put 'negative' into it in every row")
            )
        known = {key: str(v) if key in NOTES else v for key, v in own.items() if v is not None}
        try:
            return self._finished(_adapter(self.shape).validate_python(known))
        except _invalid() as error:
            require_whole_characters(value)
            raise BadLineError(_problem(error)) from None

    def _finished(self, row: Row) -> Row:
        """What no type says: as many teacher's scores as texts, a score from 0 to 1."""
        if isinstance(row, Pair) and row.scores and len(row.scores) != 1 + len(row.hard_negatives):
            problem = "'scores' has to hold one number for the positive and one for each hard negative"
            raise BadLineError(Phrase(problem))
        if not isinstance(row, ScoredPair):
            return row
        if not 0 <= row.score <= self.scale:
            problem = "'score' is {score}, but has to be from 0 to 1: divide it by the highest score"
            raise BadLineError(Phrase(problem, score=row.score))
        return row if self.scale == 1 else replace(row, score=row.score / self.scale)


@cache
def _adapter(shape: Shape) -> TypeAdapter[Row]:
    from pydantic import TypeAdapter  # a tenth of a second that --help does not spend

    return TypeAdapter(SHAPES[shape].record)


@cache
def _invalid() -> type[ValidationError]:
    from pydantic import ValidationError

    return ValidationError


def _problem(error: ValidationError) -> Phrase:
    """The first thing that is wrong, by its key."""
    key = str(error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"][0])
    return _PROBLEMS.get(key) or Phrase("{key!r} is missing or is not a text", key=key)


def own_names(row: Mapping[str, Any], seen: Counter[tuple[str, str]] | None = None) -> Mapping[str, Any]:
    """The row with our keys for those of other projects; what is ambiguous stays as it is."""
    if row.keys().isdisjoint(SPELLINGS):
        return row
    named = {key: own for key in row if key in SPELLINGS and (own := _own_name(key, row))}
    times = Counter(named.values())
    others = {key: own for key, own in named.items() if times[own] == 1}
    if seen is not None:
        seen.update(others.items())
    return {others.get(key, key): value for key, value in row.items()}


def _own_name(key: str, row: Mapping[str, Any]) -> str:
    """What a key of another project is read as; empty where it is not certain, or our own key is there."""
    own, value = SPELLINGS[key], row[key]
    if own == "hard_negatives" and (isinstance(value, str) or value is None):
        own = "negative"
    if key == "document" and _ANCHORS.isdisjoint(row) and not _LABELS.isdisjoint(row):
        own = "text"
    if own in row:
        return ""
    certain = {
        "anchor": any(isinstance(row.get(other), str) for other in _POSITIVES),
        "positive": isinstance(value, str) and not _ANCHORS.isdisjoint(row),
        "text": not _LABELS.isdisjoint(row),
        "label": not _CLASSED.isdisjoint(row) or (key != "category" and "document" in row),
        "score": not _CLASSED.isdisjoint(row),
    }
    return own if certain.get(own, True) else ""


def _joined(row: Mapping[str, Any], seen: Counter[tuple[str, str]] | None) -> dict[str, Any]:
    """`negative` as the first of the hard negatives; the receipts of mining, which go by place, are left out."""
    negative, others = row["negative"], row.get("hard_negatives") or []
    if not isinstance(negative, str) or not negative.strip():
        raise BadLineError(Phrase("{key!r} is missing or is not a text", key="negative"))
    if seen is not None:
        seen["negative", "hard_negatives"] += 1
    first = [] if not isinstance(others, list) or negative in others else [negative]
    joined = {"hard_negatives": [*first, *others] if isinstance(others, list) else others}
    return {key: value for key, value in row.items() if key not in ("negative", "mining")} | joined


def shape_of(row: Mapping[str, Any]) -> Shape | None:
    """The shape that a JSON object's keys say it has; ours where another project's are known."""
    own = own_names(row)
    if "anchor" in own or "positive" in own:
        return "triplets" if "negative" in own and "hard_negatives" not in own else "pairs"
    if "sentence1" in own or "sentence2" in own:
        return "scored_pairs" if "score" in own else "classed_pairs"
    if "text" in own:
        return "texts" if own.keys() <= {"text", *NOTES} else "labelled"
    return None


def whole_shape_of(row: Mapping[str, Any]) -> Shape | None:
    """The shape of which a row, or a table by the names of its columns, has every key."""
    shape = shape_of(row)
    return shape if shape and own_names(row).keys() >= set(SHAPES[shape].keys) else None


def open_rows(
    path: Path | str, *, name: str = ""
) -> tuple[RowFormat, Iterator[tuple[int, Row | BadLineError]]]:
    """The format of a file and `(line number, row)` of each line, or what is wrong with it. An empty file holds pairs.

    What is read as something else is said when the rows have gone by; `name` is what the file is called, if not by
    its path.

    Raises:
        UserError: the file cannot be read, or its first object is no training row.
    """
    lines: Iterable[tuple[int, bytes]] = filled_lines(path)
    before: list[tuple[int, bytes]] = []
    shape: Shape = "pairs"
    for number, line in lines:
        before.append((number, line))
        try:
            shape = _known_shape(parse_object(line), name or str(path), number)
        except BadLineError:
            continue
        break
    lines = chain(before, lines)
    scale = 1.0
    if shape == "scored_pairs":
        lines = list(lines) if str(path) == STDIO else lines  # read twice
        scale = _scale(lines if isinstance(lines, list) else filled_lines(path))
    if scale != 1:
        say("{file}: scores from 0 to {scale:g} are divided by {scale:g}", file=name or path, scale=scale)
    row_format = RowFormat(shape, scale)
    return row_format, _rows(name or str(path), row_format, lines)


def _known_shape(row: Mapping[str, Any], name: str, number: int) -> Shape:
    if (shape := shape_of(row)) is not None:
        return shape
    refuse_known(name, row.keys())
    raise UserError(
        "no training row that is known",
        place=f"{name}:{number}",
        hint="known are {known}",
        known=", ".join(KEYS.values()),
    )


def _scale(lines: Iterable[tuple[int, bytes]]) -> float:
    """5 where the scores are those of STS: most are above 1, none above 5."""
    most, above, count = 0.0, 0, 0
    for _, line in lines:
        with suppress(ValueError):
            score = parse_object(line).get("score")
            if isinstance(score, int | float):
                most, above, count = max(most, score), above + (score > 1), count + 1
    return STS_SCALE if most <= STS_SCALE and 2 * above > count else 1.0


def _rows(
    name: str, row_format: RowFormat, lines: Iterable[tuple[int, bytes]]
) -> Iterator[tuple[int, Row | BadLineError]]:
    seen: Counter[tuple[str, str]] = Counter()
    try:
        for number, line in lines:
            try:
                yield number, row_format.row(line, seen)
            except BadLineError as error:
                yield number, error
    finally:
        for (key, own), count in sorted(seen.items()):
            say("{file}: {key} is read as {own} in {count} rows", file=name, key=key, own=own, count=count)


def read_typed(path: Path | str) -> tuple[RowFormat, Iterator[Row]]:
    """What `open_rows` gives of a file that must be right; the rows raise `UserError` at the first bad one."""
    row_format, rows = open_rows(path)
    return row_format, _sound(path, rows)


def _sound(path: Path | str, rows: Iterable[tuple[int, Row | BadLineError]]) -> Iterator[Row]:
    for number, row in rows:
        if isinstance(row, BadLineError):
            raise line_error(path, number, row) from None
        yield row


def read_pairs(path: Path | str) -> Iterator[Pair]:
    """Yield the pairs of a file that must be right; `UserError` at the first bad row, naming file and line."""
    rows = _sound(path, _rows(str(path), RowFormat("pairs"), filled_lines(path)))
    yield from (row for row in rows if isinstance(row, Pair))


def pair_from_object(row: Mapping[str, Any]) -> Pair:
    """Check one JSON object and make a pair of it; keys that are not known are ignored. Raises `ValueError`."""
    return cast(Pair, RowFormat("pairs").row_of(row))


def read_own_objects(path: Path | str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a file of training rows of any shape, unchecked, with our keys. Raises `UserError`."""
    return (own_names(row) for _, row in read_objects(path))


def holds_pairs(path: Path | str) -> bool:
    """Whether the first object of a file is a pair; standard input, read once, is a table. Raises `UserError`."""
    for _, line in filled_lines(path) if str(path) != STDIO else ():
        if not line.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
            return False
        with suppress(BadLineError):
            return whole_shape_of(parse_object(line)) == "pairs"
    return False


FOLDER = Path(__file__).resolve().parents[1] / "schemas"
_RECORDS: Mapping[str, type] = {"glossary": Entry, **{name: shape.record for name, shape in SHAPES.items()}}
FORMATS = tuple(_RECORDS)


def row_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a row of a format in `FORMATS`; keys that it does not know are allowed."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(_RECORDS[name]).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"embedkit {name} row"
    return schema
