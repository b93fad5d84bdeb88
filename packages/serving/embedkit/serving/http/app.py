"""The HTTP service: OpenAI's embeddings API, so that its clients only need another address.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from embedkit.serving.http import dialects, openapi, rerank, search
from embedkit.serving.http.batcher import Encode
from embedkit.serving.http.bodies import error_response, json_response
from embedkit.serving.http.service import AppOptions, EmbeddingService, ServedModel, ServedReranker
from embedkit.serving.score.answers import embeddings_answer
from embedkit.serving.score.requests import (
    EmbeddingRequest,
    RequestError,
    check_dimensions,
    check_model,
    parse_request,
)


def make_app(
    encode: Encode,
    served: ServedModel,
    options: AppOptions | None = None,
    *,
    corpus: search.SearchedCorpus | None = None,
    reranker: ServedReranker | None = None,
) -> Starlette:
    """The ASGI app. `encode` runs in one thread; with keys, every path but the pages and `/health` requires one."""
    service = EmbeddingService(encode, served, options or AppOptions(), reranker)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = [asyncio.create_task(service.run())]
        if corpus is not None:
            work.append(asyncio.create_task(corpus.watch(service.batcher.encode)))
        yield
        service.stop()
        for task in work:
            task.cancel()

    routes = [
        *_openai_routes(service),
        *dialects.routes(service),
        *rerank.routes(service),
        *search.routes(service, corpus),
        *openapi.routes(service, has_corpus=corpus is not None),
    ]
    middleware = []
    if service.options.origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(service.options.origins),
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
                expose_headers=["x-request-id", "retry-after"],
            )
        )
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=middleware,
        exception_handlers={404: _missing, 405: _missing},
    )
    app.state.service = service
    return app


def _openai_routes(service: EmbeddingService) -> list[Route]:
    post = ["POST"]
    made = service.endpoint
    return [
        *(
            Route(path, made(path, partial(_embeddings, service)), methods=post)
            for path in ("/v1/embeddings", "/embeddings", "/openai/v1/embeddings")
        ),
        Route(
            "/openai/deployments/{deployment:path}/embeddings",
            made("/openai/deployments", partial(_embeddings, service)),
            methods=post,
        ),
        *(Route(path, made(path, partial(_models, service))) for path in ("/v1/models", "/models")),
        Route("/v1/models/{model:path}", made("/v1/models/ID", partial(_model, service))),
        Route("/metrics", made("/metrics", partial(_metrics, service))),
        Route("/health", partial(_health, service)),
    ]


async def _embeddings(service: EmbeddingService, request: Request) -> Response:
    """`POST /v1/embeddings`; on Azure's path the deployment is the model, whatever the body says."""
    asked = parse_request(
        await service.body(request), limits=service.options.limits, decode=service.options.decode
    )
    name = request.path_params.get("deployment") or asked.model
    return json_response(await answer_embeddings(service, request, asked, name))


async def answer_embeddings(
    service: EmbeddingService, request: Request, asked: EmbeddingRequest, name: str | None
) -> object:
    """The answer in OpenAI's form, under the name that was asked for."""
    check_model(name, service.served.names)
    check_dimensions(asked, service.served.dimensions)
    encoded = await service.encoded(request, asked.texts, asked.input_type)
    return embeddings_answer(encoded, asked, name or service.served.name)


async def _models(service: EmbeddingService, _: Request) -> Response:
    """`GET /v1/models`."""
    return json_response(
        {"object": "list", "data": [_described(service, name) for name in service.served.names]}
    )


async def _model(service: EmbeddingService, request: Request) -> Response:
    """`GET /v1/models/{id}`."""
    name = request.path_params["model"]
    check_model(name, service.served.names)
    return json_response(_described(service, name))


def _described(service: EmbeddingService, name: str) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "embedkit",
        "dimensions": service.served.dimensions,
        "max_tokens": service.served.max_tokens,
    }


async def _metrics(service: EmbeddingService, _: Request) -> Response:
    """`GET /metrics`, for Prometheus."""
    text = await asyncio.to_thread(service.metrics.text, waiting=service.waiting)
    return Response(text, media_type="text/plain; version=0.0.4")


async def _health(service: EmbeddingService, _: Request) -> Response:
    """`GET /health`: the model is loaded and the service answers."""
    return json_response({"status": "ok", "model": service.served.name})


async def _missing(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    reason = (
        "is not allowed"
        if status == 405
        else "is not found; there are POST /v1/embeddings and GET /v1/models, and /docs names the others"
    )
    return error_response(RequestError(status, f"{request.method} {request.url.path} {reason}"))
