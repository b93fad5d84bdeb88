"""When the disk is full: what to say of the run, and what to keep."""

from __future__ import annotations

from pathlib import Path

from embedkit.errors import UserError
from embedkit.files import remove_leftovers
from embedkit.models.run_folder import MODEL
from embedkit.trainer.step.checkpoint import checkpoint_step, drop_partial, last_checkpoint


def drop_leftovers(run: Path) -> None:
    """Delete what interrupted saves left, which takes room and counts for nothing."""
    drop_partial(run)
    remove_leftovers(run / MODEL)


def full_error(run: Path) -> UserError:
    """What to tell the person; what an interrupted save left is deleted, whole checkpoints stay."""
    drop_leftovers(run)
    checkpoint = last_checkpoint(run)
    if checkpoint is None:
        return UserError(
            "the disk is full, or no file may grow further", place=str(run), hint="make room and start again"
        )
    step = checkpoint_step(checkpoint)
    return UserError(
        "the disk is full, or no file may grow further; the checkpoint at step {step} is whole and kept",
        place=str(run),
        hint="make room, then --resume goes on from there",
        step=step,
    )
