"""What a search searches: the entries of a glossary or of pairs, or what a run was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from embedkit.console import say
from embedkit.data.entries import Entry
from embedkit.data.manifest import Manifest, manifest_path, read_manifest
from embedkit.data.reading import locate, read_entries
from embedkit.data.records import Pair, split_path
from embedkit.data.shapes import holds_pairs, read_pairs
from embedkit.errors import UserError
from embedkit.files import sha256_file
from embedkit.models.resolve import ModelSource
from embedkit.models.run_folder import run_of
from embedkit.shipped_data import data_path
from embedkit.text import fold

DEFINITION_KINDS = ("term-definition", "alias-definition")


def load_corpus(path: Path) -> tuple[Entry, ...]:
    """The entries of a table of any origin, or of a pairs file. Raises `UserError`."""
    found = locate(str(path))
    entries = tuple(_of_pairs([found])) if holds_pairs(found) else read_entries(found)
    if not entries:
        raise UserError("holds no entries", place=str(path))
    return entries


def corpus_for(model: ModelSource, corpus: Path | None) -> tuple[tuple[Entry, ...], str]:
    """The entries to search and where they come from: `corpus`, else what the run was trained on.

    That is the glossaries its pairs come from, else the pairs' own texts, which is said.

    Raises:
        UserError: the model is no run and no corpus is named, or the data is not where it was.
    """
    if corpus:
        return load_corpus(corpus), str(corpus)
    run = run_of(model)
    if run is None or run.pairs is None:
        raise UserError(
            "no corpus is known for this model",
            place=model.requested,
            hint="name one with --corpus glossary.csv",
        )
    return composed_corpus(run.pairs)


def composed_corpus(pairs: Path) -> tuple[tuple[Entry, ...], str]:
    """The entries of the glossaries that a pairs file was made of and where they are, else the pairs' own texts."""
    path = manifest_path(pairs)
    inputs = ", ".join(read_manifest(path).inputs) if path.is_file() else ""
    glossaries = dict(_composed_from(pairs, read_manifest(path))) if inputs else {}
    if glossaries:
        return tuple(entry for found in glossaries.values() for entry in found), " + ".join(glossaries)
    if inputs:
        text = (
            "{pairs} was made of {inputs}: gone, changed or no glossary; the texts of the pairs are searched"
        )
        say(text, pairs=pairs, inputs=inputs)
    else:
        say(
            "{pairs} has no manifest that names a glossary; the texts of the pairs are searched",
            pairs=pairs,
        )
    parts = (split_path(pairs, part) for part in ("train", "dev", "test"))
    return tuple(_of_pairs([path for path in parts if path.is_file()])), str(pairs)


def _composed_from(pairs: Path, manifest: Manifest) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    """The glossaries among a manifest's inputs that are unchanged, by their path, read as they were composed."""
    mapping = manifest.settings.get("map") or {}
    for name, digest in manifest.inputs.items():
        for path in (Path(name), pairs.parent / Path(name).name, Path("data") / name, data_path(name)):
            if path.is_file() and sha256_file(path) == digest:
                with suppress(UserError):  # an input of another kind, as a pack or decided synonyms
                    yield str(path), read_entries(path, mapping=mapping)
                break


def _of_pairs(paths: Iterable[Path | str]) -> Iterator[Entry]:
    """The distinct positives, each with its first anchor; definitions alone where rows are marked so."""
    rows = [pair for path in paths for pair in read_pairs(path)]
    definitions = [pair for pair in rows if pair.kind in DEFINITION_KINDS]
    first: dict[str, Pair] = {}
    for pair in definitions or rows:
        first.setdefault(fold(pair.positive), pair)
    return (Entry(term=p.anchor, definition=p.positive, lang=p.lang) for p in first.values())
