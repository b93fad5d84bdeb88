"""The body of an answer, decompressed while it streams, with limits on its size and encodings."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import chain
from typing import Any

from embedkit.crawler.fetch.config import MEBIBYTE
from embedkit.errors import UserError
from embedkit.messages import Phrase

MAX_ENCODINGS = 5
BLOCK_BYTES = 64 * 1024
_FEED_BYTES = 16  # a block of brotli can be 16 MiB of one byte: so little is decompressed at a time
_NO_ENCODING = re.compile(
    r"identity|none|null|binary|[78]bit|utf-?8|utf-?16|iso-8859-\d+|windows-\d+|us-ascii|euc-kr|text/.*|chunked"
)
_GZIP, _ZLIB, _RAW = 31, 15, -15


class BrokenBodyError(Exception):
    """The body ends early or is not what its headers say; the request may be tried again."""


def accepted() -> str:
    """The `Accept-Encoding` header: brotli and zstd where their packages are installed, as urllib3's extras bring."""
    return ", ".join(("gzip", "deflate", *(name for name, load in _EXTRA.items() if load() is not None)))


def encodings(header: str) -> tuple[str, ...]:
    """The names in a `Content-Encoding` header, in order. Raises `UserError` for an unknown one or too many.

    What names no compression is left out: some servers write the charset there (`utf-8`).
    """
    names = tuple(
        n for part in header.split(",") if (n := part.strip().lower()) and not _NO_ENCODING.fullmatch(n)
    )
    if len(names) > MAX_ENCODINGS:
        raise UserError(
            "compressed {times} times; at most {most} are allowed", times=len(names), most=MAX_ENCODINGS
        )
    for name in names:
        known = name in _EXTRA and _EXTRA[name]() is not None
        if name not in ("gzip", "x-gzip", "deflate") and not known:
            raise UserError("compressed as {name!r}, which was not requested", name=name)
    return names


def _brotli() -> Any:
    """A decompressor of brotli; None without its package."""
    for module in ("brotli", "brotlicffi"):
        with suppress(ImportError):
            return import_module(module).Decompressor()
    return None


def _zstd() -> Any:
    """A decompressor of zstd; None without its package."""
    for module in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return import_module(module).ZstdDecompressor()
    return None


_EXTRA: dict[str, Callable[[], Any]] = {"br": _brotli, "zstd": _zstd}


def decoded(blocks: Iterable[bytes], header: str, *, max_bytes: int) -> bytes:
    """The whole body. Raises `UserError` over `max_bytes` decompressed, `BrokenBodyError` when it ends early."""
    stream = iter(blocks)
    for name in reversed(encodings(header)):
        if name in _EXTRA:
            stream = _by_package(stream, _EXTRA[name](), max_bytes)
        else:
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
    first = next(blocks, b"")
    if gzip and first and not first.startswith(b"\x1f"):
        yield from chain([first], blocks)  # labelled gzip and sent as it is
        return
    engine = zlib.decompressobj(_GZIP) if gzip else None
    for block in chain([first], blocks):
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


def _by_package(blocks: Iterator[bytes], engine: Any, max_bytes: int) -> Iterator[bytes]:
    """Decompress brotli or zstd; a block that grows past the limit ends the body there, for `decoded` to refuse."""
    step = getattr(engine, "decompress", None) or engine.process
    size = 0
    for block in blocks:
        for at in range(0, len(block), _FEED_BYTES):
            try:
                out = step(block[at : at + _FEED_BYTES])
            except Exception as error:  # noqa: BLE001 (each package has an error of its own)
                raise BrokenBodyError(Phrase("cannot be decompressed ({error})", error=error)) from None
            size += len(out)
            if out:
                yield out
            if size > max_bytes:
                return
