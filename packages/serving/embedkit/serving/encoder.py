"""The model of the service: texts in, unit vectors and token counts out. Each text is tokenised once.

Groups of like length are chosen so that padding and the calls themselves cost least.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UserError
from embedkit.models.resolve import Role
from embedkit.models.vectors import Encoder
from embedkit.serving.parallel import ParallelGroups
from embedkit.serving.score.answers import Encoded, unit
from embedkit.serving.score.scorer import GRAPH_OVERHEAD, GROUP_SIZES
from embedkit.serving.score.tokens import PaddedGroup, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TORCH_OVERHEAD = 16  # what a forward pass costs beside its tokens, in tokens; MiniLM on a CPU
CPU_GROUP = 16
_PLAIN_MODULES = {"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm"}


class CountingEncoder:
    """An encoder that also counts tokens. Not thread-safe."""

    def __init__(self, encoder: Encoder, *, batch_size: int) -> None:
        self._encoder, self._batch_size = encoder, batch_size
        self._tokenizer = _text_tokenizer(encoder.model)
        on_cpu = encoder.model.device.type == "cpu"
        if encoder.backend != "torch":
            self._group, self._overhead = GROUP_SIZES[encoder.backend], GRAPH_OVERHEAD
        else:
            self._group = min(batch_size, CPU_GROUP) if on_cpu else batch_size
            self._overhead = TORCH_OVERHEAD if on_cpu else 1 << 20  # one pass a batch
        self._parallel = ParallelGroups() if on_cpu and encoder.backend == "torch" else None

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The model's tokenizer as texts can be taken apart and put together with; it cuts nothing."""
        return None if self._tokenizer is None else self._tokenizer.whole

    @property
    def pooling(self) -> str:
        """How the model makes a vector of its tokens; empty where it does not say."""
        modes = (module.pooling_mode for module in self._encoder.model if hasattr(module, "pooling_mode"))
        return str(next(modes, ""))

    @property
    def on_cpu(self) -> bool:
        """Whether the model is on the processor."""
        return bool(self._encoder.model.device.type == "cpu")

    @property
    def max_tokens(self) -> int | None:
        """How many tokens of a text the model reads, prompt and special tokens included; None: all of them."""
        limit: int | None = self._encoder.model.max_seq_length
        return limit

    def __call__(self, texts: Sequence[str], role: Role) -> Encoded:
        """Encode texts. Raises `UserError` when a vector is not finite."""
        if self._tokenizer is None:
            return self._by_the_model(texts, role)
        tokenized = self._tokenizer(texts, role)
        skipped = self._tokenizer.prompt_length(role)
        rows: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(texts)
        size = self._parallel.size(len(texts), self._group) if self._parallel else self._group
        groups = list(self._tokenizer.groups(tokenized, size=size, overhead=self._overhead))
        forward = partial(self._forward, skipped=skipped)
        found = self._parallel.run(forward, groups) if self._parallel else map(forward, groups)
        for group, rows_of_group in zip(groups, found, strict=True):
            for place, row in zip(group.places, rows_of_group, strict=True):
                rows[place] = row
        vectors = np.stack(rows)
        if not np.isfinite(vectors).all():
            raise UserError(
                "the model gives vectors that are not finite", place=self._encoder.source.requested
            )
        counts = [len(each.ids) for each in tokenized]
        return Encoded(unit(vectors), counts, [each.cut for each in tokenized])

    def _forward(self, group: PaddedGroup, skipped: int) -> NDArray[np.float32]:
        """The pooled vectors `(B, D)` of one group."""
        import torch

        model = self._encoder.model
        names = model.tokenizer.model_input_names
        features: dict[str, Any] = {
            name: torch.from_numpy(array).to(model.device)
            for name, array in group.arrays.items()
            if name in names
        }
        if skipped:
            features["prompt_length"] = skipped
        with torch.inference_mode():
            vectors: NDArray[np.float32] = model(features)["sentence_embedding"].float().cpu().numpy()
        return vectors

    def _by_the_model(self, texts: Sequence[str], role: Role) -> Encoded:
        """For a model that is no plain transformer, as a static one: its own way from text to vector."""
        vectors = self._encoder.encode(texts, role=role, batch_size=self._batch_size)
        prompt = self._encoder.model.prompts.get(role) or ""
        lengths = _token_counts(self._encoder.model.tokenizer, [prompt + text for text in texts])
        most = self.max_tokens or max(lengths)
        return Encoded(vectors, [min(n, most) for n in lengths], [n > most for n in lengths])


def _text_tokenizer(model: Any) -> TextTokenizer | None:
    """The tokenizer of a plain transformer; None where the model makes more of a text than tokens."""
    if {type(module).__name__ for module in model} - _PLAIN_MODULES:
        return None
    transformer, tokenizer = model[0], getattr(model.tokenizer, "backend_tokenizer", None)
    unusual = any(
        getattr(transformer, name, None) for name in ("query_length", "document_length", "query_expansion")
    )
    if type(transformer).__name__ != "Transformer" or tokenizer is None or unusual:
        return None
    if "message" in getattr(transformer, "modality_config", {}):
        return None
    prompts: dict[Role, str] = {
        "query": model.prompts.get("query") or "",
        "document": model.prompts.get("document") or "",
    }
    return TextTokenizer(
        tokenizer, max_tokens=model.max_seq_length, prompts=prompts, pad=model.tokenizer.pad_token_id
    )


def _token_counts(tokenizer: Any, texts: list[str]) -> list[int]:
    """Token counts by a tokenizer of transformers, or by the plain one of a static model."""
    if hasattr(tokenizer, "encode_batch"):
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]]
