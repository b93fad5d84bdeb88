"""The model of the service: texts in, unit vectors and token counts out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embedkit.models.resolve import Role
from embedkit.models.vectors import Encoder
from embedkit.serving.score.answers import Encoded

CPU_GROUP = 8  # texts of like length; a batch of 32, padded to its longest text, takes 1.5 times as long


class CountingEncoder:
    """An encoder that also counts tokens. Not thread-safe."""

    def __init__(self, encoder: Encoder, *, batch_size: int) -> None:
        self._encoder, self._batch_size = encoder, batch_size

    @property
    def max_tokens(self) -> int | None:
        """How many tokens of a text the model reads, prompt and special tokens included; None: all of them."""
        limit: int | None = self._encoder.model.max_seq_length
        return limit

    def __call__(self, texts: Sequence[str], role: Role) -> Encoded:
        """Encode texts. Raises `UserError` when a vector is not finite."""
        on_cpu = self._encoder.model.device.type == "cpu"
        group = min(self._batch_size, CPU_GROUP) if on_cpu else self._batch_size
        vectors = self._encoder.encode(texts, role=role, batch_size=group)
        prompt = self._encoder.model.prompts.get(role) or ""
        lengths = _token_counts(self._encoder.model.tokenizer, [prompt + text for text in texts])
        most = self.max_tokens or max(lengths)
        return Encoded(vectors, [min(n, most) for n in lengths], [n > most for n in lengths])


def _token_counts(tokenizer: Any, texts: list[str]) -> list[int]:
    """Token counts by a tokenizer of transformers, or by the plain one of a static model."""
    if hasattr(tokenizer, "encode_batch"):
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]]
