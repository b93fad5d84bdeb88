"""Prometheus metrics of the service: requests by status and time, texts, tokens, batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from embedkit.serving.score.answers import Encoded

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(slots=True)
class RequestStatus:
    """The HTTP status of a request: 500 until the endpoint sets it."""

    code: int = 500


class ServiceMetrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # else every count has a second series
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "embedkit_requests", "Requests answered.", ("path", "status"), registry=registry
        )
        self._seconds = Histogram(
            "embedkit_request_seconds",
            "Seconds of a request for vectors.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram(
            "embedkit_batch_texts", "Texts of a batch.", buckets=_BATCHES, registry=registry
        )
        self._texts = Counter("embedkit_texts", "Texts encoded.", registry=registry)
        self._tokens = Counter("embedkit_tokens", "Tokens encoded.", registry=registry)
        self._cut = Counter("embedkit_truncated_texts", "Texts that were cut.", registry=registry)
        self._waiting = Gauge(
            "embedkit_waiting_texts", "Texts that no batch has taken yet.", registry=registry
        )

    @contextmanager
    def request(self, path: str) -> Iterator[RequestStatus]:
        """Time a request, and count it by its path and status."""
        status, started = RequestStatus(), time.perf_counter()
        try:
            yield status
        finally:
            self._requests.labels(path, str(status.code)).inc()
            if path == "/v1/embeddings":
                self._seconds.observe(time.perf_counter() - started)

    def batch(self, encoded: Encoded) -> None:
        """Count the texts and tokens of one batch."""
        self._texts.inc(len(encoded.vectors))
        self._tokens.inc(sum(encoded.tokens))
        self._cut.inc(sum(encoded.cut))
        self._batches.observe(len(encoded.vectors))

    def text(self, *, waiting: int) -> bytes:
        """All metrics in Prometheus' text format."""
        self._waiting.set(waiting)
        return generate_latest(self._registry)
