"""An export served without torch: what `embedkit serve` asks of a model, answered by the serving core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.models.resolve import ModelSource, Role, weights_hash
from embedkit.serving.score.scorer import RECORD, load

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from embedkit.serving.score.answers import Encoded

_GRAPHS = ("onnx", "onnx-int8")


def is_export(source: ModelSource, backend: str) -> bool:
    """Whether a model is a folder of `embedkit export` that has the graph; torch is not needed then."""
    return backend in _GRAPHS and (Path(source.path) / RECORD).is_file()


class ExportedEncoder:
    """A loaded export with the properties of a `CountingEncoder`. Not thread-safe."""

    def __init__(self, source: ModelSource, backend: str) -> None:
        self.source, self.backend = source, backend
        self.hash = weights_hash(source.path)
        self._scorer = load(source.path, graph=backend)
        self.on_cpu, self.pooling = True, self._scorer.pooling

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The model's tokenizer, which cuts nothing."""
        return self._scorer.tokenizer

    @property
    def max_tokens(self) -> int | None:
        """How many tokens of a text the model reads; None: all of them."""
        return self._scorer.max_tokens

    def __call__(self, texts: Sequence[str], role: Role) -> Encoded:
        """Encode texts."""
        return self._scorer.encode(texts, role)
