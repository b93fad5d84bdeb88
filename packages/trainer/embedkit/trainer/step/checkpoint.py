"""Checkpoints: trained weights, optimiser and step, in a folder that counts only when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.files import write_text
from embedkit.models.run_folder import CHECKPOINTS
from embedkit.trainer.step.processes import is_first

if TYPE_CHECKING:
    import torch

    from embedkit.trainer.step.batch import LossModule

# torch is imported where weights are read or written: which checkpoints there are can be asked without it.
_MARK = "complete"
_PREFIX = "checkpoint-"


def trained_parameters(loss: LossModule) -> list[tuple[str, torch.nn.Parameter]]:
    """The parameters that are trained, the loss's own too, by name."""
    return [(name, p) for name, p in loss.named_parameters() if p.requires_grad]


def write_weights(loss: LossModule, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write what is trained, whole, from the first process; every process calls this at the same place."""
    from safetensors.torch import save_file

    from embedkit.trainer.step.sharding import whole

    weights = {name: whole(p).cpu().contiguous() for name, p in trained_parameters(loss)}
    if is_first():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, path, metadata=dict(metadata))


def read_weights(loss: LossModule, path: Path) -> dict[str, str]:
    """Put what `write_weights` wrote back into the parameters; return its metadata."""
    from safetensors import safe_open

    from embedkit.trainer.step.sharding import put

    with safe_open(path, framework="pt") as saved:
        for name, parameter in trained_parameters(loss):
            put(parameter, saved.get_tensor(name))
        return dict(saved.metadata() or {})


def checkpoint_path(run: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return run / CHECKPOINTS / f"{_PREFIX}{step}"


def checkpoint_step(checkpoint: Path) -> int:
    """How many optimiser steps a checkpoint has behind it."""
    return int(checkpoint.name.removeprefix(_PREFIX))


def last_checkpoint(run: Path) -> Path | None:
    """The newest whole checkpoint of a run."""
    return next(iter(reversed(_complete(run))), None)


def mark_complete(checkpoint: Path) -> None:
    """Push every byte of the checkpoint to the disk, then say that it is whole."""
    for path in checkpoint.rglob("*"):
        if path.is_file():
            _sync(path)
    write_text(checkpoint / _MARK, "")
    _sync(checkpoint)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some systems cannot sync a folder or a file opened for reading
        pass
    finally:
        os.close(handle)


def keep_newest(run: Path, *, keep: int) -> None:
    """Delete all but the `keep` newest whole checkpoints, and what an interrupted save left."""
    kept = _complete(run)[-keep:]
    for checkpoint in _all(run):
        if checkpoint not in kept:
            shutil.rmtree(checkpoint, ignore_errors=True)


def drop_partial(run: Path) -> None:
    """Delete the checkpoints that an interrupted save left."""
    for checkpoint in set(_all(run)) - set(_complete(run)):
        shutil.rmtree(checkpoint, ignore_errors=True)


def _all(run: Path) -> Iterator[Path]:
    folder = run / CHECKPOINTS
    found = folder.glob(f"{_PREFIX}*") if folder.is_dir() else ()
    yield from (path for path in found if path.name.removeprefix(_PREFIX).isdigit())


def _complete(run: Path) -> list[Path]:
    return sorted((path for path in _all(run) if (path / _MARK).is_file()), key=checkpoint_step)
