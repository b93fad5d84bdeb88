"""`embedkit serve`: load a model, listen, and answer until Ctrl-C or SIGTERM; open requests are still answered."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.console import out, say, warn
from embedkit.data.jsonl import read_objects
from embedkit.errors import ReportedInterrupt, UserError
from embedkit.extras import require
from embedkit.models.backends import check_backend
from embedkit.models.resolve import ModelSource, newest_run, resolve_model
from embedkit.models.vectors import Encoder
from embedkit.shipped_data import data_path

if TYPE_CHECKING:
    from starlette.applications import Starlette

API_KEY = "EMBEDKIT_API_KEY"
DRAIN_SECONDS = 30
_PACKAGES = ("orjson", "prometheus_client", "starlette", "uvicorn")
_WARM_UP_TEXTS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The options of `embedkit serve`; its help describes each. Without `model`, the newest run in `runs/`."""

    model: str | None = None
    name: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    batch_size: int = 32
    max_waiting: int = 4096
    backend: str = "torch"


def serve(options: ServeOptions) -> None:
    """Serve a model over HTTP until Ctrl-C or SIGTERM.

    Raises:
        UserError: there is no such model, it cannot be loaded, or the address cannot be listened on.
    """
    for package in _PACKAGES:
        require(package, extra="serve")
    backend = check_backend(options.backend)
    source = resolve_model(options.model or newest_run())
    with _listen(
        options.host, options.port
    ) as listening:  # before the model is loaded: the port may be taken
        app = _load_app(Encoder(source, cached=False, backend=backend), options)
        if not os.environ.get(API_KEY) and not _is_loopback(listening):
            warn(
                "anyone who can reach {host} can use this model; set {key} to require a key",
                host=options.host,
                key=API_KEY,
            )
        _run(app, listening)


def _load_app(encoder: Encoder, options: ServeOptions) -> Starlette:
    from embedkit.serving.app import ServedModel, make_app
    from embedkit.serving.encoder import CountingEncoder

    encode = CountingEncoder(encoder, batch_size=options.batch_size)
    # The first texts load the model, convert it for the backend and compare it with torch.
    texts = [
        str(row["sentence1"])
        for _, row in islice(read_objects(data_path("similarity.jsonl")), _WARM_UP_TEXTS)
    ]
    dimensions = encode(texts, "document").vectors.shape[1]
    name = options.name or name_of(encoder.source)
    served = ServedModel(name=name, dimensions=dimensions, max_tokens=encode.max_tokens)
    say(
        "model: {model}, called {name}; {dimensions} dimensions, {tokens} tokens",
        model=encoder.source,
        name=name,
        dimensions=dimensions,
        tokens=served.max_tokens or "∞",
    )
    return make_app(
        encode,
        served,
        batch_size=options.batch_size,
        max_waiting=options.max_waiting,
        api_key=os.environ.get(API_KEY, ""),
    )


def _run(app: Starlette, listening: socket.socket) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            say("answering POST /v1/embeddings until Ctrl-C or SIGTERM")
            out(_url(listening))

    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_SECONDS, server_header=False
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
