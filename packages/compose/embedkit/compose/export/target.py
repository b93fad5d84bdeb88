"""Writing for convert: rows by part to the files of a format, as lines that are encoded while they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from embedkit.compose.export.card import HUB_SPLITS, contents_of, render_card
from embedkit.compose.export.lines import LINES
from embedkit.compose.export.record import (
    EXTRA_KEYS,
    PARTS,
    ConvertCounts,
    GroupedQueries,
    GroupedQuery,
    Rows,
    pair_id,
)
from embedkit.compose.export.retrieval import QRELS, beir_files, llamaindex_document
from embedkit.compose.export.source import BEIR, FOLDERS, HUGGINGFACE, LLAMAINDEX, PAIRS
from embedkit.console import say
from embedkit.data.manifest import Manifest, manifest_path
from embedkit.data.records import Pair, pair_to_object, split_path
from embedkit.errors import UserError
from embedkit.files import STDIO
from embedkit.text import dumps

Files = dict[str, Iterable[str]]
_TEXTS = ("id", "group", "kind", "lang", "source", "license")


def files_of(form: str, output: str, rows: Rows, counts: ConvertCounts, manifest: Manifest | None) -> Files:
    """Every file to write with its lines. The counts are complete when this returns."""
    if form in (PAIRS, HUGGINGFACE):
        counts.tally.given_out += sum(map(len, rows.values()))
        counts.negatives_out += sum(len(pair.hard_negatives) for found in rows.values() for pair in found)
        if form == PAIRS:
            return {_beside(output, part): _pair_lines(found) for part, found in rows.items()}
        return _hub_files(Path(output), rows, manifest)
    of_lines = LINES.get(form)
    _count_lost_keys(rows, counts, kept={"scores"} if of_lines and of_lines.scores else set())
    grouping = of_lines is None or of_lines.groups
    parts = {part: GroupedQueries(found, grouped=grouping) for part, found in rows.items()}
    widths = {part: sorted(queries.count(counts)) for part, queries in parts.items()}
    if form == BEIR:
        return {str(path): lines for path, lines in beir_files(Path(output), _named(parts)).items()}
    if form == LLAMAINDEX:
        return {_beside(output, p): [llamaindex_document(found, counts)] for p, found in parts.items()}
    if form != "sentence-transformers":
        return {_beside(output, part): _encoded(form, found) for part, found in parts.items()}
    files: Files = {}
    for part, found in parts.items():
        files |= _by_width(_beside(output, part), found, widths[part])
    return files


def graded_files(
    output: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], counts: ConvertCounts
) -> Files:
    """The files of rows that are no pairs."""
    counts.tally.given_out += sum(map(len, rows.values()))
    return {_beside(output, part): (dumps(row) + "\n" for row in found) for part, found in rows.items()}


def may_write(form: str, output: str) -> list[Path]:
    """Every file that stands for this output, whatever the rows: a stale one beside new ones would mislead."""
    return [manifest_of(form, output), rejected_of(form, output), *_row_files(form, Path(output))]


def _row_files(form: str, path: Path) -> list[Path]:
    if form == BEIR:
        parts = [path / QRELS / f"{part}.tsv" for part in PARTS]
        return [path / "corpus.jsonl", path / "queries.jsonl", *parts]
    if form == HUGGINGFACE:
        return [path / "README.md", *(path / f"{name}.jsonl" for name in HUB_SPLITS.values())]
    files = [split_path(path, part) for part in PARTS]
    if form == "sentence-transformers":
        return [*files, *(ragged for file in files for ragged in _ragged(file))]
    return files


def _ragged(file: Path) -> list[Path]:
    """The files of single widths that lie where `file` would: `NAME.n2.jsonl`, and nothing else that begins so."""
    name = re.compile(rf"{re.escape(file.stem)}\.n\d+{re.escape(file.suffix)}")
    folder = file.parent
    return sorted(path for path in folder.iterdir() if name.fullmatch(path.name)) if folder.is_dir() else []


def manifest_of(form: str, output: str) -> Path:
    """`x.jsonl` has its manifest in `x.manifest.json`, a folder in its `manifest.json`."""
    return Path(output) / "manifest.json" if form in FOLDERS else manifest_path(Path(output))


def rejected_of(form: str, output: str) -> Path:
    """`x.jsonl` has its rejects in `x.rejected.jsonl`, a folder in its `rejected.jsonl`."""
    return Path(output) / "rejected.jsonl" if form in FOLDERS else split_path(Path(output), "rejected")


def reject_lines(counts: ConvertCounts) -> Iterator[str]:
    """Where something was rejected, and why."""
    return (dumps({"place": reject.place, "reason": reject.reason}) + "\n" for reject in counts.rejects)


def _beside(output: str, part: str) -> str:
    return output if output == STDIO else str(split_path(Path(output), part))


def _named(parts: Mapping[str, GroupedQueries]) -> dict[str, GroupedQueries]:
    """BEIR reads qrels/test.tsv by default, so rows of no named part become the test set."""
    if list(parts) != ["train"]:
        return dict(parts)
    say(
        "the rows belong to no named part: their judgements go to qrels/test.tsv, which BEIR reads by default"
    )
    return {"test": parts["train"]}


def _count_lost_keys(rows: Rows, counts: ConvertCounts, *, kept: set[str]) -> None:
    lost = [key for key in EXTRA_KEYS if key not in kept]
    for pair in (pair for found in rows.values() for pair in found):
        for key in lost:
            counts.keys[key] += bool(getattr(pair, key))
        counts.keys["id"] += pair.id not in ("", pair_id(pair.anchor, pair.positive))


def _pair_lines(pairs: Iterable[Pair]) -> Iterator[str]:
    return (dumps(pair_to_object(pair)) + "\n" for pair in pairs)


def _encoded(form: str, queries: Iterable[GroupedQuery]) -> Iterator[str]:
    return (dumps(LINES[form].encode(query)) + "\n" for query in queries)


def _by_width(output: str, queries: GroupedQueries, widths: Sequence[int]) -> Files:
    """One file where all rows have as many negatives; else one for each number, `NAME.n2.jsonl` for two."""
    if len(widths) == 1:
        return {output: _encoded("sentence-transformers", queries)}
    if output == STDIO:
        raise UserError(
            "the rows have {least} to {most} negatives, and sentence-transformers wants equal columns",
            hint="--negatives {most} takes the rows that have as many, --output FILE writes a file for each number",
            least=widths[0],
            most=widths[-1],
        )
    say(
        "{path}: {least} to {most} negatives a row; sentence-transformers wants equal columns, so a file for each",
        path=output,
        least=widths[0],
        most=widths[-1],
    )
    path = Path(output)
    return {
        str(path.with_name(f"{path.stem}.n{width}{path.suffix}")): _encoded(
            "sentence-transformers", _of_width(queries, width)
        )
        for width in widths
    }


def _of_width(queries: GroupedQueries, width: int) -> Iterator[GroupedQuery]:
    return (query for query in queries if len(query.negatives) == width)


def _hub_files(folder: Path, rows: Rows, manifest: Manifest | None) -> Files:
    names = {part: f"{HUB_SPLITS[part]}.jsonl" for part in rows}
    contents = contents_of(rows)
    card = render_card(contents, names, title=folder.resolve().name, manifest=manifest)
    data: Files = {
        str(folder / names[part]): _hub_lines(found, scored=contents.scored) for part, found in rows.items()
    }
    return {**data, str(folder / "README.md"): [card]}


def _hub_lines(pairs: Iterable[Pair], *, scored: bool) -> Iterator[str]:
    """Every key in every row: a loader that guesses types from the first rows guesses right."""
    for pair in pairs:
        row: dict[str, Any] = {name: getattr(pair, name) for name in _TEXTS}
        mining = [asdict(mined) for mined in pair.mining]
        texts = {
            "anchor": pair.anchor,
            "positive": pair.positive,
            "hard_negatives": list(pair.hard_negatives),
        }
        scores = {"scores": list(pair.scores)} if scored else {}
        yield dumps({**texts, **row, "mining": mining, **scores}) + "\n"
