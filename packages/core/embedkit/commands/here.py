"""`embedkit` alone: what is in this folder, and the command to type next."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedkit.console import out
from embedkit.data.records import DEFAULT_PATHS, split_path
from embedkit.files import open_bytes
from embedkit.messages import tr
from embedkit.models.resolve import FINAL, RUNS
from embedkit.models.run_folder import CARD, CHECKPOINTS, CONFIG, MODEL
from embedkit.text import pad, width

GLOSSARIES = (Path("data/glossary.csv"), Path("glossary.csv"), Path("data/glossary.jsonl"))
TABLES = (".csv", ".tsv", ".xlsx", ".ods", ".tbx")
# Tables that steps write beside their rows: none is a glossary.
NOT_GLOSSARIES = ("translations", "synonym_candidates", "clusters")
SHOWN_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """A run here: its folder, whether it holds a model, its verdict (empty before one), and whether it is final."""

    folder: Path
    trained: bool
    word: str
    evaluated: bool
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFolder:
    """What the folder holds: glossary, training rows and runs, the newest run first."""

    glossary: Path | None
    pairs: Path | None
    runs: tuple[FoundRun, ...]


def print_next_steps() -> None:
    """Print what is here and what to do next on stdout."""
    found = look()
    held = list(_held(found))
    out(tr("Here:") if held else tr("There is no glossary, no training data and no run here yet."))
    _print_rows(held)
    out("")
    out(tr("Next:"))
    _print_rows(list(next_steps(found)))
    out("")
    out(tr("`embedkit -h` lists all commands."))


def _print_rows(rows: list[tuple[str, str]]) -> None:
    widest = max((width(left) for left, _ in rows), default=0)
    for left, right in rows:
        out(f"  {pad(left, widest)}  {right}".rstrip())


def look() -> WorkFolder:
    """What this folder holds."""
    named = next(filter(Path.is_file, GLOSSARIES), None)
    pairs = next(filter(Path.is_file, DEFAULT_PATHS), None)
    runs = sorted(map(_run, _run_folders()), key=lambda run: run.folder.stat().st_mtime, reverse=True)
    return WorkFolder(glossary=named or next(_tables(), None), pairs=pairs, runs=tuple(runs))


def _tables() -> Iterator[Path]:
    for folder in (Path(), Path("data")):
        for path in sorted(folder.glob("*")):
            if path.suffix.lower() in TABLES and path.stem not in NOT_GLOSSARIES and path.is_file():
                yield path


def _run_folders() -> Iterator[Path]:
    return (path.parent for path in Path(RUNS).glob(f"*/{CONFIG}"))


def _run(folder: Path) -> FoundRun:
    word, evaluated = "", False
    try:
        word = str(json.loads((folder / "metrics.json").read_bytes())["word"])
        evaluated = True
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not evaluated, or by somebody else's program
    return FoundRun(
        folder=folder,
        trained=(folder / MODEL).is_dir() and (folder / CARD).is_file(),
        word=word,
        evaluated=evaluated,
        final=(folder / FINAL / MODEL).is_dir(),
    )


def _held(found: WorkFolder) -> Iterator[tuple[str, str]]:
    if found.glossary:
        entries = _entries(found.glossary)
        yield (
            str(found.glossary),
            tr("glossary, {count} entries", count=entries) if entries else tr("a table"),
        )
    if found.pairs:
        test = split_path(found.pairs, "test")
        text = "{train} rows to train on, {test} to test with"
        yield (
            str(found.pairs),
            tr(text, train=_count_rows(found.pairs), test=_count_rows(test) if test.is_file() else 0),
        )
    for run in found.runs[:SHOWN_RUNS]:
        yield str(run.folder), tr(_state(run))
    if (more := len(found.runs) - SHOWN_RUNS) > 0:
        yield "…", tr("{count} more runs", count=more)


def _state(run: FoundRun) -> str:
    if not run.trained:
        return "a run that was stopped"
    if run.final:
        return "a run with its final model"
    return run.word or (
        "measured without a baseline" if run.evaluated else "a trained model, not measured yet"
    )


def _entries(path: Path) -> int:
    """Rows of a CSV under its header; 0 where it is another kind of table."""
    if path.suffix not in (".csv", ".tsv"):
        return 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = csv.reader(handle, delimiter="\t" if path.suffix == ".tsv" else ",")
            return max(sum(1 for row in rows if row) - 1, 0)
    except (OSError, ValueError, csv.Error):
        return 0


def _count_rows(path: Path) -> int:
    with open_bytes(path) as handle:
        return sum(1 for line in handle if line.strip())


def next_steps(found: WorkFolder) -> Iterator[tuple[str, str]]:
    """Commands to type now, the first first, each with what it does."""
    run = next(iter(found.runs), None)
    if run is not None:
        yield from _after_run(run)
    elif found.pairs:
        yield "embedkit train --dry-run", tr("say what training takes")
        yield "embedkit train", tr("train a model")
    elif found.glossary:
        yield f"embedkit validate {_quoted(found.glossary)}", tr("check the glossary")
        yield f"embedkit compose --input {_quoted(found.glossary)}", tr("make training and test rows")
    else:
        yield "embedkit demo", tr("see the whole path, offline")
        yield "embedkit compose --input electronics.en.csv", tr("start from shipped terms")
        yield "embedkit crawl --url ADDRESS", tr("start from a page")


def _after_run(run: FoundRun) -> Iterator[tuple[str, str]]:
    folder = _quoted(run.folder)
    if not run.trained:
        resumable = any((run.folder / CHECKPOINTS).glob("*"))
        flag = "--resume" if resumable else "--force"
        yield (
            f"embedkit train --config {folder}/{CONFIG} {flag}",
            (tr("go on from its last checkpoint") if resumable else tr("train it again")),
        )
        return
    if not run.evaluated:
        yield f"embedkit evaluate --model {folder}", tr("say whether it is better")
        return
    if run.word == "SHIP" and not run.final:
        yield f"embedkit finalize {folder}", tr("train the recipe on all rows")
    if run.word in ("", "SHIP"):
        yield f"embedkit search QUESTION --model {folder}", tr("ask it something")
        yield f"embedkit serve --model {folder}", tr("let other programs ask it")
        return
    yield f"embedkit report {folder} --force", tr("write its report.html again, which says why")
    yield "embedkit compose --help", tr("add questions, aliases or terms, and make the rows again")


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
