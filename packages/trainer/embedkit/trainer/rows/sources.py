"""The rows of a run: one file, or several with a loss and a weight each, numbered through from the first."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

import numpy as np

from embedkit.trainer.config import RunConfig, TrainSection
from embedkit.trainer.losses.registry import LOSSES, ModelKind
from embedkit.trainer.losses.sections import LossSection
from embedkit.trainer.rows.paths import find_sources
from embedkit.trainer.rows.sampling import EpochBatches, epoch_batches, stretches
from embedkit.trainer.rows.store import Rows, RowStore, RowSummary, read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of a run, the loss that its rows are trained with, and the factor of that loss."""

    rows: Rows
    loss: str
    weight: float


class TrainingRows:
    """All the rows of a run. A batch holds rows of one source only.

    `parallel` are everyday sentences beside those that the config names: the last of `sources`, of which an epoch has
    `parallel_share` as many rows as of all others. The summary does not count them.
    """

    def __init__(
        self, sources: Sequence[Source], *, parallel: Source | None = None, parallel_share: float = 0.0
    ) -> None:
        self.sources = (*sources, *((parallel,) if parallel else ()))
        self.parallel, self.parallel_share = parallel, parallel_share
        self.starts = list(accumulate((len(source.rows) for source in sources), initial=0))
        self.store: RowStore = (
            sources[0].rows.store if len(self.sources) == 1 else _Joined(self.starts, self.sources)
        )
        self.summary = _joined_summary([source.rows.summary for source in sources])

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def model(self) -> ModelKind:
        """What the losses of the rows train."""
        return LOSSES[self.sources[0].loss].model

    def with_parallel(self, rows: Rows, *, share: float) -> TrainingRows:
        """The same beside everyday sentences, which are trained with the loss of the first source."""
        parallel = Source(rows=rows, loss=self.sources[0].loss, weight=1.0)
        return TrainingRows(self.sources, parallel=parallel, parallel_share=share)

    def settings(self, config: RunConfig) -> tuple[LossSection, ...]:
        """The settings of each source's loss."""
        return (*config.losses, *(config.losses[:1] if self.parallel else ()))

    @property
    def own(self) -> TrainingRows:
        """The rows that the config names, without the everyday sentences beside them."""
        return TrainingRows(self.sources[:-1]) if self.parallel else self

    def local(self, numbers: Sequence[int]) -> tuple[int, list[int]]:
        """The source of a batch, and its rows' numbers there."""
        source = bisect_right(self.starts, numbers[0]) - 1
        return source, [number - self.starts[source] for number in numbers]

    def batches(self, train: TrainSection, *, seed: int, devices: int = 1) -> EpochBatches | MixedBatches:
        """The batches of each epoch, in an order that depends on seed and epoch alone; those of several devices
        together are one.
        """
        if len(self.sources) == 1:
            only = self.sources[0]
            return epoch_batches(only.rows, train, loss=only.loss, seed=seed, devices=devices)
        return MixedBatches(self, train, seed=seed, devices=devices)


class MixedBatches:
    """The batches of all sources, shuffled; with `train.steps_per_epoch` the epochs walk on through the laps."""

    def __init__(self, rows: TrainingRows, train: TrainSection, *, seed: int, devices: int = 1) -> None:
        self.batch_size = train.batch_size * devices
        self.drop_last = False
        self._starts = rows.starts
        self._parts = [
            epoch_batches(source.rows, train, loss=source.loss, seed=seed, devices=devices, fixed=False)
            for source in rows.sources
            if source is not rows.parallel
        ]
        if rows.parallel:
            beside = math.ceil(rows.parallel_share * sum(part.rows for part in self._parts))
            self._parts.append(stretches(rows.parallel.rows, beside, batch_size=self.batch_size, seed=seed))
        self._seed = seed
        self._fixed = train.steps_per_epoch and train.steps_per_epoch * train.grad_accum_steps
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The training loop says which epoch comes."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._fixed or self._lap_batches

    @property
    def rows(self) -> int:
        """How many rows the batches of an epoch hold together, on average."""
        return round(sum(part.rows for part in self._parts) * len(self) / self._lap_batches)

    @property
    def _lap_batches(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[list[int]]:
        lap, skip = divmod(self._epoch * len(self), self._lap_batches)
        yield from islice(self._walk(lap, skip), len(self))

    def _walk(self, lap: int, skip: int) -> Iterator[list[int]]:
        while True:
            yield from self._lap(lap)[skip:]
            lap, skip = lap + 1, 0

    def _lap(self, lap: int) -> list[list[int]]:
        batches = [
            [start + number for number in batch]
            for start, part in zip(self._starts, self._parts, strict=False)
            for batch in part.of_epoch(lap)
        ]
        shuffled = np.random.Generator(np.random.PCG64([self._seed, lap, 1])).permutation(len(batches))
        return [batches[place] for place in shuffled]


class _Joined:
    """The stores of several sources as one."""

    def __init__(self, starts: Sequence[int], sources: Sequence[Source]) -> None:
        self._starts = starts
        self._stores = [source.rows.store for source in sources]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Any:
        source = bisect_right(self._starts, index) - 1
        return self._stores[source][index - self._starts[source]]


def read_training_rows(config: RunConfig) -> TrainingRows:
    """Check and read all that the config trains on."""
    return TrainingRows(
        [
            Source(rows=read_rows(path, config.data, loss=loss), loss=loss, weight=weight)
            for path, loss, weight in find_sources(config)
        ]
    )


def _joined_summary(parts: Sequence[RowSummary]) -> RowSummary:
    if len(parts) == 1:
        return parts[0]
    hashes = "".join(part.sha256 for part in parts)  # as files.files_hash
    return RowSummary(
        paths=tuple(path for part in parts for path in part.paths),
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        rows=sum(part.rows for part in parts),
        concepts=sum(part.concepts for part in parts),
        hard_negatives=sum(part.hard_negatives for part in parts),
        languages=_sum([part.languages for part in parts]),
        kinds=_sum([part.kinds for part in parts]),
        sources=_sum([part.sources for part in parts]),
        licenses=_sum([part.licenses for part in parts]),
        dropped=_sum([part.dropped for part in parts]),
    )


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for part in counts:
        total.update(part)
    return dict(total)
