"""Synth: term and acronym lists to pairs.jsonl and pairs.test.jsonl, split by term, with proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from embedkit.compose.export.card import card_path, contents_of, write_card
from embedkit.compose.templates.concepts import Concept, gather, split_families
from embedkit.compose.templates.lists import Reading, find_list, read_list
from embedkit.compose.templates.messages import say_preview, say_rejected, say_result
from embedkit.compose.templates.pack import DEFAULT_DOMAIN, Pack, find_pack, load_pack, shipped_packs
from embedkit.compose.templates.proof import prove
from embedkit.compose.templates.records import SynthOptions, SynthResult
from embedkit.compose.templates.rows import RowOptions, Shortfall, SynthRow, make_rows
from embedkit.console import out_json, say, warn
from embedkit.data.jsonl import write_objects
from embedkit.data.manifest import Manifest, hashes, manifest_path, versions, write_manifest
from embedkit.data.reading import read_entries
from embedkit.data.records import split_path, write_pairs
from embedkit.data.tally import Tally
from embedkit.errors import UserError
from embedkit.files import STDIO, discard, refuse_existing, refuse_folder, refuse_inputs
from embedkit.messages import Phrase, language, tr
from embedkit.shipped_data import data_path
from embedkit.text import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lists:
    pack: Pack
    files: tuple[Path, ...]
    reading: Reading


def synth(options: SynthOptions) -> SynthResult:
    """Make training rows from lists of terms and acronyms.

    Raises:
        UserError: bad options, a missing file, a broken pack, output that exists, or no usable line at all.
    """
    _check_options(options)
    inputs = _read_lists(options)
    concepts = _concepts(inputs)
    chosen = split_families(concepts, test_share=options.test_split, seed=options.seed)
    sides = ([c for c in concepts if c.family not in chosen], [c for c in concepts if c.family in chosen])
    owners: dict[str, str] = {}
    shortfall = Shortfall()
    train, test = ([*make_rows(s, inputs.pack, options, owners=owners, shortfall=shortfall)] for s in sides)
    if not train:
        raise _no_rows_error(sides[0], inputs, options)
    result = SynthResult(
        pack=inputs.pack.name,
        train_rows=len(train),
        test_rows=len(test),
        train_concepts=len(sides[0]),
        test_concepts=len(sides[1]),
        tally=inputs.reading.tally,
        proof=prove(train, test, sides),
        shortfall=shortfall,
        outputs=_outputs(options, rejected=bool(inputs.reading.rejected)),
    )
    say_result(result, options, inputs.reading.rejected)
    if options.test_split and not test:
        warn(
            "{part} is empty: there are too few concepts for a share of {share}",
            part=tr("test"),
            share=options.test_split,
        )
    if not result.proof.sound:
        raise RuntimeError(f"the rows are not sound, nothing was written: {result.proof}")
    if options.dry_run:
        say_preview(train, result)
    else:
        _write_files(result, inputs, options, train, test)
    if options.as_json:
        out_json(result.to_object())
    return result


def _check_options(options: SynthOptions) -> None:
    output, test_split = options.output, options.test_split
    if options.terms == options.acronyms == STDIO:
        raise UserError("--terms - and --acronyms - cannot both be stdin", hint="give one of them as a file")
    if not 0 <= test_split < 1:
        raise UserError(
            "--test-split {test_split} is not a share",
            hint="give 0 or more and less than 1",
            test_split=test_split,
        )
    if output == STDIO and (test_split or options.as_json):
        raise UserError(
            "--output - prints the training rows on stdout and nothing else",
            hint="add --test-split 0, without --json",
        )
    if output != STDIO:
        refuse_folder(output)
        refuse_inputs(_beside(output), filter(None, (options.terms, options.acronyms)))
    if output != STDIO and not options.dry_run:
        for path in _beside(output):
            refuse_existing(path, force=options.force)


def _beside(output: str) -> list[Path]:
    """Every file that stands for this output: a stale one left beside new ones would mislead."""
    path = Path(output)
    parts = [split_path(path, part) for part in ("train", "dev", "test", "rejected")]
    return [*parts, manifest_path(path), card_path(path)]


def _outputs(options: SynthOptions, *, rejected: bool) -> tuple[str, ...]:
    path = Path(options.output)
    if options.output == STDIO:
        return (STDIO,)
    parts = ["train", *(["test"] if options.test_split else []), *(["rejected"] if rejected else [])]
    return (*(str(split_path(path, part)) for part in parts), str(manifest_path(path)), str(card_path(path)))


def _read_lists(options: SynthOptions) -> _Lists:
    """The named lists, else the pack's own; the named pack, else the one of the lists' language."""
    terms, acronyms = options.terms, options.acronyms
    pack = load_pack(find_pack(options.pack)) if options.pack else None
    if not terms and not acronyms:
        pack = pack or _default_pack(language())
        terms, acronyms = pack.terms, pack.acronyms
        if not terms and not acronyms:
            raise UserError(
                "names no list of terms or acronyms", place=str(pack.path), hint="give --terms or --acronyms"
            )
        say(
            "lists of the pack {pack}: {names}",
            pack=pack.name,
            names=", ".join(filter(None, (terms, acronyms))),
        )
    reading = Reading(items=[], rejected=[], tally=Tally(Phrase("synth")))
    files = []
    for name, are_acronyms in ((terms, False), (acronyms, True)):
        if name:
            files.append(_find_file(name, pack))
            read_list(files[-1], reading, acronyms=are_acronyms)
    pack = pack or _default_pack(reading.lang)
    return _Lists(pack=pack, files=tuple(files), reading=_filtered(reading, pack))


def _default_pack(lang: str) -> Pack:
    name = f"{DEFAULT_DOMAIN}-{lang}"
    if name not in shipped_packs():
        raise UserError(
            "no pack ships for the language {lang!r}",
            hint="give --pack FILE with your own templates, or one of {packs}",
            lang=lang,
            packs=", ".join(shipped_packs()),
        )
    say("pack: {name} (by the language of the lists; --pack chooses another)", name=name)
    return load_pack(find_pack(name))


def _find_file(name: str, pack: Pack | None) -> Path:
    path = find_list(name, lang=pack.lang if pack else language(), beside=pack.path.parent if pack else None)
    shipped_with_pack = pack is not None and name in (pack.terms, pack.acronyms)
    if str(path) != name and not shipped_with_pack:
        say("{name} is not here; using {path}", name=name, path=path)
    return path


def _filtered(reading: Reading, pack: Pack) -> Reading:
    """Without the lines that say they are in another language than the pack's templates."""
    kept = [item for item in reading.items if item.lang in ("", pack.lang)]
    dropped = len(reading.items) - len(kept)
    if dropped:
        reading.tally.reject("in another language than the pack", dropped)
    reading.items = kept
    return reading


def _concepts(inputs: _Lists) -> list[Concept]:
    known = _known(inputs.pack)
    concepts = gather(inputs.reading.items, inputs.reading.tally, known=known)
    own = {fold(item.name) for item in inputs.reading.items if item.definition}
    if looked_up := sum(concept.key in known and concept.key not in own for concept in concepts):
        say("definitions of {count} terms from {file}", count=looked_up, file=inputs.pack.glossary)
    if not concepts:
        say_rejected(inputs.reading.tally, inputs.reading.rejected)
        raise UserError(
            "no line of the lists can be used",
            place=", ".join(map(str, inputs.files)),
            hint='one term per line (tab, definition), or acronyms as {"acronym","full","definition"} lines',
        )
    return concepts


def _no_rows_error(concepts: Sequence[Concept], inputs: _Lists, options: SynthOptions) -> UserError:
    """No training row: a count is 0, the pack has no templates for these lists, or the test side has it all."""
    return UserError(
        "not one training row can be made",
        place=", ".join(map(str, inputs.files)),
        hint="pack {pack} has wordings for {terms} training terms (--pairs-per-term {per_term}) and for {acronyms} "
        "training acronyms (--pairs-per-acronym {per_acronym})",
        pack=inputs.pack.name,
        terms=sum(concept.is_term for concept in concepts) if inputs.pack.queries else 0,
        per_term=options.pairs_per_term,
        acronyms=sum(len(concept.acronyms) for concept in concepts) if inputs.pack.acronym_questions else 0,
        per_acronym=options.pairs_per_acronym,
    )


def _known(pack: Pack) -> Mapping[str, str]:
    """Definitions by folded name and synonym from the glossary that the pack names."""
    found: dict[str, str] = {}
    if pack.glossary:
        for entry in read_entries(_glossary_path(pack)):
            synonyms = [alias.text for alias in entry.aliases if alias.kind == "synonym"]
            for name in (entry.term, *synonyms):
                found.setdefault(fold(name), entry.definition)
    return found


def _glossary_path(pack: Pack) -> Path:
    beside = pack.path.parent / pack.glossary
    return beside if beside.is_file() else data_path(pack.glossary)


def _write_files(
    result: SynthResult,
    inputs: _Lists,
    options: SynthOptions,
    train: Sequence[SynthRow],
    test: Sequence[SynthRow],
) -> None:
    """Data first, manifest and card last; what an earlier run left beside it and this one does not make is removed."""
    if result.outputs == (STDIO,):
        write_pairs(STDIO, (row.pair for row in train))
        return
    path = Path(result.outputs[0])
    manifest = manifest_path(path)
    for stale in _beside(str(path)):
        if str(stale) not in result.outputs or stale == manifest:
            discard(stale)
    write_pairs(path, (row.pair for row in train))
    if options.test_split:
        write_pairs(split_path(path, "test"), (row.pair for row in test))
    if inputs.reading.rejected:
        write_objects(split_path(path, "rejected"), map(asdict, inputs.reading.rejected))
    made = _manifest(result, inputs, options)
    write_manifest(manifest, made)
    _write_card(path, {"train": train, "test": test}, made)
    say("wrote {outputs}", outputs=", ".join(result.outputs))


def _write_card(path: Path, rows: Mapping[str, Sequence[SynthRow]], made: Manifest) -> None:
    contents = contents_of({part: [row.pair for row in found] for part, found in rows.items()})
    write_card(path, {part: str(split_path(path, part)) for part in contents.rows}, contents, made)


def _manifest(result: SynthResult, inputs: _Lists, options: SynthOptions) -> Manifest:
    glossary = [_glossary_path(inputs.pack)] if inputs.pack.glossary else []
    read = [path for path in (*inputs.files, inputs.pack.path, *glossary) if str(path) != STDIO]
    wanted = {field.name: getattr(options, field.name) for field in fields(RowOptions)}
    return Manifest(
        step="synth",
        inputs=hashes(read),
        outputs=hashes(map(Path, result.outputs[:-2])),
        settings={"pack": inputs.pack.name, "test_split": options.test_split, **wanted},
        seed=options.seed,
        counts=result.counts(),
        versions=versions(),
    )
