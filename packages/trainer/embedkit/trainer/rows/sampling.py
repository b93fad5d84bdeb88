"""In which order rows are trained on: a pure function of seed and epoch, on any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import cycle, islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedkit.trainer.config import ROWS_OF_A_CONCEPT, TrainSection
from embedkit.trainer.losses.registry import LOSSES
from embedkit.trainer.rows.store import Rows, RowStore

RowOrder = Callable[[int], NDArray[np.int64]]
# Rows of one label that stand together in a batch, at least: fewer make few triplets.
PIECE_ROWS = 4


class Stored(Protocol):
    """Rows of one file or of several."""

    @property
    def store(self) -> RowStore: ...

    def __len__(self) -> int: ...


def epoch_order(rows: int, *, seed: int, lap: int) -> NDArray[np.int64]:
    """The shuffled row numbers of one pass over all rows: a function of seed and lap, on any machine."""
    return np.random.Generator(np.random.PCG64([seed, lap])).permutation(rows)


class EpochBatches:
    """The batches of an epoch as lists of row numbers, a pure function of seed and epoch.

    `rows` is how many an epoch has, `order(epoch)` which. With `batches_per_epoch` the epochs walk on through
    pass after pass instead of starting each time anew.
    """

    def __init__(
        self, rows: int, *, order: RowOrder, batch_size: int, batches_per_epoch: int | None = None
    ) -> None:
        self.batch_size = batch_size
        self.drop_last = False
        self._rows = rows
        self._order = order
        self._fixed = batches_per_epoch
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The training loop says which epoch comes."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._fixed or -(-self._rows // self.batch_size)

    @property
    def rows(self) -> int:
        """How many rows the batches of an epoch hold together."""
        return len(self) * self.batch_size if self._fixed else self._rows

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.of_epoch(self._epoch)

    def of_epoch(self, epoch: int) -> Iterator[list[int]]:
        """The batches of one epoch, all of about one size: a last one of few rows would have few negatives."""
        walk, count = self._walk(epoch * self.rows), len(self)
        for number in range(count):
            yield list(islice(walk, (number + 1) * self.rows // count - number * self.rows // count))

    def _walk(self, start: int) -> Iterator[int]:
        lap, skip = divmod(start, self._rows)
        while True:
            yield from self._order(lap)[skip:].tolist()
            lap, skip = lap + 1, 0


def epoch_batches(
    rows: Rows, train: TrainSection, *, seed: int, loss: str, devices: int = 1, fixed: bool = True
) -> EpochBatches:
    """The batches of one file that the config asks for; those of several devices together are one.

    Not `fixed`: all rows an epoch, whatever the config says.
    """
    batch_size = train.batch_size * devices
    count = len(rows)
    if rows.shape == "labelled":
        order = label_order(rows.concepts.row_concepts, batch_size=batch_size, seed=seed)
    elif is_by_concept(rows, train, loss):
        visits = ConceptVisits(rows, rows_per_visit=train.rows_per_visit, seed=seed)
        count, order = len(visits), visits.order
    else:
        order = partial(_shuffled, count, seed)
    steps = train.steps_per_epoch if fixed else None
    return EpochBatches(
        count,
        order=order,
        batch_size=batch_size,
        batches_per_epoch=steps and steps * train.grad_accum_steps,
    )


def stretches(rows: Rows, an_epoch: int, *, batch_size: int, seed: int) -> EpochBatches:
    """So many shuffled rows an epoch, the next ones each time, pass after pass."""
    count = min(an_epoch, len(rows))

    def order(epoch: int) -> NDArray[np.int64]:
        laps, places = np.divmod(np.arange(epoch * count, (epoch + 1) * count), len(rows))
        shuffled = {lap: epoch_order(len(rows), seed=seed, lap=lap) for lap in np.unique(laps).tolist()}
        return np.array(
            [shuffled[lap][place] for lap, place in zip(laps.tolist(), places.tolist(), strict=True)]
        )

    return EpochBatches(count, order=order, batch_size=batch_size)


def is_by_concept(rows: Rows, train: TrainSection, loss: str) -> bool:
    """Whether an epoch visits every concept once, rather than every row."""
    if rows.shape != "pairs" or train.batching != "auto":
        return rows.shape == "pairs" and train.batching == "concept"
    concepts = len(np.unique(rows.concepts.row_concepts))
    return LOSSES[loss].knows_concepts and len(rows) >= ROWS_OF_A_CONCEPT * concepts


def _shuffled(rows: int, seed: int, lap: int) -> NDArray[np.int64]:
    return epoch_order(rows, seed=seed, lap=lap)


class ConceptVisits:
    """The rows of an epoch when each concept is visited once: nine rows of a concept are one visit, not nine.

    A visit takes `rows_per_visit` rows of the concept (None: all), as many of each way of asking: by name, in
    question forms, with a slip, by description. Each way's rows stand in a circle, shuffled, their languages spread
    evenly, and every visit takes the next ones. So a batch of 256 rows holds 64 concepts.
    """

    def __init__(self, rows: Rows, *, rows_per_visit: int | None, seed: int) -> None:
        shuffled = epoch_order(len(rows), seed=seed, lap=0)
        most = rows_per_visit or len(rows)
        self._concepts = [
            _Ways(_circles(shuffled[places], rows), most)
            for places in _rows_by_concept(rows.concepts.row_concepts[shuffled])
        ]
        self._near = rows.near_concepts
        self._seed = seed

    def __len__(self) -> int:
        """How many rows an epoch has."""
        return sum(concept.rows for concept in self._concepts)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows of an epoch as they follow one another; a batch is a stretch of them."""
        concepts = _neighbourly(epoch_order(len(self._concepts), seed=self._seed, lap=epoch), self._near)
        return np.concatenate([self._concepts[concept].visit(epoch) for concept in concepts])


class _Ways:
    """A concept's rows, a circle for each way of asking, and how many of each a visit takes."""

    def __init__(self, circles: Sequence[NDArray[np.int64]], most: int) -> None:
        self._circles = circles
        self._taken = _shares(tuple(map(len, circles)), most)
        self.rows = int(self._taken[0].sum())

    def visit(self, epoch: int) -> NDArray[np.int64]:
        lap, phase = divmod(epoch, len(self._circles))
        starts = lap * self._taken.sum(axis=0) + self._taken[:phase].sum(axis=0)
        return np.concatenate(
            [
                circle[np.arange(start, start + count) % len(circle)]
                for circle, start, count in zip(self._circles, starts, self._taken[phase], strict=True)
            ]
        )


@cache
def _shares(sizes: tuple[int, ...], most: int) -> NDArray[np.int64]:
    """How many rows each way gives, none more than it has: one of each in turn; `(visits, ways)`.

    The next visit begins with the next way, which matters where a visit takes fewer rows than there are ways.
    """
    taken = np.zeros((len(sizes), len(sizes)), dtype=np.int64)
    for first, shares in enumerate(taken):
        for way in cycle(np.roll(np.arange(len(sizes)), -first)):
            if shares.sum() == min(most, sum(sizes)):
                break
            shares[way] += shares[way] < sizes[way]
    return taken


def _circles(rows: NDArray[np.int64], of: Rows) -> list[NDArray[np.int64]]:
    return [_spread(rows[of.ways[rows] == way], of.languages) for way in np.unique(of.ways[rows])]


def _spread(rows: NDArray[np.int64], languages: NDArray[np.int32]) -> NDArray[np.int64]:
    """The rows in an order in which each language is spread evenly."""
    own = languages[rows]
    place = np.zeros(len(rows))
    for language, count in zip(*np.unique(own, return_counts=True), strict=True):
        place[own == language] = (np.arange(count) + 0.5) / count
    return rows[np.argsort(place, kind="stable")]


def label_order(row_labels: NDArray[np.int64], *, batch_size: int, seed: int) -> RowOrder:
    """Rows so that every batch holds several labels, and several rows of most of them.

    Each label's shuffled rows are cut into pieces of `batch_size / labels` rows, four at least; the pieces of
    a label are spread evenly over the lap.
    """
    members = _rows_by_concept(row_labels)
    size = max(2, min(batch_size // 2, max(PIECE_ROWS, batch_size // len(members))))

    def order(lap: int) -> NDArray[np.int64]:
        random = np.random.Generator(np.random.PCG64([seed, lap]))
        pieces: list[tuple[float, NDArray[np.int64]]] = []
        for rows in members:
            cut = np.array_split(random.permutation(rows), max(1, len(rows) // size))
            pieces += [((place + random.random()) / len(cut), piece) for place, piece in enumerate(cut)]
        return np.concatenate([piece for _, piece in sorted(pieces, key=lambda item: item[0])])

    return order


def _neighbourly(shuffled: NDArray[np.int64], near_concepts: Sequence[NDArray[np.int64]]) -> Iterator[int]:
    """Every concept once: in shuffled order, but each followed by those of its neighbours still to come."""
    seen: set[int] = set()
    for first in shuffled.tolist():
        if first in seen:
            continue
        for concept in (first, *near_concepts[first].tolist()):
            if concept not in seen:
                seen.add(concept)
                yield concept


def _rows_by_concept(row_concepts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The row numbers of each concept, in the order of the file."""
    by_concept = np.argsort(row_concepts, kind="stable")
    return np.split(by_concept, np.flatnonzero(np.diff(row_concepts[by_concept])) + 1)


def sample_rows(rows: Stored, *, limit: int, seed: int) -> Iterator[Any]:
    """Up to `limit` rows drawn at random, the same for the same seed."""
    return (rows.store[int(i)] for i in epoch_order(len(rows), seed=seed, lap=0)[:limit])
