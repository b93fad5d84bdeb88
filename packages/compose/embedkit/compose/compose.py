"""The command `compose`: read, find concepts, make rows, split, mine, prove, write all files at the end."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.compose.concepts import Concepts, build
from embedkit.compose.lint import lint, resolve_stubs
from embedkit.compose.mine.choose import Choice, check_miner, choose_miner
from embedkit.compose.mine.options import MineOptions
from embedkit.compose.mine.pools import Mask
from embedkit.compose.mine.rescore import DEPTH
from embedkit.compose.mine.select import Guards, Mined, Negative
from embedkit.compose.mine.stage import mine_parts
from embedkit.compose.read import Record, Reject, category, locate, parse_mapping, read
from embedkit.compose.rows import DEFAULT_KINDS, Draft, draft_rows, is_self_pair, parse_kinds
from embedkit.compose.split import DEFAULT_SPLIT, PARTS, LeakProof, Part, assign, parse_split, prove
from embedkit.console import out_json, say, warn
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import STDIO, atomic, refuse_existing, require_writable, sha256_file
from embedkit.jsonl import dumps
from embedkit.manifest import Manifest, manifest_path, versions, write_manifest
from embedkit.models import weights_hash
from embedkit.near import near_pairs
from embedkit.pairs import Pair, pair_to_object, split_path
from embedkit.report import Tally

STATED_SELF_PAIR = "self pair (pair)"
SHOWN_REJECTS = 20
TEXTS_PER_SECOND = 300  # what one core encodes with a model of MiniLM's size


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run of compose was asked for, checked."""

    inputs: tuple[Path | str, ...]
    output: Path | str
    mapping: Mapping[str, str]
    kinds: tuple[str, ...]
    shares: tuple[float, float, float]
    miner: str
    model: str
    mining: MineOptions
    guards: Guards
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeResult:
    """What compose did. `rules` counts the negatives by the rung that admitted them."""

    outputs: Mapping[str, str]
    rows: Mapping[str, int]
    read: Tally
    made: Tally
    lint: Mapping[str, int]
    texts: int
    concepts: int
    largest_concept: int
    leak: LeakProof
    miner: str
    miner_reason: str
    rows_short_of_k: int
    stated_self_pairs: int
    rules: Mapping[str, int]
    passed_over: Mapping[str, int]

    def to_object(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {"outputs": dict(self.outputs), **self.counts()}

    def counts(self) -> dict[str, Any]:
        """The counts that the manifest carries too."""
        return {
            "rows": dict(self.rows),
            "texts": self.texts,
            "read": self.read.to_object(),
            "made": self.made.to_object(),
            "lint": dict(self.lint),
            "concepts": {"count": self.concepts, "largest": self.largest_concept},
            "leak": {
                "shared_concepts": self.leak.shared_concepts,
                "shared_texts": self.leak.shared_texts,
                "near_duplicates": self.leak.near_duplicates,
                "held_out_negatives": self.leak.held_out_negatives,
            },
            "mining": {
                "miner": self.miner,
                "reason": self.miner_reason,
                "rows_short_of_k": self.rows_short_of_k,
                "rules": dict(self.rules),
                "passed_over": dict(self.passed_over),
            },
        }


@dataclass(frozen=True, slots=True)
class _Read:
    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    tally: Tally
    lint: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Made:
    drafts: tuple[Draft, ...]
    rejects: tuple[Reject, ...]
    tally: Tally
    stated_self_pairs: int


@dataclass(frozen=True, slots=True)
class _Divided:
    parts: tuple[Part, ...]
    near: tuple[tuple[str, str], ...]


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
    seed: int = 0,
    strict: bool = False,
    force: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
) -> ComposeResult:
    """Turn tables into training rows; nothing is written before everything is known.

    Raises:
        UserError: an input or a setting is wrong, or an output is in the way.
        AnswerNoError: `strict` and a row was rejected (the files are written all the same).
    """
    if not inputs:
        raise UserError("no input", hint="--input FILE names a glossary or a two-column table")
    mining = mining or MineOptions()
    check_miner(miner, model)
    mining.check()
    shares = parse_split(split or ("1/0/0" if output == STDIO else DEFAULT_SPLIT))
    if output == STDIO and shares[0] < 1:
        raise UserError("held-out rows cannot go to standard output", hint="--split 1/0/0, or --output FILE")
    settings = Settings(
        inputs=tuple(locate(name) for name in inputs),
        output=output if output == STDIO else Path(output),
        mapping=parse_mapping(mapping),
        kinds=parse_kinds(kinds) if kinds else DEFAULT_KINDS,
        shares=shares,
        miner=miner,
        model=model,
        mining=mining,
        guards=mining.guards(hard_k=hard_k, seed=seed),
        seed=seed,
    )
    _refuse(settings.output, force=force, dry_run=dry_run)
    result = _run(settings, dry_run=dry_run)
    _summary(result, settings, dry_run=dry_run)
    if as_json:
        out_json(result.to_object())
    rejected = result.read.rejected.total() + result.stated_self_pairs
    if strict and rejected:
        raise AnswerNoError(f"{rejected} rows were rejected", hint="--strict makes that a failure")
    return result


def _refuse(output: Path | str, *, force: bool, dry_run: bool) -> None:
    if isinstance(output, str):
        return
    for path in _all_paths(output):
        refuse_existing(path, force=force)
    if not dry_run:
        # Only what is already there is probed: a run that fails later leaves no new folder behind.
        require_writable(next(folder for folder in output.absolute().parents if folder.exists()))


def _rejected_path(output: Path) -> Path:
    return split_path(output, "rejected")


def _all_paths(output: Path) -> tuple[Path, ...]:
    return (*(split_path(output, part) for part in PARTS), _rejected_path(output), manifest_path(output))


def _run(settings: Settings, *, dry_run: bool) -> ComposeResult:
    found = _read_all(settings)
    if not found.records:
        raise _nothing(settings, found.rejects)
    concepts = build(found.records)
    _say_concepts(concepts)
    made = _make(found.records, settings.kinds)
    if not made.drafts:
        raise _nothing(settings, (*found.rejects, *made.rejects))
    divided = _divide(made.drafts, concepts, settings)
    choice = _choose(made.drafts, settings)
    mined = (
        Mined([()] * len(made.drafts)) if dry_run else _mine(made.drafts, divided, concepts, choice, settings)
    )
    leak = _proof(made.drafts, divided, concepts, mined.negatives)
    result = _result(settings, found, made, concepts, divided, leak, choice, mined)
    if not dry_run:
        pairs = _pairs(made.drafts, found.records, concepts, mined.negatives)
        _write(
            settings,
            result,
            list(zip(divided.parts, pairs, strict=True)),
            (*found.rejects, *made.rejects),
            choice,
        )
    return result


def _read_all(settings: Settings) -> _Read:
    tally = Tally("read")
    records: list[Record] = []
    rejects: list[Reject] = []
    for path in settings.inputs:
        for item in read(path, mapping=settings.mapping):
            tally.taken_in += 1
            if isinstance(item, Record):
                records.append(item)
            else:
                rejects.append(item)
                tally.reject(category(item.reason))
    tally.given_out = len(records)
    counts = Counter(problem.code for problem in lint(records))
    tally.print()
    for code, count in sorted(counts.items()):
        say("  {count} to look at: {code}", count=count, code=code)
    return _Read(tuple(resolve_stubs(records)), tuple(rejects), tally, dict(sorted(counts.items())))


def _say_concepts(concepts: Concepts) -> None:
    say(
        "concepts: {count}, the largest has {largest} texts ({name}); {ambiguous} names are ambiguous",
        count=len(concepts.ids),
        largest=concepts.largest,
        name=concepts.largest_name,
        ambiguous=concepts.ambiguous,
    )
    if concepts.over_merged:
        warn(
            "the largest concept holds {percent} % of the texts: does one name join too much?",
            percent=round(100 * concepts.largest / concepts.texts, 1),
        )


def _make(records: Sequence[Record], kinds: Iterable[str]) -> _Made:
    tally = Tally("rows")
    drafts: dict[tuple[str, str], Draft] = {}
    rejects: list[Reject] = []
    for draft in draft_rows(records, kinds=kinds):
        tally.taken_in += 1
        record = records[draft.record]
        if is_self_pair(draft, stated=record.stated_pair):
            tally.reject("self pair")
            text = f"{draft.anchor} = {draft.positive}"
            rejects.append(Reject(record.file, record.line, f"self pair ({draft.kind})", text))
        elif (draft.anchor, draft.positive) in drafts:
            tally.merged += 1
        else:
            drafts[draft.anchor, draft.positive] = draft
    tally.given_out = len(drafts)
    tally.print()
    stated = sum(reject.reason == STATED_SELF_PAIR for reject in rejects)
    return _Made(tuple(drafts.values()), tuple(rejects), tally, stated)


def _nothing(settings: Settings, rejects: Sequence[Reject]) -> UserError:
    why = "nothing stands under the header, or --kinds leaves nothing of it"
    if rejects:
        first = rejects[0]
        why = f"{len(rejects)} rejected; the first at {first.file}:{first.line}: {first.reason}"
    return UserError("not one usable row", place=", ".join(map(str, settings.inputs)), hint=why)


def _divide(drafts: Sequence[Draft], concepts: Concepts, settings: Settings) -> _Divided:
    texts = list(dict.fromkeys(text for draft in drafts for text in (draft.anchor, draft.positive)))
    near = tuple((texts[left], texts[right]) for left, right in near_pairs(texts))
    parts = assign(drafts, concepts, near, shares=settings.shares, seed=settings.seed)
    counts = Counter(parts)
    say("split: {counts}", counts=", ".join(f"{counts[part]} {part}" for part in PARTS))
    for part, share in zip(PARTS, settings.shares, strict=True):
        if share and not counts[part]:
            warn("{part} is empty: there are too few concepts for a share of {share}", part=part, share=share)
    return _Divided(tuple(parts), near)


def _choose(drafts: Sequence[Draft], settings: Settings) -> Choice:
    step = max(1, len(drafts) // 1000)
    sample = (text for draft in drafts[::step] for text in (draft.anchor, draft.positive))
    choice = choose_miner(settings.miner, sample, model=settings.model)
    if settings.guards.hard_k:
        say("miner: {miner} ({reason})", miner=choice.miner, reason=choice.reason)
        if settings.mining.cross_encoder:
            say(
                "rescored by {model}, {count} candidates a row",
                model=settings.mining.cross_encoder,
                count=DEPTH,
            )
    return choice


def _mine(
    drafts: Sequence[Draft], divided: _Divided, concepts: Concepts, choice: Choice, settings: Settings
) -> Mined:
    mask = Mask(concepts, divided.near)
    return mine_parts(drafts, divided.parts, mask, choice, options=settings.mining, guards=settings.guards)


def _proof(
    drafts: Sequence[Draft], divided: _Divided, concepts: Concepts, negatives: Sequence[tuple[Negative, ...]]
) -> LeakProof:
    used = ((part, [n.text for n in found]) for part, found in zip(divided.parts, negatives, strict=True))
    leak = prove(drafts, divided.parts, concepts, divided.near, negatives=used)
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


def _result(
    settings: Settings,
    found: _Read,
    made: _Made,
    concepts: Concepts,
    divided: _Divided,
    leak: LeakProof,
    choice: Choice,
    mined: Mined,
) -> ComposeResult:
    counts = Counter(divided.parts)
    return ComposeResult(
        outputs=_outputs(settings.output, counts, rejected=bool(found.rejects or made.rejects)),
        rows={part: counts[part] for part in PARTS},
        read=found.tally,
        made=made.tally,
        lint=found.lint,
        texts=len({text for draft in made.drafts for text in (draft.anchor, draft.positive)}),
        concepts=len(concepts.ids),
        largest_concept=concepts.largest,
        leak=leak,
        miner=choice.miner if settings.guards.hard_k else "none",
        miner_reason=choice.reason,
        rows_short_of_k=sum(len(row) < settings.guards.hard_k for row in mined.negatives),
        stated_self_pairs=made.stated_self_pairs,
        passed_over=dict(mined.passed_over),
        rules=dict(sorted(Counter(n.mining.rule for row in mined.negatives for n in row).items())),
    )


def _outputs(output: Path | str, counts: Mapping[Part, int], *, rejected: bool) -> dict[str, str]:
    """Which files there will be, by what they hold; an empty dev or test part has none."""
    if isinstance(output, str):
        return {"train": output}
    paths: dict[str, str] = {p: str(split_path(output, p)) for p in PARTS if counts.get(p) or p == "train"}
    if rejected:
        paths["rejected"] = str(_rejected_path(output))
    return {**paths, "manifest": str(manifest_path(output))}


def _pairs(
    drafts: Sequence[Draft],
    records: Sequence[Record],
    concepts: Concepts,
    negatives: Sequence[tuple[Negative, ...]],
) -> Iterator[Pair]:
    for draft, found in zip(drafts, negatives, strict=True):
        entry = records[draft.record].entry
        yield Pair(
            anchor=draft.anchor,
            positive=draft.positive,
            hard_negatives=tuple(n.text for n in found),
            id=draft.id,
            group=concepts.ids[concepts.of_record[draft.record]],
            kind=draft.kind,
            lang=draft.lang,
            source=entry.source,
            license=entry.license,
            mining=tuple(n.mining for n in found),
        )


def _write(
    settings: Settings,
    result: ComposeResult,
    pairs: Sequence[tuple[Part, Pair]],
    rejects: Sequence[Reject],
    choice: Choice,
) -> None:
    """All parts are written beside their places first; only then do they appear, the manifest last."""
    for tally in (result.read, result.made):
        if not tally.balanced:
            raise RuntimeError(f"{tally.step}: the counts do not add up; this is a bug in embedkit")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in result.outputs if name != "manifest"}
    for part, pair in pairs:
        rows[part].append(pair_to_object(pair))
    if "rejected" in rows:
        rows["rejected"] = [reject.to_object() for reject in rejects]
    hashes: dict[str, str] = {}
    with ExitStack() as stack:
        for name, objects in rows.items():
            handle = stack.enter_context(atomic(result.outputs[name]))
            digest = hashlib.sha256()
            for value in objects:
                line = dumps(value) + "\n"
                digest.update(line.encode())
                handle.write(line)
            hashes[Path(result.outputs[name]).name] = digest.hexdigest()
    if isinstance(settings.output, str):
        _say_rejects(rejects)
    else:
        for stale in set(_all_paths(settings.output)) - {Path(path) for path in result.outputs.values()}:
            stale.unlink(missing_ok=True)
        _write_manifest(settings, result, hashes, choice)


def _say_rejects(rejects: Sequence[Reject]) -> None:
    """With the rows on standard output there is no quarantine file: the places go to stderr."""
    for reject in rejects[:SHOWN_REJECTS]:
        say("{file}:{line}: {reason}", file=reject.file, line=reject.line, reason=reject.reason)
    if len(rejects) > SHOWN_REJECTS:
        say("and {count} more", count=len(rejects) - SHOWN_REJECTS)


def _write_manifest(
    settings: Settings, result: ComposeResult, hashes: Mapping[str, str], choice: Choice
) -> None:
    model = (
        {"model": choice.source.requested, "weights": weights_hash(choice.source.path)}
        if choice.source
        else {}
    )
    manifest = Manifest(
        step="compose",
        inputs={str(path): sha256_file(path) for path in settings.inputs if isinstance(path, Path)},
        outputs=hashes,
        settings={
            "map": dict(settings.mapping),
            "kinds": list(settings.kinds),
            "split": list(settings.shares),
            "miner": settings.miner,
            "hard_k": settings.guards.hard_k,
            **settings.mining.to_object(),
            **model,
        },
        counts=result.counts(),
        versions=versions(),
        seed=settings.seed,
    )
    write_manifest(Path(result.outputs["manifest"]), manifest)


def _summary(result: ComposeResult, settings: Settings, *, dry_run: bool) -> None:
    if result.rows_short_of_k and settings.guards.hard_k and not dry_run:
        short = (
            "{count} rows have fewer than {k} hard negatives: their part has no more texts of other concepts"
        )
        if settings.guards.hub_cap:
            short = (
                "{count} rows have fewer than {k} hard negatives: "
                "their part has no more texts of other concepts that --hub-cap leaves"
            )
        say(short, count=result.rows_short_of_k, k=settings.guards.hard_k)
    if dry_run and settings.guards.hard_k and result.miner in ("dense", "hybrid"):
        say(
            "would encode up to {count} texts, about {seconds} s on one core",
            count=result.texts,
            seconds=-(-result.texts // TEXTS_PER_SECOND),
        )
    for part, path in result.outputs.items():
        template = "would write {path} ({what})" if dry_run else "wrote {path} ({what})"
        count = result.rows.get(part)
        say(template, path=path, what=part if count is None else f"{count} rows")
