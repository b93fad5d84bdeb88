"""What waits together is encoded together: order, turns, limits, failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np
import pytest

from embedkit.models.resolve import Role
from embedkit.serving.http.batcher import Batcher, BatchLimits, QueueFullError
from embedkit.serving.score.answers import Encoded


class Model:
    """Encodes a text as its length, when it is let; keeps what each batch held."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[str], Role]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, texts: Sequence[str], role: Role) -> Encoded:
        self.batches.append((list(texts), role))
        assert self.gate.wait(10)
        if "bad" in texts:
            raise RuntimeError("cannot")
        lengths = [len(text) for text in texts]
        return Encoded(np.array([[n] for n in lengths], dtype=np.float32), lengths, [n > 5 for n in lengths])


def within(model: Model, work: Coroutine[Any, Any, Any], batcher: Batcher) -> Any:
    async def main() -> Any:
        running = asyncio.create_task(batcher.run())
        try:
            return await asyncio.wait_for(work, 10)
        finally:
            model.gate.set()
            running.cancel()

    return asyncio.run(main())


async def until_encoding(model: Model) -> None:
    while not model.batches:
        await asyncio.sleep(0.001)


def made(model: Model, *, batch_size: int = 4, max_waiting: int = 100) -> Batcher:
    return Batcher(model, BatchLimits(texts=batch_size, waiting=max_waiting))


def test_a_request_gets_its_own_vectors_in_its_order() -> None:
    model = Model()
    batcher = made(model)
    answer = within(model, batcher.encode(["a", "bbb", "cc", "dddddd", "e"], "document"), batcher)
    assert answer.vectors.ravel().tolist() == [1, 3, 2, 6, 1]
    assert (answer.tokens, answer.cut) == ((1, 3, 2, 6, 1), (False, False, False, True, False))
    assert [texts for texts, _ in model.batches] == [["a", "bbb", "cc", "dddddd"], ["e"]]


def test_what_waited_is_one_batch_and_a_short_request_does_not_wait_for_a_long_one() -> None:
    model = Model()
    batcher = made(model)

    async def work() -> list[str]:
        done: list[str] = []

        async def ask(name: str, count: int) -> None:
            await batcher.encode([name] * count, "document")
            done.append(name)

        model.gate.clear()
        first = asyncio.create_task(ask("first", 1))
        await until_encoding(model)
        rest = [asyncio.create_task(ask(*one)) for one in (("long", 40), ("short", 1), ("two", 2))]
        await asyncio.sleep(0.01)
        assert batcher.waiting == 43
        model.gate.set()
        await asyncio.gather(first, *rest)
        return done

    assert within(model, work(), batcher) == ["first", "short", "two", "long"]
    assert model.batches[1][0] == ["long", "short", "two", "long"]


def test_queries_and_documents_are_never_in_one_batch() -> None:
    model = Model()
    batcher = made(model)

    async def work() -> None:
        model.gate.clear()
        asked = [asyncio.create_task(batcher.encode(["first"], "document"))]
        await until_encoding(model)
        roles: tuple[Role, ...] = ("document", "query", "document", "query")
        asked += [asyncio.create_task(batcher.encode([f"{role} {n}"], role)) for n, role in enumerate(roles)]
        await asyncio.sleep(0.01)
        model.gate.set()
        await asyncio.gather(*asked)

    within(model, work(), batcher)
    assert model.batches[1:] == [
        (["document 0", "document 2"], "document"),
        (["query 1", "query 3"], "query"),
    ]


def test_beyond_what_may_wait_a_request_is_refused_but_never_when_it_is_alone() -> None:
    model = Model()
    batcher = made(model, max_waiting=3)

    async def work() -> None:
        assert len((await batcher.encode(["a"] * 9, "document")).vectors) == 9
        model.gate.clear()
        model.batches.clear()
        first = asyncio.create_task(batcher.encode(["a"], "document"))
        await until_encoding(model)
        second = asyncio.create_task(batcher.encode(["a"] * 2, "document"))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await batcher.encode(["a"] * 2, "document")
        third = asyncio.create_task(batcher.encode(["a"], "document"))
        model.gate.set()
        assert [len(e.vectors) for e in await asyncio.gather(first, second, third)] == [1, 2, 1]

    within(model, work(), batcher)


def test_nobody_computes_for_a_client_that_left() -> None:
    model = Model()
    batcher = made(model)

    async def work() -> None:
        model.gate.clear()
        first = asyncio.create_task(batcher.encode(["first"], "document"))
        await until_encoding(model)
        gone = asyncio.create_task(batcher.encode(["gone"] * 50, "document"))
        stays = asyncio.create_task(batcher.encode(["stays"], "document"))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        assert batcher.waiting == 1
        model.gate.set()
        await asyncio.gather(first, stays)

    within(model, work(), batcher)
    assert [texts for texts, _ in model.batches] == [["first"], ["stays"]]


def test_a_failure_reaches_the_requests_of_the_batch_and_the_next_goes_on() -> None:
    model = Model()
    batcher = made(model)

    async def work() -> None:
        with pytest.raises(RuntimeError, match="cannot"):
            await batcher.encode(["bad"], "document")
        assert len((await batcher.encode(["good"], "document")).vectors) == 1

    within(model, work(), batcher)
