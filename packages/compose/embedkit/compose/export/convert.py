"""Convert: rows from any known format to any other, counting what that format cannot hold.

The rows lie in a temporary file between reading and writing, for several positives of one anchor may lie anywhere in
a file and nothing is written before all is known. What is held in memory is some 30 bytes a row, but for LlamaIndex's
one document and the corpus of a BEIR folder that is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embedkit.compose.export.lines import LINES
from embedkit.compose.export.record import ConvertCounts, RejectedPair, Rows, pairs_spool
from embedkit.compose.export.source import (
    FOLDERS,
    FORMATS,
    GRADED,
    LLAMAINDEX,
    PAIRS,
    READ_FORMATS,
    ConvertSource,
    files_in,
    find_sources,
    looks_like,
    read_graded,
    read_sources,
)
from embedkit.compose.export.target import (
    Files,
    files_of,
    graded_files,
    manifest_of,
    may_write,
    reject_lines,
    rejected_of,
)
from embedkit.console import out_json, say, warn
from embedkit.data.manifest import Manifest, hashes, manifest_path, read_manifest, versions, write_manifest
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import STDIO, atomic, discard, refuse_existing, refuse_inputs, sha256_file
from embedkit.messages import tr

SHOWN_REJECTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """The options of `convert`; each field is the flag of its name, `from_` is `--from`, `as_json` is `--json`.

    Without `inputs` the pairs at the default paths are read. `negatives` is how many each row keeps, None for all;
    `scale` divides the scores of `sts`, 0 finds it.
    """

    output: str
    inputs: Sequence[str] = ()
    from_: str = PAIRS
    to: str = PAIRS
    negatives: int | None = None
    scale: float = 0.0
    strict: bool = False
    force: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertResult:
    """What was read, written, merged, rejected and lost."""

    read_as: str
    written_as: str
    outputs: tuple[str, ...]
    manifest: str
    rows: dict[str, int]
    counts: ConvertCounts

    def to_object(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        made = {"from": self.read_as, "to": self.written_as}
        outputs = {"outputs": list(self.outputs), "manifest": self.manifest}
        return {**made, **outputs, **self.manifest_counts()}

    def manifest_counts(self) -> dict[str, Any]:
        """What went where, as the manifest says it."""
        counts = self.counts
        return {
            "rows": self.rows,
            **counts.tally.to_object(),
            "negatives": {"in": counts.negatives_in, "out": counts.negatives_out},
            "lost_keys": {key: count for key, count in sorted(counts.keys.items()) if count},
            "lost": {what: count for what, count in sorted(counts.lost.items()) if count},
        }


def convert(options: ConvertOptions) -> ConvertResult:
    """Read rows in one format and write them in another; nothing is written before everything is known.

    Raises:
        UserError: bad options, a missing input, a file that is not of its format, output that exists, no usable row.
        AnswerNoError: `strict` and something was rejected (the files are written all the same).
    """
    _check_options(options)
    form, to, output = options.from_, options.to, options.output
    counts = ConvertCounts()
    sources = find_sources(options.inputs, form=form, only=output == STDIO)
    _spare_inputs(sources, options)
    if form in GRADED:
        graded = read_graded(sources, form=form, scale=options.scale, counts=counts)
        sizes = {part: len(found) for part, found in graded.items()}
        files = graded_files(output, graded, counts)
    else:
        rows = read_sources(sources, form=form, counts=counts)
        if options.negatives is not None:
            rows = _with_negatives(rows, options.negatives, counts)
        sizes = {part: len(found) for part, found in rows.items()}
        files = files_of(to, output, rows, counts, _manifest(sources)) if rows else {}
    if not sizes:
        raise _no_rows_error(sources, form, counts)
    if counts.rejects and output != STDIO:
        files[str(rejected_of(to, output))] = reject_lines(counts)
    if not counts.tally.balanced:
        raise RuntimeError("the counts do not add up; this is a bug in embedkit")
    result = ConvertResult(
        read_as=form,
        written_as=to,
        outputs=tuple(files),
        manifest="" if output == STDIO else str(manifest_of(to, output)),
        rows=sizes,
        counts=counts,
    )
    if not options.dry_run:
        read = {str(file): sha256_file(file) for source in sources for file in files_in(source, form)}
        _write_files(files, stale=may_write(to, output) if output != STDIO else ())
        _write_manifest(result, read, options.negatives)
    _say_report(result, dry_run=options.dry_run)
    if options.as_json:
        out_json(result.to_object())
    if options.strict and counts.tally.rejected:
        raise AnswerNoError(
            "{count} rows were rejected",
            hint="--strict makes that a failure",
            count=counts.tally.rejected.total(),
        )
    return result


def _check_options(options: ConvertOptions) -> None:
    for option, form, known in (("--from", options.from_, READ_FORMATS), ("--to", options.to, FORMATS)):
        if form not in known:
            raise UserError(
                "{option} {form!r} is not a format",
                hint="formats: {formats}",
                option=option,
                form=form,
                formats=", ".join(known),
            )
    to, output = options.to, options.output
    if options.from_ in GRADED and to != PAIRS:
        raise UserError(
            "--from {form} makes rows that are no pairs: --to {to} has no place for them",
            hint="leave out --to: train and evaluate read the rows as they are",
            form=options.from_,
            to=to,
        )
    if options.scale and options.from_ != "sts":
        raise UserError("--scale divides scores, which only --from sts has", hint="leave out --scale")
    if options.from_ == to == PAIRS:
        raise UserError(
            "nothing to convert: both sides are pairs.jsonl", hint="name a format with --to or --from"
        )
    if output == STDIO and to in FOLDERS:
        raise UserError("--to {form} makes a folder, not lines", hint="name it with --output", form=to)
    if output == STDIO and options.as_json:
        raise UserError(
            "--output - prints the rows on stdout and nothing else",
            hint="name a path with --output, or leave out --json",
        )
    if output == STDIO:
        return
    if to not in FOLDERS and Path(output).is_dir():
        raise UserError("is a folder, not a file", place=output, hint="--to {form} writes a file", form=to)
    if to in FOLDERS and Path(output).is_file():
        raise UserError("is a file, not a folder", place=output, hint="--to {form} writes a folder", form=to)
    for path in may_write(to, output):
        refuse_existing(path, force=options.force)


def _spare_inputs(sources: Sequence[ConvertSource], options: ConvertOptions) -> None:
    """Raise `UserError` when the output would replace an input, or the manifest of one: `x.json` beside `x.jsonl`."""
    to, output = options.to, options.output
    if output == STDIO:
        return
    refuse_inputs(
        may_write(to, output), (file for source in sources for file in files_in(source, options.from_))
    )
    for source in sources:
        path = manifest_path(Path(source.path))
        if path.is_file() and path.resolve() == manifest_of(to, output).resolve():
            raise UserError(
                "is the manifest of {source} and would be replaced",
                place=str(path),
                hint="give the output another name",
                source=source.path,
            )


def _with_negatives(rows: Rows, count: int, counts: ConvertCounts) -> Rows:
    """Every row with exactly `count` negatives, the first ones; rows with fewer are rejected."""
    kept = {part: pairs_spool() for part in rows}
    for part, found in rows.items():
        for pair in found:
            if len(pair.hard_negatives) < count:
                reason = "fewer negatives than --negatives"
                counts.tally.reject(reason)
                counts.rejects.append(RejectedPair(repr(pair.anchor[:40]), reason))
                continue
            counts.lost["negatives beyond --negatives"] += len(pair.hard_negatives) - count
            kept[part].append(
                replace(
                    pair,
                    hard_negatives=pair.hard_negatives[:count],
                    mining=pair.mining[:count],
                    scores=pair.scores[: 1 + count],
                )
            )
    return {part: found for part, found in kept.items() if found}


def _no_rows_error(sources: Sequence[ConvertSource], from_: str, counts: ConvertCounts) -> UserError:
    place = ", ".join(str(source.path) for source in sources)
    if counts.rejects and from_ not in FOLDERS and str(sources[0].path) != STDIO:
        form = looks_like(sources[0]) if from_ != LLAMAINDEX else ""
        if form and form != from_:
            return UserError(
                "not one usable row", place=place, hint="it looks like {form}: --from {form}", form=form
            )
    if counts.rejects:
        first = counts.rejects[0]
        return UserError(
            "not one usable row",
            place=place,
            hint="{count} rejected; the first at {where}: {reason}",
            count=counts.tally.rejected.total(),
            where=first.place,
            reason=first.reason,
        )
    return UserError("not one usable row", place=place, hint="is it empty?")


def _manifest(sources: Sequence[ConvertSource]) -> Manifest | None:
    """The manifest beside the rows, which says how they were made; None where there is none."""
    path = next((Path(s.path) for s in sources if str(s.path) != STDIO), None)
    if path is None or not manifest_path(path).is_file():
        return None
    try:
        return read_manifest(manifest_path(path))
    except UserError:
        return None


def _write_files(files: Files, *, stale: Sequence[Path]) -> None:
    """All files are written beside their places first; only then do they appear."""
    with ExitStack() as stack:
        for path, lines in files.items():
            handle = stack.enter_context(atomic(path))
            handle.writelines(lines)
    for old in stale:
        if str(old) not in files:
            discard(old)


def _write_manifest(result: ConvertResult, inputs: Mapping[str, str], negatives: int | None) -> None:
    if not result.manifest:
        return
    settings = {"from": result.read_as, "to": result.written_as, "negatives": negatives}
    manifest = Manifest(
        step="convert",
        inputs=inputs,
        outputs=hashes(map(Path, result.outputs)),
        settings={name: value for name, value in settings.items() if value is not None},
        counts=result.manifest_counts(),
        versions=versions(),
    )
    write_manifest(Path(result.manifest), manifest)


def _say_report(result: ConvertResult, *, dry_run: bool) -> None:
    counts = result.counts
    counts.tally.print()
    for reject in counts.rejects[:SHOWN_REJECTS]:
        say("{place}: {reason}", place=reject.place, reason=tr(reject.reason))
    if len(counts.rejects) > SHOWN_REJECTS:
        say("… and {count} more", count=len(counts.rejects) - SHOWN_REJECTS)
    say("negatives: {taken} in, {given} out", taken=counts.negatives_in, given=counts.negatives_out)
    if keys := [f"{key} ({count})" for key, count in sorted(counts.keys.items()) if count]:
        say("  not carried: the keys {keys}", keys=", ".join(keys))
    for what, count in sorted(counts.lost.items()):
        if count:
            say("  not carried: {what} ({count})", what=tr(what), count=count)
    _advise(result)
    outputs = ", ".join(filter(None, (*result.outputs, result.manifest)))
    if dry_run:
        say("dry run: would write {outputs}", outputs=outputs)
    elif result.outputs != (STDIO,):
        say("wrote {outputs}", outputs=outputs)


def _advise(result: ConvertResult) -> None:
    """Say what the other project does with such rows where that would surprise."""
    form = result.written_as
    if form == LLAMAINDEX:
        say(
            "LlamaIndex trains on the first positive of a query, unless its engine is given use_all_docs=True"
        )
    line = LINES.get(form)
    if line is None:
        return
    if line.note:
        say(line.note)
    if result.counts.bare and line.needs_negatives:
        warn(
            "{count} rows have no negatives: {what}", count=result.counts.bare, what=tr(line.needs_negatives)
        )
