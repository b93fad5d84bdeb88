"""Weights split among the processes (FSDP): each keeps a part of every weight, its gradient and its optimiser state,
and borrows the rest of a layer while that layer computes.

accelerate's config says whether, as FSDP or as DeepSpeed's ZeRO, which is the same idea; the splitting is done here,
for CPUs too, where accelerate leaves it out, and for the parameters of a loss. What is written to the disk is whole:
a checkpoint of a split run is that of any other.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from embedkit.errors import UserError
from embedkit.files import read_bytes
from embedkit.trainer.config import RunConfig
from embedkit.trainer.model.load import find_model, prepare_model
from embedkit.trainer.model.vocabulary import VocabularySource, extension_of
from embedkit.trainer.step.batch import LossModule
from embedkit.trainer.step.processes import world_size

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# What accelerate's config may ask for that is not done: the variable it sets, and what to write instead.
_NOT_DONE = {
    "FSDP_OFFLOAD_PARAMS": "fsdp_offload_params: false",
    "FSDP_ACTIVATION_CHECKPOINTING": "fsdp_activation_checkpointing: false",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """How the weights are to be split. `reshard`: a layer is a part again between its two passes."""

    reshard: bool


@cache
def asked() -> Asked | None:
    """What accelerate's config asks for. Its libraries are no longer told: they would split the model again.

    Raises:
        UserError: it asks for what is not done here.
    """
    read = next((read for name, read in _READ.items() if _is_true(name)), None)
    found = read() if read else None
    for name in _READ:
        if _is_true(name):
            os.environ[name] = "false"
    return found


def _of_fsdp() -> Asked:
    wrong = [line for name, line in _NOT_DONE.items() if _is_true(name)]
    if os.environ.get("FSDP_VERSION", "1") != "2":
        wrong = ["fsdp_version: 2", *wrong]
    if wrong:
        raise UserError(
            "accelerate's config asks for a kind of FSDP that is not done here",
            hint="set {lines}",
            lines=", ".join(wrong),
        )
    return Asked(reshard=os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() == "true")


def _of_deepspeed() -> Asked | None:
    """ZeRO's stages by the same splitting, in no more memory: 0 splits nothing, 3 gives layers back in between."""
    stage, offloads = _zero()
    if offloads:
        raise UserError(
            "offloading to {device} is not done here",
            hint="set offload_optimizer_device: none, offload_param_device: none",
            device=offloads[0],
        )
    return Asked(reshard=stage == 3) if stage else None


def _zero() -> tuple[int, list[str]]:
    """The stage and what is offloaded to, as accelerate's config says or DeepSpeed's own, which that one names."""
    path = os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "none")
    if path == "none":
        says = [
            os.environ.get(f"ACCELERATE_DEEPSPEED_OFFLOAD_{what}_DEVICE") for what in ("OPTIMIZER", "PARAM")
        ]
        stage = int(os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2"))
    else:
        try:
            section = json.loads(read_bytes(path)).get("zero_optimization") or {}
            says = [(section.get(f"offload_{what}") or {}).get("device") for what in ("optimizer", "param")]
            stage = int(section.get("stage", 0))
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError("is no DeepSpeed config", place=path) from error
    return stage, [device for device in says if device not in (None, "", "none")]


_READ = {"ACCELERATE_USE_FSDP": _of_fsdp, "ACCELERATE_USE_DEEPSPEED": _of_deepspeed}


def _is_true(name: str) -> bool:
    return os.environ.get(name, "false").lower() == "true"


def wanted() -> bool:
    """Whether the weights are to be split: it is asked for, and there is another process."""
    return asked() is not None and world_size() > 1


def split(loss: LossModule, layers: list[nn.Module], device: str) -> None:
    """Split the loss's model, its `layers` one by one, and the loss's own parameters.

    Raises:
        UserError: some weights are in no module that can be split.
    """
    from sentence_transformers.sentence_transformer.modules import Transformer
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    wish = asked()
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
        whole_once = fully_shard(part, mesh=mesh, reshard_after_forward=wish is None or wish.reshard)
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


def in_one_piece(model: SentenceTransformer, config: RunConfig) -> SentenceTransformer:
    """The model; where processes split its weights, a new one on the CPU, with all of them in the first process."""
    if not is_split(model):
        return model
    table = extension_of(model)
    vocabulary = None if table is None else VocabularySource(lambda _: table.vocabulary, tuple)
    fresh = prepare_model(config, find_model(config), device="cpu", vocabulary=vocabulary)
    parameters = dict(fresh.named_parameters())
    for name, trained in model.named_parameters():
        put(parameters[name], whole(trained).cpu())
    return fresh


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
