"""An answer's body, decoded while it streams: counted, complete, and never more encodings than five."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from embedkit.errors import UserError
from embedkit.messages import Phrase

MEBIBYTE = 1024 * 1024
MAX_ENCODINGS = 5
BLOCK_BYTES = 64 * 1024
_GZIP, _ZLIB, _RAW = 31, 15, -15


class BrokenBodyError(Exception):
    """The body ends early or is not what its headers say; the same request may do better."""


def encodings(header: str) -> tuple[str, ...]:
    """The names in a `Content-Encoding` header, in the order they were applied. Raises `UserError` at six."""
    names = tuple(n for part in header.split(",") if (n := part.strip().lower()) not in ("", "identity"))
    if len(names) > MAX_ENCODINGS:
        raise UserError(
            "packed {times} times over; {most} are read",
            times=len(names),
            most=MAX_ENCODINGS,
        )
    for name in names:
        if name not in ("gzip", "x-gzip", "deflate"):
            raise UserError("packed as {name!r}, which was not asked for", name=name)
    return names


def decoded(blocks: Iterable[bytes], header: str, *, max_bytes: int) -> bytes:
    """The whole body. Raises `UserError` over `max_bytes` decoded, `BrokenBodyError` when cut short."""
    stream = iter(blocks)
    for name in reversed(encodings(header)):
        stream = _inflated(stream, gzip=name != "deflate")
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


def _inflated(blocks: Iterator[bytes], *, gzip: bool) -> Iterator[bytes]:
    """Unpack in blocks of bounded size, so that a bomb is counted before it is whole."""
    engine = zlib.decompressobj(_GZIP) if gzip else None
    for block in blocks:
        data = block
        while data:
            if engine is None:
                engine = zlib.decompressobj(_ZLIB if data[0] & 0x0F == 8 else _RAW)
            try:
                out = engine.decompress(data, BLOCK_BYTES)
            except zlib.error as error:
                raise BrokenBodyError(Phrase("cannot be unpacked ({error})", error=error)) from None
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
            raise BrokenBodyError(Phrase("packed, and its end is missing"))
        yield out
