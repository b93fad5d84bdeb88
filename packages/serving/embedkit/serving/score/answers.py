"""Vectors as the answer to a request, in OpenAI's form."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.serving.score.requests import EmbeddingRequest, EncodingFormat


@dataclass(frozen=True, slots=True)
class Encoded:
    """Unit vectors `(B, D)`; the token count of each text as encoded, and whether the text was truncated."""

    vectors: NDArray[np.float32]
    tokens: Sequence[int]
    cut: Sequence[bool]


def embeddings_answer(encoded: Encoded, asked: EmbeddingRequest, name: str) -> dict[str, Any]:
    """The answer's JSON object; a vector of floats is a numpy array in it. `truncated` lists texts that were cut."""
    vectors = shortened(encoded.vectors, asked.dimensions)
    data = [
        {"object": "embedding", "index": place, "embedding": vector}
        for place, vector in enumerate(_written(vectors, asked.encoding_format))
    ]
    tokens = sum(encoded.tokens)
    answer = {
        "object": "list",
        "data": data,
        "model": name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    cut = [place for place, was_cut in enumerate(encoded.cut) if was_cut]
    return answer | ({"truncated": cut} if cut else {})


def shortened(vectors: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    """The first `dimensions` of each vector, normalised again."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    return unit(vectors[:, :dimensions])


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length one; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def _written(vectors: NDArray[np.float32], form: EncodingFormat) -> Sequence[Any]:
    if form == "float":
        return list(vectors)
    return [base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii") for vector in vectors]
