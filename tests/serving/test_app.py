"""What only shows from inside: a client that leaves, a model that fails, a queue that is full."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from tokenizers import Tokenizer

from embedkit.models.resolve import Role
from embedkit.serving.decoding import token_decoder
from embedkit.serving.http.app import make_app
from embedkit.serving.http.batcher import BatchLimits
from embedkit.serving.http.bodies import read_json
from embedkit.serving.http.service import AppOptions, ServedModel
from embedkit.serving.score.answers import Encoded
from embedkit.serving.score.requests import RequestError

SERVED = ServedModel(names=("m",), dimensions=1, max_tokens=None)


class Client:
    """One request to an ASGI app; leaves when `gone` is set."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.gone = asyncio.Event()
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self._sent: list[dict[str, Any]] = [
            {"type": "http.request", "body": json.dumps({"input": texts}).encode()}
        ]

    async def receive(self) -> dict[str, Any]:
        if self._sent:
            return self._sent.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)
        self.headers |= dict(message.get("headers", ()))
        self.body += message.get("body", b"")

    async def ask(self, app: Starlette) -> None:
        path = "/v1/embeddings"
        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
        await asyncio.wait_for(app(scope, self.receive, self.send), 10)


class Gate:
    """A model that waits to be let, and keeps what it was asked."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str], role: Role) -> Encoded:
        self.asked += texts
        assert self.open.wait(10)
        return Encoded(np.ones((len(texts), 1), dtype=np.float32), [1] * len(texts), [False] * len(texts))


def test_a_client_that_leaves_is_not_computed_for() -> None:
    model = Gate()
    app = make_app(model, SERVED)

    async def work() -> int:
        async with app.router.lifespan_context(app):
            first, leaving = Client(["first"]), Client(["never"])
            asked = [asyncio.create_task(first.ask(app))]
            while not model.asked:
                await asyncio.sleep(0.001)
            asked.append(asyncio.create_task(leaving.ask(app)))
            await asyncio.sleep(0.01)
            leaving.gone.set()
            await asked[1]
            model.open.set()
            await asked[0]
            return first.status

    assert asyncio.run(work()) == 200
    assert model.asked == ["first"]


def test_a_full_queue_says_when_to_come_back() -> None:
    model = Gate()
    app = make_app(model, SERVED, AppOptions(batches=BatchLimits(texts=1, waiting=1)))

    async def work() -> list[Client]:
        async with app.router.lifespan_context(app):
            clients = [Client([name]) for name in ("first", "second", "third")]
            asked = [asyncio.create_task(clients[0].ask(app))]
            while not model.asked:
                await asyncio.sleep(0.001)
            asked += [asyncio.create_task(client.ask(app)) for client in clients[1:]]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            model.open.set()
            await asyncio.gather(*asked)
            return clients

    clients = asyncio.run(work())
    assert sorted(client.status for client in clients) == [200, 200, 429]
    refused = next(client for client in clients if client.status == 429)
    assert refused.headers[b"retry-after"] == b"1"
    assert json.loads(refused.body)["error"]["code"] == "rate_limit_exceeded"


def test_a_model_that_fails_is_an_answer_and_a_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def broken(texts: Sequence[str], role: Role) -> Encoded:
        raise RuntimeError("no memory")

    app = make_app(broken, SERVED)

    async def work() -> Client:
        async with app.router.lifespan_context(app):
            client = Client(["a"])
            await client.ask(app)
            return client

    with caplog.at_level(logging.ERROR):
        failed = asyncio.run(work())
    assert failed.status == 500
    assert json.loads(failed.body)["error"]["type"] == "server_error"
    assert "no memory" not in failed.body.decode()
    assert "RuntimeError: no memory" in caplog.text


class Late:
    """A request whose body comes after some seconds; never where they are infinite."""

    def __init__(self, body: bytes, seconds: float) -> None:
        self.body, self.seconds = body, seconds
        self.headers: dict[str, str] = {}

    async def stream(self) -> AsyncIterator[bytes]:
        await asyncio.sleep(self.seconds)
        yield self.body


def test_a_body_that_is_here_but_unread_is_not_late() -> None:
    async def ask(late: Late) -> Any:
        return await read_json(late, timeout_s=0.01)  # type: ignore[arg-type]

    assert asyncio.run(ask(Late(b'{"input": "a"}', 0.05))) == {"input": "a"}
    with pytest.raises(RequestError, match="did not arrive"):
        asyncio.run(ask(Late(b"{}", 60)))


def test_a_body_of_another_encoding_is_told_by_its_byte() -> None:
    async def ask(body: bytes) -> Any:
        return await read_json(Late(body, 0), timeout_s=1)  # type: ignore[arg-type]

    assert asyncio.run(ask(b'\xef\xbb\xbf{"input": "a"}')) == {"input": "a"}
    with pytest.raises(RequestError, match=r"not UTF-8 \(byte 12\)"):
        asyncio.run(ask('{"input": "가"}'.encode("cp949")))
    with pytest.raises(RequestError, match="not JSON"):
        asyncio.run(ask(b'{"input": '))


def test_a_token_that_the_model_does_not_have_is_refused(tiny_encoder: Path) -> None:
    decode = token_decoder("model", Tokenizer.from_file(str(tiny_encoder / "tokenizer.json")))
    assert decode is not None
    assert decode([[10], [11, 12]])
    for token in (10**9, -1):
        with pytest.raises((KeyError, OverflowError)):
            decode([[token]])
