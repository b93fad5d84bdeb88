"""A second model beside the one that is trained: a guide that finds false negatives, or a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from embedkit.models import load_model, resolve_model
from embedkit.trainer.batch import BatchPlan
from embedkit.trainer.config import RunConfig
from embedkit.trainer.encoder import load_options

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Vectors that are remembered from batch to batch: 384 numbers each, about 150 MB of memory in all.
REMEMBERED = 100_000


class SecondModel:
    """Unit vectors of a model that is not trained. No `nn.Module`, so that nothing of it is trained or saved."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model.eval()
        self._seen: dict[tuple[str, str], Tensor] = {}

    def vectors(self, plan: BatchPlan, device: torch.device) -> tuple[Tensor, Tensor]:
        """Those of the batch's anchors `(B, D)` and of its candidates `(C, D)`."""
        anchors = self._encode("query", plan.anchor_texts, self._model.encode_query)
        return anchors.to(device), self._encode(
            "document", plan.candidate_texts, self._model.encode_document
        ).to(device)

    def _encode(self, role: str, texts: Sequence[str], encode: Callable[..., Any]) -> Tensor:
        new = [text for text in dict.fromkeys(texts) if (role, text) not in self._seen]
        fresh: dict[tuple[str, str], Tensor] = {}
        if new:
            options = {"convert_to_tensor": True, "normalize_embeddings": True, "show_progress_bar": False}
            # Cloned outside inference mode: what comes out of it may not enter a graph.
            found = encode(new, **options).float().cpu().clone()
            fresh = {(role, text): vector for text, vector in zip(new, found, strict=True)}
        known = {key: self._seen[key] for text in texts if (key := (role, text)) in self._seen} | fresh
        if len(self._seen) + len(fresh) <= REMEMBERED:
            self._seen |= fresh
        return torch.stack([known[role, text] for text in texts])


def load_second(name: str, config: RunConfig, *, device: str) -> SecondModel:
    """Load a guide or teacher under the hub settings of the run; `UserError` when it is nowhere."""
    source = resolve_model(name, network=not config.hf.local_files_only)
    return SecondModel(load_model(source, load_options(config, device=device)))
