"""Weights split among the processes (FSDP): each keeps a part of every weight, its gradient and its optimiser state,
and borrows the rest of a layer while that layer computes.

accelerate's config says whether; the splitting is done here, for CPUs too, where accelerate leaves it out, and for
the parameters of a loss. What is written to the disk is whole: a checkpoint of a split run is that of any other.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from embedkit.errors import UserError
from embedkit.trainer.processes import world_size

if TYPE_CHECKING:
    from embedkit.trainer.losses.base import BatchLoss

# What accelerate's config may ask for that is not done: the variable it sets, and what to write instead.
_NOT_DONE = {
    "FSDP_OFFLOAD_PARAMS": "fsdp_offload_params: false",
    "FSDP_ACTIVATION_CHECKPOINTING": "fsdp_activation_checkpointing: false",
}


@cache
def asked() -> bool:
    """Whether accelerate's config asks for FSDP. Its libraries are no longer told: they would split the model again.

    Raises:
        UserError: it asks for what is not done here.
    """
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        raise UserError(
            "DeepSpeed runs a step of its own, in which a batch's texts cannot take several passes",
            hint="FSDP splits the weights as ZeRO does: distributed_type FSDP, fsdp_version 2",
        )
    if os.environ.get("ACCELERATE_USE_FSDP") != "true":
        return False
    wrong = [line for name, line in _NOT_DONE.items() if os.environ.get(name, "false").lower() == "true"]
    if os.environ.get("FSDP_VERSION", "1") != "2":
        wrong = ["fsdp_version: 2", *wrong]
    if wrong:
        raise UserError(
            "accelerate's config asks for a kind of FSDP that is not done here",
            hint="set {lines}",
            lines=", ".join(wrong),
        )
    os.environ["ACCELERATE_USE_FSDP"] = "false"
    return True


def wanted() -> bool:
    """Whether the weights are to be split: FSDP is asked for, and there is another process."""
    return asked() and world_size() > 1


def split(loss: BatchLoss, layers: list[nn.Module], device: str) -> None:
    """Split the loss's model, its `layers` one by one, and the loss's own parameters.

    Raises:
        UserError: some weights are in no module that can be split.
    """
    from sentence_transformers.sentence_transformer.modules import Transformer
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    again = os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() == "true"
    mesh = init_device_mesh(device, (world_size(),))
    inside = set(loss.model.modules())
    own = [
        part
        for part in loss.modules()
        if part not in inside and next(part.parameters(False), None) is not None
    ]
    # sentence-transformers' own modules cannot be split, what they hold can: the transformer, a linear layer.
    held = [part for module in loss.model.children() for part in module.children()]
    outermost = [part for part in held if next(part.parameters(), None) is not None]
    for part in [*layers, *outermost, *own]:
        whole_once = fully_shard(part, mesh=mesh, reshard_after_forward=again)
        # The memory that a whole weight is put into is made at its first use: not in the inference mode of `encode`.
        whole_once.unshard()
        whole_once.reshard()
    for module in loss.model.children():
        if isinstance(module, Transformer):  # calls `forward` by its name, which hooks do not see
            register_fsdp_forward_method(module.model, "forward")
    if left := next((name for name, parameter in loss.named_parameters() if not is_part(parameter)), None):
        raise UserError(
            "the weights {name} cannot be split (FSDP)",
            hint="train without FSDP: MULTI_GPU, torchrun",
            name=left,
        )


def is_split(module: Any) -> bool:
    """Whether the module's weights are split."""
    return world_size() > 1 and any(is_part(parameter) for parameter in module.parameters())


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be split; every process asks at the same place and gets the same."""
    full: Tensor = tensor.full_tensor() if is_part(tensor) else tensor
    return full.detach()


def put(parameter: Tensor, value: Tensor) -> None:
    """Set a parameter, which may be split, to a whole value; in every process at the same place."""
    with torch.no_grad():
        parameter.copy_(part_of(value, like=parameter))


def part_of(value: Tensor, *, like: Tensor) -> Tensor:
    """A whole value split as another tensor is."""
    if not is_part(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    part: Tensor = distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
    return part


def whole_state(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimiser's state with every split tensor whole, on the CPU."""
    state = optimiser.state_dict()
    state["state"] = {
        number: {
            name: whole(value).cpu() if isinstance(value, Tensor) else value for name, value in values.items()
        }
        for number, values in state["state"].items()
    }
    return dict(state)


def split_as_loaded(optimiser: torch.optim.Optimizer) -> None:
    """Let the optimiser split the whole state that it loads as its parameters are split."""

    def to_parts(_: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        parts = {
            number: {
                name: part_of(value, like=parameters[number])
                if isinstance(value, Tensor) and value.dim()
                else value
                for name, value in values.items()
            }
            for number, values in state["state"].items()
        }
        return {**state, "state": parts}

    optimiser.register_load_state_dict_pre_hook(to_parts)


def is_part(tensor: Tensor) -> bool:
    """Whether the tensor is one that processes share."""
    if not distributed.is_available():
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)
