"""`embedkit serve`: load a model, listen, and answer until Ctrl-C or SIGTERM; open requests are still answered."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.console import out, say, warn
from embedkit.errors import ReportedInterrupt, UserError
from embedkit.extras import require
from embedkit.models.corpus import corpus_for, load_corpus
from embedkit.models.cross_encoder import find_cross_encoder
from embedkit.models.readable import warn_if_unreadable
from embedkit.models.resolve import ModelSource, newest_run, resolve_model
from embedkit.models.run_folder import run_of
from embedkit.serving.decoding import OWN, token_decoder
from embedkit.serving.workers import run_workers

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from embedkit.serving.http.access_log import AccessLog
    from embedkit.serving.http.batcher import BatchLimits
    from embedkit.serving.http.keys import ApiKey
    from embedkit.serving.http.search import SearchedCorpus
    from embedkit.serving.http.service import ServedReranker
    from embedkit.serving.runtime import ServiceRuntime

DRAIN_SECONDS = 30
_TELL_SECONDS = 2
_LOOKED_AT = 200  # entries
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_PACKAGES = ("orjson", "prometheus_client", "starlette", "uvicorn")
_CPU_CHARACTERS = 4096
_CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The options of `embedkit serve`; its help describes each. Without `model`, the newest run in `runs/`."""

    model: str | None = None
    names: Sequence[str] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    backend: str = "auto"
    corpus: Path | None = None
    cross_encoder: str = ""
    batch_size: int = 32
    max_waiting: int = 4096
    max_characters: int = 1_000_000
    max_connections: int = 2048
    timeout_s: float = 20.0
    token_arrays: str = ""
    key_file: Path | None = None
    rate_limit: float = 0.0
    cors: Sequence[str] = ()
    access_log: str = ""
    workers: int = 1


def serve(options: ServeOptions) -> None:
    """Serve a model over HTTP until Ctrl-C or SIGTERM.

    Raises:
        UserError: there is no such model, it cannot be loaded, the corpus or the keys cannot be used, or the address
            cannot be listened on.
    """
    with _shared_metrics(options.workers):
        for package in _PACKAGES:
            require(package, extra="serve")
        from embedkit.serving.http.access_log import AccessLog
        from embedkit.serving.http.keys import API_KEY, read_keys
        from embedkit.serving.runtime import check_choice

        check_choice(options.backend)
        keys = read_keys(os.environ, options.key_file)
        source = resolve_model(options.model or newest_run())
        if options.corpus is not None:
            load_corpus(options.corpus)  # a mistake is told before the model is loaded, which takes a while
        reranker = find_cross_encoder(options.cross_encoder) if options.cross_encoder else None
        if options.token_arrays not in ("", OWN):
            token_decoder(options.token_arrays, None)
        log = AccessLog(options.access_log)
        # before the model is loaded: the port may be taken
        with _listen(options.host, options.port) as listening:
            if not keys and not _is_loopback(listening):
                warn(
                    "anyone who can reach {host} can use this model; set {key} to require a key",
                    host=options.host,
                    key=API_KEY,
                )
            _serve(_Service(source, reranker, options, keys, log), listening)


@dataclass(frozen=True, slots=True)
class _Service:
    """What the app is made of, wherever that happens."""

    source: ModelSource
    reranker: ModelSource | None
    options: ServeOptions
    keys: tuple[ApiKey, ...]
    log: AccessLog

    def app(self, *, device: str = "auto") -> Starlette:
        """Load the model and the corpus."""
        return _load_app(self, device)


def _serve(service: _Service, listening: socket.socket) -> None:
    """In this process, or in several: loaded before they are forked, on GPUs after."""
    count = service.options.workers

    def ready() -> None:
        say("answering POST /v1/embeddings until Ctrl-C or SIGTERM")
        out(_url(listening))

    if count == 1:
        try:
            _run(service.app(), listening, service.options, ready)
        except KeyboardInterrupt:
            say("stopped; every open request was answered")
            raise ReportedInterrupt from None
        return
    gpus = _prepare_fork(count)
    app = None if gpus else service.app()

    def work(number: int, started: Callable[[], None]) -> None:
        if not gpus:
            _share_cores(count)
        own = app or service.app(device=f"cuda:{number % gpus}")
        _run(own, listening, service.options, started)

    stopped_by = run_workers(count, work, ready)
    if stopped_by == signal.SIGINT:
        say("stopped; every open request was answered")
        raise ReportedInterrupt
    signal.raise_signal(stopped_by)


def _prepare_fork(count: int) -> int:
    """The number of GPUs. Without any, keep this process from starting threads, which a fork would lose."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if find_spec("torch") is None:
        os.environ["OMP_NUM_THREADS"] = "1"
        return 0
    import torch

    gpus: int = torch.cuda.device_count()
    if not gpus:
        os.environ["OMP_NUM_THREADS"] = "1"  # the graphs of ONNX Runtime ask here
        torch.set_num_threads(1)
    return gpus


def _share_cores(count: int) -> None:
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Where several workers keep one set of numbers; prometheus_client asks for it when it is imported."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="embedkit-metrics-") as folder:
        os.environ[_METRICS] = folder
        try:
            yield
        finally:
            del os.environ[_METRICS]


def _load_app(service: _Service, device: str) -> Starlette:
    from embedkit.serving.http.app import make_app
    from embedkit.serving.http.service import AppOptions, ServedModel
    from embedkit.serving.runtime import open_runtime
    from embedkit.serving.score.requests import Limits

    options = service.options
    runtime = open_runtime(service.source, options.backend, batch_size=options.batch_size, device=device)
    encode = runtime.encode
    names = tuple(dict.fromkeys(options.names)) or (name_of(runtime.source),)
    served = ServedModel(
        names=names,
        dimensions=encode(["a"], "document").vectors.shape[1],
        max_tokens=encode.max_tokens,
        weights=runtime.hash,
        backend=runtime.backend,
        pooling=encode.pooling,
        tokenizer=encode.tokenizer,
    )
    say(
        "model: {model}, called {name}; {dimensions} dimensions, {tokens} tokens, by {backend}",
        model=runtime.source,
        name=", ".join(names),
        dimensions=served.dimensions,
        tokens=served.max_tokens or "∞",
        backend=runtime.backend,
    )
    app_options = AppOptions(
        batches=_batch_limits(options, on_cpu=encode.on_cpu, max_tokens=served.max_tokens),
        limits=Limits(characters=options.max_characters),
        keys=service.keys,
        rate_per_minute=options.rate_limit / options.workers,
        origins=tuple(options.cors),
        timeout_s=options.timeout_s,
        decode=token_decoder(options.token_arrays, encode.tokenizer),
        log=service.log,
    )
    return make_app(
        encode,
        served,
        app_options,
        corpus=_load_corpus(runtime, options.corpus),
        reranker=_load_reranker(service, device),
    )


def _load_reranker(service: _Service, device: str) -> ServedReranker | None:
    """The cross-encoder that is named, ready to score."""
    if service.reranker is None:
        return None
    from embedkit.serving.http.service import ServedReranker
    from embedkit.serving.reranker import PairScorer

    scorer = PairScorer(service.reranker, batch_size=service.options.batch_size, device=device)
    scorer([("a", "b")])  # a model that cannot run says so now
    name = name_of(service.reranker)
    say("cross-encoder: {model}, called {name}", model=service.reranker, name=name)
    return ServedReranker(
        name=name,
        score=scorer,
        batches=_batch_limits(service.options, on_cpu=scorer.on_cpu, max_tokens=scorer.max_tokens),
    )


def _batch_limits(options: ServeOptions, *, on_cpu: bool, max_tokens: int | None) -> BatchLimits:
    from embedkit.serving.http.batcher import BatchLimits

    return BatchLimits(
        texts=options.batch_size,
        waiting=options.max_waiting,
        characters=_CPU_CHARACTERS if on_cpu else 1 << 40,
        read_characters=_CHARACTERS_A_TOKEN * min(max_tokens or 512, 8192),
    )


def _load_corpus(runtime: ServiceRuntime, corpus: Path | None) -> SearchedCorpus | None:
    """What is searched: the corpus that is named, else what the run was trained on, where it is still there."""
    from embedkit.ranking.hybrid.shares import shares_of
    from embedkit.serving.http.search import SearchedCorpus, prepare

    run = run_of(runtime.source)
    if corpus is None and (run is None or run.pairs is None):
        return None
    try:
        entries, name = corpus_for(runtime.source, corpus)
        if not entries:
            return None
    except UserError as error:
        if corpus is not None:
            raise
        warn("POST /v1/search is off: {error}", error=error)
        return None
    warn_if_unreadable(runtime.source, [entry.definition for entry in entries[:_LOOKED_AT]])
    loaded = prepare(entries, name, runtime.corpus_vectors, shares_of(runtime.source))
    say("{count} entries of {name} are searched by POST /v1/search", count=len(entries), name=name)
    return SearchedCorpus(loaded, file=corpus)


def _run(
    app: Starlette, listening: socket.socket, options: ServeOptions, started: Callable[[], None]
) -> None:
    """Answer until a signal; `started` is called once the first request can come."""
    import asyncio

    import uvicorn

    from embedkit.serving.http.connections import ConnectionLimits, allow_files, protocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            stop = app.state.service.stop  # what still waits then is told
            asyncio.get_running_loop().call_later(DRAIN_SECONDS - _TELL_SECONDS, stop)
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
    Server(config).run(sockets=[listening])


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
