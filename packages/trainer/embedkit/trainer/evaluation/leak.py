"""The leak gate: a test row whose text or concept was trained on proves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from embedkit.console import say, warn
from embedkit.errors import AnswerNoError
from embedkit.jsonl import read_objects
from embedkit.pairs import Pair
from embedkit.text import fold
from embedkit.trainer.evaluation.records import Leak

Side = Literal["model", "baseline"]
_TEXT_KEYS = ("anchor", "positive", "text", "sentence1", "sentence2")
_EXAMPLES = 3
SEEN = "leak gate, {side}: of {rows} test rows {exact} exact, {normalised} normalised, {concept} same concept"
UNKNOWN = "leak gate, {side}: unknown, its training data cannot be seen"


def find_leaks(rows: Sequence[Pair], *, train: Path | None, side: Side) -> Leak:
    """Compare test rows with a training file of any row format; without a file the answer is "unknown".

    A row counts once: as exact, else as normalised (equal when folded), else as the same concept (`group`).
    """
    counts = {"exact": 0, "normalised": 0, "concept": 0}
    examples: list[str] = []
    texts, folded, groups = _trained(train)
    for row in rows:
        how = _overlap(row, texts, folded, groups)
        if how:
            counts[how] += 1
            if len(examples) < _EXAMPLES:
                examples.append(f"{row.anchor} ({how})")
    return Leak(
        side=side,
        known=train is not None,
        train_file=str(train or ""),
        rows=len(rows),
        examples=tuple(examples),
        **counts,
    )


def _trained(train: Path | None) -> tuple[set[str], set[str], set[str]]:
    texts: set[str] = set()
    groups: set[str] = set()
    for _, row in read_objects(train) if train else ():
        texts.update(str(row[key]) for key in _TEXT_KEYS if row.get(key))
        groups.add(str(row.get("group") or ""))
    return texts, {fold(text) for text in texts}, groups - {""}


def _overlap(row: Pair, texts: set[str], folded: set[str], groups: set[str]) -> str:
    both = (row.anchor, row.positive)
    if any(text in texts for text in both):
        return "exact"
    if any(fold(text) in folded for text in both):
        return "normalised"
    return "concept" if row.group in groups else ""


def pass_gate(leaks: Iterable[Leak], *, allow_leak: bool) -> None:
    """Say what was found.

    Raises:
        AnswerNoError: a test row was trained on and `allow_leak` is not given.
    """
    for leak in leaks:
        _tell(leak)
        if leak.total and not allow_leak:
            raise AnswerNoError(
                f"{leak.total} of {leak.rows} test rows were trained on, as {', '.join(leak.examples)}",
                place=leak.train_file,
                hint="split by concept with embedkit compose, or --allow-leak to evaluate all the same",
            )


def _tell(leak: Leak) -> None:
    if not leak.known:
        say(UNKNOWN, side=leak.side)
        return
    tell = warn if leak.total else say
    tell(
        SEEN,
        side=leak.side,
        rows=leak.rows,
        exact=leak.exact,
        normalised=leak.normalised,
        concept=leak.concept,
    )
