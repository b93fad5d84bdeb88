"""A cross-encoder behind the service: pairs of texts in, a score and a token count each out. Torch runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UserError
from embedkit.models.cross_encoder import TextPair, load_cross_encoder
from embedkit.models.resolve import LoadOptions, ModelSource, Role
from embedkit.serving.encoder import CPU_GROUP, TORCH_OVERHEAD
from embedkit.serving.parallel import ParallelGroups
from embedkit.serving.score.answers import Encoded
from embedkit.serving.score.tokens import PaddedGroup, TextTokenizer

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class PairScorer:
    """A loaded cross-encoder. Not thread-safe."""

    def __init__(self, source: ModelSource, *, batch_size: int, device: str = "auto") -> None:
        """Raises `UserError` where it cannot be loaded or gives more than one score."""
        self.source, self._batch_size = source, batch_size
        self._model = load_cross_encoder(source, LoadOptions(device=device))
        self._tokenizer = _pair_tokenizer(self._model)
        self.on_cpu = self._model.device.type == "cpu"
        self._parallel = ParallelGroups() if self.on_cpu else None

    @property
    def max_tokens(self) -> int | None:
        """How many tokens of a pair the model reads."""
        limit: int | None = self._model.max_length
        return limit

    def __call__(self, pairs: Sequence[TextPair], _: Role = "document") -> Encoded:
        """What the head gives for each pair `(B, 1)`. Raises `UserError` when one is not finite."""
        if self._tokenizer is None:
            logits, tokens, cut = self._by_the_model(pairs), [0] * len(pairs), [False] * len(pairs)
        else:
            tokenized = self._tokenizer.pairs(pairs)
            logits = np.empty(len(pairs), np.float32)
            size, overhead = self._batch_size, 1 << 20
            if self._parallel is not None:
                size, overhead = self._parallel.size(len(pairs), CPU_GROUP), TORCH_OVERHEAD
            groups = list(self._tokenizer.groups(tokenized, size=size, overhead=overhead))
            found = (
                self._parallel.run(self._forward, groups) if self._parallel else map(self._forward, groups)
            )
            for group, scores in zip(groups, found, strict=True):
                logits[list(group.places)] = scores
            tokens, cut = [len(each.ids) for each in tokenized], [each.cut for each in tokenized]
        if not np.isfinite(logits).all():
            raise UserError("the cross-encoder gives scores that are not finite", place=self.source.requested)
        return Encoded(logits[:, None], tokens, cut)

    def _forward(self, group: PaddedGroup) -> NDArray[np.float32]:
        import torch

        names = self._model.tokenizer.model_input_names
        features: dict[str, Any] = {
            name: torch.from_numpy(array).to(self._model.device)
            for name, array in group.arrays.items()
            if name in names
        }
        with torch.inference_mode():
            found: NDArray[np.float32] = self._model(features)["scores"].float().flatten().cpu().numpy()
        return found

    def _by_the_model(self, pairs: Sequence[TextPair]) -> NDArray[np.float32]:
        """For a model that makes more of a pair than tokens, as a language model with its template."""
        import torch

        return np.asarray(
            self._model.predict(
                list(pairs),
                batch_size=self._batch_size,
                show_progress_bar=False,
                activation_fn=torch.nn.Identity(),
            ),
            np.float32,
        )


def _pair_tokenizer(model: CrossEncoder) -> TextTokenizer | None:
    """The tokenizer of a plain classifier over two texts; None for any other."""
    tokenizer: Any = model.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    plain = len(model) == 1 and type(model[0]).__name__ == "Transformer"
    if not plain or backend is None or model.prompts.get(model.default_prompt_name or ""):
        return None
    if "message" in getattr(model[0], "modality_config", {}) or tokenizer.padding_side != "right":
        return None
    if tokenizer.truncation_side != "right":
        return None
    return TextTokenizer(backend, max_tokens=model.max_length, prompts={}, pad=tokenizer.pad_token_id)
