"""The command `compose`: read, find concepts, make rows, split, mine, prove, write all files at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.mine.choose import Choice, check_miner
from embedkit.compose.mine.explain import check_explain, rows_to_explain, tell
from embedkit.compose.mine.found import Found
from embedkit.compose.mine.options import MineOptions
from embedkit.compose.mine.pools import Mask
from embedkit.compose.mine.rounds import Round, Tuner, mine_in_rounds
from embedkit.compose.mine.select import Mined
from embedkit.compose.mine.stage import mine_parts
from embedkit.compose.mine.synonyms import (
    Decisions,
    Synonyms,
    check_decisions_kept,
    propose,
    read_candidates,
    resolve,
)
from embedkit.compose.rows.drafts import DEFAULT_KINDS, parse_kinds
from embedkit.compose.rows.output import all_paths, outputs_of, pairs_of, say_summary, write
from embedkit.compose.rows.split import DEFAULT_SPLIT, PARTS, LeakProof, Part, parse_split
from embedkit.compose.run.result import ComposeResult, Settings
from embedkit.compose.run.steps import Divided, Made, Reading, choose, divide, join, make, proof, read_all
from embedkit.console import out_json
from embedkit.data.entries import Record, Reject, phrase
from embedkit.data.reading import locate, parse_mapping
from embedkit.data.records import Pair
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import STDIO, refuse_existing, refuse_folder, refuse_inputs, require_writable
from embedkit.messages import Phrase


@dataclass(frozen=True, slots=True)
class _Work:
    """What is known before mining."""

    settings: Settings
    found: Reading
    made: Made
    concepts: Concepts
    divided: Divided


def compose(
    *,
    inputs: Sequence[str],
    output: str = "data/pairs.jsonl",
    mapping: Sequence[str] = (),
    kinds: str = "",
    split: str = "",
    miner: str = "auto",
    model: str = "",
    hard_k: int = 3,
    mining: MineOptions | None = None,
    explain: Sequence[str] = (),
    seed: int = 0,
    strict: bool = False,
    force: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
) -> ComposeResult:
    """Turn tables into training rows; nothing is written before everything is known, and nothing to `explain`.

    Raises:
        UserError: an input or a setting is wrong, or an output is in the way.
        AnswerNoError: `strict` and a row was rejected (the files are written all the same).
    """
    if not inputs:
        raise UserError("no input", hint="--input FILE names a glossary or a two-column table")
    if list(inputs).count(STDIO) > 1:
        raise UserError("--input - is named twice", hint="standard input can be read once")
    mining = mining or MineOptions()
    check_miner(miner, model)
    place = output if output == STDIO else Path(output)
    check_explain(explain, hard_k=hard_k, rounds=mining.rounds, dry_run=dry_run)
    settings = Settings(
        inputs=tuple(locate(name) for name in inputs),
        output=place,
        mapping=parse_mapping(mapping),
        kinds=parse_kinds(kinds) if kinds else DEFAULT_KINDS,
        shares=_shares(split, output),
        miner=miner,
        model=model,
        mining=mining,
        guards=mining.guards(hard_k=hard_k, seed=seed),
        explain=tuple(explain),
        seed=seed,
    )
    if not explain:
        _refuse(settings, force=force, dry_run=dry_run, as_json=as_json)
    mining.check(place, hard_k=hard_k, model=model)
    result = _run(settings, dry_run=dry_run)
    if explain:
        tell(result.explained, as_json=as_json)
    else:
        _tell_result(result, settings, strict=strict, dry_run=dry_run, as_json=as_json)
    return result


def _shares(split: str, output: str) -> tuple[float, float, float]:
    shares = parse_split(split or ("1/0/0" if output == STDIO else DEFAULT_SPLIT))
    if output == STDIO and shares[0] < 1:
        raise UserError("held-out rows cannot go to standard output", hint="--split 1/0/0, or --output FILE")
    return shares


def _tell_result(
    result: ComposeResult, settings: Settings, *, strict: bool, dry_run: bool, as_json: bool
) -> None:
    say_summary(result, settings, dry_run=dry_run)
    if as_json:
        out_json(result.to_object())
    rejected = result.read.rejected.total() + result.stated_self_pairs
    if strict and rejected:
        raise AnswerNoError(
            "{rejected} rows were rejected", hint="--strict makes that a failure", rejected=rejected
        )


def _refuse(settings: Settings, *, force: bool, dry_run: bool, as_json: bool) -> None:
    output = settings.output
    if isinstance(output, str):
        if as_json and not dry_run:
            raise UserError(
                "--output - prints the training rows on stdout and nothing else",
                hint="name a path with --output, or leave out --json",
            )
        return
    refuse_folder(output)
    refuse_inputs(all_paths(output), settings.inputs)
    for path in all_paths(output):
        refuse_existing(path, force=force)
    check_decisions_kept(output, settings.mining.synonyms)
    if not dry_run:
        # Only what is already there is probed: a run that fails later leaves no new folder behind.
        require_writable(next(folder for folder in output.absolute().parents if folder.exists()))


def _run(settings: Settings, *, dry_run: bool) -> ComposeResult:
    found = read_all(settings)
    if not found.records:
        raise _nothing(settings, found.rejects)
    decisions = _decisions(settings, found.records)
    concepts = join(found.records, decisions.accepted)
    made = make(found, settings.kinds)
    if not made.drafts:
        raise _nothing(settings, found.rejects)
    divided = divide(made.drafts, concepts, settings)
    work = _Work(settings, found, made, concepts, divided)
    choice = choose(made.drafts, settings)
    rounds: tuple[Round, ...] = ()
    mined = Mined(Found(len(made.drafts)))
    if not dry_run:
        mined, choice, rounds = _mine(work, choice)
    leak = proof(made.drafts, divided, concepts, mined.negatives)
    synonyms = propose(
        mined.above,
        divided.near,
        drafts=made.drafts,
        records=found.records,
        concepts=concepts,
        decisions=decisions,
    )
    result = _result(work, leak, choice, mined, rounds=rounds, synonyms=synonyms)
    if not dry_run and not settings.explain:
        pairs = pairs_of(made.drafts, found.records, concepts, mined.negatives)
        write(settings, result, pairs, parts=divided.parts, rejects=found.rejects, choice=choice)
    return result


def _decisions(settings: Settings, records: Sequence[Record]) -> Decisions:
    if not settings.mining.synonyms:
        return Decisions()
    return resolve(read_candidates(Path(settings.mining.synonyms)), records)


def _mine(work: _Work, choice: Choice) -> tuple[Mined, Choice, tuple[Round, ...]]:
    settings, drafts, parts = work.settings, work.made.drafts, work.divided.parts
    mask = Mask(work.concepts, work.divided.near)
    records = work.found.records
    texts = ((d.anchor, d.positive, records[d.record].entry.term) for d in drafts)
    explain = rows_to_explain(settings.explain, texts) if settings.explain else frozenset[int]()

    def mine(miner: Choice) -> Mined:
        # Shards of vectors are those of the first model, not of a tuned one.
        options = settings.mining if miner is choice else settings.mining.without_vectors()
        return mine_parts(
            drafts, parts, mask, miner, options=options, guards=settings.guards, explain=explain
        )

    def rows(mined: Mined) -> Iterable[tuple[Part, Pair]]:
        return zip(parts, pairs_of(drafts, records, work.concepts, mined.negatives), strict=True)

    tuner = Tuner(Path(settings.output), settings.mining.round_config, settings.model)
    return mine_in_rounds(choice, mine, rounds=settings.mining.rounds, tuner=tuner, rows=rows)


def _nothing(settings: Settings, rejects: Sequence[Reject]) -> UserError:
    why = "nothing stands under the header, or --kinds leaves nothing of it"
    if rejects:
        first = rejects[0]
        why = Phrase(
            "{count} rejected; the first at {where}: {reason}",
            count=len(rejects),
            where=f"{first.file}:{first.line}",
            reason=phrase(first.reason),
        )
    return UserError("not one usable row", place=", ".join(map(str, settings.inputs)), hint=why)


def _result(
    work: _Work,
    leak: LeakProof,
    choice: Choice,
    mined: Mined,
    *,
    rounds: tuple[Round, ...],
    synonyms: Synonyms,
) -> ComposeResult:
    settings, found, made, divided = work.settings, work.found, work.made, work.divided
    counts = Counter(divided.parts)
    return ComposeResult(
        outputs=outputs_of(
            settings.output, counts, rejected=bool(found.rejects), synonyms=bool(synonyms.rows)
        ),
        rows={part: counts[part] for part in PARTS},
        read=found.tally,
        made=made.tally,
        lint=found.lint,
        texts=divided.texts,
        concepts=len(work.concepts.ids),
        largest_concept=work.concepts.largest,
        leak=leak,
        miner=choice.miner if settings.guards.hard_k else "none",
        miner_reason=choice.reason,
        rows_short_of_k=mined.negatives.shorter_than(settings.guards.hard_k),
        stated_self_pairs=made.stated_self_pairs,
        rules=dict(sorted(mined.negatives.rules.items())),
        passed_over=dict(mined.passed_over),
        rounds=rounds,
        synonyms=synonyms,
        explained=tuple(mined.explained[number] for number in sorted(mined.explained)),
    )
