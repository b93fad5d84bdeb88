"""Prometheus metrics of the service: requests by status and time, texts, tokens, batches."""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from embedkit.serving.score.answers import Encoded

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where several workers keep one set of numbers
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


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
            "embedkit_waiting_texts",
            "Texts that no batch has taken yet.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def request(self, path: str, status: int, seconds: float, *, texts: int) -> None:
        """Count a request by its path and status; time it where it asked for vectors."""
        self._requests.labels(path, str(status)).inc()
        if texts:
            self._seconds.observe(seconds)

    def batch(self, encoded: Encoded) -> None:
        """Count the texts and tokens of one batch."""
        self._texts.inc(len(encoded.vectors))
        self._tokens.inc(sum(encoded.tokens))
        self._cut.inc(sum(encoded.cut))
        self._batches.observe(len(encoded.vectors))

    def text(self, *, waiting: int) -> bytes:
        """All metrics in Prometheus' text format; those of every worker where there are several."""
        self._waiting.set(waiting)
        if os.environ.get(SHARED):
            from prometheus_client.multiprocess import MultiProcessCollector

            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)
