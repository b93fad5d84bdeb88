"""Why a text became a negative or did not: every neighbour of a row with its score, its place and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz, process

from embedkit.compose.concepts.claims import text_hash
from embedkit.compose.mine.candidates.base import Candidates, Window
from embedkit.compose.mine.hubs import HubCap
from embedkit.compose.mine.negatives import Negative
from embedkit.compose.mine.pools import Mask
from embedkit.compose.rows.drafts import Draft
from embedkit.console import out, out_json
from embedkit.errors import UserError
from embedkit.text import fold

NEIGHBOURS = 20
SHOWN_CHARS = 80
REASONS = {
    "own": "the row's own text",
    "concept": "same concept",
    "near": "near duplicate of the concept",
    "spelling": "another spelling of a nearer text",
    "bar": "over the bar",
    "window": "outside the rank window",
    "hub": "hub cap",
    "enough": "enough were nearer",
}


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A neighbour that is no negative of the row. `place` counts all the neighbours, the nearest first."""

    text: str
    score: float
    place: int
    reason: str
    detail: str = ""

    def to_object(self) -> dict[str, Any]:
        """The JSON form."""
        value = {"text": self.text, "score": self.score, "place": self.place, "reason": REASONS[self.reason]}
        return value | ({"detail": self.detail} if self.detail else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One row explained. `own` and `bar` are the positive's score and the highest allowed, of a miner with a bar."""

    anchor: str
    positive: str
    kind: str
    own: float | None
    bar: float | None
    taken: tuple[Negative, ...]
    refused: tuple[NotTaken, ...]
    part: str = "train"

    def to_object(self) -> dict[str, Any]:
        """The JSON form."""
        names = ("score", "rank", "miner", "rule")
        taken = [{"text": n.text, **{name: getattr(n.mining, name) for name in names}} for n in self.taken]
        return {
            "anchor": self.anchor,
            "positive": self.positive,
            "kind": self.kind,
            "part": self.part,
            "positive_score": self.own,
            "bar": self.bar,
            "taken": taken,
            "refused": [item.to_object() for item in self.refused],
        }


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A text near an anchor, masked or not; `over` the bar or under it."""

    text: str
    score: float
    over: bool


def nearest_texts(ranked: Candidates, texts: Sequence[str], limit: int) -> Iterator[ScoredText]:
    """What a ranking without the mask found, the nearest first."""
    for found, over in ((ranked.refused, True), (ranked, False)):
        if found is not None:
            pairs = zip(found.indices[:limit].tolist(), found.scores[:limit].tolist(), strict=True)
            yield from (ScoredText(texts[index], score, over) for index, score in pairs)


def not_taken(
    found: Iterable[ScoredText], draft: Draft, mask: Mask, window: Window, cap: HubCap, taken: set[str]
) -> Iterator[NotTaken]:
    """Each neighbour that is no negative, with the first guard that refused it."""
    row, concepts = mask.of_row(draft), mask.concepts
    seen = {text_hash(text) for text in taken}
    rank = 0
    for place, item in enumerate(found, start=1):
        key = text_hash(item.text)
        shared = row.intersection(concepts.of_text(item.text))
        near = not row.isdisjoint(mask.of_candidate(item.text, key))
        rank += not (near or item.over)
        if item.text in taken:
            continue
        detail = ""
        if item.text in (draft.anchor, draft.positive):
            reason = "own"
        elif shared:
            reason, detail = "concept", ", ".join(concepts.ids[number] for number in sorted(shared))
        elif near:
            reason = "near"
        elif item.over:
            reason = "bar"
        elif key in seen:
            reason = "spelling"
        elif not window.admits(rank):
            reason, detail = "window", f"rank {rank}"
        elif cap.reached(key):
            reason, detail = "hub", f"a negative of {cap.used[key]} rows already"
        else:
            reason = "enough"
        yield NotTaken(item.text, item.score, place, reason, detail)


def check_explain(terms: Sequence[str], *, hard_k: int, rounds: int, dry_run: bool) -> None:
    """Raise `UserError` for what `--explain` does not go together with."""
    if not terms:
        return
    if not hard_k:
        raise UserError("--explain needs --hard-k of at least 1", hint="without negatives nothing was chosen")
    if rounds > 1:
        raise UserError(
            "--explain explains a single round of mining",
            hint="leave out --rounds; --model RUN mines with a fine-tuned model",
        )
    if dry_run:
        raise UserError(
            "--explain cannot be combined with --dry-run",
            hint="--explain writes nothing anyway; leave out --dry-run",
        )


def rows_to_explain(terms: Sequence[str], rows: Iterable[tuple[str, ...]]) -> frozenset[int]:
    """The numbers of the rows that have one of the terms among their texts.

    Raises:
        UserError: a term is in no row; with the names nearest to it.
    """
    wanted = {fold(term): term for term in terms}
    missing = set(wanted)
    numbers: set[int] = set()
    known: dict[str, None] = {}
    for number, texts in enumerate(rows):
        keys = {fold(text) for text in texts}
        known.update(dict.fromkeys(texts))
        if not keys.isdisjoint(wanted):
            numbers.add(number)
            missing -= keys
    for key in sorted(missing):
        near = [
            name
            for name, _, _ in process.extract(
                wanted[key], list(known), scorer=fuzz.ratio, limit=3, score_cutoff=60
            )
        ]
        problem = "--explain {term!r} is in no row"
        if not near:
            raise UserError(problem, hint="no row has a text like it", term=wanted[key])
        names = ", ".join(map(repr, near))
        raise UserError(problem, hint="did you mean {names}?", term=wanted[key], names=names)
    return frozenset(numbers)


def print_explanations(found: Sequence[Explanation], *, as_json: bool) -> None:
    """The explanations on stdout, for a person or as one JSON object."""
    if as_json:
        out_json({"rows": [row.to_object() for row in found]})
        return
    for number, row in enumerate(found):
        if number:
            out("")
        for line in _explanation_lines(row):
            out(line)


def _explanation_lines(row: Explanation) -> Iterator[str]:
    yield f"{_short(row.anchor)} -> {_short(row.positive)}  [{row.kind}, {row.part}]"
    if row.own is not None and row.bar is not None:
        yield f"  the positive scores {row.own:.4f}; negatives may score up to {row.bar:.4f}"
    yield "  taken:" if row.taken else "  taken: none"
    for negative in row.taken:
        mining = negative.mining
        place = f"rank {mining.rank}" if mining.rank else "no rank"
        yield f"    {mining.score:8.4f}  {place:>8}  {mining.rule:<6}  {_short(negative.text)}"
    yield "  refused:" if row.refused else "  refused: none"
    for item in row.refused:
        why = REASONS[item.reason] + (f" ({item.detail})" if item.detail else "")
        yield f"    {item.score:8.4f}  {f'no. {item.place}':>8}  {why}: {_short(item.text)}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1].rstrip() + "…"
