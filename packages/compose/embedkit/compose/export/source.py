"""Reading for convert: files or folders of any format to rows by part, what cannot be used set aside and counted."""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.compose.concepts.claims import exact_key
from embedkit.compose.export.graded import as_pair, graded_rows
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
from embedkit.compose.rows.spool import Spool
from embedkit.console import say
from embedkit.data.jsonl import BadLineError, read_objects
from embedkit.data.records import DEFAULT_PATHS, Pair, split_path
from embedkit.data.shapes import pair_from_object
from embedkit.errors import UserError
from embedkit.files import STDIO, missing_file
from embedkit.text import hash64

PAIRS, LLAMAINDEX, BEIR, HUGGINGFACE = "pairs", "llamaindex", "beir", "huggingface"
FOLDERS = (BEIR, HUGGINGFACE)
FORMATS = (PAIRS, *LINES, LLAMAINDEX, BEIR, HUGGINGFACE)
TRIPLETS = "triplets"
GRADED = ("nli", "sts", "labelled")  # rows that are no pairs
READ_FORMATS = (*FORMATS, *GRADED, TRIPLETS)
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
        if form in FOLDERS or form in GRADED or source.part != "train" or str(source.path) == STDIO:
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
        raise missing_file(name)
    if path.is_dir() != (form in FOLDERS):
        problem = "is a folder, not a file" if path.is_dir() else "is a file, not a folder"
        hint = "--from {form} reads a file" if path.is_dir() else "--from {form} reads a folder"
        raise UserError(problem, place=name, hint=hint, form=form)
    if path.suffix.lower() in (".csv", ".tsv") and form not in (*GRADED, TRIPLETS):
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
    return _without_false_negatives({part: found for part, found in rows.items() if found}, counts)


def read_graded(
    sources: Iterable[ConvertSource], *, form: str, scale: float, counts: ConvertCounts
) -> dict[str, Spool[dict[str, Any]]]:
    """The rows of NLI, STS or labelled texts by part, as the objects that are written."""
    parts: dict[str, Spool[dict[str, Any]]] = {}
    for source in sources:
        for number, row in graded_rows(source.path, form, scale=scale):
            if isinstance(row, BadLineError):
                counts.reject(f"{source.path}:{number}", row.problem)
                continue
            counts.tally.taken_in += 1
            rows = parts.setdefault(source.part, Spool(lambda value: value, lambda value: value))
            rows.append(asdict(row))
    return {part: parts[part] for part in PARTS if part in parts}


def _without_false_negatives(rows: Rows, counts: ConvertCounts) -> Rows:
    """The rows without negatives that are a positive of the same anchor, in whatever row that stands."""
    pairs = array("Q", (_joint(p.anchor, p.positive) for found in rows.values() for p in found))
    known = np.unique(np.array(pairs, dtype=np.uint64))
    cleaned: dict[str, Sequence[Pair]] = {}
    for part, found in rows.items():
        kept, dropped = pairs_spool(), 0
        for pair in found:
            hashes = np.array([_joint(pair.anchor, text) for text in pair.hard_negatives], dtype=np.uint64)
            right = [at for at, false in enumerate(np.isin(hashes, known).tolist()) if not false]
            dropped += len(pair.hard_negatives) - len(right)
            kept.append(_picked(pair, right) if len(right) < len(pair.hard_negatives) else pair)
        cleaned[part] = kept if dropped else found
        counts.lost["negatives that are a positive of the same anchor"] += dropped
    return cleaned


def _joint(anchor: str, text: str) -> int:
    return hash64(f"{exact_key(anchor)}\x1e{exact_key(text)}")


def _picked(pair: Pair, places: Sequence[int]) -> Pair:
    """The pair with the hard negatives at these places, and what belongs to them."""
    return replace(
        pair,
        hard_negatives=tuple(pair.hard_negatives[at] for at in places),
        mining=tuple(pair.mining[at] for at in places) if pair.mining else (),
        scores=(pair.scores[0], *(pair.scores[1 + at] for at in places)) if pair.scores else (),
    )


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
    elif form == TRIPLETS:
        for number, row in graded_rows(path, form):
            if isinstance(row, BadLineError):
                counts.reject(f"{path}:{number}", row.problem)
            else:
                yield source.part, as_pair(row)
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
