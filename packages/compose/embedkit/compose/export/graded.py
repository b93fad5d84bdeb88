"""Training rows of other projects as tables or JSON lines: NLI, STS, labelled texts and triplets, to our own rows.

Whatever the columns are called (`premise`, `sentence_A`, `gold_label`, `문장1`), `data.shapes` knows them; this reads
the cells. A row is one of ours or is rejected with its line and reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedkit.console import say
from embedkit.data.entries import phrase
from embedkit.data.jsonl import BadLineError
from embedkit.data.reading import read_columns
from embedkit.data.records import Pair, Row, Triplet
from embedkit.data.shapes import NAMES, SHAPES, STS_SCALE, RowFormat, Shape, own_names
from embedkit.data.table.columns import shown_columns
from embedkit.data.tables import Cells
from embedkit.errors import UserError
from embedkit.messages import Phrase
from embedkit.text import clean

SHAPE_OF: Mapping[str, Shape] = {
    "nli": "classed_pairs",
    "sts": "scored_pairs",
    "labelled": "labelled",
    "triplets": "triplets",
}
_TEXTS = ("text", "sentence1", "sentence2", "anchor", "positive", "negative")
_NO_LABEL = frozenset(
    ("-", "", "n/a", "none", "nan", "-1")
)  # SNLI's mark for texts that people did not agree on
Line = tuple[int, Row | BadLineError]


def graded_rows(path: Path | str, form: str, *, scale: float = 0.0) -> Iterator[Line]:
    """Yield `(line, row)` of a table or of JSON lines, or what is wrong with the line.

    Scores are divided by `scale`; 0 finds it: 1 where none is higher, else 5 where none is higher.

    Raises:
        UserError: the file cannot be read, has not the columns, or its scores need a scale.
    """
    table, shape = read_columns(path), SHAPE_OF[form]
    names = [clean(name).casefold() for name in table.names]
    seen: Counter[tuple[str, str]] = Counter()
    own = own_names(dict.fromkeys(names, ""), seen)
    if form == "triplets" and "hard_negatives" in own:
        own = {("negative" if key == "hard_negatives" else key): value for key, value in own.items()}
    if form in ("nli", "sts") and "sentence1" not in own:  # a question and an answer with a grade
        sides = {"anchor": "sentence1", "positive": "sentence2"}
        own = {sides.get(key, key): value for key, value in own.items()}
    if not own.keys() >= set(_keys(shape)):
        raise UserError(
            "has no columns for {what}",
            place=str(path),
            hint="wanted: {keys}; its columns: {names}",
            what=NAMES[shape],
            keys=", ".join(_keys(shape)),
            names=shown_columns(table.names),
        )
    places = {ours: names.index(key) for key, ours in zip(dict.fromkeys(names), own, strict=True)}
    for (key, ours), _ in sorted(seen.items()):
        if ours in places:
            say("{file}: the column {key} is read as {own}", file=path, key=key, own=ours)
    scale = scale or (_scale(table.rows, places["score"], path) if shape == "scored_pairs" else 1.0)
    row_format = RowFormat(shape, scale)
    for row in table.rows:
        if row.problem:
            yield row.line, BadLineError(phrase(row.problem))
            continue
        try:
            yield row.line, row_format.row_of({k: _value(k, row.cells[places[k]]) for k in _keys(shape)})
        except BadLineError as error:
            yield row.line, error


def _keys(shape: Shape) -> tuple[str, ...]:
    return SHAPES[shape].keys


def _value(key: str, cell: str) -> Any:
    """A cell as the value of a row. Raises `BadLineError` for what is none."""
    text = clean(cell)
    if key in _TEXTS:
        return text
    if key == "label":
        if text.casefold() in _NO_LABEL:
            raise BadLineError(Phrase("no label"))
        return int(text) if text.isdecimal() else text
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise BadLineError(Phrase("{text!r} is no number", text=text[:40])) from None


def _scale(rows: Sequence[Cells], at: int, path: Path | str) -> float:
    scores = []
    for row in rows:
        try:
            scores.append(float(row.cells[at].replace(",", ".")))
        except (ValueError, IndexError):
            continue
    most = max(scores, default=1.0)
    if most <= 1:
        return 1.0
    if most <= STS_SCALE:
        say("{file}: scores from 0 to {scale:g} are divided by {scale:g}", file=path, scale=STS_SCALE)
        return STS_SCALE
    raise UserError(
        "its scores go up to {most:g}",
        place=str(path),
        hint="--scale {most:g} divides them, so that they are from 0 to 1",
        most=most,
    )


def as_pair(row: Row) -> Pair:
    """A triplet as a pair with one hard negative."""
    if not isinstance(row, Triplet):
        raise TypeError(f"{type(row).__name__} is no triplet")
    return Pair(anchor=row.anchor, positive=row.positive, hard_negatives=(row.negative,))
