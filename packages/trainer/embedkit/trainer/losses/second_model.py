"""A second model beside the one that is trained: a guide that finds false negatives, or a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from embedkit.models.resolve import load_model, resolve_model
from embedkit.trainer.config import RunConfig
from embedkit.trainer.model.load import load_options
from embedkit.trainer.step.batch import BatchPlan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SecondModel:
    """Unit vectors of a model that is not trained. No `nn.Module`, so that nothing of it is trained or saved.

    Every batch is encoded anew: the last bits of a vector hang on the texts beside it, so one that is remembered from
    an earlier batch would be another after a resume.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model.eval()

    def vectors(self, plan: BatchPlan, device: torch.device) -> tuple[Tensor, Tensor]:
        """Those of the batch's anchors `(B, D)` and of its candidates `(C, D)`."""
        anchors = _encode(plan.anchor_texts, self._model.encode_query)
        return anchors.to(device), _encode(plan.candidate_texts, self._model.encode_document).to(device)


def _encode(texts: Sequence[str], encode: Callable[..., Any]) -> Tensor:
    distinct = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(distinct)}
    options = {"convert_to_tensor": True, "normalize_embeddings": True, "show_progress_bar": False}
    # Indexed outside inference mode: what comes out of it may not enter a graph, a copy may.
    found: Tensor = encode(distinct, **options).float().clone()
    return found[[place[text] for text in texts]]


def load_second(name: str, config: RunConfig, *, device: str) -> SecondModel:
    """Load a guide or teacher under the hub settings of the run; `UserError` when it is nowhere."""
    source = resolve_model(name, network=not config.hf.local_files_only)
    return SecondModel(load_model(source, load_options(config, device=device)))
