"""The optimiser of a run and its learning rate over the steps."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import nn

from embedkit.trainer.config import OptimSection
from embedkit.trainer.step.batch import LossModule

# Biases and the weights of normalisation layers are not decayed.
_NOT_DECAYED = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)", re.IGNORECASE)
_OPTIONS: dict[str, dict[str, Any]] = {
    "adamw": {"fused": True},
    "adafactor": {"scale_parameter": False, "relative_step": False},
    "adamw_8bit": {"optim_bits": 8},
    "paged_adamw_8bit": {"optim_bits": 8, "is_paged": True},
    "lion_8bit": {"optim_bits": 8, "betas": (0.9, 0.999)},
}
NEEDS_BITSANDBYTES = ("adamw_8bit", "paged_adamw_8bit", "lion_8bit")


def make_optimiser(loss: LossModule, optim: OptimSection) -> torch.optim.Optimizer:
    """The optimiser that the config names, over everything in `loss` that is trained."""
    normalised = {
        f"{name}.{own}"
        for name, module in loss.named_modules()
        if isinstance(module, nn.LayerNorm)
        for own, _ in module.named_parameters()
    }
    groups: dict[float, list[nn.Parameter]] = {optim.weight_decay: [], 0.0: []}
    for name, parameter in loss.named_parameters():
        if parameter.requires_grad:
            plain = name in normalised or _NOT_DECAYED.search(name)
            groups[0.0 if plain else optim.weight_decay].append(parameter)
    parts = [{"params": some, "weight_decay": decay} for decay, some in groups.items()]
    kind = _optimiser_class(optim.name)
    made: torch.optim.Optimizer = kind(parts, lr=optim.lr, **_OPTIONS.get(optim.name, {}))
    if optim.name in NEEDS_BITSANDBYTES:
        _keep_embeddings_exact(loss)
    return made


def _optimiser_class(name: str) -> Any:
    if name in NEEDS_BITSANDBYTES:
        from bitsandbytes import optim as eight_bit

        return eight_bit.Lion if name == "lion_8bit" else eight_bit.AdamW
    if name == "adafactor":
        from transformers import Adafactor

        return Adafactor
    return {
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
    }[name]


def _keep_embeddings_exact(loss: LossModule) -> None:
    """Token embeddings lose too much in 8 bits: their state stays in 32."""
    from bitsandbytes.optim import GlobalOptimManager

    for module in loss.modules():
        if isinstance(module, nn.Embedding):
            GlobalOptimManager.get_instance().register_module_override(module, "weight", {"optim_bits": 32})


def make_schedule(optimiser: torch.optim.Optimizer, optim: OptimSection, *, steps: int) -> Any:
    """The learning rate scheduler: warm-up, then what the config names."""
    from transformers import get_scheduler

    name = "constant_with_warmup" if optim.scheduler == "constant" else optim.scheduler
    return get_scheduler(
        name, optimiser, num_warmup_steps=math.ceil(steps * optim.warmup_ratio), num_training_steps=steps
    )
