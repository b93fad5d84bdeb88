"""The files of compose: rows by part, the quarantine, the manifest; all of them appear or none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.export.card import Contents, card_path, write_card
from embedkit.compose.known.rows import KNOWN_PARTS, KnownPart, KnownRows
from embedkit.compose.llm.server.licence import writers_of
from embedkit.compose.mine.choose import Choice
from embedkit.compose.mine.negatives import Negative
from embedkit.compose.mine.rounds import rounds_folder
from embedkit.compose.mine.synonyms import say_synonyms
from embedkit.compose.rows.drafts import Draft, pair_id
from embedkit.compose.rows.split import PARTS
from embedkit.compose.run.options import Settings
from embedkit.compose.run.result import ComposeResult
from embedkit.console import say
from embedkit.data.candidates import synonyms_path, table_lines
from embedkit.data.entries import Record, Reject, phrase
from embedkit.data.manifest import Manifest, manifest_path, versions, write_manifest
from embedkit.data.records import Pair, pair_to_object, split_path
from embedkit.files import atomic, discard, sha256_file
from embedkit.messages import tr
from embedkit.models.resolve import weights_hash
from embedkit.text import dumps

SHOWN_REJECTS = 20
HARD_NEGATIVES = (
    "hard negatives: the default recipe of train encodes none (data.max_hard_negatives is 0); they tell it which "
    "concepts to put into one batch, and serve losses and tools that ask for them"
)
TEXTS_PER_SECOND = 300  # what one core encodes with a model of MiniLM's size


def rejected_path(output: Path) -> Path:
    """Where the quarantined rows go."""
    return split_path(output, "rejected")


def all_paths(output: Path) -> tuple[Path, ...]:
    """Every file that a run may write."""
    parts = (split_path(output, part) for part in (*PARTS, *KNOWN_PARTS))
    return (
        *parts,
        rejected_path(output),
        synonyms_path(output),
        manifest_path(output),
        card_path(output),
    )


def outputs_of(
    output: Path | str, counts: Mapping[str, int], *, rejected: bool, synonyms: bool
) -> dict[str, str]:
    """Which files there will be, by what they hold; an empty part other than train has none."""
    if isinstance(output, str):
        return {"train": output}
    paths = {part: str(split_path(output, part)) for part in counts if counts[part] or part == "train"}
    if rejected:
        paths["rejected"] = str(rejected_path(output))
    if synonyms:
        paths["synonyms"] = str(synonyms_path(output))
    return {**paths, "manifest": str(manifest_path(output)), "card": str(card_path(output))}


def pairs_of(
    drafts: Sequence[Draft],
    records: Sequence[Record],
    concepts: Concepts,
    negatives: Iterable[tuple[Negative, ...]],
) -> Iterator[Pair]:
    """Yield the rows as they are written."""
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


def known_pairs(
    known: KnownRows, records: Sequence[Record], concepts: Concepts
) -> Iterator[tuple[KnownPart, Pair]]:
    """Yield the known rows as they are written, without hard negatives."""
    for part, rows in known.parts.items():
        for row in rows:
            entry = records[row.record].entry
            yield (
                part,
                Pair(
                    anchor=row.anchor,
                    positive=entry.definition,
                    id=pair_id(row.anchor, entry.definition),
                    group=concepts.ids[concepts.of_record[row.record]],
                    kind=row.kind,
                    lang=row.lang,
                    source=entry.source,
                    license=entry.license,
                ),
            )


def write_output(
    settings: Settings,
    result: ComposeResult,
    choice: Choice,
    pairs: Iterable[tuple[str, Pair]],
    rejects: Sequence[Reject],
) -> None:
    """All files are written beside their places first; only then do they appear, manifest and card last."""
    for tally in (result.read, result.made, result.known, result.questions):
        if not tally.balanced:
            raise RuntimeError(f"{tally.step}: the counts do not add up; this is a bug in embedkit")
    with ExitStack() as stack:
        files = {
            name: _HashedFile(stack.enter_context(atomic(path)))
            for name, path in result.outputs.items()
            if name not in ("manifest", "card")
        }
        contents = Contents()
        for part, pair in pairs:
            files[part].write(dumps(pair_to_object(pair)) + "\n")
            if part in PARTS:
                contents.take(part, pair)
        for reject in rejects if "rejected" in files else ():
            files["rejected"].write(dumps(reject.to_object()) + "\n")
        for line in table_lines(result.synonyms.rows) if "synonyms" in files else ():
            files["synonyms"].write(line)
    output = settings.output
    if isinstance(output, str):
        _say_rejects(rejects)
        return
    for stale in set(all_paths(output)) - {Path(path) for path in result.outputs.values()}:
        discard(stale)
    hashes = {Path(result.outputs[name]).name: file.sha256.hexdigest() for name, file in files.items()}
    manifest = _manifest(settings, result, choice, hashes)
    write_manifest(Path(result.outputs["manifest"]), manifest)
    write_card(output, {p: result.outputs[p] for p in contents.rows}, contents, manifest)


def _manifest(
    settings: Settings, result: ComposeResult, choice: Choice, hashes: Mapping[str, str]
) -> Manifest:
    options, source = settings.options, choice.source
    return Manifest(
        step="compose",
        inputs={str(path): sha256_file(path) for path in _inputs(settings)},
        outputs=hashes,
        settings={
            "map": dict(settings.mapping),
            "kinds": list(settings.kinds),
            "split": list(settings.shares(result.concepts)),
            **_asked(settings),
            **options.settings(),
            **({"model": source.requested, "weights": weights_hash(source.path)} if source else {}),
        },
        counts=result.counts(),
        versions=versions(),
        seed=options.seed,
    )


def _asked(settings: Settings) -> dict[str, Any]:
    """How people are taken to ask; a file of questions is no input, for its rows are no entries."""
    files = {"questions": settings.questions, "train_questions": settings.train_questions}
    hashes = {
        name: {str(path): sha256_file(path) for path in paths if isinstance(path, Path)}
        for name, paths in files.items()
        if paths
    }
    paths = {path for found in files.values() for path in found if isinstance(path, Path)}
    writers = {llm: note for path in sorted(paths) for llm, note in writers_of(path).items()}
    asked = {"forms": settings.options.forms, "known": settings.known, **hashes}
    return asked | ({"questions_written_by": writers} if writers else {})


class _HashedFile:
    """An open file and the hash of what was written to it."""

    def __init__(self, handle: IO[str]) -> None:
        self._handle, self.sha256 = handle, hashlib.sha256()

    def write(self, line: str) -> None:
        self.sha256.update(line.encode())
        self._handle.write(line)


def _say_rejects(rejects: Sequence[Reject]) -> None:
    """With the rows on standard output there is no quarantine file: the places go to stderr."""
    for reject in rejects[:SHOWN_REJECTS]:
        say("{file}:{line}: {reason}", file=reject.file, line=reject.line, reason=phrase(reject.reason))
    if len(rejects) > SHOWN_REJECTS:
        say("and {count} more", count=len(rejects) - SHOWN_REJECTS)


def _inputs(settings: Settings) -> Iterator[Path]:
    yield from (path for path in settings.inputs if isinstance(path, Path))
    if settings.options.synonyms:
        yield Path(settings.options.synonyms)


def say_summary(result: ComposeResult, settings: Settings) -> None:
    """Say what was, or would be, written."""
    options = settings.options
    dry_run, hard_k = options.dry_run, options.hard_k
    if result.rows_short_of_k and hard_k and not dry_run:
        short = (
            "{count} rows have fewer than {k} hard negatives: their part has no more texts of "
            "that kind from other concepts"
        )
        if options.hub_cap:
            short = (
                "{count} rows have fewer than {k} hard negatives: "
                "their part has no more texts of that kind from other concepts that --hub-cap allows"
            )
        say(short, count=result.rows_short_of_k, k=hard_k)
    if drawn := sum(result.rules.get(rule, 0) for rule in ("draw", "other")):
        say("{count} hard negatives were drawn at random, for nothing near was left (score 0)", count=drawn)
    if dry_run and hard_k and result.miner in ("dense", "hybrid"):
        say(
            "would encode up to {count} texts, about {seconds} s on one core",
            count=result.texts,
            seconds=-(-result.texts // TEXTS_PER_SECOND),
        )
    if dry_run and options.rounds > 1:
        folder = rounds_folder(Path(settings.output))
        say("would fine-tune {count} times, in {path}", count=options.rounds - 1, path=folder)
    say_synonyms(result.synonyms)
    if options.hard_k:
        say(HARD_NEGATIVES)
    for part, path in result.outputs.items():
        template = "would write {path} ({what})" if dry_run else "wrote {path} ({what})"
        count = result.rows.get(part)
        say(template, path=path, what=tr(part) if count is None else tr("{count} rows", count=count))
