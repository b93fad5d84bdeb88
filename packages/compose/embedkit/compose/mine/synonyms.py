"""Names that may be one concept: proposed to a person, decided in a table, fed back into the concept graph.

Proposed are near duplicates of different concepts, concepts that are nearest to each other, and neighbours that mining
refused because they score above the positive. The first two are no negatives of one another until a person decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rapidfuzz.distance import Indel

from embedkit.compose.concepts.claims import text_hash
from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.mine.select import Above
from embedkit.compose.mine.suspects import Suspect
from embedkit.compose.rows.drafts import Draft
from embedkit.console import say, warn
from embedkit.data.candidates import DECISIONS, Candidate, read_candidates, synonyms_path
from embedkit.data.entries import Record
from embedkit.errors import UserError
from embedkit.text import language_of

ABOVE = "above the positive"
BOTH = "above the positive, both ways"
NEAR = "near duplicate"
MUTUAL = "nearest to each other"
MOST = 500  # more than a person looks through; the likeliest stand first


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a person decided: by the numbers of the records that the two texts come from.

    `decided` are the rows as they stand in the file, to be carried over.
    """

    accepted: tuple[tuple[int, int], ...] = ()
    rejected: tuple[tuple[int, int], ...] = ()
    decided: tuple[Candidate, ...] = ()
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Synonyms:
    """The rows of the table that is written, with their counts."""

    rows: tuple[Candidate, ...] = ()
    proposed: int = 0
    left_out: int = 0
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0

    def counts(self) -> dict[str, int]:
        """For `--json` and the manifest."""
        names = ("proposed", "left_out", "accepted", "rejected", "unknown")
        return {name: getattr(self, name) for name in names}


def check_decisions_kept(output: Path, synonyms: str) -> None:
    """Raise `UserError` when the table beside `output` holds decisions that this run would lose, forced or not."""
    path = synonyms_path(output)
    if not path.is_file():
        return
    there = {_decision(row) for row in read_candidates(path) if row.decision}
    taken_over = {_decision(row) for row in read_candidates(Path(synonyms))} if synonyms else set()
    if there - taken_over:
        raise UserError(
            "holds {count} decisions that would be lost",
            place=str(path),
            hint="--synonyms {path} keeps them; or move the file away",
            count=len(there - taken_over),
            path=path,
        )


def _decision(row: Candidate) -> tuple[str, str, str]:
    return row.text_a, row.text_b, row.decision


def resolve(candidates: Iterable[Candidate], records: Sequence[Record]) -> Decisions:
    """Find the records of the decided rows; rows whose texts are in no record are counted as unknown."""
    decided = [row for row in candidates if row.decision]
    finder = _Finder(records, (text for row in decided for text in (row.text_a, row.text_b)))
    found: dict[str, list[tuple[int, int]]] = {decision: [] for decision in DECISIONS}
    unknown = 0
    for row in decided:
        left, right = finder.find(row.text_a, row.term_a), finder.find(row.text_b, row.term_b)
        if left is None or right is None:
            unknown += 1
        else:
            found[row.decision].append((left, right))
    return Decisions(tuple(found["accept"]), tuple(found["reject"]), tuple(decided), unknown)


class _Finder:
    """Which records some wanted texts stand in."""

    def __init__(self, records: Sequence[Record], wanted: Iterable[str]) -> None:
        keys = {text_hash(text) for text in wanted}
        self._of: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        for number, record in enumerate(records if keys else ()):
            entry = record.entry
            for text in dict.fromkeys((entry.term, entry.definition, *(a.text for a in entry.aliases))):
                if (key := text_hash(text)) in keys:
                    self._of[key].append((number, entry.term))

    def find(self, text: str, term: str = "") -> int | None:
        """The record of that term, else the first that has the text."""
        found = self._of.get(text_hash(text), [])
        named = [number for number, name in found if term and text_hash(name) == text_hash(term)]
        return next(iter(named), found[0][0] if found else None)

    def term(self, text: str) -> str:
        """The term of the first record that has the text."""
        found = self._of.get(text_hash(text))
        return found[0][1] if found else ""


@dataclass(slots=True)
class _Proposal:
    number: int
    best: Above
    rows: int = 0
    sides: set[int] = field(default_factory=set)

    @property
    def both_ways(self) -> bool:
        """Whether each concept was found from rows of the other."""
        return len(self.sides) > 1


@dataclass(frozen=True, slots=True)
class Signals:
    """What says that concepts may be one: neighbours over the bar by draft, near duplicates, and mutual neighbours."""

    above: Iterable[tuple[int, Above]]
    near: Iterable[tuple[str, str]]
    suspects: Sequence[Suspect] = ()


def propose(
    signals: Signals,
    *,
    drafts: Sequence[Draft],
    records: Sequence[Record],
    concepts: Concepts,
    decisions: Decisions,
) -> Synonyms:
    """One candidate for each pair of concepts that nothing has been decided on, the likeliest first."""
    of = concepts.of_record
    settled = {_ordered(of[left], of[right]) for left, right in (*decisions.accepted, *decisions.rejected)}
    joined = sum(of[left] == of[right] for left, right in decisions.rejected)
    if joined:
        warn("{count} rejected synonyms are still one concept, because other rows join them", count=joined)
    alike = dict(_near_concepts(signals.near, concepts, settled))
    mutual = {
        (s.left, s.right): s for s in signals.suspects if (s.left, s.right) not in (settled | alike.keys())
    }
    scored: dict[tuple[int, int], _Proposal] = {}
    for number, item in signals.above:
        other, own = concepts.of_text(item.text), of[drafts[number].record]
        pair = _ordered(own, other[0]) if len(other) else (0, 0)
        if pair[0] != pair[1] and pair not in (settled | alike.keys() | mutual.keys()):
            proposal = scored.setdefault(pair, _Proposal(number, item))
            proposal.rows += 1
            proposal.sides.add(own)
            if (item.score, -number) > (proposal.best.score, -proposal.number):
                proposal.number, proposal.best = number, item
    near_texts = list(alike.values())[:MOST]
    nearest = list(mutual.values())[: MOST - len(near_texts)]
    likeliest = sorted(scored.values(), key=lambda p: (not p.both_ways, -p.best.score, p.number))
    ranked = likeliest[: MOST - len(near_texts) - len(nearest)]
    wanted = [t for texts in near_texts for t in texts] + [t for s in nearest for t in (s.text, s.other)]
    finder = _Finder(records, wanted + [p.best.text for p in ranked])
    rows = [_near_row(left, right, finder) for left, right in near_texts]
    rows += [_mutual_row(suspect, finder) for suspect in nearest]
    rows += [_above_row(p, drafts[p.number], records, finder) for p in ranked]
    return Synonyms(
        (*rows, *decisions.decided),
        proposed=len(rows),
        left_out=len(alike) + len(mutual) + len(scored) - len(rows),
        accepted=len(decisions.accepted),
        rejected=len(decisions.rejected),
        unknown=decisions.unknown,
    )


def _ordered(left: int, right: int) -> tuple[int, int]:
    return (left, right) if left < right else (right, left)


def _near_concepts(
    near: Iterable[tuple[str, str]], concepts: Concepts, settled: set[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], tuple[str, str]]]:
    """The pairs of concepts that share no text but nearly one, the last example of each."""
    for left, right in sorted(near, reverse=True):
        here, there = concepts.of_text(left), concepts.of_text(right)
        if len(here) and len(there) and not set(here) & set(there):
            pair = _ordered(here[0], there[0])
            if pair not in settled:
                yield pair, (left, right)


def _near_row(left: str, right: str, finder: _Finder) -> Candidate:
    return Candidate(
        term_a=finder.term(left),
        text_a=left,
        lang_a=language_of(left),
        term_b=finder.term(right),
        text_b=right,
        lang_b=language_of(right),
        similarity=_similarity(left, right),
        reason=NEAR,
    )


def _mutual_row(suspect: Suspect, finder: _Finder) -> Candidate:
    row = _near_row(suspect.text, suspect.other, finder)
    return replace(row, score=f"{suspect.score:.4f}", reason=MUTUAL)


def _above_row(proposal: _Proposal, draft: Draft, records: Sequence[Record], finder: _Finder) -> Candidate:
    best = proposal.best
    return Candidate(
        term_a=records[draft.record].entry.term,
        text_a=draft.anchor,
        lang_a=language_of(draft.anchor),
        term_b=finder.term(best.text),
        text_b=best.text,
        lang_b=language_of(best.text),
        score=f"{best.score:.4f}",
        positive_score=f"{best.own:.4f}",
        similarity=_similarity(draft.anchor, best.text),
        reason=BOTH if proposal.both_ways else ABOVE,
        rows=str(proposal.rows),
    )


def _similarity(left: str, right: str) -> str:
    return f"{Indel.normalized_similarity(left.casefold(), right.casefold()):.3f}"


def say_synonyms(found: Synonyms) -> None:
    """Say how many decisions were applied and how many pairs are left to decide."""
    if found.accepted or found.rejected or found.unknown:
        say(
            "synonyms: {accepted} accepted, {rejected} rejected, {unknown} not in the input",
            accepted=found.accepted,
            rejected=found.rejected,
            unknown=found.unknown,
        )
    if found.proposed:
        say("{count} pairs of concepts may be synonyms: accept or reject them", count=found.proposed)
    if found.left_out:
        say("  {count} less likely pairs are left out", count=found.left_out)
