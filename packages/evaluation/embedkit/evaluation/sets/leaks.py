"""What the two models of an evaluation have seen: their test rows are held against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embedkit.console import say, warn
from embedkit.models.run_folder import TRAINED_ON, Run, rows_changed
from embedkit.ranking.fingerprints import TestRow, read_fingerprints
from embedkit.ranking.leak import Leak, Seen, Side, find_leaks, seen_in


def leaks_of(
    rows: Sequence[TestRow], asked: Sequence[TestRow], *, run: Run | None, baseline: Run | None
) -> Iterator[Leak]:
    """Test rows held against the rows that each model was trained on and the dev rows that chose its weights.

    Of known questions (`asked`) the text alone must be new, as composing has proven for near ones; their answers are
    trained on.
    """
    trained, chose = _seen_by(run) if run else (None, None)
    yield find_leaks(rows, seen=trained, side="model")
    if baseline:
        yield find_leaks(rows, seen=_seen_by(baseline)[0], side="baseline")
    for seen in (trained, chose) if asked else ():
        if seen:
            yield find_leaks(asked, seen=seen, side=_side(seen, trained), nearly=False)
    if chose:
        yield find_leaks(rows, seen=chose, side="dev rows")


def _side(seen: Seen, trained: Seen | None) -> Side:
    return "known questions" if seen is trained else "dev rows"


def _seen_by(run: Run) -> tuple[Seen | None, Seen | None]:
    """The rows that a run was trained on, and the dev rows that chose its weights.

    Hashes that the run wrote tell what was trained on; the texts of its files are looked at too while they are as they
    were. An older run has no hashes: its files stand for what they were.
    """
    hashes, files, changed = read_fingerprints(run.folder / TRAINED_ON), run.trained_on, rows_changed(run)
    place = ", ".join(map(str, files))
    dev = Seen(fingerprints=hashes["dev"], name=str(run.folder / TRAINED_ON)) if "dev" in hashes else None
    if "rows" not in hashes:
        if changed:
            warn("{files}: changed since the run was trained, so the leak check may miss rows", files=place)
        return seen_in(files), dev
    if files and not changed:
        return seen_in(files, fingerprints=hashes["rows"]), dev
    if changed:
        say("{files}: changed since the run was trained; the leak check uses the run's hashes", files=place)
    return Seen(fingerprints=hashes["rows"], name=str(run.folder / TRAINED_ON)), dev
