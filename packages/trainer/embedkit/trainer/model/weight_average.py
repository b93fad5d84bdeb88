"""WiSE-FT weight averaging (Wortsman et al. 2022): what is saved is a mean of the base model's weights and the trained.

Such a mean is often better than either on texts that were not trained on, and forgets less. Training itself is as
without it: only the weights that are measured and saved are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from embedkit.trainer.model.vocabulary import NEW_ROWS

# The factors of LoRA are multiplied: with the base's zeros in B a share of B is that share of their product.
# The base model has no vectors for new tokens.
_NOT_AVERAGED = ("lora_A", NEW_ROWS)


class WeightAverage:
    """Weights of `share` parts the base model, as `model` is now, and the rest what it is trained to be."""

    def __init__(self, model: nn.Module, share: float) -> None:
        """`share` of 0 leaves the trained weights alone, and keeps no copy of the base's."""
        self._share = share
        self._pairs: list[tuple[nn.Parameter, Tensor]] = [
            (parameter, parameter.detach().clone())
            for name, parameter in model.named_parameters()
            if share and parameter.requires_grad and not any(part in name for part in _NOT_AVERAGED)
        ]

    def apply(self) -> None:
        """Average for good."""
        with torch.no_grad():
            for parameter, base in self._pairs:
                parameter.lerp_(base, self._share)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Average while the block runs; the trained weights come back as they were, bit for bit."""
        trained = [parameter.detach().clone() for parameter, _ in self._pairs]
        self.apply()
        try:
            yield
        finally:
            with torch.no_grad():
                for (parameter, _), kept in zip(self._pairs, trained, strict=True):
                    parameter.copy_(kept)
