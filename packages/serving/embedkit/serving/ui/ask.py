"""One question to two models: what the base finds and what the tuned model of a run finds, side by side.

A run's models are loaded at the first question and kept until another run is asked; its entries are encoded once and
their vectors cached. Loading takes seconds; a question then some milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from embedkit.data.entries import Entry
from embedkit.errors import UserError
from embedkit.models.corpus import composed_corpus, corpus_for
from embedkit.models.readable import UNREADABLE_SHARE, unreadable_share
from embedkit.models.resolve import ModelSource, resolve_model
from embedkit.models.run_folder import run_of
from embedkit.models.vectors import Encoder
from embedkit.ranking.entries import EntryIndex, scored
from embedkit.ranking.hybrid.shares import LearntShares, Ranker, shares_of
from embedkit.serving.ui.review import pair_key
from embedkit.text import fold

TOP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHit:
    """An entry that one model finds. `other_rank` is where the other model has it, 0 where there is none."""

    key: str
    rank: int
    other_rank: int = 0
    score: float
    term: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What one model finds, or why it cannot be asked; `unreadable` is the share of the question beyond it."""

    model: str
    hits: tuple[AskedHit, ...] = ()
    problem: str = ""
    unreadable: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAfter:
    """Both answers, and what was searched."""

    before: ModelAnswer
    after: ModelAnswer
    corpus: str
    entries: int


@dataclass(frozen=True, slots=True)
class _LoadedRun:
    """A run's models and the entries that they search; no base where it cannot be had (`problem`)."""

    folder: str
    index: EntryIndex
    corpus: str
    tuned: _Asked
    base: _Asked | None
    base_name: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model, and how much meaning counts in a search with it."""

    encoder: Encoder
    learnt: LearntShares


class AskedModels:
    """The models of the run that was asked last. One question at a time."""

    def __init__(self) -> None:
        self._loaded: _LoadedRun | None = None
        self._lock = Lock()

    def ask(self, folder: Path, question: str, *, ranker: Ranker, pairs: Path | None) -> BeforeAfter:
        """What both models find for a question. Raises `UserError`: no model, no entries, an unknown folder."""
        with self._lock:
            run = self._open(folder, pairs)
            before = (
                _answer(run.base, run.index, question, ranker)
                if run.base
                else ModelAnswer(model=run.base_name, problem=run.problem)
            )
            after = _answer(run.tuned, run.index, question, ranker)
        return BeforeAfter(
            before=_with_ranks(before, after),
            after=_with_ranks(after, before),
            corpus=run.corpus,
            entries=len(run.index.entries),
        )

    def entries(self, folder: Path, pairs: Path | None) -> tuple[Entry, ...]:
        """The entries that a run searches. Raises `UserError`."""
        with self._lock:
            if self._loaded and self._loaded.folder == str(folder):
                return self._loaded.index.entries
        return _entries(resolve_model(str(folder), network=False), pairs)[0]

    def _open(self, folder: Path, pairs: Path | None) -> _LoadedRun:
        if self._loaded is None or self._loaded.folder != str(folder):
            self._loaded = _load(folder, pairs)
        return self._loaded


def _load(folder: Path, pairs: Path | None) -> _LoadedRun:
    source = resolve_model(str(folder), network=False)
    entries, corpus = _entries(source, pairs)
    run = run_of(source)
    name = run.base_model if run else ""
    loaded = _LoadedRun(str(folder), EntryIndex(entries), corpus, _asked(Encoder(source)), None, name)
    if run is None or not name:
        return loaded
    try:
        base = resolve_model(name, revision=run.revision, network=False)
        return replace(loaded, base=_asked(Encoder(base, prompts=run.prompts_for(base))))
    except UserError as error:
        return replace(loaded, problem=str(error))


def _asked(encoder: Encoder) -> _Asked:
    return _Asked(encoder, shares_of(encoder.source))


def _entries(source: ModelSource, pairs: Path | None) -> tuple[tuple[Entry, ...], str]:
    """What the run was trained on, else what is composed here."""
    try:
        return corpus_for(source, None)
    except UserError:
        if pairs is None:
            raise
        return composed_corpus(pairs)


def _answer(asked: _Asked, index: EntryIndex, question: str, ranker: Ranker) -> ModelAnswer:
    """All entries, best first: cut when the ranks are known."""
    scores = next(iter(scored(index, asked.encoder, [question], ranker=ranker, learnt=asked.learnt)))
    source = asked.encoder.source
    share = unreadable_share(source, [question])
    return ModelAnswer(
        model=source.requested,
        hits=tuple(_hits(scores, index.entries)),
        unreadable=share if share > UNREADABLE_SHARE else 0.0,
    )


def _hits(scores: np.ndarray, entries: tuple[Entry, ...]) -> Iterator[AskedHit]:
    for rank, place in enumerate(np.argsort(-scores, kind="stable").tolist(), start=1):
        entry = entries[place]
        yield AskedHit(
            key=entry_key(entry),
            rank=rank,
            score=float(scores[place]),
            term=entry.term,
            text=entry.definition,
        )


def _with_ranks(answer: ModelAnswer, other: ModelAnswer) -> ModelAnswer:
    ranks = {hit.key: hit.rank for hit in other.hits}
    hits = tuple(replace(hit, other_rank=ranks.get(hit.key, 0)) for hit in answer.hits[:TOP])
    return replace(answer, hits=hits)


def entry_key(entry: Entry) -> str:
    """What an entry is called in requests."""
    return pair_key(entry.term, entry.definition)


def find_entry(entries: tuple[Entry, ...], key: str, term: str) -> Entry:
    """The entry of a key, else the one that has the term or another name.

    Raises:
        UserError: there is none, or there are several.
    """
    if key:
        found = [entry for entry in entries if entry_key(entry) == key]
    else:
        wanted = fold(term)
        found = [entry for entry in entries if fold(entry.term) == wanted]
        found = found or [entry for entry in entries if wanted in map(fold, entry.names)]
    if not found:
        raise UserError(
            "the glossary has no entry {term!r}", hint="choose one from the list", term=term or key
        )
    if len(found) > 1 and not key:
        raise UserError(
            "{count} entries are called {term!r}",
            hint="search for it, and choose the right one among what is found",
            count=len(found),
            term=term,
        )
    return found[0]
