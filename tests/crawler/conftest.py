"""A loopback server that answers as told, and an HTTP cache of each test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """`routes[path]` is a reply, or a function of the request's query and headers that makes one."""

    url: str = ""
    routes: dict[str, Reply | Callable[[dict[str, str], dict[str, str]], Reply]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def page(self, path: str, body: bytes | str, **headers: str) -> str:
        data = body if isinstance(body, bytes) else body.encode()
        self.routes[path] = (200, {k.replace("_", "-"): v for k, v in headers.items()}, data)
        return self.url + path

    def count(self, path: str) -> int:
        return sum(seen == path for seen, _ in self.seen)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        headers = {k.lower(): v for k, v in self.headers.items()}
        site.seen.append((parts.path, headers))
        route = site.routes.get(parts.path, (404, {}, b"not here"))
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        status, extra, body = route(query, headers) if callable(route) else route
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        if extra.get("x-endless"):
            self.end_headers()
            self._endless(body)
            return
        if "content-length" not in extra:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _endless(self, body: bytes) -> None:
        try:
            while True:
                self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    made = Site(url=f"http://127.0.0.1:{server.server_address[1]}")
    server.site = made  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("EMBEDKIT_CACHE", str(folder))
    monkeypatch.delenv("EMBEDKIT_CONTACT", raising=False)
    monkeypatch.delenv("EMBEDKIT_LANG", raising=False)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path
