"""The forward pass over a batch's distinct texts: all at once or in turns, and shared among processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from embedkit.trainer.step.batch import Features, Plan
from embedkit.trainer.step.distributed import any_of, gather_texts, most
from embedkit.trainer.step.memory import is_out_of_memory
from embedkit.trainer.step.sharding import is_split

Encoder = Callable[[Features], Features]


def encode_batch(
    model: Encoder, groups: Sequence[Features], plan: Plan, *, at_once: int | None = None
) -> Tensor:
    """The vectors `(U, D)` of a batch's distinct texts, in the order of the plan; of a cross-encoder the scores
    `(U, 1)` of its distinct pairs of texts.

    With `at_once` the texts take turns, so many in a turn; what the backward pass needs is computed again
    then, a turn at a time (GradCache, Gao et al. 2021). The loss sees all vectors, so it and its gradients
    are those of the whole batch.

    Raises:
        RuntimeError: in all processes, when memory ran out in one.
    """
    failed: RuntimeError | None = None
    try:
        vectors = _encode(model, groups, at_once)
    except RuntimeError as error:
        if not is_out_of_memory(error) or is_split(model):
            raise
        failed = error
    if any_of(failed is not None):
        raise failed or torch.OutOfMemoryError("out of memory in another process")
    if plan.order is None:
        return vectors
    return gather_texts(vectors[plan.order].float(), plan.shares)


def _encode(model: Encoder, groups: Sequence[Features], at_once: int | None) -> Tensor:
    def vectors(turn: Features) -> Tensor:
        found = model(dict(turn))
        encoded: Tensor = found["sentence_embedding"] if "sentence_embedding" in found else found["scores"]
        return encoded

    def again(turn: Features) -> Tensor:
        encoded: Tensor = checkpoint(vectors, turn, use_reentrant=False)
        return encoded

    encode = vectors if at_once is None or not torch.is_grad_enabled() else again
    turns = groups if at_once is None else [turn for group in groups for turn in _turns(group, at_once)]
    # A pass over split weights needs all processes: one with fewer turns goes along and adds no vector.
    idle = most(len(turns)) - len(turns) if is_split(model) else 0
    parts = [encode(turn) for turn in turns]
    return torch.cat([*parts, *(encode(turns[0])[:0] for _ in range(idle))])


def _turns(group: Features, at_once: int) -> Iterator[Features]:
    """The texts of a length group, `at_once` at a time; a group without a mask (a bag of words) stays whole."""
    mask = group.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.dim() != 2:
        yield group
        return
    count = len(mask)
    for start in range(0, count, at_once):
        stop = start + at_once
        yield {
            key: value[start:stop] if isinstance(value, Tensor) and len(value) == count else value
            for key, value in group.items()
        }
