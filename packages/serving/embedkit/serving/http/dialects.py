"""What other servers' clients send: text-embeddings-inference (`/embed`, …) and Ollama (`/api/embed`, …).

https://huggingface.github.io/text-embeddings-inference/, https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from embedkit.extras import DISTRIBUTION
from embedkit.models.resolve import Role
from embedkit.serving.http.bodies import json_response
from embedkit.serving.http.service import EmbeddingService
from embedkit.serving.score.answers import Encoded, shortened
from embedkit.serving.score.requests import (
    EmbeddingRequest,
    RequestError,
    check_dimensions,
    check_model,
    mapping,
    optional_count,
    optional_text,
    read_texts,
)

_OLLAMA_TAG = ":latest"
_TEI_STATUS = {400: 422}
_TEI_TYPES = {413: "Validation", 422: "Validation", 429: "Overloaded", 503: "Unhealthy", 500: "Backend"}


def routes(service: EmbeddingService) -> list[Route]:
    """The paths of both servers."""
    made, post = service.endpoint, ["POST"]
    tei = {
        "/": _tei_embed,
        "/embed": _tei_embed,
        "/embed_all": _refused,
        "/similarity": _tei_similarity,
        "/tokenize": _tei_tokenize,
        "/decode": _tei_decode,
    }
    ollama = {"/api/embed": _ollama_embed, "/api/embeddings": _ollama_embedding}
    return [
        *(Route(p, made(p, partial(f, service), form=tei_error), methods=post) for p, f in tei.items()),
        Route("/info", made("/info", partial(_tei_info, service))),
        *(
            Route(p, made(p, partial(f, service), form=_ollama_error), methods=post)
            for p, f in ollama.items()
        ),
        Route("/api/tags", made("/api/tags", partial(_ollama_tags, service))),
        Route("/api/version", made("/api/version", _ollama_version)),
    ]


def tei_error(error: RequestError) -> Any:
    """An error as text-embeddings-inference writes it."""
    error.status = _TEI_STATUS.get(error.status, error.status)
    return {"error": str(error), "error_type": _TEI_TYPES.get(error.status, "Validation")}


async def _refused(_: EmbeddingService, request: Request) -> Response:
    raise RequestError(
        501, f"{request.url.path} needs vectors of single tokens, and this service has one vector a text"
    )


async def _tei_embed(service: EmbeddingService, request: Request) -> Response:
    """`POST /embed`: a list of vectors, bare."""
    fields = mapping(await service.body(request))
    texts = read_texts(fields.get("inputs"), "inputs", service.options.limits)
    if fields.get("normalize") is False:
        raise RequestError(400, "normalize is false, and vectors have length one here", param="normalize")
    dimensions = _dimensions(service, fields)
    encoded = await service.encoded(request, texts, _role(fields))
    refuse_cut(encoded, fields)
    return json_response(list(shortened(encoded.vectors, dimensions)))


async def _tei_similarity(service: EmbeddingService, request: Request) -> Response:
    """`POST /similarity`: the cosines of one sentence with others."""
    fields = mapping(await service.body(request))
    inputs = mapping(fields.get("inputs"))
    source = read_texts(inputs.get("source_sentence"), "inputs.source_sentence", service.options.limits)
    others = read_texts(inputs.get("sentences"), "inputs.sentences", service.options.limits)
    if len(source) != 1:
        raise RequestError(400, "inputs.source_sentence is not one text")
    encoded = await service.encoded(request, (*source, *others), _role(fields))
    return json_response(np.clip(encoded.vectors[1:] @ encoded.vectors[0], -1, 1))


async def _tei_tokenize(service: EmbeddingService, request: Request) -> Response:
    """`POST /tokenize`: each text's tokens with their places in it."""
    fields = mapping(await service.body(request))
    texts = read_texts(fields.get("inputs"), "inputs", service.options.limits)
    encodings = _tokenizer(service).encode_batch(
        list(texts), add_special_tokens=fields.get("add_special_tokens") is not False
    )
    return json_response(
        [
            [
                {"id": number, "text": token, "special": bool(special), "start": start, "stop": stop}
                for number, token, special, (start, stop) in zip(
                    encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True
                )
            ]
            for encoding in encodings
        ]
    )


async def _tei_decode(service: EmbeddingService, request: Request) -> Response:
    """`POST /decode`: the texts of tokens."""
    fields = mapping(await service.body(request))
    tokenizer = _tokenizer(service)

    def decode(arrays: Any) -> list[str]:
        return [tokenizer.decode(list(each)) for each in arrays]

    return json_response(read_texts(fields.get("ids"), "ids", service.options.limits, decode))


def _tokenizer(service: EmbeddingService) -> Any:
    if service.served.tokenizer is None:
        raise RequestError(501, "this model has no tokenizer that can be asked")
    return service.served.tokenizer


async def _tei_info(service: EmbeddingService, _: Request) -> Response:
    """`GET /info`."""
    served, options = service.served, service.options
    return json_response(
        {
            "model_id": served.name,
            "model_sha": served.weights or None,
            "model_dtype": "int8" if served.backend == "onnx-int8" else "float32",
            "served_model_name": served.name,
            "model_type": {"embedding": {"pooling": served.pooling}},
            "max_concurrent_requests": options.batches.waiting,
            "max_input_length": served.max_tokens,
            "max_batch_tokens": options.batches.texts * (served.max_tokens or 512),
            "max_batch_requests": options.batches.texts,
            "max_client_batch_size": options.limits.texts,
            "auto_truncate": True,
            "tokenization_workers": 1,
            "version": _version(),
            "sha": None,
            "docker_label": None,
        }
    )


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"


def _role(fields: Mapping[str, Any]) -> Role:
    """The prompt by the name that sentence-transformers gives it; documents have several names."""
    name = optional_text(fields, "prompt_name")
    if name not in (None, "query", "document", "passage", "corpus"):
        raise RequestError(
            400, f"prompt_name is {name!r}; wanted is 'query' or 'document'", param="prompt_name"
        )
    return "query" if name == "query" else "document"


def _dimensions(service: EmbeddingService, fields: Mapping[str, Any]) -> int | None:
    dimensions = optional_count(fields, "dimensions")
    check_dimensions(EmbeddingRequest(texts=(), dimensions=dimensions), service.served.dimensions)
    return dimensions


def refuse_cut(encoded: Encoded, fields: Mapping[str, Any]) -> None:
    """Where a client says `"truncate": false`, a text that does not fit is an error."""
    if fields.get("truncate") is False and any(encoded.cut):
        place = list(encoded.cut).index(True)
        raise RequestError(413, f"text {place} is longer than the model reads, and truncate is false")


def _ollama_error(error: RequestError) -> Any:
    return {"error": str(error)}


async def _ollama_embed(service: EmbeddingService, request: Request) -> Response:
    """`POST /api/embed`: the vectors of texts, with times in nanoseconds."""
    started = time.perf_counter_ns()
    fields = mapping(await service.body(request))
    name = _ollama_name(service, fields)
    value = fields.get("input")
    texts = () if value == [] else read_texts(value, "input", service.options.limits)
    dimensions = _dimensions(service, fields)
    vectors, tokens = [], 0
    if texts:
        encoded = await service.encoded(request, texts, "document")
        refuse_cut(encoded, fields)
        vectors, tokens = list(shortened(encoded.vectors, dimensions)), sum(encoded.tokens)
    return json_response(
        {
            "model": name,
            "embeddings": vectors,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": 0,
            "prompt_eval_count": tokens,
        }
    )


async def _ollama_embedding(service: EmbeddingService, request: Request) -> Response:
    """`POST /api/embeddings`, the older path: one text, one vector."""
    fields = mapping(await service.body(request))
    _ollama_name(service, fields)
    texts = read_texts(fields.get("prompt"), "prompt", service.options.limits)
    encoded = await service.encoded(request, texts[:1], "document")
    return json_response({"embedding": encoded.vectors[0]})


def _ollama_name(service: EmbeddingService, fields: Mapping[str, Any]) -> str:
    """The model that is asked for; Ollama's clients may put `:latest` behind a name."""
    name = optional_text(fields, "model")
    if name is None:
        raise RequestError(400, "model is missing", param="model")
    check_model(
        name if name in service.served.names else name.removesuffix(_OLLAMA_TAG), service.served.names
    )
    return name


async def _ollama_tags(service: EmbeddingService, _: Request) -> Response:
    """`GET /api/tags`: the models that there are."""
    models = [
        {
            "name": name + _OLLAMA_TAG,
            "model": name + _OLLAMA_TAG,
            "digest": service.served.weights,
            "details": {"format": service.served.backend, "family": "embedkit"},
        }
        for name in service.served.names
    ]
    return json_response({"models": models})


async def _ollama_version(_: Request) -> Response:
    """`GET /api/version`."""
    return json_response({"version": _version()})
