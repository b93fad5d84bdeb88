"""The leak check: a test row whose text or concept was trained on, or chose the weights, proves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from embedkit.console import say, warn
from embedkit.data.records import Pair
from embedkit.data.shapes import read_own_objects
from embedkit.errors import AnswerNoError
from embedkit.messages import tr
from embedkit.ranking.fingerprints import Fingerprints, TestRow, fingerprints_of
from embedkit.ranking.near_duplicates import near_matches
from embedkit.text import shorten

Side = Literal["model", "baseline", "known questions", "dev rows"]
_TEXT_KEYS = ("anchor", "positive", "text", "sentence1", "sentence2")
_EXAMPLES = 3
_EXAMPLE_COLUMNS = 60
SEEN = (
    "leak check, {side}: of {rows} test rows, {exact} are identical to a training text, {normalised} after "
    "normalisation, {near} nearly, {concept} share a concept"
)
CHOSEN_BY = (
    "leak check, dev rows: of {rows} test rows, {exact} are identical to a text that chose the weights, {normalised} "
    "after normalisation, {near} nearly, {concept} share a concept"
)
UNKNOWN = "leak check, {side}: not possible, its training data is unknown"
_TRAINED_ON = "{count} of {rows} test rows were trained on, as {examples}"
_CHOSE = "{count} of {rows} test rows are among the dev rows that chose the model's weights, as {examples}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Test rows that training has seen: the same text, the same when folded, nearly the same, the same concept."""

    side: Side
    known: bool
    train_file: str
    rows: int
    exact: int
    normalised: int
    near: int = 0
    concept: int
    examples: tuple[str, ...]

    @property
    def total(self) -> int:
        """Test rows with any overlap."""
        return self.exact + self.normalised + self.near + self.concept


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a model has seen: hashes, the name of where they are from, and the texts while they are still at hand."""

    fingerprints: Fingerprints
    name: str
    texts: tuple[str, ...] | None = None

    def near(self, tested: Sequence[str]) -> dict[str, str]:
        """For each test text that is nearly a seen one, that one; an empty text where only its hashes are known."""
        distinct = list(dict.fromkeys(tested))
        if self.texts is None:
            return dict.fromkeys(self.fingerprints.near(distinct), "")
        return {distinct[place]: other for place, other in near_matches(distinct, sorted(self.texts))}


def seen_in(files: Sequence[Path], *, fingerprints: Fingerprints | None = None) -> Seen | None:
    """The rows of training files, of any format; None without a file. `fingerprints` are theirs, where known."""
    if not files:
        return None
    rows = list(chain.from_iterable(map(file_rows, files)))
    texts = tuple({text for row in rows for text in row.texts})
    return Seen(
        fingerprints=fingerprints or fingerprints_of(rows), name=", ".join(map(str, files)), texts=texts
    )


def file_rows(path: Path) -> Iterable[TestRow]:
    """The texts that the rows of a file ask about or are answered by, and their concepts."""
    for row in read_own_objects(path):
        yield TestRow(tuple(str(row[key]) for key in _TEXT_KEYS if row.get(key)), str(row.get("group") or ""))


def rows_of(pairs: Iterable[Pair]) -> list[TestRow]:
    """The rows of a pairs file: anchors and positives. Hard negatives may be trained on."""
    return [TestRow((pair.anchor, pair.positive), pair.group) for pair in pairs]


def find_leaks(rows: Sequence[TestRow], *, seen: Seen | None, side: Side, nearly: bool = True) -> Leak:
    """Compare test rows with what a model has seen; where that is None the answer is "unknown".

    A row counts once: as exact, else as normalised (equal when folded), else as nearly a seen text (not without
    `nearly`), else as the same concept (`group`).
    """
    counts = {"exact": 0, "normalised": 0, "near": 0, "concept": 0}
    examples: list[str] = []
    near = seen.near([text for row in rows for text in row.texts]) if seen and nearly else {}
    for row in rows:
        how = seen.fingerprints.overlap(row) if seen else ""
        if how in ("", "concept") and any(text in near for text in row.texts):
            how = "near"
        if how:
            counts[how] += 1
            if len(examples) < _EXAMPLES:
                examples.append(_example(row, how, near))
    return Leak(
        side=side,
        known=seen is not None,
        train_file=seen.name if seen else "",
        rows=len(rows),
        examples=tuple(examples),
        **counts,
    )


def _example(row: TestRow, how: str, near: Mapping[str, str]) -> str:
    """The row's first text, or the one that is nearly a trained one beside that."""
    text = next((text for text in row.texts if near.get(text)), "") if how == "near" else ""
    if not text:
        return f"{row.texts[0]} ({how})"
    return f"{shorten(text, _EXAMPLE_COLUMNS)!r} (near {shorten(near[text], _EXAMPLE_COLUMNS)!r})"


def require_no_leaks(leaks: Iterable[Leak], *, allow_leak: bool) -> None:
    """Print what was found.

    Raises:
        AnswerNoError: a test row was trained on and `allow_leak` is not given.
    """
    for leak in leaks:
        _print(leak)
        if leak.total and not allow_leak:
            raise AnswerNoError(
                _CHOSE if leak.side == "dev rows" else _TRAINED_ON,
                place=leak.train_file,
                hint="split by concept with embedkit compose, or --allow-leak to evaluate all the same",
                count=leak.total,
                rows=leak.rows,
                examples=", ".join(leak.examples),
            )


def _print(leak: Leak) -> None:
    if not leak.known:
        say(UNKNOWN, side=tr(leak.side))
        return
    write = warn if leak.total else say
    write(CHOSEN_BY if leak.side == "dev rows" else SEEN, **asdict(leak) | {"side": tr(leak.side)})
