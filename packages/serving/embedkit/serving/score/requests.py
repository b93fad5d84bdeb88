"""The body of `POST /v1/embeddings` as a record, within limits, and the errors that a request gets.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from embedkit.models.resolve import Role

EncodingFormat = Literal["float", "base64"]
Decode = Callable[[Sequence[Sequence[int]]], Sequence[str]]
TOKENS_REFUSED = (
    "tokens cannot be read: which tokenizer made them is not known here. Send texts (langchain-openai: "
    "check_embedding_ctx_length=False), or start the service with --token-arrays cl100k_base (OpenAI's) or "
    "--token-arrays model (this model's)"
)


class RequestError(Exception):
    """A request that gets an error instead of vectors."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def to_object(self) -> dict[str, Any]:
        """The error in OpenAI's form."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may hold."""

    texts: int = 2048
    characters: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """What is asked for. Beyond OpenAI's fields, `input_type` says which prompt a text gets."""

    texts: tuple[str, ...]
    model: str | None = None
    encoding_format: EncodingFormat = "float"
    dimensions: int | None = None
    input_type: Role = "document"


def parse_request(
    body: object, *, limits: Limits | None = None, decode: Decode | None = None
) -> EmbeddingRequest:
    """The request that a parsed JSON body makes; `null` is as good as absent, except for `input`.

    `decode` makes texts of arrays of tokens, which are refused without it. Raises `RequestError`.
    """
    fields = mapping(body)
    return EmbeddingRequest(
        texts=read_texts(fields.get("input"), "input", limits or Limits(), decode),
        model=optional_text(fields, "model"),
        encoding_format=cast("EncodingFormat", one_of(fields, "encoding_format", ("float", "base64"))),
        dimensions=optional_count(fields, "dimensions"),
        input_type=cast("Role", one_of(fields, "input_type", ("document", "query"))),
    )


def mapping(body: object) -> Mapping[str, Any]:
    """The body as a JSON object."""
    if not isinstance(body, Mapping):
        raise RequestError(400, "the body is not a JSON object")
    return body


def read_texts(value: object, param: str, limits: Limits, decode: Decode | None = None) -> tuple[str, ...]:
    """One text or a list of texts; with `decode`, arrays of tokens as well."""
    if value is None:
        raise RequestError(400, f"{param} is missing: it is a text or a list of texts", param=param)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise RequestError(400, f"{param} is neither a text nor a list of texts", param=param)
    if not value:
        raise RequestError(400, f"{param} is an empty list", param=param)
    if _is_token(value[0]):
        value = [value]
    if len(value) > limits.texts:
        raise RequestError(
            400, f"{param} has {len(value):,} texts; at most {limits.texts:,} are accepted", param=param
        )
    if isinstance(value[0], Sequence) and not isinstance(value[0], str):
        value = _decoded(value, param, decode)
    for place, text in enumerate(value):
        _check_text(text, f"{param}[{place}]", param, limits)
    return tuple(value)


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _decoded(arrays: Sequence[Any], param: str, decode: Decode | None) -> Sequence[str]:
    for place, tokens in enumerate(arrays):
        if isinstance(tokens, str) or not isinstance(tokens, Sequence) or not all(map(_is_token, tokens)):
            raise RequestError(
                400, f"{param}[{place}] is not an array of tokens as the first is", param=param
            )
    if decode is None:
        raise RequestError(400, f"{param}: {TOKENS_REFUSED}", param=param, code="tokens_not_supported")
    try:
        return decode(arrays)
    except (ValueError, KeyError, OverflowError, IndexError, TypeError) as error:
        raise RequestError(
            400, f"{param} has a token that the tokenizer does not know", param=param
        ) from error


def _check_text(text: object, place: str, param: str, limits: Limits) -> None:
    if not isinstance(text, str):
        raise RequestError(400, f"{place} is not a text", param=param)
    if len(text) > limits.characters:
        raise RequestError(
            400,
            f"{place} has {len(text):,} characters; at most {limits.characters:,} are accepted",
            param=param,
            code="string_above_max_length",
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RequestError(
            400, f"{place} holds half a surrogate pair, which is no character", param=param
        ) from None


def optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    """A text, or None where it is absent or null."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError(400, f"{name} is not a text", param=name)
    return value


def one_of(fields: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    """One of the choices; the first where it is absent or null."""
    value = fields.get(name)
    if value is None:
        return choices[0]
    if value not in choices:
        wanted = " or ".join(map(repr, choices))
        raise RequestError(400, f"{name} is {value!r}; wanted is {wanted}", param=name)
    return str(value)


def optional_count(fields: Mapping[str, Any], name: str) -> int | None:
    """A whole number of at least one, or None. `true`, `8.0` and `"8"` are none."""
    value = fields.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise RequestError(400, f"{name} is not a whole number of at least 1", param=name)
    return value


def optional_flag(fields: Mapping[str, Any], name: str) -> bool:
    """Whether it is true; false where it is absent or null."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(400, f"{name} is neither true nor false", param=name)
    return bool(value)


def check_dimensions(asked: EmbeddingRequest, most: int) -> None:
    """Raise `RequestError` where more dimensions are asked for than the model has."""
    if asked.dimensions and asked.dimensions > most:
        raise RequestError(400, f"the model has {most} dimensions at most", param="dimensions")


def check_model(name: str | None, served: Sequence[str]) -> None:
    """Raise `RequestError` where a model is asked for by a name that is not served."""
    if name is not None and name not in served:
        names = ", ".join(map(repr, served)) + (" is" if len(served) == 1 else " are")
        raise RequestError(
            404,
            f"the model {name!r} is not served here; {names}",
            param="model",
            code="model_not_found",
        )
