"""Several processes that train one model: who writes and speaks, and how their vectors and gradients meet.

Each process encodes its share of the distinct texts of the whole step and gets the vectors of the others; all
of them then compute the same loss over the same rows. So a run on N processes is a run on one with N times
the rows a batch: the same batches, the same in-batch negatives, the same loss. Gradients are averaged once a
step, after accumulation, for every parameter that is trained, a loss's own included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed

from embedkit.trainer.step import sharding
from embedkit.trainer.step.processes import rank, world_size


def join(device: str) -> None:
    """Meet the other processes, where there are any: gloo between CPUs, NCCL between GPUs.

    Raises:
        UserError: accelerate's config asks for a way of training that is not done here.
    """
    sharding.asked()
    if world_size() == 1:
        return
    from accelerate import PartialState

    PartialState(cpu=device == "cpu")


def leave() -> None:
    """Part from the other processes: one that ends while its threads still talk to them would be aborted."""
    if joined():
        wait()
        distributed.destroy_process_group()


def wait() -> None:
    """Go on when all processes have come this far."""
    if joined():
        distributed.barrier()


def joined() -> bool:
    """Whether there are other processes, and they have met."""
    return world_size() > 1 and distributed.is_available() and distributed.is_initialized()


def any_of(wish: bool, device: torch.device | str = "cpu") -> bool:
    """Whether any process says yes; every process asks at the same place and gets the same answer."""
    if not joined():
        return wish
    flag = torch.tensor(int(wish), device=_meeting_place(device))
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return bool(flag)


def most(count: int, device: torch.device | str = "cpu") -> int:
    """The largest count that a process has."""
    if not joined():
        return count
    counts = torch.tensor(count, device=_meeting_place(device))
    distributed.all_reduce(counts, op=distributed.ReduceOp.MAX)
    return int(counts)


def from_first(value: Any) -> Any:
    """What the first process has, in all of them."""
    if not joined():
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def gather_texts(own: Tensor, counts: Sequence[int]) -> Tensor:
    """`(sum(counts), D)`: the vectors of all processes, one process's after another's, with gradients."""
    gathered: Tensor = _Gather.apply(own, tuple(counts)) if joined() else own
    return gathered


class _Gather(torch.autograd.Function):  # type: ignore[misc]
    """All processes compute the same loss, so each needs but the gradient of its own vectors.

    It is scaled by the number of processes because gradients are averaged over them afterwards.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, counts: tuple[int, ...]) -> Tensor:
        ctx.start, ctx.count = sum(counts[: rank()]), counts[rank()]
        padded = own.new_zeros(max(counts), own.shape[1])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad[ctx.start : ctx.start + ctx.count] * world_size(), None


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Make the gradients of all processes their mean; those of split weights are, by the backward pass.

    A parameter that the loss does not reach (the pooler of a BERT) has none in any process: each encodes at
    least one text.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    if not joined() or not grads or sharding.is_part(grads[0]):
        return
    flat = torch.cat([grad.reshape(-1) for grad in grads])
    distributed.all_reduce(flat)
    flat /= world_size()
    for grad, mean in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
        grad.copy_(mean.view_as(grad))


def same_weights(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Give every process the first one's weights: what is new in a model is drawn at random."""
    if joined():
        for parameter in parameters:
            distributed.broadcast(parameter.data, src=0)


def _meeting_place(device: torch.device | str) -> torch.device | str:
    """NCCL moves tensors between GPUs only."""
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return device
