"""What every endpoint shares: who asks, how fast, what it cost, and the vectors of the queue."""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from embedkit.models.cross_encoder import TextPair
from embedkit.models.resolve import Role
from embedkit.serving.http.access_log import AccessLog, RequestEntry
from embedkit.serving.http.batcher import (
    Batcher,
    BatchLimits,
    Encode,
    QueueFullError,
    ScorePairs,
    StoppedError,
)
from embedkit.serving.http.bodies import error_response, read_json
from embedkit.serving.http.keys import ApiKey, RateLimit, find_key
from embedkit.serving.http.metrics import ServiceMetrics
from embedkit.serving.score.answers import Encoded
from embedkit.serving.score.requests import Decode, Limits, RequestError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LOG = logging.getLogger(__name__)
_GONE = 499  # nginx's status for a client that disconnected
Endpoint = Callable[[Request], Awaitable[Response]]
ErrorForm = Callable[[RequestError], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model as clients see it; the first of its names is its own."""

    names: tuple[str, ...]
    dimensions: int
    max_tokens: int | None
    weights: str = ""
    backend: str = "torch"
    pooling: str = ""
    tokenizer: Tokenizer | None = None

    @property
    def name(self) -> str:
        """The model's own name."""
        return self.names[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedReranker:
    """A cross-encoder as clients see it; it has a queue of its own."""

    name: str
    score: ScorePairs
    batches: BatchLimits = field(default_factory=BatchLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """How the service treats its clients. `decode` makes texts of tokens; `timeout_s` is for a body to arrive."""

    batches: BatchLimits = field(default_factory=BatchLimits)
    limits: Limits = field(default_factory=Limits)
    keys: tuple[ApiKey, ...] = ()
    rate_per_minute: float = 0.0
    origins: tuple[str, ...] = ()
    timeout_s: float = 20.0
    decode: Decode | None = None
    log: AccessLog = field(default_factory=AccessLog)


class LimitedError(RequestError):
    """A client that asks too often."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(429, f"too many requests; try again in {wait_s:.0f} s", code="rate_limit_exceeded")
        self.headers = {"Retry-After": str(math.ceil(wait_s))}


class EmbeddingService:
    """A model behind a queue, with its clients' keys, limits, metrics and log."""

    def __init__(
        self,
        encode: Encode,
        served: ServedModel,
        options: AppOptions,
        reranker: ServedReranker | None = None,
    ) -> None:
        self.served, self.options, self.reranker = served, options, reranker
        self.metrics = ServiceMetrics()
        self.batcher = Batcher(encode, options.batches, on_batch=self.metrics.batch)
        self._pairs: Batcher[TextPair] | None = None
        if reranker is not None:
            self._pairs = Batcher(reranker.score, reranker.batches, on_batch=self.metrics.batch)
        self._rate, self._log = RateLimit(options.rate_per_minute), options.log

    @property
    def waiting(self) -> int:
        """How many texts and pairs no batch has taken yet."""
        return self.batcher.waiting + (self._pairs.waiting if self._pairs else 0)

    async def run(self) -> None:
        """Work on what is asked until cancelled."""
        await asyncio.gather(self.batcher.run(), *([self._pairs.run()] if self._pairs else []))

    def stop(self) -> None:
        """Fail what waits, and what comes."""
        self.batcher.stop()
        if self._pairs:
            self._pairs.stop()

    def endpoint(
        self, path: str, handler: Endpoint, *, form: ErrorForm | None = None, is_open: bool = False
    ) -> Endpoint:
        """The handler behind key and rate limit, timed, counted and logged as `path`, its errors as responses.

        `form` gives an error the shape that the path's clients read; `is_open` paths need no key.
        """

        async def answered(request: Request) -> Response:
            entry = RequestEntry(
                id=request.headers.get("x-request-id", "")[:64] or uuid.uuid4().hex,
                method=request.method,
                path=path,
                client=request.client.host if request.client else "",
            )
            request.state.entry = entry
            started = time.perf_counter()
            try:
                if not is_open:
                    self._admit(request, entry)
                response = await handler(request)
            except RequestError as error:
                response = error_response(error, form(error) if form else None)
            except ClientDisconnect:
                response = Response(status_code=_GONE)
            except Exception:  # noqa: BLE001  (one request's failure; the log has the traceback)
                _LOG.exception("%s %s failed", request.method, request.url.path)
                failed = RequestError(500, "internal error; see the log of the service")
                response = error_response(failed, form(failed) if form else None)
            seconds = time.perf_counter() - started
            entry.status, entry.ms = response.status_code, round(1000 * seconds, 1)
            self.metrics.request(path, entry.status, seconds, texts=entry.texts)
            self._log.write(entry)
            response.headers["x-request-id"] = entry.id
            return response

        return answered

    async def body(self, request: Request) -> Any:
        """The parsed body. Raises `RequestError`."""
        return await read_json(request, timeout_s=self.options.timeout_s)

    async def encoded(self, request: Request, texts: Sequence[str], role: Role) -> Encoded:
        """The vectors. When the client disconnects, its texts are not encoded any more."""
        return await self._answered(request, self.batcher.encode(texts, role), len(texts))

    async def scored(self, request: Request, pairs: Sequence[TextPair]) -> Encoded:
        """What the cross-encoder's head gives for each pair `(B, 1)`. Raises `RequestError` where there is none."""
        return await self._answered(request, self.require_reranker().encode(pairs, "document"), len(pairs))

    def require_reranker(self) -> Batcher[TextPair]:
        """The queue of the cross-encoder. Raises `RequestError` where there is none."""
        if self._pairs is None:
            raise RequestError(
                501, "no cross-encoder is loaded; start the service with --cross-encoder", code="no_reranker"
            )
        return self._pairs

    async def _answered(self, request: Request, asked: Coroutine[Any, Any, Encoded], count: int) -> Encoded:
        entry: RequestEntry = request.state.entry
        entry.texts, entry.model = entry.texts + count, self.served.name
        work = asyncio.create_task(asked)
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            encoded = work.result()
        except QueueFullError:
            raise RequestError(
                429, "the queue is full; try again in a second", code="rate_limit_exceeded"
            ) from None
        except StoppedError:
            raise RequestError(503, "the service is stopping; ask again in a moment") from None
        finally:
            work.cancel()
            gone.cancel()
        entry.tokens += sum(encoded.tokens)
        return encoded

    def _admit(self, request: Request, entry: RequestEntry) -> None:
        if self.options.keys:
            key = find_key(self.options.keys, _presented(request))
            if key is None:
                raise RequestError(
                    401,
                    "the API key is missing or wrong; send Authorization: Bearer KEY",
                    code="invalid_api_key",
                )
            entry.key = key.name
        wait_s = self._rate.wait_s(entry.key or entry.client)
        if wait_s:
            raise LimitedError(wait_s)


def _presented(request: Request) -> str:
    """The key as OpenAI's clients send it, or as Azure's do."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("api-key", "").strip()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
