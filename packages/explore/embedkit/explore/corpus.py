"""What a search searches: entries with term and text, from a glossary, from pairs, or a run's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from embedkit.data.entries import read_glossary
from embedkit.data.manifest import manifest_path, read_manifest
from embedkit.data.pairs import Pair, read_pairs, split_path
from embedkit.data.run_folder import Run
from embedkit.errors import UserError
from embedkit.files import sha256_file
from embedkit.text import fold

DEFINITION_KINDS = ("term-definition", "alias-definition")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One searchable entry: the term, the text that explains it, and the term's other names."""

    term: str
    text: str
    names: tuple[str, ...] = ()
    lang: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """What a query is compared with."""
        return (self.text, self.term, *self.names)


def load_corpus(path: Path) -> tuple[Item, ...]:
    """The entries of a glossary, or of a pairs file (`.jsonl`). Raises `UserError`."""
    items = tuple(_pair_items([path]) if path.suffix == ".jsonl" else _glossary_items(path))
    if not items:
        raise UserError("holds no entries", place=str(path))
    return items


def corpus_of(run: Run | None, *, model: str) -> tuple[tuple[Item, ...], str]:
    """A run's own corpus and its name: the glossaries its pairs come from, else the pairs' own texts.

    Raises:
        UserError: the model is no run, or its data is not where it was.
    """
    if run is None or run.pairs is None:
        raise UserError(
            "no corpus is known for this model", place=model, hint="name one with --corpus glossary.csv"
        )
    glossaries = tuple(_composed_from(run.pairs))
    if glossaries:
        items = tuple(item for path in glossaries for item in load_corpus(path))
        return items, " + ".join(map(str, glossaries))
    parts = (split_path(run.pairs, part) for part in ("train", "dev", "test"))
    return tuple(_pair_items([path for path in parts if path.is_file()])), str(run.pairs)


def _composed_from(pairs: Path) -> Iterator[Path]:
    """The glossaries that the pairs' manifest names, where they lie unchanged, there or beside the pairs."""
    manifest = manifest_path(pairs)
    if not manifest.is_file():
        return
    for name, digest in read_manifest(manifest).inputs.items():
        for path in (Path(name), pairs.parent / Path(name).name):
            if path.is_file() and sha256_file(path) == digest and _is_glossary(path):
                yield path
                break


def _is_glossary(path: Path) -> bool:
    try:
        next(read_glossary(path), None)
    except UserError:
        return False
    return True


def _glossary_items(path: Path) -> Iterator[Item]:
    for entry in read_glossary(path):
        names = tuple(alias.text for alias in entry.aliases)
        yield Item(term=entry.term, text=entry.definition, names=names, lang=entry.lang)


def _pair_items(paths: Iterable[Path]) -> Iterator[Item]:
    """The distinct positives, each with its first anchor; definitions alone where rows are marked so."""
    rows = [pair for path in paths for pair in read_pairs(path)]
    definitions = [pair for pair in rows if pair.kind in DEFINITION_KINDS]
    first: dict[str, Pair] = {}
    for pair in definitions or rows:
        first.setdefault(fold(pair.positive), pair)
    return (Item(term=p.anchor, text=p.positive, lang=p.lang) for p in first.values())
