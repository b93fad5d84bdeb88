"""Reading for convert: files or folders of any format to rows by part, what cannot be used set aside and counted."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedkit.compose.export.lines import LINES
from embedkit.compose.export.record import (
    EXTRA_KEYS,
    PARTS,
    ConvertCounts,
    GroupedQuery,
    Rows,
    pairs_spool,
    to_pairs,
)
from embedkit.compose.export.retrieval import QRELS, read_beir, read_llamaindex
from embedkit.console import say
from embedkit.data.jsonl import read_objects
from embedkit.data.records import DEFAULT_PATHS, Pair, split_path
from embedkit.data.shapes import pair_from_object
from embedkit.errors import UserError
from embedkit.files import STDIO

PAIRS, LLAMAINDEX, BEIR, HUGGINGFACE = "pairs", "llamaindex", "beir", "huggingface"
FOLDERS = (BEIR, HUGGINGFACE)
FORMATS = (PAIRS, *LINES, LLAMAINDEX, BEIR, HUGGINGFACE)
# What others call our dev part, and the Hub's name for it.
PART_NAMES = {"train": "train", "dev": "dev", "validation": "dev", "valid": "dev", "test": "test"}
_OUR_KEYS = {"anchor", "positive", "hard_negatives", "id", *EXTRA_KEYS}


@dataclass(frozen=True, slots=True)
class ConvertSource:
    """A file or folder to read, and the part that its rows belong to (a BEIR or Hub folder holds several)."""

    path: Path | str
    part: str = "train"


def find_sources(inputs: Sequence[str], *, form: str, only: bool) -> list[ConvertSource]:
    """The inputs with the dev and test files beside them (not with `only`).

    Raises:
        UserError: one is not there, or is a folder where a file is wanted, or the other way round.
    """
    names = list(inputs) or [_default(form)]
    found = [_source(name, form) for name in names]
    given = {str(source.path) for source in found}
    for source in tuple(found) if not only else ():
        if form in FOLDERS or source.part != "train" or str(source.path) == STDIO:
            continue
        for part in PARTS[1:]:
            beside = split_path(Path(source.path), part)
            if beside.is_file() and str(beside) not in given:
                say("{path} lies beside it and is converted too", path=beside)
                found.append(ConvertSource(beside, part))
    return found


def _default(form: str) -> str:
    if form != PAIRS:
        raise UserError("no input", hint="--input PATH names what to convert")
    for path in DEFAULT_PATHS:
        if path.is_file():
            return str(path)
    raise UserError(
        "no pairs to convert: looked for {looked}",
        hint="embedkit compose makes them, or name a file with --input",
        looked=", ".join(map(str, DEFAULT_PATHS)),
    )


def _source(name: str, form: str) -> ConvertSource:
    path = Path(name)
    if name == STDIO and form not in FOLDERS:
        return ConvertSource(name)
    if not path.exists():
        raise UserError("there is no such file", place=name, hint="check the path")
    if path.is_dir() != (form in FOLDERS):
        problem = "is a folder, not a file" if path.is_dir() else "is a file, not a folder"
        hint = "--from {form} reads a file" if path.is_dir() else "--from {form} reads a folder"
        raise UserError(problem, place=name, hint=hint, form=form)
    if path.suffix.lower() in (".csv", ".tsv"):
        raise UserError("is a table", place=name, hint="embedkit compose makes pairs of it")
    return ConvertSource(path, part_of(path))


def part_of(path: Path) -> str:
    """`pairs.test.jsonl` and `test.jsonl` are test rows; a name that says nothing is training rows."""
    return next((PART_NAMES[word] for word in path.name.lower().split(".") if word in PART_NAMES), "train")


def read_sources(sources: Iterable[ConvertSource], *, form: str, counts: ConvertCounts) -> Rows:
    """The rows of every source by part, in PARTS order; a part without rows is not there."""
    rows = {part: pairs_spool() for part in PARTS}
    for source in sources:
        for part, pair in _read_source(source, form, counts):
            try:
                rows[part].append(_sound(pair))
            except ValueError as error:
                counts.reject(f"{source.path}: {pair.anchor[:40]!r}", str(error))
                continue
            counts.tally.taken_in += 1
            counts.negatives_in += len(pair.hard_negatives)
    return {part: found for part, found in rows.items() if found}


def _read_source(source: ConvertSource, form: str, counts: ConvertCounts) -> Iterator[tuple[str, Pair]]:
    """`(part, row)` of one source."""
    path = source.path
    if form == BEIR:
        for name, queries in read_beir(Path(path), counts):
            for query in queries:
                yield from ((PART_NAMES.get(name, "train"), pair) for pair in to_pairs(query))
    elif form == HUGGINGFACE:
        for file in _hub_files(Path(path)):
            yield from ((part_of(file), pair) for pair in _pairs(file, counts))
    elif form == PAIRS:
        yield from ((source.part, pair) for pair in _pairs(path, counts))
    else:
        for query in (
            read_llamaindex(path, counts) if form == LLAMAINDEX else _decoded_lines(path, form, counts)
        ):
            yield from ((source.part, pair) for pair in to_pairs(query))


def files_in(source: ConvertSource, form: str) -> list[Path]:
    """The files that reading a source reads; none of standard input."""
    path = Path(source.path)
    if form == BEIR:
        return [path / "corpus.jsonl", path / "queries.jsonl", *sorted((path / QRELS).glob("*.tsv"))]
    return _hub_files(path) if form == HUGGINGFACE else [path] if str(path) != STDIO else []


def _hub_files(folder: Path) -> list[Path]:
    files = [folder / f"{name}.jsonl" for name in PART_NAMES if (folder / f"{name}.jsonl").is_file()]
    if not files:
        raise UserError("holds no train.jsonl, validation.jsonl or test.jsonl", place=str(folder))
    return files


def _pairs(path: Path | str, counts: ConvertCounts) -> Iterator[Pair]:
    for number, row in read_objects(path):
        try:
            pair = pair_from_object(row)
        except ValueError as error:
            counts.reject(f"{path}:{number}", str(error))
            continue
        counts.keys.update(key for key in row if key not in _OUR_KEYS and row[key] not in (None, [], ""))
        yield pair


def _decoded_lines(path: Path | str, form: str, counts: ConvertCounts) -> Iterator[GroupedQuery]:
    for number, row in read_objects(path):
        try:
            found = LINES[form].decode(row)
        except ValueError as error:
            counts.reject(f"{path}:{number}", str(error))
            continue
        counts.keys.update(found.ignored)
        yield found.query


def looks_like(source: ConvertSource) -> str:
    """The format of lines that the first object of a file is in, or nothing."""
    _, row = next(read_objects(source.path), (0, {}))
    if "hard_negatives" in row:
        return PAIRS
    for name, form in LINES.items():
        try:
            form.decode(row)
        except ValueError:
            continue
        return name
    return ""


def _sound(pair: Pair) -> Pair:
    """The pair in NFC, as every file is written. Raises `ValueError` for text that no file can hold."""
    anchor, positive, *negatives = (_nfc(t) for t in (pair.anchor, pair.positive, *pair.hard_negatives))
    return replace(pair, anchor=anchor, positive=positive, hard_negatives=tuple(negatives))


def _nfc(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None
    return unicodedata.normalize("NFC", text)
