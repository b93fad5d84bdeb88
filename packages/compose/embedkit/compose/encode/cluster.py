"""Encoding on a Ray cluster: batches go to several models and come back in any order, each text with its place.

Connects to the cluster that `RAY_ADDRESS` names, else starts a local one. Each node keeps vectors in its own cache.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from embedkit.models.backends import Backend
from embedkit.models.resolve import LoadOptions, ModelSource, Role
from embedkit.models.vectors import Encoder, Vectors


class RayEncoder:
    """One model in one Ray actor."""

    def __init__(
        self, source: ModelSource, options: LoadOptions, backend: Backend, role: Role, batch_size: int
    ):
        self._encoder = Encoder(source, options=options, backend=backend)
        self._role, self._batch_size = role, batch_size

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """`{place, text}` to `{place, vector, encoded}`."""
        before = self._encoder.encoded
        texts = [str(text) for text in batch["text"]]
        vectors = self._encoder.encode(texts, role=self._role, batch_size=self._batch_size)
        encoded = np.zeros(len(texts), dtype=np.int64)
        encoded[0] = self._encoder.encoded - before
        return {"place": batch["place"], "vector": vectors, "encoded": encoded}


def encode_on_ray(
    encoder: Encoder, texts: Sequence[str], role: Role, *, batch_size: int, workers: int
) -> tuple[Vectors, int]:
    """The vectors of `texts` in their order, and how many texts the cluster encoded."""
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if not ray.is_initialized():
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="error", **local)
    ray.data.DataContext.get_current().enable_progress_bars = False
    data = ray.data.from_items([{"place": place, "text": text} for place, text in enumerate(texts)])
    answered = data.map_batches(
        RayEncoder,
        fn_constructor_args=(encoder.source, encoder.options, encoder.backend, role, batch_size),
        batch_size=8 * batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    vectors: Vectors = np.zeros((len(texts), 0), dtype=np.float32)
    encoded = 0
    for batch in answered.iter_batches(batch_format="numpy"):
        part = np.asarray(batch["vector"].tolist() if batch["vector"].dtype == object else batch["vector"])
        if not vectors.shape[1]:
            vectors = np.zeros((len(texts), part.shape[1]), dtype=np.float32)
        vectors[batch["place"]] = part
        encoded += int(batch["encoded"].sum())
    return vectors, encoded
