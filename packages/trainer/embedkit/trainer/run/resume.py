"""A run's folder before training: held by one process, cleared, or gone on with under the same config."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedkit.errors import UserError
from embedkit.files import read_bytes, remove_leftovers, sole_use, write_text
from embedkit.models.run_folder import CONFIG, METRICS, MODEL, OURS
from embedkit.trainer.config import RunConfig
from embedkit.trainer.step.checkpoint import last_checkpoint
from embedkit.trainer.step.processes import is_first

# What may differ between the two halves of a run without changing its weights.
_FREE = (
    "output.",
    "data.stream",
    "train.num_workers",
    "train.micro_batch_size",  # up to the order in which numbers are added
    "hf.allow_pickle",
    "hf.local_files_only",
)
_DEV = ("data.use_dev", "data.dev_path")  # where the dev rows choose no weights


@contextmanager
def held(run: Path) -> Iterator[None]:
    """While the block runs, no other process may go on with the run or replace it; the lock ends with the process.

    Raises:
        UserError: another process is training the run.
    """
    if not (is_first() and run.is_dir()):
        yield
        return
    with sole_use(run) as alone:
        if not alone:
            raise UserError(
                "another process is training this run", place=str(run), hint="wait for it, or end it first"
            )
        yield


def exists(run: Path) -> bool:
    """Whether the folder holds a run already."""
    return any((run / name).exists() for name in OURS)


def require_free(folder: Path, *, resume: bool, force: bool) -> None:
    """Raise `UserError` where a run cannot begin, or go on, in `folder`."""
    if resume and force:
        raise UserError("--resume goes on with a run, --force replaces it", hint="give one of them")
    if resume and (folder / MODEL).is_dir():
        raise UserError("the run is complete already", place=str(folder), hint="--force starts it anew")
    if not (resume or force) and exists(folder):
        raise UserError(
            "there is a run here already",
            place=str(folder),
            hint="--resume goes on with it, --force replaces it",
        )
    if force:
        _require_own(folder)
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        raise UserError("is a file, not a folder", place=str(above), hint="choose another output.save_dir")
    if not os.access(above, os.W_OK):
        raise UserError("cannot write here", place=str(folder), hint="choose another output.save_dir")
    with held(folder):
        pass


def _require_own(folder: Path) -> None:
    """Raise `UserError` where a part of the run to be replaced is a link: what it leads to may be somebody else's."""
    linked = next((folder / name for name in OURS if (folder / name).is_symlink()), None)
    if linked is not None:
        raise UserError(
            "is a link to {target}, which --force does not replace",
            place=str(linked),
            hint="remove the link, or choose another output.save_name",
            target=linked.readlink(),
        )


def clear(run: Path) -> None:
    """Delete what training wrote; anything else in the folder stays, and the folder with it."""
    remove_leftovers(run / MODEL)
    for name in OURS:
        path = run / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if run.is_dir() and not run.is_symlink() and not any(run.iterdir()):
        run.rmdir()


def clear_hopeless(run: Path) -> bool:
    """Delete a run that has neither a model nor a checkpoint to go on from; whether it was so."""
    hopeless = last_checkpoint(run) is None and not (run / MODEL).is_dir()
    if hopeless:
        clear(run)
    return hopeless


def require_same_config(run: Path, config: RunConfig) -> None:
    """Raise `UserError` naming the fields that keep the run from ending with the same weights."""
    path = run / CONFIG
    if not path.is_file():
        return
    try:
        old = _flat(json.loads(read_bytes(path)))
    except ValueError:
        raise UserError("not JSON", place=str(path), hint="--force starts the run anew") from None
    new = _flat(config.model_dump(mode="json"))
    train = config.train
    chosen = train.best_metric or train.early_stopping_patience or train.epochs == "auto"
    free = _FREE if chosen else (*_FREE, *_DEV)
    changed = [k for k in sorted(old | new) if not k.startswith(free) and old.get(k) != new.get(k)]
    if changed:
        changes = "; ".join(f"{k} was {old.get(k)!r}, is {new.get(k)!r}" for k in changed)
        raise UserError(
            "cannot go on with another config: {changes}",
            place=str(path),
            hint="set it back, choose another output.save_name, or start anew with --force",
            changes=changes,
        )


def cut_metrics(run: Path, *, step: int) -> None:
    """Drop the lines of metrics.jsonl that come after `step`, and a half-written last one."""
    path = run / METRICS
    if path.is_file():
        write_text(path, "".join(_lines_up_to(path, step)))


def _lines_up_to(path: Path, step: int) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row.get("step", 0) <= step:
            yield line


def _flat(values: dict[str, Any], head: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{head}{key}.") if isinstance(value, dict) else {f"{head}{key}": value}
    return flat
