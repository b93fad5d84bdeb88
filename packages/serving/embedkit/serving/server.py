"""`embedkit serve`: load a model, listen, and answer until Ctrl-C or SIGTERM; open requests are still answered."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.console import out, say, warn
from embedkit.data.jsonl import read_objects
from embedkit.errors import ReportedInterrupt, UserError
from embedkit.extras import require
from embedkit.models.backends import check_backend
from embedkit.models.corpus import corpus_for, load_corpus
from embedkit.models.resolve import ModelSource, newest_run, resolve_model
from embedkit.models.run_folder import run_of
from embedkit.models.vectors import Encoder
from embedkit.serving.decoding import OWN, token_decoder
from embedkit.shipped_data import data_path

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from embedkit.serving.http.access_log import AccessLog
    from embedkit.serving.http.keys import ApiKey
    from embedkit.serving.http.search import SearchedCorpus

DRAIN_SECONDS = 30
_PACKAGES = ("orjson", "prometheus_client", "starlette", "uvicorn")
_WARM_UP_TEXTS = 32
_CPU_CHARACTERS = 4096
_CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The options of `embedkit serve`; its help describes each. Without `model`, the newest run in `runs/`."""

    model: str | None = None
    names: Sequence[str] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    backend: str = "torch"
    corpus: Path | None = None
    batch_size: int = 32
    max_waiting: int = 4096
    max_characters: int = 1_000_000
    max_connections: int = 2048
    timeout_s: float = 20.0
    token_arrays: str = ""
    key_file: Path | None = None
    rate_limit: float = 0.0
    cors: Sequence[str] = field(default=())
    access_log: str = ""
    workers: int = 1


def serve(options: ServeOptions) -> None:
    """Serve a model over HTTP until Ctrl-C or SIGTERM.

    Raises:
        UserError: there is no such model, it cannot be loaded, the corpus or the keys cannot be used, or the address
            cannot be listened on.
    """
    for package in _PACKAGES:
        require(package, extra="serve")
    from embedkit.serving.http.access_log import AccessLog
    from embedkit.serving.http.keys import API_KEY, read_keys

    backend = check_backend(options.backend)
    keys = read_keys(os.environ, options.key_file)
    source = resolve_model(options.model or newest_run())
    if options.corpus is not None:
        load_corpus(options.corpus)  # a mistake is told before the model is loaded, which takes a while
    if options.token_arrays not in ("", OWN):
        token_decoder(options.token_arrays, None)
    log = AccessLog(options.access_log)
    with _listen(
        options.host, options.port
    ) as listening:  # before the model is loaded: the port may be taken
        app = _load_app(Encoder(source, cached=False, backend=backend), options, keys, log)
        if not keys and not _is_loopback(listening):
            warn(
                "anyone who can reach {host} can use this model; set {key} to require a key",
                host=options.host,
                key=API_KEY,
            )
        _run(app, listening, options)


def _load_app(encoder: Encoder, options: ServeOptions, keys: tuple[ApiKey, ...], log: AccessLog) -> Starlette:
    from embedkit.serving.encoder import CountingEncoder
    from embedkit.serving.http.app import make_app
    from embedkit.serving.http.batcher import BatchLimits
    from embedkit.serving.http.service import AppOptions, ServedModel
    from embedkit.serving.score.requests import Limits

    # The first texts load the model, convert it for the backend and compare it with torch.
    encoder.encode(_warm_up_texts())
    encode = CountingEncoder(encoder, batch_size=options.batch_size)
    names = tuple(dict.fromkeys(options.names)) or (name_of(encoder.source),)
    served = ServedModel(
        names=names,
        dimensions=encode(["a"], "document").vectors.shape[1],
        max_tokens=encode.max_tokens,
        weights=encoder.hash,
        backend=encoder.backend,
        pooling=str(next((m.pooling_mode for m in encoder.model if hasattr(m, "pooling_mode")), "")),
        tokenizer=encode.tokenizer,
    )
    say(
        "model: {model}, called {name}; {dimensions} dimensions, {tokens} tokens",
        model=encoder.source,
        name=", ".join(names),
        dimensions=served.dimensions,
        tokens=served.max_tokens or "∞",
    )
    on_cpu = encoder.model.device.type == "cpu"
    batches = BatchLimits(
        texts=options.batch_size,
        waiting=options.max_waiting,
        characters=_CPU_CHARACTERS if on_cpu else 1 << 40,
        read_characters=_CHARACTERS_A_TOKEN * min(served.max_tokens or 512, 8192),
    )
    app_options = AppOptions(
        batches=batches,
        limits=Limits(characters=options.max_characters),
        keys=keys,
        rate_per_minute=options.rate_limit,
        origins=tuple(options.cors),
        timeout_s=options.timeout_s,
        decode=token_decoder(options.token_arrays, encode.tokenizer),
        log=log,
    )
    return make_app(encode, served, app_options, corpus=_load_corpus(encoder.with_cache(), options.corpus))


def _warm_up_texts() -> list[str]:
    rows = islice(read_objects(data_path("similarity.jsonl")), _WARM_UP_TEXTS)
    return [str(row["sentence1"]) for _, row in rows]


def _load_corpus(encoder: Encoder, corpus: Path | None) -> SearchedCorpus | None:
    """What is searched: the corpus that is named, else what the run was trained on, where it is still there."""
    from embedkit.serving.http.search import SearchedCorpus, prepare

    run = run_of(encoder.source)
    if corpus is None and (run is None or run.pairs is None):
        return None
    try:
        entries, name = corpus_for(encoder.source, corpus)
        if not entries:
            return None
    except UserError as error:
        if corpus is not None:
            raise
        warn("POST /v1/search is off: {error}", error=error)
        return None
    loaded = prepare(entries, name, encoder)
    say("{count} entries of {name} are searched by POST /v1/search", count=len(entries), name=name)
    return SearchedCorpus(loaded, file=corpus)


def _run(app: Starlette, listening: socket.socket, options: ServeOptions) -> None:
    import uvicorn

    from embedkit.serving.http.connections import ConnectionLimits, allow_files, protocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            say("answering POST /v1/embeddings until Ctrl-C or SIGTERM")
            out(_url(listening))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            import asyncio

            loop = asyncio.get_running_loop()
            loop.call_later(DRAIN_SECONDS - 2, app.state.service.batcher.stop)  # the rest is told
            await super().shutdown(sockets)

    limits = ConnectionLimits(allow_files(options.max_connections), options.timeout_s)
    config = uvicorn.Config(
        app,
        http=protocol(limits),
        backlog=max(2048, options.max_connections),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        server_header=False,
    )
    try:
        Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        say("stopped; every open request was answered")
        raise ReportedInterrupt from None


def name_of(source: ModelSource) -> str:
    """What clients call a model: a hub id as it is; for a run or folder, its last part."""
    return (
        source.requested
        if source.origin in ("hub", "hub cache", "wheel")
        else Path(source.requested).resolve().name
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise UserError(
            "cannot listen on {host}:{port} ({reason})",
            hint="--port 0 takes a free port, --host 127.0.0.1 is this machine",
            host=host,
            port=port,
            reason=error.strerror or error,
        ) from error
    return listening


def _is_loopback(listening: socket.socket) -> bool:
    return ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
