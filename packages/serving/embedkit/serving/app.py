"""The HTTP service: OpenAI's embeddings API, so that its clients only need another address.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from embedkit.serving.batcher import Batcher, Encode, QueueFullError
from embedkit.serving.metrics import ServiceMetrics
from embedkit.serving.score.answers import Encoded, embeddings_answer
from embedkit.serving.score.requests import (
    EmbeddingRequest,
    RequestError,
    check_dimensions,
    check_model,
    parse_request,
)

MAX_BODY_BYTES = 32 << 20
_LOG = logging.getLogger(__name__)
_GONE = 499  # nginx's status for a client that disconnected


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model as clients see it."""

    name: str
    dimensions: int
    max_tokens: int | None


def make_app(
    encode: Encode, served: ServedModel, *, batch_size: int = 32, max_waiting: int = 4096, api_key: str = ""
) -> Starlette:
    """The ASGI app. `encode` runs in one thread; with an `api_key`, every path but `/health` requires it."""
    metrics = ServiceMetrics()
    service = _Service(
        Batcher(encode, batch_size=batch_size, max_waiting=max_waiting, on_batch=metrics.batch),
        served,
        metrics,
        api_key,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(service.batcher.run())
        yield
        work.cancel()

    routes = [
        Route("/v1/embeddings", service.endpoint(service.embeddings), methods=["POST"]),
        Route("/v1/models", service.endpoint(service.models)),
        Route("/metrics", service.endpoint(service.metrics)),
        Route("/health", service.health),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _missing, 405: _missing})


Endpoint = Callable[[Request], Awaitable[Response]]


class _Service:
    def __init__(self, batcher: Batcher, served: ServedModel, metrics: ServiceMetrics, api_key: str) -> None:
        self.batcher = batcher
        self._served, self._metrics, self._api_key = served, metrics, api_key

    def endpoint(self, handler: Endpoint) -> Endpoint:
        """The handler behind the API key, with its requests timed and counted and its errors as responses."""

        async def counted(request: Request) -> Response:
            with self._metrics.request(request.url.path) as status:
                try:
                    self._authorise(request)
                    response = await handler(request)
                except RequestError as error:
                    response = _error(error)
                except ClientDisconnect:
                    response = Response(status_code=_GONE)
                except Exception:  # noqa: BLE001  (one request's failure; the log has the traceback)
                    _LOG.exception("%s %s failed", request.method, request.url.path)
                    response = _error(RequestError(500, "internal error; see the log of the service"))
                status.code = response.status_code
            return response

        return counted

    async def embeddings(self, request: Request) -> Response:
        """`POST /v1/embeddings`."""
        asked = await _parsed(request)
        check_model(asked.model, (self._served.name,))
        check_dimensions(asked, self._served.dimensions)
        encoded = await self._encoded(request, asked)
        return _json(embeddings_answer(encoded, asked, self._served.name))

    async def _encoded(self, request: Request, asked: EmbeddingRequest) -> Encoded:
        """The vectors. When the client disconnects, its texts are not encoded any more."""
        work = asyncio.create_task(self.batcher.encode(asked.texts, asked.input_type))
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        except QueueFullError:
            raise RequestError(
                429, "the queue is full; try again in a second", code="rate_limit_exceeded"
            ) from None
        finally:
            work.cancel()
            gone.cancel()

    async def models(self, _: Request) -> Response:
        """`GET /v1/models`."""
        model = {"id": self._served.name, "object": "model", "created": 0, "owned_by": "embedkit"}
        limits = {"dimensions": self._served.dimensions, "max_tokens": self._served.max_tokens}
        return _json({"object": "list", "data": [model | limits]})

    async def metrics(self, _: Request) -> Response:
        """`GET /metrics`, for Prometheus."""
        return Response(
            self._metrics.text(waiting=self.batcher.waiting), media_type="text/plain; version=0.0.4"
        )

    async def health(self, _: Request) -> Response:
        """`GET /health`: the model is loaded and the service answers."""
        return _json({"status": "ok", "model": self._served.name})

    def _authorise(self, request: Request) -> None:
        if not self._api_key:
            return
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            key.strip().encode("latin-1"), self._api_key.encode()
        ):
            raise RequestError(
                401, "the API key is missing or wrong; send Authorization: Bearer KEY", code="invalid_api_key"
            )


async def _parsed(request: Request) -> EmbeddingRequest:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(413, f"the body has more than {MAX_BODY_BYTES >> 20} MiB")
    try:
        return parse_request(orjson.loads(bytes(body)))
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _error(error: RequestError) -> Response:
    return _json(error.to_object(), error.status, {"Retry-After": "1"} if error.status == 429 else None)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


async def _missing(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    reason = (
        "is not allowed"
        if status == 405
        else "is not found; there are POST /v1/embeddings and GET /v1/models"
    )
    return _error(RequestError(status, f"{request.method} {request.url.path} {reason}"))
