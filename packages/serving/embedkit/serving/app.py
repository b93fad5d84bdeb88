"""The HTTP service: OpenAI's embeddings API, so that its clients only need another address.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, field_validator
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from embedkit.serving.batcher import Batcher, Encode, Encoded, QueueFullError
from embedkit.serving.metrics import ServiceMetrics

MAX_BODY_BYTES = 32 << 20
MAX_TEXTS = 2048
_LOG = logging.getLogger(__name__)
_GONE = 499  # nginx's status for a client that disconnected


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model as clients see it."""

    name: str
    dimensions: int
    max_tokens: int | None


class EmbeddingRequest(BaseModel):
    """The body of `/v1/embeddings`. Beyond OpenAI's fields, `input_type` says which prompt a text gets."""

    input: list[str] = Field(min_length=1, max_length=MAX_TEXTS)
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)
    input_type: Literal["query", "document"] = "document"

    @field_validator("input", mode="before")
    @classmethod
    def _one_text_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class ApiError(Exception):
    """A request that gets an error instead of vectors."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def response(self) -> Response:
        """The error in OpenAI's form."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return _json({"error": error}, self.status, {"Retry-After": "1"} if self.status == 429 else None)


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
                except ApiError as error:
                    response = error.response()
                except ClientDisconnect:
                    response = Response(status_code=_GONE)
                except Exception:  # noqa: BLE001  (one request's failure; the log has the traceback)
                    _LOG.exception("%s %s failed", request.method, request.url.path)
                    response = ApiError(500, "internal error; see the log of the service").response()
                status.code = response.status_code
            return response

        return counted

    async def embeddings(self, request: Request) -> Response:
        """`POST /v1/embeddings`."""
        asked = await _parsed(request)
        if asked.model not in (None, self._served.name):
            raise ApiError(
                404,
                f"the model {asked.model!r} is not served here; {self._served.name!r} is",
                param="model",
                code="model_not_found",
            )
        empty = next((place for place, text in enumerate(asked.input) if not text.strip()), None)
        if empty is not None:
            raise ApiError(400, f"input[{empty}] is empty", param="input")
        if asked.dimensions and asked.dimensions > self._served.dimensions:
            raise ApiError(
                400, f"the model has {self._served.dimensions} dimensions at most", param="dimensions"
            )
        encoded = await self._encoded(request, asked)
        return _json(_answer(encoded, asked, self._served))

    async def _encoded(self, request: Request, asked: EmbeddingRequest) -> Encoded:
        """The vectors. When the client disconnects, its texts are not encoded any more."""
        work = asyncio.create_task(self.batcher.encode(asked.input, asked.input_type))
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        except QueueFullError:
            raise ApiError(
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
            raise ApiError(
                401, "the API key is missing or wrong; send Authorization: Bearer KEY", code="invalid_api_key"
            )


async def _parsed(request: Request) -> EmbeddingRequest:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, f"the body has more than {MAX_BODY_BYTES >> 20} MiB")
    try:
        return EmbeddingRequest.model_validate(orjson.loads(bytes(body)))
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or None
        raise ApiError(400, f"{place}: {first['msg']}" if place else first["msg"], param=place) from None


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer(encoded: Encoded, asked: EmbeddingRequest, served: ServedModel) -> dict[str, Any]:
    vectors = _shortened(encoded.vectors, asked.dimensions)
    data = [
        {"object": "embedding", "index": place, "embedding": vector}
        for place, vector in enumerate(_written(vectors, asked.encoding_format))
    ]
    tokens = sum(encoded.tokens)
    answer = {
        "object": "list",
        "data": data,
        "model": served.name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    cut = [place for place, was_cut in enumerate(encoded.cut) if was_cut]
    return answer | ({"truncated": cut} if cut else {})


def _shortened(vectors: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    """The first `dimensions` of each vector, normalised again."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    first = vectors[:, :dimensions]
    norms = np.linalg.norm(first, axis=1, keepdims=True)
    return np.ascontiguousarray(first / np.where(norms > 0, norms, 1), dtype=np.float32)


def _written(vectors: NDArray[np.float32], form: str) -> Sequence[Any]:
    if form == "float":
        return list(vectors)
    return [base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii") for vector in vectors]


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
    return ApiError(status, f"{request.method} {request.url.path} {reason}").response()
