"""What an operator watches: requests by outcome and time, texts, tokens, batches, for Prometheus."""

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

from embedkit.serving.batcher import Encoded

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(slots=True)
class Outcome:
    """How a request ended; 500 until said otherwise."""

    status: int = 500


class Numbers:
    """The counts of one service."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of every count, which nobody draws
        self._registry = every = CollectorRegistry()
        self._requests = Counter(
            "embedkit_requests", "Requests answered.", ("path", "status"), registry=every
        )
        self._seconds = Histogram(
            "embedkit_request_seconds", "Seconds of a request for vectors.", buckets=_SECONDS, registry=every
        )
        self._batches = Histogram(
            "embedkit_batch_texts", "Texts of a batch.", buckets=_BATCHES, registry=every
        )
        self._texts = Counter("embedkit_texts", "Texts encoded.", registry=every)
        self._tokens = Counter("embedkit_tokens", "Tokens encoded.", registry=every)
        self._cut = Counter("embedkit_truncated_texts", "Texts that were cut.", registry=every)
        self._waiting = Gauge("embedkit_waiting_texts", "Texts that no batch has taken yet.", registry=every)

    @contextmanager
    def request(self, path: str) -> Iterator[Outcome]:
        """Time a request and count how it ended."""
        outcome, started = Outcome(), time.perf_counter()
        try:
            yield outcome
        finally:
            self._requests.labels(path, str(outcome.status)).inc()
            if path == "/v1/embeddings":
                self._seconds.observe(time.perf_counter() - started)

    def batch(self, encoded: Encoded) -> None:
        """Count what one batch held."""
        self._texts.inc(len(encoded.vectors))
        self._tokens.inc(sum(encoded.tokens))
        self._cut.inc(sum(encoded.cut))
        self._batches.observe(len(encoded.vectors))

    def text(self, *, waiting: int) -> bytes:
        """Prometheus' exposition format."""
        self._waiting.set(waiting)
        return generate_latest(self._registry)
