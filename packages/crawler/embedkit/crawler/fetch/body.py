"""The body of an answer, decompressed while it streams, with limits on its size and encodings."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from embedkit.crawler.fetch.config import MEBIBYTE
from embedkit.errors import UserError
from embedkit.messages import Phrase

MAX_ENCODINGS = 5
BLOCK_BYTES = 64 * 1024
_GZIP, _ZLIB, _RAW = 31, 15, -15


class BrokenBodyError(Exception):
    """The body ends early or is not what its headers say; the request may be tried again."""


def encodings(header: str) -> tuple[str, ...]:
    """The names in a `Content-Encoding` header, in order. Raises `UserError` for an unknown one or too many."""
    names = tuple(n for part in header.split(",") if (n := part.strip().lower()) not in ("", "identity"))
    if len(names) > MAX_ENCODINGS:
        raise UserError(
            "compressed {times} times; at most {most} are allowed", times=len(names), most=MAX_ENCODINGS
        )
    for name in names:
        if name not in ("gzip", "x-gzip", "deflate"):
            raise UserError("compressed as {name!r}, which was not requested", name=name)
    return names


def decoded(blocks: Iterable[bytes], header: str, *, max_bytes: int) -> bytes:
    """The whole body. Raises `UserError` over `max_bytes` decompressed, `BrokenBodyError` when it ends early."""
    stream = iter(blocks)
    for name in reversed(encodings(header)):
        stream = _decompressed(stream, gzip=name != "deflate")
    parts: list[bytes] = []
    size = 0
    for part in stream:
        size += len(part)
        if size > max_bytes:
            raise UserError(
                "larger than {size:g} MiB",
                hint="save the part you need and use --from-file",
                size=max_bytes / MEBIBYTE,
            )
        parts.append(part)
    return b"".join(parts)


def _decompressed(blocks: Iterator[bytes], *, gzip: bool) -> Iterator[bytes]:
    """Decompress in blocks of bounded size, so that a bomb reaches the limit before it fills the memory."""
    engine = zlib.decompressobj(_GZIP) if gzip else None
    for block in blocks:
        data = block
        while data:
            if engine is None:
                engine = zlib.decompressobj(_ZLIB if data[0] & 0x0F == 8 else _RAW)
            try:
                out = engine.decompress(data, BLOCK_BYTES)
            except zlib.error as error:
                raise BrokenBodyError(Phrase("cannot be decompressed ({error})", error=error)) from None
            if out:
                yield out
            data = engine.unconsumed_tail
            if engine.eof:
                data = engine.unused_data
                if not (gzip and data.startswith(b"\x1f\x8b")):
                    break  # bytes after the end are padding
                engine = zlib.decompressobj(_GZIP)
    while engine is not None and not engine.eof:
        out = engine.decompress(engine.unconsumed_tail, BLOCK_BYTES)
        if not out:
            raise BrokenBodyError(Phrase("compressed data ends too early"))
        yield out
