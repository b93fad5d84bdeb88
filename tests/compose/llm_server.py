"""A language model's server on loopback that says what a script says: real sockets, real HTTP, no model."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted-1"


@dataclass
class Reply:
    """What one call gets. `text` is what the model says, `body` the whole answer where that is something else."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    finish: str = "stop"
    delay: float = 0.0
    drop: bool = False
    drip: float = 0.0  # seconds for which spaces are sent, one at a time, and no answer


@dataclass
class Request:
    """A call as it arrived: `entry` is the JSON that the model was shown, `before` how often it was asked the same."""

    payload: dict[str, Any]
    entry: dict[str, Any]
    headers: dict[str, str]
    before: int

    @property
    def system(self) -> str:
        return self.payload["messages"][0]["content"]

    @property
    def user(self) -> str:
        return self.payload["messages"][1]["content"]

    @property
    def wanted(self) -> list[str]:
        """The lines that say how each question is to ask."""
        return re.findall(r"^\d+\. (.+)$", self.user, re.MULTILINE)


Script = Callable[[Request], Reply]


@dataclass
class LlmServer:
    """A running server: its address, its script, and every call with the time when it was answered in full."""

    url: str
    script: Script
    models: Any = None
    calls: list[Request] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: Counter[str] = field(default_factory=Counter)


def questions(*texts: str) -> str:
    """An answer as it should be."""
    return json.dumps(
        {"questions": [{"number": n, "question": text} for n, text in enumerate(texts, start=1)]},
        ensure_ascii=False,
    )


def _shown(user: str) -> dict[str, Any]:
    start = user.find("{")
    return json.JSONDecoder().raw_decode(user, start)[0] if start >= 0 else {}


def _handler(server: LlmServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            server.gets.append(self.path)
            models = server.models
            if isinstance(models, Reply):
                self._send(models.status, models.body or "", models.headers)
            else:
                names = [MODEL] if models is None else models
                self._send(200, json.dumps({"object": "list", "data": [{"id": name} for name in names]}))

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with server.lock:
                key = json.dumps(payload["messages"])
                user = payload["messages"][1]["content"]
                request = Request(payload, _shown(user), dict(self.headers), server._asked[key])
                server._asked[key] += 1
                server.calls.append(request)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                self._reply(server.script(request), key)
            finally:
                with server.lock:
                    server.at_once -= 1

        def _reply(self, reply: Reply, key: str) -> None:
            time.sleep(reply.delay)
            if reply.drop:
                self.close_connection = True
                self.connection.close()
                return
            if reply.drip:
                self._drip(reply)
                return
            body = reply.body
            if body is None and reply.status == 200:
                choice = {
                    "message": {"role": "assistant", "content": reply.text},
                    "finish_reason": reply.finish,
                }
                usage = {"prompt_tokens": 100, "completion_tokens": 50}
                body = json.dumps({"choices": [choice], "usage": usage}, ensure_ascii=False)
            if body is None:
                body = json.dumps({"error": {"message": reply.text}})
            self._send(reply.status, body, reply.headers)
            with server.lock:
                server.answered.append(key)

        def _drip(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("content-length", "1000000")
            self.end_headers()
            end = time.monotonic() + reply.drip
            while time.monotonic() < end:
                self.wfile.write(b" ")
                time.sleep(0.05)
            self.close_connection = True

        def _send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
            data = body.encode()
            self.send_response(status)
            for name, value in ({"content-type": "application/json"} | (headers or {})).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            try:
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is what some tests are about."""


@contextmanager
def serve(script: Script, *, models: Any = None) -> Iterator[LlmServer]:
    """A server on a free port of loopback until the block ends."""
    server = LlmServer("", script, models)
    http = _QuietServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
