"""Compose: read, find concepts, make rows, split, mine, prove, and at the end write all files."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.known.rows import KnownRows
from embedkit.compose.mine.choose import Choice
from embedkit.compose.mine.explain import check_explain, print_explanations, rows_to_explain
from embedkit.compose.mine.negatives import NegativeStore
from embedkit.compose.mine.parts import Mined, check_mining, mine_parts
from embedkit.compose.mine.pools import Mask
from embedkit.compose.mine.rounds import Round, Tuner, check_rounds, mine_in_rounds
from embedkit.compose.mine.suspects import Suspect, find_suspects
from embedkit.compose.mine.synonyms import (
    Decisions,
    Signals,
    Synonyms,
    check_decisions_kept,
    propose,
    resolve,
)
from embedkit.compose.rows.drafts import DEFAULT_KINDS, parse_kinds
from embedkit.compose.rows.split import PARTS, LeakProof, Part, parse_split
from embedkit.compose.run.asking import add_asking_rows, prove_known
from embedkit.compose.run.options import ComposeOptions, Settings, Shares
from embedkit.compose.run.output import (
    all_paths,
    known_pairs,
    outputs_of,
    pairs_of,
    say_summary,
    write_output,
)
from embedkit.compose.run.result import ComposeResult
from embedkit.compose.run.steps import (
    InputRecords,
    NewRows,
    SplitRows,
    choose_by_sample,
    join_records,
    make_rows,
    print_split,
    prove_split,
    read_all,
    split_rows,
)
from embedkit.console import out_json
from embedkit.data.candidates import read_candidates
from embedkit.data.entries import Record, Reject, phrase
from embedkit.data.reading import locate, parse_mapping
from embedkit.data.records import Pair
from embedkit.data.tally import Tally
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import (
    STDIO,
    refuse_existing,
    refuse_folder,
    refuse_inputs,
    require_writable,
    sole_use,
)
from embedkit.messages import Phrase
from embedkit.text import hash64


def compose(options: ComposeOptions) -> ComposeResult:
    """Turn glossaries and two-column tables into training rows with hard negatives, split by concept.

    Nothing is written before everything is known, and nothing at all with `explain` or `dry_run`. What is found is
    said on stderr; only `explain` and `as_json` print on stdout.

    Raises:
        UserError: an input or a setting is wrong, or an output is in the way.
        AnswerNoError: `strict` and a row was rejected (the files are written all the same).
    """
    settings = _settings(options)
    if not options.explain:
        _refuse_outputs(settings)
    if options.synonyms:
        read_candidates(Path(options.synonyms))
    check_rounds(options, settings.output)
    with _alone(settings):
        result = _run(settings)
    if options.explain:
        print_explanations(result.explained, as_json=options.as_json)
    else:
        _say_report(result, settings)
    return result


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the output for this run. Raises `UserError` while another compose writes it."""
    options, output = settings.options, settings.output
    if isinstance(output, str) or options.dry_run or options.explain:
        yield
        return
    key = hash64(os.path.realpath(output))
    lock = Path(tempfile.gettempdir()) / f"embedkit-compose-{key:016x}.lock"
    lock.touch()
    with sole_use(lock) as alone:
        if not alone:
            raise UserError(
                "another embedkit compose is writing it",
                place=str(output),
                hint="wait until that has ended, or name another file with --output",
            )
        yield


def _settings(options: ComposeOptions) -> Settings:
    inputs, output = options.inputs, options.output
    if not inputs:
        raise UserError("no input", hint="--input FILE names a glossary or a two-column table")
    if [*inputs, *options.questions, *options.train_questions].count(STDIO) > 1:
        raise UserError("--input - is named twice", hint="standard input can be read once")
    if options.questions and (not options.known or output == STDIO):
        raise UserError(
            "--questions makes known rows, and none are written",
            hint="name a file with --output, leave out --no-known, or train on them: --train-questions",
        )
    check_mining(options)
    check_explain(options.explain, hard_k=options.hard_k, rounds=options.rounds, dry_run=options.dry_run)
    return Settings(
        options=options,
        inputs=tuple(locate(name) for name in inputs),
        output=output if output == STDIO else Path(output),
        mapping=parse_mapping(options.mapping),
        kinds=parse_kinds(options.kinds) if options.kinds else DEFAULT_KINDS,
        split=_split(options.split, output),
        questions=tuple(locate(name) for name in options.questions),
        train_questions=tuple(locate(name) for name in options.train_questions),
        known=options.known and output != STDIO,
    )


def _split(split: str, output: str) -> Shares | None:
    if not split and output != STDIO:
        return None
    shares = parse_split(split or "1/0/0")
    if output == STDIO and shares[0] < 1:
        raise UserError("held-out rows cannot go to standard output", hint="--split 1/0/0, or --output FILE")
    return shares


def _refuse_outputs(settings: Settings) -> None:
    """Raise `UserError` where an output is in the way."""
    options, output = settings.options, settings.output
    if isinstance(output, str):
        if options.as_json and not options.dry_run:
            raise UserError(
                "--output - prints the training rows on stdout and nothing else",
                hint="name a path with --output, or leave out --json",
            )
        return
    refuse_folder(output)
    refuse_inputs(all_paths(output), (*settings.inputs, *settings.questions, *settings.train_questions))
    for path in all_paths(output):
        refuse_existing(path, force=options.force)
    check_decisions_kept(output, options.synonyms)
    if not options.dry_run:
        # Only what is already there is probed: a run that fails later leaves no new folder behind.
        require_writable(next(folder for folder in output.absolute().parents if folder.exists()))


def _say_report(result: ComposeResult, settings: Settings) -> None:
    say_summary(result, settings)
    if settings.options.as_json:
        out_json(result.to_object())
    rejected = result.read.rejected.total() + result.questions.rejected.total() + result.stated_self_pairs
    if settings.options.strict and rejected:
        raise AnswerNoError(
            "{rejected} rows were rejected", hint="--strict makes that a failure", rejected=rejected
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is known before mining."""

    settings: Settings
    found: InputRecords
    made: NewRows
    concepts: Concepts
    split: SplitRows
    known: KnownRows
    questions: Tally

    @property
    def mined_parts(self) -> list[Part | None]:
        """The part of each draft that is mined for, None for the others.

        A row that asks shares the negatives of its definition's own row: it is neither mined for nor a candidate.
        """
        leads = self.split.leads
        return [part if leads[number] == number else None for number, part in enumerate(self.split.parts)]


def _run(settings: Settings) -> ComposeResult:
    options = settings.options
    found = read_all(settings)
    if not found.records:
        raise _no_rows_error(settings, found.rejects)
    decisions = _decisions(options.synonyms, found.records)
    concepts = join_records(found.records, decisions.accepted)
    work = _prepare(settings, found, concepts)
    made, split = work.made, work.split
    choice = choose_by_sample(made.drafts, options)
    rounds: tuple[Round, ...] = ()
    mined = Mined(NegativeStore(len(made.drafts)))
    suspects: Sequence[Suspect] = ()
    if not options.dry_run:
        suspects = _suspects(work, choice)
        mined, choice, rounds = _mine(work, choice, suspects, decisions.rejected)
    leak = prove_split(made.drafts, split, concepts, mined.negatives)
    prove_known(work.known, made.drafts, split.parts)
    synonyms = propose(
        Signals(mined.above, split.near, suspects),
        drafts=made.drafts,
        records=found.records,
        concepts=concepts,
        decisions=decisions,
    )
    result = _result(work, leak, choice, mined, rounds=rounds, synonyms=synonyms)
    if not options.dry_run and not options.explain:
        pairs = pairs_of(made.drafts, found.records, concepts, mined.negatives)
        known = known_pairs(work.known, found.records, concepts)
        write_output(
            settings, result, choice, chain(zip(split.parts, pairs, strict=True), known), found.rejects
        )
    return result


def _prepare(settings: Settings, found: InputRecords, concepts: Concepts) -> _Prepared:
    """All rows, split, with those that only measure."""
    stated = make_rows(found, settings.kinds)
    split = split_rows(stated.drafts, concepts, settings)
    asking = add_asking_rows(found, stated, concepts, split, settings)
    if not asking.made.drafts:
        raise _no_rows_error(settings, found.rejects)
    asking.made.tally.print()
    print_split(asking.split.parts, settings.shares(len(concepts.ids)))
    return _Prepared(
        settings, found, asking.made, concepts, asking.split, known=asking.known, questions=asking.questions
    )


def _decisions(synonyms: str, records: Sequence[Record]) -> Decisions:
    return resolve(read_candidates(Path(synonyms)), records) if synonyms else Decisions()


def _suspects(work: _Prepared, choice: Choice) -> list[Suspect]:
    """The concepts that may be one, which are no negatives of one another."""
    mask = Mask(work.concepts, work.split.near)
    return find_suspects(work.made.drafts, work.mined_parts, mask, choice, work.settings.options)


def _mine(
    work: _Prepared, choice: Choice, suspects: Sequence[Suspect], rejected: Iterable[tuple[int, int]]
) -> tuple[Mined, Choice, tuple[Round, ...]]:
    options, drafts, parts = work.settings.options, work.made.drafts, work.split.parts
    of, alike = work.concepts.of_record, [(suspect.left, suspect.right) for suspect in suspects]
    apart = [(of[a], of[b]) for a, b in rejected]
    mask = Mask(work.concepts, work.split.near, alike=alike, apart=apart)
    records = work.found.records
    leads = work.split.leads
    mined_parts = work.mined_parts
    texts = (
        (draft.anchor, draft.positive, records[draft.record].entry.term) if part else ()
        for draft, part in zip(drafts, mined_parts, strict=True)
    )
    explain = rows_to_explain(options.explain, texts) if options.explain else frozenset[int]()

    def mine(miner: Choice) -> Mined:
        # Shards of vectors are those of the first model, not of a tuned one.
        own = options if miner is choice else options.without_vectors()
        mined = mine_parts(drafts, mined_parts, mask, miner, options=own, explain=explain)
        mined.share(leads)
        return mined

    def rows(mined: Mined) -> Iterable[tuple[Part, Pair]]:
        return zip(parts, pairs_of(drafts, records, work.concepts, mined.negatives), strict=True)

    tuner = Tuner(Path(options.output), options.round_config, options.model)
    return mine_in_rounds(choice, mine, rounds=options.rounds, tuner=tuner, rows=rows)


def _no_rows_error(settings: Settings, rejects: Sequence[Reject]) -> UserError:
    why = "there are no rows under the header, or --kinds excludes them all"
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
    work: _Prepared,
    leak: LeakProof,
    choice: Choice,
    mined: Mined,
    *,
    rounds: tuple[Round, ...],
    synonyms: Synonyms,
) -> ComposeResult:
    settings, found, made, hard_k = work.settings, work.found, work.made, work.settings.options.hard_k
    counts = Counter(work.split.parts)
    rows: dict[str, int] = {part: counts[part] for part in PARTS}
    if settings.known:
        rows |= {part: len(found) for part, found in work.known.parts.items()}
    return ComposeResult(
        outputs=outputs_of(settings.output, rows, rejected=bool(found.rejects), synonyms=bool(synonyms.rows)),
        rows=rows,
        known=work.known.tally,
        questions=work.questions,
        read=found.tally,
        made=made.tally,
        lint=found.lint,
        texts=work.split.texts,
        concepts=len(work.concepts.ids),
        largest_concept=work.concepts.largest,
        joined={str(by): count for by, count in sorted(work.concepts.evidence.items())},
        joins=tuple(
            (found.records[j.left].entry.term, found.records[j.right].entry.term, str(j.evidence))
            for j in work.concepts.joins
        ),
        leak=leak,
        miner=choice.miner if hard_k else "none",
        miner_reason=choice.reason,
        rows_short_of_k=mined.negatives.shorter_than(hard_k),
        stated_self_pairs=made.stated_self_pairs,
        rules=dict(sorted(mined.negatives.rules.items())),
        passed_over=dict(mined.passed_over),
        rounds=rounds,
        synonyms=synonyms,
        explained=tuple(mined.explained[number] for number in sorted(mined.explained)),
    )
