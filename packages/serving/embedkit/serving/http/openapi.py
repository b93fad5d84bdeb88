"""The service's description of itself: `/openapi.json`, and `/docs` for people, which needs no network."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, partial
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from embedkit.extras import DISTRIBUTION
from embedkit.serving.http.bodies import json_response
from embedkit.serving.http.search import MOST_HITS, RANKERS
from embedkit.serving.http.service import EmbeddingService

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_TOKENS: Schema = {"type": "array", "items": {"type": "integer"}}
_VECTOR: Schema = {"type": "array", "items": {"type": "number"}}
_LIST: Schema = {"type": "array", "items": _TEXT, "minItems": 1}
_COUNT: Schema = {"type": ["integer", "null"], "minimum": 1}
RERANK_PATHS = ("/rerank", "/v1/rerank")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body{font:16px/1.55 system-ui,"Noto Sans KR",sans-serif;margin:0 auto;max-width:52rem;padding:1rem}
h2{border-top:1px solid #8886;padding-top:1rem;font-size:1.05rem;overflow-wrap:anywhere}
pre{background:#8882;padding:.7rem;overflow:auto;border-radius:.4rem;font-size:.85rem}
table{border-collapse:collapse;width:100%}
td{border-top:1px solid #8884;padding:.3rem .6rem .3rem 0;vertical-align:top;overflow-wrap:anywhere}
:root{color-scheme:light dark}
"""


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


def _null_or(kind: str, *values: str) -> Schema:
    return {"type": [kind, "null"], **({"enum": [*values, None]} if values else {})}


_EMBEDDINGS = _object(
    ["input"],
    input={"oneOf": [*_TEXTS["oneOf"], _TOKENS, {"type": "array", "items": _TOKENS}]},
    model=_null_or("string"),
    dimensions=_COUNT,
    encoding_format=_null_or("string", "float", "base64"),
    input_type={**_null_or("string", "document", "query"), "description": "the prompt that a text gets"},
)
_SEARCH = _object(
    ["query"],
    query=_TEXTS,
    top_k={**_COUNT, "maximum": MOST_HITS},
    ranker=_null_or("string", *RANKERS),
    rerank={**_null_or("boolean"), "description": "a cross-encoder orders the first entries anew"},
    candidates={**_COUNT, "maximum": MOST_HITS, "description": "how many it reads"},
    model=_null_or("string"),
)
_TEI = _object(
    ["inputs"], inputs=_TEXTS, truncate=_null_or("boolean"), prompt_name=_null_or("string"), dimensions=_COUNT
)
_OLLAMA = _object(
    ["model", "input"], model=_TEXT, input=_TEXTS, truncate=_null_or("boolean"), dimensions=_COUNT
)
_PAIR = _object(
    ["source_sentence", "sentences"], source_sentence=_TEXT, sentences={"type": "array", "items": _TEXT}
)
# path, what it does, the body, an example of it, the answer
_POSTS: tuple[tuple[str, str, Schema, Any, Schema], ...] = (
    (
        "/v1/embeddings",
        "Vectors, in the form of OpenAI",
        _EMBEDDINGS,
        {"input": ["PWM", "펄스 폭 변조"]},
        _object(["data"]),
    ),
    (
        "/openai/deployments/{deployment}/embeddings",
        "The same on Azure OpenAI's path; the deployment is the model's name",
        _EMBEDDINGS,
        {"input": "PWM"},
        _object(["data"]),
    ),
    (
        "/v1/search",
        "The entries of the corpus that answer a question",
        _SEARCH,
        {"query": "what lets current pass one way only?", "top_k": 3, "ranker": "auto"},
        _object(["data"]),
    ),
    (
        "/embed",
        "Vectors, in the form of text-embeddings-inference",
        _TEI,
        {"inputs": ["PWM"], "prompt_name": "query"},
        {"type": "array", "items": _VECTOR},
    ),
    (
        "/similarity",
        "Cosines of one sentence with others (text-embeddings-inference)",
        _object(["inputs"], inputs=_PAIR),
        {"inputs": {"source_sentence": "PWM", "sentences": ["pulse-width modulation", "diode"]}},
        _VECTOR,
    ),
    (
        "/rerank",
        "Texts in the order in which the cross-encoder finds them (text-embeddings-inference)",
        _object(
            ["query", "texts"],
            query=_TEXT,
            texts=_LIST,
            raw_scores=_null_or("boolean"),
            return_text=_null_or("boolean"),
            truncate=_null_or("boolean"),
        ),
        {"query": "what lets current pass one way?", "texts": ["a diode", "a resistor"]},
        {"type": "array", "items": _object(["index", "score"])},
    ),
    (
        "/v1/rerank",
        "The same in the form of Jina and Cohere",
        _object(
            ["query", "documents"],
            query=_TEXT,
            documents=_LIST,
            top_n=_COUNT,
            return_documents=_null_or("boolean"),
            model=_null_or("string"),
        ),
        {"query": "what lets current pass one way?", "documents": ["a diode", "a resistor"], "top_n": 1},
        _object(["results"]),
    ),
    (
        "/tokenize",
        "The tokens of texts (text-embeddings-inference)",
        _object(["inputs"], inputs=_TEXTS, add_special_tokens=_null_or("boolean")),
        {"inputs": "PWM"},
        {"type": "array"},
    ),
    (
        "/decode",
        "The texts of tokens (text-embeddings-inference)",
        _object(["ids"], ids={"oneOf": [_TOKENS, {"type": "array", "items": _TOKENS}]}),
        {"ids": [101, 102]},
        {"type": "array", "items": _TEXT},
    ),
    (
        "/api/embed",
        "Vectors, in the form of Ollama",
        _OLLAMA,
        {"model": "MODEL", "input": ["PWM"]},
        _object(["embeddings"]),
    ),
)
_GETS: tuple[tuple[str, str], ...] = (
    ("/v1/models", "The model under each of its names"),
    ("/v1/models/{model}", "One of them"),
    ("/info", "The model and the limits (text-embeddings-inference)"),
    ("/api/tags", "The models (Ollama)"),
    ("/metrics", "Numbers for Prometheus"),
    ("/health", "200 once the model is loaded; needs no key"),
)
_ERRORS = {
    "400": "the request is wrong; `param` says where",
    "401": "the API key is missing or wrong",
    "404": "no such model, or no corpus",
    "408": "the body did not arrive in time",
    "413": "the body is too large",
    "429": "too many requests or texts wait; `Retry-After` says how long",
}


def routes(service: EmbeddingService, *, has_corpus: bool) -> list[Route]:
    """`/openapi.json` and `/docs`; neither needs a key."""
    missing = {*(() if has_corpus else ("/v1/search",)), *(() if service.reranker else RERANK_PATHS)}
    spec = description(service.served.name, keyed=bool(service.options.keys), missing=missing)
    return [
        Route("/openapi.json", service.endpoint("/openapi.json", partial(_spec, spec), is_open=True)),
        Route("/docs", service.endpoint("/docs", partial(_docs, spec), is_open=True)),
    ]


def description(model: str, *, keyed: bool, missing: Collection[str] = ()) -> Schema:
    """The OpenAPI document of a service without the paths that it has nothing for."""
    try:
        release = version(DISTRIBUTION)
    except PackageNotFoundError:
        release = "0"
    paths: dict[str, Schema] = {}
    for path, summary, body, example, answer in _POSTS:
        if path in missing:
            continue
        if path == "/api/embed":
            example = {**example, "model": model}
        media = {"schema": body, "example": example}
        operation = _operation(path, summary, answer)
        paths[path] = {
            "post": operation | {"requestBody": {"required": True, "content": {"application/json": media}}}
        }
    for path, summary in _GETS:
        paths[path] = {"get": _operation(path, summary, {})}
    security = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}} if keyed else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"embedkit: {model}", "version": release},
        "paths": paths,
        "components": {
            "schemas": {"Error": _object(["error"], error=_object(["message"], message=_TEXT))},
            **security,
        },
        **({"security": [{"key": []}]} if keyed else {}),
    }


def _operation(path: str, summary: str, answer: Schema) -> Schema:
    responses: Schema = {
        "200": {"description": "the answer", "content": {"application/json": {"schema": answer}}}
    }
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    responses |= {status: {"description": text, **error} for status, text in _ERRORS.items()}
    places = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": _TEXT}
        for part in path.split("/")
        if part.startswith("{")
    ]
    return {"summary": summary, "responses": responses, **({"parameters": places} if places else {})}


async def _spec(spec: Schema, _: Request) -> Response:
    """`GET /openapi.json`."""
    return json_response(spec)


async def _docs(spec: Schema, request: Request) -> Response:
    """`GET /docs`: every path with its body and a command that works."""
    base = str(request.base_url).rstrip("/")
    return HTMLResponse(_page(orjson.dumps(spec), base), headers={"Content-Security-Policy": _POLICY})


@cache
def _page(packed: bytes, base: str) -> str:
    spec = orjson.loads(packed)
    title = escape(spec["info"]["title"])
    parts = [
        _section(path, method, operation, base)
        for path, ops in spec["paths"].items()
        for method, operation in ops.items()
    ]
    keyed = "<p>Requests need <code>Authorization: Bearer KEY</code>.</p>" if "security" in spec else ""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    head += f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>'
    links = '<p><a href="./">Try the search</a> · <a href="openapi.json">openapi.json</a></p>'
    return f"{head}<h1>{title}</h1>{links}{keyed}{''.join(parts)}"


def _section(path: str, method: str, operation: Schema, base: str) -> str:
    lines = [f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}</p>"]
    command = f"curl {base}{path}"
    if "requestBody" in operation:
        media = operation["requestBody"]["content"]["application/json"]
        example = orjson.dumps(media["example"]).decode()
        command += f" -H 'Content-Type: application/json' -d '{example}'"
        rows = "".join(_row(name, schema) for name, schema in media["schema"]["properties"].items())
        lines.append(f"<table>{rows}</table>")
    lines.append(f"<pre>{escape(command)}</pre>")
    return "".join(lines)


def _row(name: str, schema: Schema) -> str:
    kind = schema.get("type", "")
    if "oneOf" in schema:
        kind = "a text, a list of texts" if schema["oneOf"][0] == _TEXT else "a list, a list of lists"
    elif isinstance(kind, list):
        kind = " or ".join(kind)
    values = ", ".join(str(value) for value in schema.get("enum", []) if value)
    return f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{escape(values or schema.get('description', ''))}"
