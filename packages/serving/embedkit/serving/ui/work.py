"""Which files of a folder the page works on, and how one of them is changed: whole or not at all, by one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from embedkit.data.candidates import synonyms_path
from embedkit.data.records import DEFAULT_PATHS
from embedkit.errors import UserError
from embedkit.files import atomic, sole_use
from embedkit.models.resolve import RUNS, resolve_model
from embedkit.models.run_folder import CONFIG, MODEL, run_of

CANDIDATES = (Path("data/synonym_candidates.csv"), Path("synonym_candidates.csv"))
QUESTIONS = "questions.jsonl"
_WAIT_SECONDS, _PAUSE_SECONDS = 3.0, 0.05
_TRIES = 5
_writing = Lock()
FileState = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class WorkFiles:
    """The files of a folder: training rows (None where there are none), decisions and questions, there or not."""

    pairs: Path | None
    candidates: Path
    questions: Path


def find_work() -> WorkFiles:
    """The default training rows and what lies beside them, else those of the newest run, else the table alone."""
    pairs = next(filter(Path.is_file, DEFAULT_PATHS), None) or next(_pairs_of_runs(), None)
    if pairs is not None:
        return WorkFiles(pairs, synonyms_path(pairs), pairs.with_name(QUESTIONS))
    candidates = next(filter(Path.is_file, CANDIDATES), CANDIDATES[0])
    return WorkFiles(None, candidates, candidates.with_name(QUESTIONS))


def run_folders() -> list[Path]:
    """The runs here, the newest first."""
    found = [path.parent for path in Path(RUNS).glob(f"*/{CONFIG}")]
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)


def _pairs_of_runs() -> Iterator[Path]:
    for folder in run_folders():
        try:
            run = (
                run_of(resolve_model(str(folder), network=False, final=False)) if _has_model(folder) else None
            )
        except UserError:
            continue
        if run and run.pairs:
            yield run.pairs


def _has_model(folder: Path) -> bool:
    return (folder / MODEL).is_dir()


def state_of(path: Path | None) -> FileState:
    """What changes with a file; None where there is none."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def update(path: Path, make: Callable[[], Iterable[str]]) -> None:
    """Replace a file by what `make` makes of it, unless it changes meanwhile: then `make` reads it again.

    Raises:
        UserError: another process keeps writing there, or the file cannot be written.
    """
    with _alone(path):
        for _ in range(_TRIES):
            before = state_of(path)
            lines = list(make())
            try:
                _replace(path, lines, before)
            except _ChangedError:
                continue
            return
    raise UserError("is being written by another program", place=str(path), hint="try again in a moment")


class _ChangedError(Exception):
    """The file is no longer what was read."""


def _replace(path: Path, lines: Iterable[str], before: FileState) -> None:
    with atomic(path, newline="") as handle:
        handle.writelines(lines)
        if state_of(path) != before:
            raise _ChangedError


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the file's folder against other pages like this one, and against other threads of this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + _WAIT_SECONDS
    with _writing:
        while True:
            with sole_use(path.parent) as alone:
                if alone:
                    yield
                    return
            if time.monotonic() > until:
                raise UserError(
                    "is being written by another program", place=str(path), hint="try again in a moment"
                )
            time.sleep(_PAUSE_SECONDS)
