"""The optimiser of a run and its learning rate over the steps."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from embedkit.trainer.config import OptimSection
from embedkit.trainer.model.vocabulary import NEW_ROWS
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
# The last part of the steps, in which the learning rate of warmup_stable_decay falls.
DECAY_SHARE = 0.2
# Vectors of new tokens begin as a mean of pieces that meant nothing, and are seen less often than other weights.
NEW_ROWS_LR_FACTOR = 5.0
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
    new: list[nn.Parameter] = []
    for name, parameter in loss.named_parameters():
        if parameter.requires_grad and name.endswith(NEW_ROWS):
            new.append(parameter)
        elif parameter.requires_grad:
            plain = name in normalised or _NOT_DECAYED.search(name)
            groups[0.0 if plain else optim.weight_decay].append(parameter)
    parts: list[dict[str, Any]] = [{"params": some, "weight_decay": decay} for decay, some in groups.items()]
    if new:
        parts.append({"params": new, "weight_decay": 0.0, "lr": optim.lr * NEW_ROWS_LR_FACTOR})
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


class Schedule:
    """The learning rate over the steps: warm-up, then what the config names, and from step `fall_from` on down to 0
    at step `end`.
    """

    def __init__(
        self, optimiser: torch.optim.Optimizer, optim: OptimSection, *, steps: int, warm_up: int
    ) -> None:
        """`warm_up` of `steps` steps are those in which the rate rises."""
        from transformers import get_scheduler

        stable = optim.scheduler == "warmup_stable_decay"
        self.end = steps
        self.fall_from = steps - math.ceil(steps * DECAY_SHARE) if stable else steps
        name = "constant_with_warmup" if stable or optim.scheduler == "constant" else optim.scheduler
        named: Any = get_scheduler(name, optimiser, num_warmup_steps=warm_up, num_training_steps=steps)
        self._share: Callable[[int], float] = named.lr_lambdas[0]
        self._rates = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: self._share_at(step))

    def _share_at(self, step: int) -> float:
        left = (self.end - step) / max(1, self.end - self.fall_from)
        return self._share(step) * (1.0 if step <= self.fall_from else max(0.0, left))

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._rates.get_last_lr()[0])

    def step(self) -> None:
        """Go on to the next step."""
        self._rates.step()

    def state(self) -> dict[str, Any]:
        """What `load` takes."""
        return {"end": self.end, "fall_from": self.fall_from, "rates": self._rates.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.end, self.fall_from = state["end"], state["fall_from"]
        self._rates.load_state_dict(state["rates"])
