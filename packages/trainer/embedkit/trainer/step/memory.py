"""When memory runs out: fewer texts at once, and the same batch, negatives and loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.trainer.step.batch import LossModule
from embedkit.trainer.step.distributed import any_of, from_first
from embedkit.trainer.step.sharding import is_split

T = TypeVar("T")
# What the allocators say that have no error class of their own: the CPU's and MPS'.
_SAYINGS = ("can't allocate memory", "not enough memory", "MPS backend out of memory")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the error means that a device has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or any(saying in str(error) for saying in _SAYINGS)


def fitting(
    loss: LossModule, texts: int, work: Callable[[], T], *, undo: Callable[[], None] = lambda: None
) -> T:
    """Do `work` on a batch of `texts` distinct texts; where memory runs out, `undo` and do it with half of
    them at once, and so on. The loss remembers how many fit.

    Raises:
        UserError: memory runs out with a single text, or with split weights.
    """
    while (done := attempt(loss, texts, work)) is None:
        undo()
    return done[0]


def attempt(loss: LossModule, texts: int, work: Callable[[], T]) -> tuple[T] | None:
    """The result of `work` on a batch of `texts` distinct texts; None where memory ran out in any process, and the
    loss will take half of the texts at once from now on.

    Raises:
        UserError: memory runs out with a single text, or with split weights.
    """
    failed: RuntimeError | None = None
    done: tuple[T] | None = None
    try:
        done = (work(),)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if is_split(loss):  # the others wait for this process's part in the middle of a pass
            raise UserError(
                "out of memory, and weights that are split cannot take smaller turns by themselves",
                hint="set or lower train.micro_batch_size: the batch and its loss stay the same",
            ) from error
        # Without its frames, which hold on to the tensors that did not fit.
        failed = error.with_traceback(None)
    if not any_of(failed is not None):
        return done
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    loss.texts_at_once = _half(loss, texts, failed)
    return None


def _half(loss: LossModule, texts: int, error: RuntimeError | None) -> int:
    now = from_first(min(loss.texts_at_once or texts, texts))
    if now <= 1:
        raise UserError(
            "out of memory with one text at a time",
            hint="lower train.max_length, train fewer weights (lora, train.freeze_layers), or take a smaller model",
        ) from error
    say(
        "out of memory: {count} of the batch's {texts} texts at once from here on; the batch, its negatives "
        "and its loss stay the same",
        count=now // 2,
        texts=texts,
    )
    return int(now // 2)
