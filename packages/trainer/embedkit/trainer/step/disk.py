"""When the disk is full: how to tell, and what to say."""

from __future__ import annotations

import errno
from pathlib import Path

from embedkit.errors import UserError
from embedkit.files import remove_leftovers
from embedkit.models.run_folder import MODEL
from embedkit.trainer.step.checkpoint import checkpoint_step, drop_partial, last_checkpoint

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
# Writers in Rust and C++ lose the number of the error and keep its text, or only that a write failed.
_SAYINGS = (
    "No space left on device",
    "os error 28",
    "Disk quota exceeded",
    "PytorchStreamWriter failed",
    "iostream error",
    "unexpected pos",
)


def drop_leftovers(run: Path) -> None:
    """Delete what interrupted saves left, which takes room and counts for nothing."""
    drop_partial(run)
    remove_leftovers(run / MODEL)


def is_full(error: BaseException | None) -> bool:
    """Whether the error, or one that led to it, means that the disk has no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NUMBERS:
            return True
        if any(saying in str(error) for saying in _SAYINGS):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_error(run: Path) -> UserError:
    """What to tell the person; what an interrupted save left is deleted, whole checkpoints stay."""
    drop_leftovers(run)
    checkpoint = last_checkpoint(run)
    if checkpoint is None:
        return UserError("the disk is full", place=str(run), hint="make room and start again")
    step = checkpoint_step(checkpoint)
    return UserError(
        "the disk is full; the checkpoint at step {step} is whole and kept",
        place=str(run),
        hint="make room, then --resume goes on from there",
        step=step,
    )
