"""Load a model, listen, and answer until told to stop; what was asked before a stop is still answered."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.console import out, say, warn
from embedkit.data.jsonl import read_objects
from embedkit.data.shipped import data_path
from embedkit.errors import ToldInterrupt, UserError
from embedkit.extras import require
from embedkit.models.backends import check_backend
from embedkit.models.resolve import ModelSource, newest_run, resolve_model
from embedkit.models.vectors import Encoder

if TYPE_CHECKING:
    from starlette.applications import Starlette

API_KEY = "EMBEDKIT_API_KEY"
DRAIN_SECONDS = 30
_PACKAGES = ("orjson", "prometheus_client", "starlette", "uvicorn")
_WARM_UP_TEXTS = 32


def serve(
    model: str | None,
    *,
    name: str,
    host: str,
    port: int,
    batch_size: int,
    max_waiting: int,
    backend: str,
) -> None:
    """Serve `model` on `host`:`port`; see the command.

    Raises:
        UserError: there is no such model, it cannot be loaded, or the address cannot be listened on.
    """
    for package in _PACKAGES:
        require(package, extra="serve")
    engine = check_backend(backend)
    source = resolve_model(model or newest_run())
    with _bound(host, port) as listening:  # a port that is taken is told before a model is loaded
        encoder = Encoder(source, cached=False, backend=engine)
        app = _app(encoder, name or name_of(source), batch_size=batch_size, max_waiting=max_waiting)
        if not os.environ.get(API_KEY) and not _is_loopback(listening):
            warn("who reaches {host} can use the model; {key} asks for a key", host=host, key=API_KEY)
        _answer(app, listening)


def _app(encoder: Encoder, name: str, *, batch_size: int, max_waiting: int) -> Starlette:
    from embedkit.serving.app import Served, make_app
    from embedkit.serving.encode import Encoding

    encode = Encoding(encoder, batch_size=batch_size)
    # The first texts load the model, convert it for the backend and hold it against torch.
    texts = [
        str(row["sentence1"])
        for _, row in islice(read_objects(data_path("similarity.jsonl")), _WARM_UP_TEXTS)
    ]
    dimensions = encode(texts, "document").vectors.shape[1]
    served = Served(name=name, dimensions=dimensions, max_tokens=encode.max_tokens)
    say(
        "model: {model}, called {name}; {dimensions} dimensions, {tokens} tokens",
        model=encoder.source,
        name=name,
        dimensions=dimensions,
        tokens=served.max_tokens or "∞",
    )
    key = os.environ.get(API_KEY, "")
    return make_app(encode, served, batch_size=batch_size, max_waiting=max_waiting, api_key=key)


def _answer(app: Starlette, listening: socket.socket) -> None:
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
        say("stopped; what was asked before is answered")
        raise ToldInterrupt from None


def name_of(source: ModelSource) -> str:
    """What clients call a model: a hub id as it is, of a run or folder the last part."""
    return (
        source.requested
        if source.origin in ("hub", "hub cache", "wheel")
        else Path(source.requested).resolve().name
    )


def _bound(host: str, port: int) -> socket.socket:
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
