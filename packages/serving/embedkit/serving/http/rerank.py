"""`POST /rerank`: texts in the order in which a cross-encoder finds that they answer a question.

In the form of text-embeddings-inference, and as `/v1/rerank` in the form that Jina, Cohere and vLLM share.
https://huggingface.github.io/text-embeddings-inference/, https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from embedkit.models.cross_encoder import relevance
from embedkit.serving.http.bodies import json_response
from embedkit.serving.http.dialects import refuse_cut, tei_error
from embedkit.serving.http.service import EmbeddingService
from embedkit.serving.score.requests import (
    RequestError,
    check_model,
    mapping,
    optional_count,
    optional_flag,
    optional_text,
    read_texts,
)


def routes(service: EmbeddingService) -> list[Route]:
    """The paths; without a cross-encoder they say how to load one."""
    made, post = service.endpoint, ["POST"]
    return [
        Route("/rerank", made("/rerank", partial(_tei_rerank, service), form=tei_error), methods=post),
        *(
            Route(path, made(path, partial(_rerank, service)), methods=post)
            for path in ("/v1/rerank", "/v2/rerank")
        ),
    ]


async def _tei_rerank(service: EmbeddingService, request: Request) -> Response:
    """`POST /rerank`: a bare list of ranks, best first; a body with `documents` is answered as `/v1/rerank`."""
    fields = mapping(await service.body(request))
    if "documents" in fields and "texts" not in fields:
        return await _ranked(service, request, fields)
    service.require_reranker()
    query, texts = _asked(service, fields, "texts")
    raw, with_text = optional_flag(fields, "raw_scores"), optional_flag(fields, "return_text")
    scores = await _scores(service, request, fields, query, texts)
    values = scores if raw else relevance(scores)
    return json_response(
        [
            {"index": place, **({"text": texts[place]} if with_text else {}), "score": float(values[place])}
            for place in _best_first(scores)
        ]
    )


async def _rerank(service: EmbeddingService, request: Request) -> Response:
    """`POST /v1/rerank`: `results` with `index` and `relevance_score`, best first."""
    return await _ranked(service, request, mapping(await service.body(request)))


async def _ranked(service: EmbeddingService, request: Request, fields: Mapping[str, Any]) -> Response:
    name = optional_text(fields, "model")
    service.require_reranker()
    own = service.reranker.name if service.reranker else ""
    check_model(name, (own, *service.served.names))
    query, texts = _asked(service, fields, "documents")
    most, with_text = optional_count(fields, "top_n"), optional_flag(fields, "return_documents")
    before = request.state.entry.tokens
    values = relevance(await _scores(service, request, fields, query, texts))
    results = [
        {
            "index": place,
            "relevance_score": float(values[place]),
            **({"document": {"text": texts[place]}} if with_text else {}),
        }
        for place in _best_first(values)[:most]
    ]
    tokens = request.state.entry.tokens - before
    return json_response(
        {
            "id": request.state.entry.id,
            "object": "rerank",
            "model": name or own,
            "results": results,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _asked(service: EmbeddingService, fields: Mapping[str, Any], name: str) -> tuple[str, tuple[str, ...]]:
    """The question and the texts; a text may also stand in an object, as `{"text": …}`."""
    query = fields.get("query")
    if not isinstance(query, str):
        reason = "is missing" if query is None else "is not one text"
        raise RequestError(400, f"query {reason}", param="query")
    (query,) = read_texts(query, "query", service.options.limits)
    value = fields.get(name)
    if isinstance(value, str):
        raise RequestError(400, f"{name} is not a list of texts", param=name)
    if isinstance(value, Sequence):
        value = [each.get("text") if isinstance(each, Mapping) else each for each in value]
    return query, read_texts(value, name, service.options.limits)


async def _scores(
    service: EmbeddingService,
    request: Request,
    fields: Mapping[str, Any],
    query: str,
    texts: Sequence[str],
) -> NDArray[np.float32]:
    """What the head gives for each text `(N,)`."""
    found = await service.scored(request, [(query, text) for text in texts])
    refuse_cut(found, fields)
    return found.vectors[:, 0]


def _best_first(scores: NDArray[np.floating]) -> list[int]:
    places: list[int] = np.argsort(-scores, kind="stable").tolist()
    return places
