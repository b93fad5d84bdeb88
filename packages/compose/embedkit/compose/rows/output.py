"""The files of compose: rows by part, the quarantine, the manifest; all of them appear or none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.export.card import Contents, card_path, write_card
from embedkit.compose.mine.choose import Choice
from embedkit.compose.mine.found import Negative
from embedkit.compose.mine.rounds import rounds_folder
from embedkit.compose.mine.synonyms import say_synonyms, synonyms_path, table_lines
from embedkit.compose.rows.drafts import Draft
from embedkit.compose.rows.split import PARTS, Part
from embedkit.compose.run.result import ComposeResult, Settings
from embedkit.console import say
from embedkit.data.entries import Record, Reject, phrase
from embedkit.data.jsonl import dumps
from embedkit.data.manifest import Manifest, manifest_path, versions, write_manifest
from embedkit.data.records import Pair, pair_to_object, split_path
from embedkit.files import atomic, discard, sha256_file
from embedkit.messages import Phrase
from embedkit.models.resolve import weights_hash

SHOWN_REJECTS = 20
TEXTS_PER_SECOND = 300  # what one core encodes with a model of MiniLM's size


def rejected_path(output: Path) -> Path:
    """Where the quarantined rows go."""
    return split_path(output, "rejected")


def all_paths(output: Path) -> tuple[Path, ...]:
    """Every file that a run may write."""
    parts = (split_path(output, part) for part in PARTS)
    return (
        *parts,
        rejected_path(output),
        synonyms_path(output),
        manifest_path(output),
        card_path(output),
    )


def outputs_of(
    output: Path | str, counts: Mapping[Part, int], *, rejected: bool, synonyms: bool
) -> dict[str, str]:
    """Which files there will be, by what they hold; an empty dev or test part has none."""
    if isinstance(output, str):
        return {"train": output}
    paths: dict[str, str] = {p: str(split_path(output, p)) for p in PARTS if counts.get(p) or p == "train"}
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


def write(
    settings: Settings,
    result: ComposeResult,
    pairs: Iterable[Pair],
    *,
    parts: Sequence[Part],
    rejects: Sequence[Reject],
    choice: Choice,
) -> None:
    """All parts are written beside their places first; only then do they appear, the manifest and the card last."""
    for tally in (result.read, result.made):
        if not tally.balanced:
            raise RuntimeError(f"{tally.step}: the counts do not add up; this is a bug in embedkit")
    with ExitStack() as stack:
        files = {
            name: _Lines(stack.enter_context(atomic(path)))
            for name, path in result.outputs.items()
            if name not in ("manifest", "card")
        }
        contents = Contents()
        for part, pair in zip(parts, pairs, strict=True):
            files[part].write(pair_to_object(pair))
            contents.take(part, pair)
        for reject in rejects if "rejected" in files else ():
            files["rejected"].write(reject.to_object())
        for line in table_lines(result.synonyms.rows) if "synonyms" in files else ():
            files["synonyms"].line(line)
    if isinstance(settings.output, str):
        _say_rejects(rejects)
    else:
        for stale in set(all_paths(settings.output)) - {Path(path) for path in result.outputs.values()}:
            discard(stale)
        hashes = {Path(result.outputs[name]).name: lines.sha256.hexdigest() for name, lines in files.items()}
        manifest = _write_manifest(settings, result, hashes, choice)
        write_card(settings.output, {p: result.outputs[p] for p in contents.rows}, contents, manifest)


class _Lines:
    """A file of JSON lines and the hash of what was written to it."""

    def __init__(self, handle: IO[str]) -> None:
        self._handle, self.sha256 = handle, hashlib.sha256()

    def write(self, value: Mapping[str, Any]) -> None:
        self.line(dumps(value) + "\n")

    def line(self, line: str) -> None:
        self.sha256.update(line.encode())
        self._handle.write(line)


def _say_rejects(rejects: Sequence[Reject]) -> None:
    """With the rows on standard output there is no quarantine file: the places go to stderr."""
    for reject in rejects[:SHOWN_REJECTS]:
        say("{file}:{line}: {reason}", file=reject.file, line=reject.line, reason=phrase(reject.reason))
    if len(rejects) > SHOWN_REJECTS:
        say("and {count} more", count=len(rejects) - SHOWN_REJECTS)


def _write_manifest(
    settings: Settings, result: ComposeResult, hashes: Mapping[str, str], choice: Choice
) -> Manifest:
    model = (
        {"model": choice.source.requested, "weights": weights_hash(choice.source.path)}
        if choice.source
        else {}
    )
    manifest = Manifest(
        step="compose",
        inputs={str(path): sha256_file(path) for path in _inputs(settings)},
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
    return manifest


def _inputs(settings: Settings) -> Iterator[Path]:
    yield from (path for path in settings.inputs if isinstance(path, Path))
    if settings.mining.synonyms:
        yield Path(settings.mining.synonyms)


def say_summary(result: ComposeResult, settings: Settings, *, dry_run: bool) -> None:
    """Say what was, or would be, written."""
    if result.rows_short_of_k and settings.guards.hard_k and not dry_run:
        short = "{count} rows have fewer than {k} hard negatives: their part has no more such texts of other concepts"
        if settings.guards.hub_cap:
            short = (
                "{count} rows have fewer than {k} hard negatives: "
                "their part has no more such texts of other concepts that --hub-cap leaves"
            )
        say(short, count=result.rows_short_of_k, k=settings.guards.hard_k)
    if dry_run and settings.guards.hard_k and result.miner in ("dense", "hybrid"):
        say(
            "would encode up to {count} texts, about {seconds} s on one core",
            count=result.texts,
            seconds=-(-result.texts // TEXTS_PER_SECOND),
        )
    if dry_run and settings.mining.rounds > 1:
        folder = rounds_folder(Path(settings.output))
        say("would tune {count} times, in {path}", count=settings.mining.rounds - 1, path=folder)
    say_synonyms(result.synonyms)
    for part, path in result.outputs.items():
        template = "would write {path} ({what})" if dry_run else "wrote {path} ({what})"
        count = result.rows.get(part)
        say(template, path=path, what=part if count is None else Phrase("{count} rows", count=count))
