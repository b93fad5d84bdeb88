"""Dynamic batching: the texts that wait when the model is free become the next batch.

No timer: a single request is encoded at once, and under load the batches fill up. Requests take turns text by text, so
a long one does not delay a short one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedkit.models.cross_encoder import TextPair
from embedkit.models.resolve import Role
from embedkit.serving.score.answers import Encoded

Encode = Callable[[Sequence[str], Role], Encoded]
ScorePairs = Callable[[Sequence[TextPair], Role], Encoded]
Item = TypeVar("Item", str, TextPair)


class QueueFullError(Exception):
    """The queue has no room for these texts; the client may try again later."""


class StoppedError(Exception):
    """The service stops; what waits is not encoded any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How much is encoded together, and how many texts may wait.

    A batch ends where its texts have `characters` together, of each of which at most `read_characters` count: those
    that come meanwhile wait for one batch.
    """

    texts: int = 32
    waiting: int = 4096
    characters: int = 4096
    read_characters: int = 1024


@dataclass(slots=True)
class _Request(Generic[Item]):
    texts: Sequence[Item]
    role: Role
    answer: asyncio.Future[Encoded]
    started: int = 0
    done: dict[int, tuple[NDArray[np.float32], int, bool]] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many texts no batch has taken yet; 0 when the client is gone."""
        return 0 if self.answer.done() else len(self.texts) - self.started

    def put(self, place: int, encoded: Encoded, at: int) -> None:
        self.done[place] = encoded.vectors[at], encoded.tokens[at], encoded.cut[at]
        if len(self.done) == len(self.texts) and not self.answer.done():
            vectors, tokens, cut = zip(*(self.done[i] for i in range(len(self.texts))), strict=True)
            self.answer.set_result(Encoded(np.stack(vectors), tokens, cut))


class Batcher(Generic[Item]):
    """Queue of texts, or pairs of texts, for one model. `run` encodes until it is cancelled; `encode` waits."""

    def __init__(
        self,
        encode: Callable[[Sequence[Item], Role], Encoded],
        limits: BatchLimits,
        *,
        on_batch: Callable[[Encoded], None] = lambda encoded: None,
    ) -> None:
        """`on_batch` is called with each encoded batch."""
        self._encode: Callable[[Sequence[Item], Role], Encoded] = encode
        self._limits = limits
        self._on_batch = on_batch
        self._requests: deque[_Request[Item]] = deque()
        self._wake = asyncio.Event()
        self._stopped = False

    @property
    def waiting(self) -> int:
        """How many texts no batch has taken yet."""
        return sum(request.left for request in self._requests)

    async def encode(self, texts: Sequence[Item], role: Role) -> Encoded:
        """The texts' vectors. A cancelled call leaves the queue.

        Raises:
            QueueFullError: other texts wait and these do not fit beside them. A request alone always fits.
            StoppedError: the service stops before they are encoded.
        """
        if self._stopped:
            raise StoppedError
        waiting = self.waiting
        if waiting and waiting + len(texts) > self._limits.waiting:
            raise QueueFullError
        request = _Request(texts, role, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        self._wake.set()
        return await request.answer

    def stop(self) -> None:
        """Fail what waits, and what comes."""
        self._stopped = True
        while self._requests:
            request = self._requests.popleft()
            if not request.answer.done():
                request.answer.set_exception(StoppedError())

    async def run(self) -> None:
        """Encode the waiting texts batch after batch, in a thread of its own."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="encode") as thread:
            while True:
                await self._wake.wait()
                batch = self._take()
                if not batch:
                    self._wake.clear()
                    continue
                texts = [request.texts[place] for request, place in batch]
                try:
                    encoded = await loop.run_in_executor(thread, self._encode, texts, batch[0][0].role)
                except Exception as error:  # noqa: BLE001  (raised in the requests of this batch; the others go on)
                    _fail(batch, error)
                    continue
                self._on_batch(encoded)
                for at, (request, place) in enumerate(batch):
                    request.put(place, encoded, at)

    def _take(self) -> list[tuple[_Request[Item], int]]:
        """The next texts, of one role, a text a request in turn; other roles stay in front for the next batch."""
        batch: list[tuple[_Request[Item], int]] = []
        others: list[_Request[Item]] = []
        room = self._limits.characters
        while self._requests and len(batch) < self._limits.texts and room > 0:
            request = self._requests.popleft()
            if not request.left:
                continue
            if batch and request.role != batch[0][0].role:
                others.append(request)
                continue
            batch.append((request, request.started))
            room -= min(_length(request.texts[request.started]), self._limits.read_characters)
            request.started += 1
            self._requests.append(request)
        self._requests.extendleft(reversed(others))
        return batch


def _length(item: str | TextPair) -> int:
    return len(item) if isinstance(item, str) else len(item[0]) + len(item[1])


def _fail(batch: Sequence[tuple[_Request[Item], int]], error: Exception) -> None:
    for request, _ in batch:
        if not request.answer.done():
            request.answer.set_exception(error)
