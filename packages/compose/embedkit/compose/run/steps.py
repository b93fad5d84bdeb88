"""The steps of compose around mining: read, join, make, split, choose, prove; each says what it found."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.compose.check.length import local_length_check
from embedkit.compose.check.lint import lint
from embedkit.compose.check.stubs import resolve_stubs
from embedkit.compose.concepts.graph import Concepts, build
from embedkit.compose.concepts.han import say_without
from embedkit.compose.mine.candidates.cross_encoder import DEPTH
from embedkit.compose.mine.candidates.tokens import tokenizer_version
from embedkit.compose.mine.choose import Choice, choose_miner
from embedkit.compose.mine.negatives import NegativeStore
from embedkit.compose.rows.drafts import Draft, draft_rows, drafts_spool, is_self_pair
from embedkit.compose.rows.records import records_spool, rejects_spool
from embedkit.compose.rows.split import PARTS, LeakProof, Part, assign, prove
from embedkit.compose.rows.spool import Spool
from embedkit.compose.rows.texts import distinct_texts
from embedkit.compose.run.options import ComposeOptions, Settings
from embedkit.console import say, track, warn
from embedkit.data.entries import Record, Reject, category
from embedkit.data.reading import read_records
from embedkit.data.tally import Tally
from embedkit.messages import Phrase, tr
from embedkit.ranking.near_duplicates import near_pairs

SHOWN_JOINS = 5


@dataclass(frozen=True, slots=True)
class InputRecords:
    """The records of the inputs, stubs resolved. `lint` counts the findings by code."""

    records: Spool[Record]
    rejects: Spool[Reject]
    tally: Tally
    lint: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NewRows:
    """The drafts of the wanted kinds, without duplicates."""

    drafts: Sequence[Draft]
    tally: Tally
    stated_self_pairs: int


@dataclass(frozen=True, slots=True)
class SplitRows:
    """The part of each draft, the pairs of near-duplicate texts, and the number of distinct texts.

    `leads` numbers the draft whose negatives each has: its own, or one of the same definition.
    """

    parts: list[Part]
    near: tuple[tuple[str, str], ...]
    texts: int
    leads: array[int]


def read_all(settings: Settings) -> InputRecords:
    """Read and lint every input."""
    tally = Tally(Phrase("read"))
    records, rejects = records_spool(), rejects_spool()
    for path in settings.inputs:
        for item in track(read_records(path, mapping=settings.mapping), label="read"):
            tally.taken_in += 1
            if isinstance(item, Record):
                records.append(item)
            else:
                rejects.append(item)
                tally.reject(category(item.reason))
    tally.given_out = len(records)
    looked_at = lint(records, too_long=local_length_check(settings.options.model), watch=True)
    counts = Counter(problem.code for problem in looked_at)
    tally.print()
    for code, count in sorted(counts.items()):
        say("  {count} to look at: {code}", count=count, code=tr(code))
    for number, record in list(resolve_stubs(records)):
        records.replace(number, record)
    return InputRecords(records, rejects, tally, dict(sorted(counts.items())))


def join_records(records: Sequence[Record], pairs: Iterable[tuple[int, int]]) -> Concepts:
    """The concepts of the records. `pairs` are records that a person declared to be one concept."""
    concepts = build(records, joined=pairs)
    say(
        "concepts: {count}, the largest has {largest} texts ({name}); {ambiguous} names are ambiguous",
        count=len(concepts.ids),
        largest=concepts.largest,
        name=concepts.largest_name,
        ambiguous=concepts.ambiguous,
    )
    _say_joins(records, concepts)
    if concepts.over_merged:
        warn(
            "the largest concept holds {percent} % of the texts: does one name join too much?",
            percent=round(100 * concepts.largest / concepts.texts, 1),
        )
    say_without(records)
    return concepts


def _say_joins(records: Sequence[Record], concepts: Concepts) -> None:
    """Say by what rows became one concept, and of those that only their wording linked the first few."""
    if concepts.evidence:
        listed = (
            tr("{count} by {evidence}", count=count, evidence=tr(by))
            for by, count in concepts.evidence.most_common()
        )
        say("  joined: {listed}", listed=", ".join(listed))
    for join in concepts.joins[:SHOWN_JOINS]:
        left, right = records[join.left], records[join.right]
        here, there = (
            tr("line {line}", line=record.line)
            if left.file == right.file
            else f"{Path(record.file).name}:{record.line}"
            for record in (left, right)
        )
        say(
            "  {left} ({here}) = {right} ({there}): {evidence}",
            left=left.entry.term,
            here=here,
            right=right.entry.term,
            there=there,
            evidence=tr(join.evidence),
        )
    if len(concepts.joins) > SHOWN_JOINS:
        say("  and {count} more like these", count=len(concepts.joins) - SHOWN_JOINS)


def make_rows(found: InputRecords, kinds: Iterable[str]) -> NewRows:
    """Rows of the wanted kinds; self pairs go to the rejects, duplicates become one."""
    tally, stated = Tally(Phrase("rows")), 0
    drafts = drafts_spool()
    seen: set[bytes] = set()
    for draft in track(draft_rows(found.records, kinds=kinds), label="rows"):
        tally.taken_in += 1
        if is_self_pair(draft):
            tally.reject("self pair")
            record = found.records[draft.record]
            text = f"{draft.anchor} = {draft.positive}"
            found.rejects.append(Reject(record.file, record.line, f"self pair ({draft.kind})", text))
            stated += draft.kind in ("pair", "term-definition")
        elif (digest := draft.digest) in seen:
            tally.merged += 1
        else:
            seen.add(digest)
            drafts.append(draft)
    tally.given_out = len(drafts)
    return NewRows(drafts, tally, stated)


def split_rows(drafts: Sequence[Draft], concepts: Concepts, settings: Settings) -> SplitRows:
    """Split into train, dev and test by concept; near duplicates stay in one part."""
    texts = distinct_texts(drafts)
    near = tuple((texts[left], texts[right]) for left, right in near_pairs(texts))
    parts = assign(
        drafts, concepts, near, shares=settings.shares(len(concepts.ids)), seed=settings.options.seed
    )
    return SplitRows(parts, near, len(texts), array("i", range(len(drafts))))


def print_split(parts: Iterable[Part], shares: Iterable[float]) -> None:
    """Say how many rows each part has, and which part that was asked for has none."""
    counts = Counter(parts)
    say("split: {train} train, {dev} dev, {test} test", **{part: counts[part] for part in PARTS})
    for part, share in zip(PARTS, shares, strict=True):
        if share and not counts[part]:
            warn(
                "{part} is empty: there are too few concepts for a share of {share}",
                part=tr(part),
                share=share,
            )


def choose_by_sample(drafts: Sequence[Draft], options: ComposeOptions) -> Choice:
    """Choose the miner by a sample of the texts."""
    step = max(1, len(drafts) // 1000)
    sample = (text for draft in drafts[::step] for text in (draft.anchor, draft.positive))
    choice = choose_miner(options.miner, sample, model=options.model)
    if options.hard_k:
        say("miner: {miner} ({reason})", miner=choice.miner, reason=choice.reason)
        if options.tokenizer != "words" and choice.miner != "dense":
            say("Korean words: {tokenizer}", tokenizer=tokenizer_version(options.tokenizer))
        if options.cross_encoder:
            say(
                "rescored by {model}, {count} candidates a row",
                model=options.cross_encoder,
                count=DEPTH,
            )
    return choice


def prove_split(
    drafts: Sequence[Draft], split: SplitRows, concepts: Concepts, negatives: NegativeStore
) -> LeakProof:
    """Count what the parts share in the rows as they will be written. Raises `RuntimeError` when anything is shared."""
    used = ((part, [n.text for n in found]) for part, found in zip(split.parts, negatives, strict=True))
    leak = prove(drafts, split.parts, concepts, split.near, negatives=used)
    say(
        "leak proof: {concepts} shared concepts, {texts} shared texts, {near} near duplicates across parts, "
        "{held_out} held-out texts among the training negatives",
        concepts=leak.shared_concepts,
        texts=leak.shared_texts,
        near=leak.near_duplicates,
        held_out=leak.held_out_negatives,
    )
    if not leak.clean:
        raise RuntimeError("the split leaks; this is a bug in embedkit")
    return leak
