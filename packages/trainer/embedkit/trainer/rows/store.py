"""Training rows from a file: all checked first, kept in memory or left on disk, grouped by concept.

The check costs about 10 µs a row. Left on disk (`data.stream`) a row costs about 50 bytes of memory, for its
place in the file and its concept: a file larger than memory trains in the same shuffled order as a small one.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedkit.data.jsonl import is_blank
from embedkit.data.records import ASKING_KINDS, ClassedPair, Labelled, Pair, Row, texts_of
from embedkit.data.shapes import RowFormat, Shape, read_typed
from embedkit.errors import UserError
from embedkit.files import STDIO, sha256_file
from embedkit.text import fold
from embedkit.trainer.config import DataSection
from embedkit.trainer.rows.concepts import ConceptIndex, near_concepts, text_hash
from embedkit.trainer.rows.fit import MIN_LABELS, converted, converts_row_by_row, require_fit, trained_shape

_WAYS = {kind: place for place, kind in enumerate(ASKING_KINDS, start=1)}
_COUNTED = ("lang", "kind", "source", "license")


class RowStore(Protocol):
    """Rows by number, wherever they lie; all of one file are of one kind."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSummary:
    """What the rows are, for the dry run and the model card; `dropped` counts those left out by reason."""

    paths: tuple[str, ...]
    sha256: str
    rows: int
    concepts: int
    hard_negatives: int
    languages: Mapping[str, int]
    kinds: Mapping[str, int]
    sources: Mapping[str, int]
    licenses: Mapping[str, int]
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one file with their concepts (labelled sentences: their labels).

    `near_concepts[c]` are those that most of concept c's hard negatives come from, commonest first. `languages`
    numbers each row's language and `ways` how it asks: 0 by name, else by its place in `ASKING_KINDS` from 1, both
    `(rows,)`. `labels` are the classes of labelled or classed rows, in the order of
    their numbers.
    """

    store: RowStore
    shape: Shape
    concepts: ConceptIndex
    near_concepts: Sequence[NDArray[np.int64]]
    languages: NDArray[np.int32]
    ways: NDArray[np.int8]
    labels: tuple[str | int, ...]
    summary: RowSummary

    def __len__(self) -> int:
        return len(self.store)


class _Kept(tuple[Row, ...]):
    """Rows in memory."""

    __slots__ = ()


class _FileStore:
    """Rows read from the file when asked for: 20 µs each, which a step of training does not notice."""

    def __init__(self, path: Path, offsets: array[int], form: RowFormat, loss: str | None, most: int | None):
        self._path = path
        self._offsets = offsets
        self._format = form
        self._loss = loss
        self._max = most
        self._stamp = _stamp(path.stat())

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Row:
        with self._path.open("rb") as handle:
            if _stamp(os.fstat(handle.fileno())) != self._stamp:
                raise UserError(
                    "the file was changed while its rows were trained on",
                    place=str(self._path),
                    hint="put it back and --resume, or start anew with --force",
                )
            handle.seek(self._offsets[index])
            row = self._format.row(handle.readline())
        return _slim(next(converted([row], self._format.shape, self._loss, dropped=Counter())), self._max)


class _Index:
    """What is gathered while the rows go by."""

    def __init__(self) -> None:
        self.keys, self.texts = array("q"), array("q")
        self.negative_texts, self.negative_rows = array("q"), array("q")
        self.languages, self._numbers = array("i"), dict[str, int]()
        self.ways = array("b")
        self.counts = {name: Counter[str]() for name in _COUNTED}
        self.labels: dict[str | int, int] = {}
        self.negatives = self.rows = 0

    def add(self, row: Row, slim: Row) -> None:
        """Take in one row: as it is in the file, and as it is trained on."""
        first, *others = (text_hash(fold(text)) for text in texts_of(row))
        second = others[0] if others else first
        self.negative_texts.extend(others[1:])
        self.negative_rows.extend([self.rows] * len(others[1:]))
        self.texts.extend((first, second))
        group = _group_of(row)
        self.keys.extend((text_hash("\x1f" + group),) * 2 if group else (first, second))
        if isinstance(row, Labelled | ClassedPair):
            self.labels[row.label] = self.labels.get(row.label, 0) + 1
        self.languages.append(self._numbers.setdefault(getattr(row, "lang", ""), len(self._numbers)))
        self.ways.append(_WAYS.get(getattr(row, "kind", ""), 0))
        self.negatives += max(0, len(texts_of(slim)) - 2)
        self.rows += 1
        for name, counter in self.counts.items():
            counter[getattr(row, name, "")] += 1


def read_rows(path: str, section: DataSection, *, loss: str | None = None, check: bool = True) -> Rows:
    """Check every row of `path`, read it as what `loss` is computed from (None: as it is), and index it.

    Raises:
        UserError: at the first bad row, naming file and line; when there are no rows; when the loss does not
            fit them; with `check`, when there are too few labels to learn from.
    """
    if section.stream and path == STDIO:
        raise UserError(
            "stdin cannot be streamed", hint="set data.stream to false, or write the rows to a file"
        )
    row_format, typed = read_typed(path)
    typed = islice(typed, section.max_rows)
    first = next(typed, None)
    if first is None:
        raise UserError("there are no rows in it", place=path, hint="embedkit compose makes them")
    shape = row_format.shape
    if loss is not None:
        require_fit(loss, shape, place=path)
    if section.stream and not converts_row_by_row(shape, loss):
        raise UserError(
            "data.stream cannot read these rows as {loss} wants them",
            place=path,
            hint="set it to false",
            loss=loss,
        )
    dropped = Counter[str]()
    rows = converted(chain((first,), typed), shape, loss, dropped=dropped)
    index, kept = _Index(), list[Row]()
    for row in rows:
        slim = _slim(row, section.max_hard_negatives)
        index.add(row, slim)
        if not section.stream:
            kept.append(slim)
    store: RowStore = _Kept(kept)
    if section.stream:
        offsets = array("q", islice(_offsets(Path(path)), index.rows))
        store = _FileStore(Path(path), offsets, row_format, loss, section.max_hard_negatives)
    made = _rows(store, trained_shape(shape, loss), index, path=path, dropped=dropped)
    if check:
        _require_enough(made, index, path)
    return made


def rows_in_memory(found: Sequence[Row], shape: Shape, *, path: Path) -> Rows:
    """Rows that were read from `path` by other code."""
    index = _Index()
    for row in found:
        index.add(row, row)
    return _rows(_Kept(found), shape, index, path=str(path), dropped={})


def _rows(store: RowStore, shape: Shape, index: _Index, *, path: str, dropped: Mapping[str, int]) -> Rows:
    if not index.rows:
        told = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise UserError("no row is left to train on: {told}", place=path, told=told)
    concepts = ConceptIndex(index.keys, index.texts)
    summary = RowSummary(
        paths=(path,),
        sha256="" if path == STDIO else sha256_file(Path(path)),
        rows=index.rows,
        concepts=concepts.count,
        hard_negatives=index.negatives,
        languages=_named(index.counts["lang"]),
        kinds=_named(index.counts["kind"]),
        sources=_named(index.counts["source"]),
        licenses=_named(index.counts["license"]),
        dropped={reason: count for reason, count in dropped.items() if count},
    )
    near = near_concepts(concepts, index.negative_rows, index.negative_texts)
    labels = tuple(sorted(index.labels, key=lambda label: (isinstance(label, str), label)))
    return Rows(
        store=store,
        shape=shape,
        concepts=concepts,
        near_concepts=near,
        languages=np.frombuffer(index.languages, dtype=np.int32),
        ways=np.frombuffer(index.ways, dtype=np.int8),
        labels=labels,
        summary=summary,
    )


def _require_enough(rows: Rows, index: _Index, path: str) -> None:
    """Classes to tell apart, and for the losses over labelled sentences something to call alike."""
    if rows.shape == "labelled" and len(rows.labels) < MIN_LABELS:
        raise UserError(
            "the rows have {count} labels",
            place=path,
            hint="{least} or more are needed",
            count=len(rows.labels),
            least=MIN_LABELS,
        )
    if rows.shape == "labelled" and max(index.labels.values()) < 2:
        raise UserError("no label has two rows, so nothing is alike", place=path)
    if rows.shape == "classed_pairs" and len(rows.labels) < 2:
        raise UserError("all rows have one class, so there is nothing to tell apart", place=path)


def _group_of(row: Row) -> str:
    return str(row.label) if isinstance(row, Labelled) else getattr(row, "group", "")


def _stamp(stat: os.stat_result) -> tuple[int, int]:
    """Tells a file from what it was before."""
    return stat.st_size, stat.st_mtime_ns


def _offsets(path: Path) -> Iterator[int]:
    """Where each line that is not blank starts, in bytes."""
    with path.open("rb") as handle:
        position = 0
        for raw in handle:
            if not is_blank(raw):
                yield position
            position += len(raw)


def _slim(row: Row, max_hard_negatives: int | None) -> Row:
    """Only what training needs: no mining receipts, no hard negative twice, none above the limit."""
    if not isinstance(row, Pair):
        return row
    first = {text: i for i, text in reversed(list(enumerate(row.hard_negatives)))}
    negatives = list(dict.fromkeys(row.hard_negatives))[:max_hard_negatives]
    scores = (row.scores[0], *(row.scores[1 + first[text]] for text in negatives)) if row.scores else ()
    return replace(row, hard_negatives=tuple(negatives), scores=scores, mining=())


def _named(counter: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counter.most_common() if name}
