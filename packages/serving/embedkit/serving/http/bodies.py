"""The body of a request as JSON: in time, within its limit, unpacked; and answers as JSON."""

from __future__ import annotations

import asyncio
import time
import zlib
from codecs import BOM_UTF8
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from embedkit.serving.score.requests import RequestError

MAX_BODY_BYTES = 32 << 20
_BYTES_PER_S = 64 << 10  # a body may take as long as this rate needs, beside the time-out
_UNREAD_S = 0.5
_RETRY = {429: "1", 503: "5"}


async def read_json(request: Request, *, timeout_s: float) -> Any:
    """The parsed body. Raises `RequestError` where it is late, too large, packed in an unknown way or no JSON."""
    body = await _read(request, timeout_s)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        body = _unpacked(body)
    elif encoding not in ("", "identity"):
        raise RequestError(415, f"the body is packed with {encoding!r}; gzip and deflate are understood")
    try:
        return orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise RequestError(400, _not_json(body, error)) from None


def _not_json(body: bytes, error: Exception) -> str:
    """What is wrong with a body: bytes of another encoding, as a shell of Windows sends them, or its syntax."""
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        return f"the body is not UTF-8 (byte {wrong.start + 1}); JSON is sent as UTF-8"
    return f"the body is not JSON: {error}"


async def _read(request: Request, timeout_s: float) -> bytes:
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > MAX_BODY_BYTES:
        raise _too_large()
    body, started = bytearray(), time.monotonic()
    parts = request.stream()
    while True:
        left = started + timeout_s + len(body) / _BYTES_PER_S - time.monotonic()
        arrival = asyncio.ensure_future(anext(parts, None))
        try:
            if not (await asyncio.wait((arrival,), timeout=max(left, 0)))[0]:
                # where the machine stood still, the part may be here and unread
                await asyncio.wait((arrival,), timeout=_UNREAD_S)
            if not arrival.done():
                raise RequestError(408, f"the body did not arrive within {timeout_s:g} s")
            part = arrival.result()
        finally:
            arrival.cancel()
        if part is None:
            return bytes(body)
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()


def _too_large() -> RequestError:
    return RequestError(413, f"the body has more than {MAX_BODY_BYTES >> 20} MiB")


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, by its head
    try:
        plain = unpacker.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise RequestError(400, f"the body cannot be unpacked: {error}") from None
    if len(plain) > MAX_BODY_BYTES:
        raise _too_large()
    if not unpacker.eof:
        raise RequestError(400, "the body cannot be unpacked: its end is missing")
    return plain


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The value as JSON; numpy arrays are lists of numbers."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def error_response(error: RequestError, body: Any = None) -> Response:
    """The error in OpenAI's form, or as `body` where the client speaks otherwise."""
    headers = dict(getattr(error, "headers", None) or {})
    if error.status in _RETRY:
        headers.setdefault("Retry-After", _RETRY[error.status])
    if error.status in (408, 413):
        headers["Connection"] = "close"
    return json_response(error.to_object() if body is None else body, error.status, headers)
