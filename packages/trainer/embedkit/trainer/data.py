"""Training rows from pairs.jsonl: all checked first, kept in memory or left on disk, grouped by concept.

The check costs about 20 µs a row. Left on disk (`data.stream`) a row costs about 50 bytes of memory, for its
place in the file and its concept: a file larger than memory trains in the same shuffled order as a small one.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from embedkit.errors import UserError
from embedkit.files import STDIO, sha256_file
from embedkit.pairs import DEFAULT_PATHS, Pair, pair_from_object, read_pairs, split_path
from embedkit.text import fold
from embedkit.trainer.config import DataSection, TrainSection

RowOrder = Callable[[int], NDArray[np.int64]]
NEAR = 3


class RowStore(Protocol):
    """Rows by number, wherever they lie."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair: ...


class ConceptIndex:
    """Which concept a row is of, and which concepts a text belongs to.

    A row's `group` is its concept. Rows without one are of the same concept when they share a text,
    directly or through other such rows; texts are the same when they fold to the same key.
    """

    def __init__(self, keys: array[int], texts: array[int]) -> None:
        """`keys` and `texts` hold two hashes a row: what ties it to others, and its anchor and positive."""
        self.row_concepts = _components(np.frombuffer(keys, dtype=np.int64).reshape(-1, 2))
        hashes = np.frombuffer(texts, dtype=np.int64)
        concepts = np.repeat(self.row_concepts, 2)
        order = np.lexsort((concepts, hashes))
        self._hashes, self._concepts = hashes[order], concepts[order]

    @property
    def count(self) -> int:
        """How many concepts the rows have."""
        return int(self.row_concepts.max()) + 1 if len(self.row_concepts) else 0

    def concepts_of(self, text: str) -> frozenset[int]:
        """The concepts that `text` is an anchor or positive of, in any row."""
        key = _hash(fold(text))
        start, stop = np.searchsorted(self._hashes, [key, key + 1])
        return frozenset(self._concepts[start:stop].tolist())

    def first_concept_of(self, hashes: NDArray[np.int64]) -> NDArray[np.int64]:
        """One concept of each folded text's hash, -1 where no row has the text as anchor or positive."""
        place = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.where(self._hashes[place] == hashes, self._concepts[place], -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSummary:
    """What the rows are, for the dry run and the model card."""

    path: str
    sha256: str
    rows: int
    concepts: int
    hard_negatives: int
    languages: Mapping[str, int]
    kinds: Mapping[str, int]
    sources: Mapping[str, int]
    licenses: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one file with their concepts.

    `near_concepts[c]` are those that most of concept c's hard negatives come from, commonest first.
    """

    store: RowStore
    concepts: ConceptIndex
    near_concepts: Sequence[NDArray[np.int64]]
    summary: RowSummary

    def __len__(self) -> int:
        return len(self.store)


class _FileStore:
    """Rows read from the file when asked for: 20 µs each, which a step of training does not notice."""

    def __init__(self, path: Path, offsets: array[int], max_hard_negatives: int | None) -> None:
        self._path = path
        self._offsets = offsets
        self._max = max_hard_negatives

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Pair:
        with self._path.open("rb") as handle:
            handle.seek(self._offsets[index])
            row = json.loads(handle.readline().decode("utf-8-sig"))
        return _slim(pair_from_object(row), self._max)


def find_pairs(section: DataSection) -> str:
    """The file to train on; `UserError` when there is none."""
    if section.pairs_path is not None:
        if section.pairs_path != STDIO and not Path(section.pairs_path).is_file():
            raise UserError(
                "there is no such file", place=section.pairs_path, hint="check data.pairs_path in the config"
            )
        return section.pairs_path
    for path in DEFAULT_PATHS:
        if path.is_file():
            return str(path)
    looked = ", ".join(map(str, DEFAULT_PATHS))
    raise UserError(
        "no pairs to train on: looked for {looked}",
        hint="embedkit compose makes them, or set data.pairs_path",
        looked=looked,
    )


def find_dev(section: DataSection, pairs_path: str) -> str | None:
    """The dev file: the one named, or the one beside the pairs where there is one."""
    if not section.use_dev:
        return None
    if section.dev_path is not None:
        if not Path(section.dev_path).is_file():
            raise UserError(
                "there is no such file",
                place=section.dev_path,
                hint="check data.dev_path, or set data.use_dev to false",
            )
        return section.dev_path
    beside = split_path(Path(pairs_path), "dev")
    return str(beside) if pairs_path != STDIO and beside.is_file() else None


def read_rows(path: str, section: DataSection) -> Rows:
    """Check every row of `path` and index it.

    Raises:
        UserError: at the first bad row, naming file and line; or when there are no rows.
    """
    if section.stream and path == STDIO:
        raise UserError(
            "stdin cannot be streamed", hint="set data.stream to false, or write the rows to a file"
        )
    offsets, kept = array("q"), list[Pair]()
    keys, texts = array("q"), array("q")
    negative_texts, negative_rows = array("q"), array("q")
    counts = {name: Counter[str]() for name in ("lang", "kind", "source", "license")}
    negatives = 0
    for offset, pair in islice(_scan(path, streamed=section.stream), section.max_rows):
        slim = _slim(pair, section.max_hard_negatives)
        if section.stream:
            offsets.append(offset)
        else:
            kept.append(slim)
        negative_texts.extend(_hash(fold(text)) for text in pair.hard_negatives)
        negative_rows.extend([len(texts) // 2] * len(pair.hard_negatives))
        anchor, positive = _hash(fold(slim.anchor)), _hash(fold(slim.positive))
        texts.extend((anchor, positive))
        keys.extend((_hash("\x1f" + slim.group),) * 2 if slim.group else (anchor, positive))
        negatives += len(slim.hard_negatives)
        for name, counter in counts.items():
            counter[getattr(slim, name)] += 1
    if not texts:
        raise UserError("there are no rows in it", place=path, hint="embedkit compose makes them")
    concepts = ConceptIndex(keys, texts)
    summary = RowSummary(
        path=path,
        sha256="" if path == STDIO else sha256_file(Path(path)),
        rows=len(texts) // 2,
        concepts=concepts.count,
        hard_negatives=negatives,
        languages=_named(counts["lang"]),
        kinds=_named(counts["kind"]),
        sources=_named(counts["source"]),
        licenses=_named(counts["license"]),
    )
    store: RowStore = (
        _FileStore(Path(path), offsets, section.max_hard_negatives) if section.stream else _Kept(kept)
    )
    near = _near_concepts(concepts, negative_rows, negative_texts)
    return Rows(store=store, concepts=concepts, near_concepts=near, summary=summary)


class _Kept(tuple[Pair, ...]):
    """Rows in memory."""

    __slots__ = ()

    def __getitem__(self, index: int) -> Pair:  # type: ignore[override]
        return super().__getitem__(index)


def epoch_order(rows: int, *, seed: int, lap: int) -> NDArray[np.int64]:
    """The shuffled row numbers of one pass over all rows: a function of seed and lap, on any machine."""
    return np.random.Generator(np.random.PCG64([seed, lap])).permutation(rows)


class EpochBatches:
    """The batches of an epoch as lists of row numbers, a pure function of seed and epoch.

    With `batches_per_epoch` the epochs walk on through pass after pass over the rows instead of starting
    each time anew.
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

    def __iter__(self) -> Iterator[list[int]]:
        per_epoch = len(self) * self.batch_size if self._fixed else self._rows
        walk = islice(self._walk(self._epoch * per_epoch), per_epoch)
        while batch := list(islice(walk, self.batch_size)):
            yield batch

    def _walk(self, start: int) -> Iterator[int]:
        lap, skip = divmod(start, self._rows)
        while True:
            yield from self._order(lap)[skip:].tolist()
            lap, skip = lap + 1, 0


def epoch_batches(rows: Rows, train: TrainSection, *, seed: int, devices: int = 1) -> EpochBatches:
    """The batches that the config asks for; those of several devices together are one."""
    concept = train.batching == "concept" or (train.batching == "auto" and train.loss == "masked_mnrl")
    return EpochBatches(
        len(rows),
        order=row_order(rows, by_concept=concept, seed=seed),
        batch_size=train.batch_size * devices,
        batches_per_epoch=train.steps_per_epoch and train.steps_per_epoch * train.grad_accum_steps,
    )


def row_order(rows: Rows, *, by_concept: bool, seed: int) -> RowOrder:
    """How the rows of each lap follow one another; a batch is a stretch of them."""
    if not by_concept:
        return lambda lap: epoch_order(len(rows), seed=seed, lap=lap)
    members = _rows_by_concept(rows.concepts.row_concepts)

    def order(lap: int) -> NDArray[np.int64]:
        concepts = _neighbourly(epoch_order(len(members), seed=seed, lap=lap), rows.near_concepts)
        return np.concatenate([members[concept] for concept in concepts])

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


def _near_concepts(
    index: ConceptIndex, negative_rows: array[int], negative_texts: array[int]
) -> list[NDArray[np.int64]]:
    """The `NEAR` commonest concepts among each concept's hard negatives; ties by number."""
    none = np.zeros(0, dtype=np.int64)
    near = [none] * index.count
    if not negative_texts:
        return near
    own = index.row_concepts[np.frombuffer(negative_rows, dtype=np.int64)]
    other = index.first_concept_of(np.frombuffer(negative_texts, dtype=np.int64))
    links = np.stack([own, other])[:, (other >= 0) & (other != own)]
    if not links.size:
        return near
    (own, other), counts = np.unique(links, axis=1, return_counts=True)
    order = np.lexsort((other, -counts, own))
    own, other = own[order], other[order]
    starts = np.flatnonzero(np.r_[True, np.diff(own) != 0])
    for start, stop in zip(starts, [*starts[1:], len(own)], strict=True):
        near[int(own[start])] = other[start : min(stop, start + NEAR)]
    return near


def sample_rows(rows: Rows, *, limit: int, seed: int) -> Iterator[Pair]:
    """Up to `limit` rows drawn at random, the same for the same seed."""
    return (rows.store[int(i)] for i in epoch_order(len(rows), seed=seed, lap=0)[:limit])


def _scan(path: str, *, streamed: bool) -> Iterator[tuple[int, Pair]]:
    """Yield `(byte offset, pair)`; the offset is 0 where rows are kept in memory."""
    if not streamed:
        yield from ((0, pair) for pair in read_pairs(path))
        return
    yield from zip(_offsets(Path(path)), read_pairs(path), strict=True)


def _offsets(path: Path) -> Iterator[int]:
    """Where each line that is not blank starts, in bytes."""
    with path.open("rb") as handle:
        position = 0
        for raw in handle:
            if raw.decode("utf-8-sig", errors="replace").strip():
                yield position
            position += len(raw)


def _slim(pair: Pair, max_hard_negatives: int | None) -> Pair:
    """Only what training needs: no mining receipts, no hard negative twice, none above the limit."""
    negatives = tuple(dict.fromkeys(pair.hard_negatives))
    return replace(pair, hard_negatives=negatives[:max_hard_negatives], mining=())


def _components(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the connected groups of rows that share a key. `keys` is `(rows, 2)`; the answer `(rows,)`."""
    rows = len(keys)
    names, columns = np.unique(keys, return_inverse=True)
    row_numbers = np.repeat(np.arange(rows), 2)
    size = rows + len(names)
    links = coo_array(
        (np.ones(2 * rows, dtype=np.int8), (row_numbers, rows + columns.ravel())), shape=(size, size)
    )
    _, labels = connected_components(links, directed=False)
    _, numbers = np.unique(labels[:rows], return_inverse=True)
    return numbers.astype(np.int64)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) >> 1


def _named(counter: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counter.most_common() if name}
