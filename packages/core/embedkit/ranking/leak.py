"""The leak check: a test row whose text or concept was trained on proves nothing."""

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
from embedkit.ranking.near_duplicates import near_matches
from embedkit.text import fold, shorten

Side = Literal["model", "baseline", "known questions"]
_TEXT_KEYS = ("anchor", "positive", "text", "sentence1", "sentence2")
_EXAMPLES = 3
_EXAMPLE_COLUMNS = 60
SEEN = (
    "leak check, {side}: of {rows} test rows, {exact} are identical to a training text, {normalised} after "
    "normalisation, {near} nearly, {concept} share a concept"
)
UNKNOWN = "leak check, {side}: not possible, its training data is unknown"


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


@dataclass(frozen=True, slots=True)
class TestRow:
    """What the check compares: the texts that a test row asks about, and its concept where it names one."""

    __test__ = False  # the name is not a test class

    texts: tuple[str, ...]
    group: str = ""


def rows_of(pairs: Iterable[Pair]) -> list[TestRow]:
    """The rows of a pairs file: anchors and positives. Hard negatives may be trained on."""
    return [TestRow((pair.anchor, pair.positive), pair.group) for pair in pairs]


def find_leaks(rows: Sequence[TestRow], *, train: Sequence[Path], side: Side, nearly: bool = True) -> Leak:
    """Compare test rows with the training files, of any row format; without a file the answer is "unknown".

    A row counts once: as exact, else as normalised (equal when folded), else as nearly a trained text
    (`near_duplicates.near_matches`; not without `nearly`), else as the same concept (`group`).
    """
    counts = {"exact": 0, "normalised": 0, "near": 0, "concept": 0}
    examples: list[str] = []
    texts, folded, groups = _trained(train)
    near = _near([text for row in rows for text in row.texts], texts) if nearly else {}
    for row in rows:
        how = _overlap(row, texts, folded, groups, near)
        if how:
            counts[how] += 1
            if len(examples) < _EXAMPLES:
                examples.append(_example(row, how, near))
    return Leak(
        side=side,
        known=bool(train),
        train_file=", ".join(map(str, train)),
        rows=len(rows),
        examples=tuple(examples),
        **counts,
    )


def _trained(train: Sequence[Path]) -> tuple[set[str], set[str], set[str]]:
    texts: set[str] = set()
    groups: set[str] = set()
    for row in chain.from_iterable(map(read_own_objects, train)):
        texts.update(str(row[key]) for key in _TEXT_KEYS if row.get(key))
        groups.add(str(row.get("group") or ""))
    return texts, {fold(text) for text in texts}, groups - {""}


def _near(tested: Sequence[str], trained: set[str]) -> dict[str, str]:
    """For each test text that is nearly a trained one, that one."""
    distinct = list(dict.fromkeys(tested))
    return {distinct[place]: other for place, other in near_matches(distinct, sorted(trained))}


def _overlap(
    row: TestRow, texts: set[str], folded: set[str], groups: set[str], near: Mapping[str, str]
) -> str:
    if any(text in texts for text in row.texts):
        return "exact"
    if any(fold(text) in folded for text in row.texts):
        return "normalised"
    if any(text in near for text in row.texts):
        return "near"
    return "concept" if row.group in groups else ""


def _example(row: TestRow, how: str, near: Mapping[str, str]) -> str:
    """The row's first text, or the one that is nearly a trained one beside that."""
    if how != "near":
        return f"{row.texts[0]} ({how})"
    text = next(text for text in row.texts if text in near)
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
                "{count} of {rows} test rows were trained on, as {examples}",
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
    write(SEEN, **asdict(leak) | {"side": tr(leak.side)})
