"""`embedkit search`: the entries nearest to a question; the corpus is encoded once and cached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embedkit.console import out, out_json, say
from embedkit.data.entries import Entry
from embedkit.errors import UserError
from embedkit.explore.model import open_corpus, open_encoder
from embedkit.explore.texts import read_texts
from embedkit.files import STDIO
from embedkit.models.readable import warn_if_unreadable
from embedkit.ranking.entries import EntryIndex, scored
from embedkit.ranking.hybrid.shares import Ranker, ranker_of, shares_of
from embedkit.ranking.retrieval import Floats
from embedkit.text import clean, pad, shorten, width

_TERM_COLUMNS = 32
_LEAST_TEXT_COLUMNS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One entry found. `score` is the ranker's, at most 1: by meaning, the cosine with the nearest of its texts."""

    rank: int
    score: float
    term: str
    text: str
    lang: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The hits of one query, best first, and what was searched; `ranker` ranked them with this share of `meaning`."""

    query: str
    model: str
    ranker: Ranker
    meaning: float
    corpus: str
    entries: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What `embedkit search` is asked for; a query of `-` reads a query a line from stdin."""

    query: str
    model: str | None = None
    corpus: Path | None = None
    top_k: int = 5
    ranker: Ranker = "auto"
    as_json: bool = False


def search(options: SearchOptions) -> tuple[SearchResult, ...]:
    """Find the entries that answer the query: by the meaning and the words of their definitions and names.

    Raises:
        UserError: an empty query, or a model or corpus that is missing.
    """
    queries = read_texts(STDIO) if options.query == STDIO else (clean(options.query),)
    results = search_all(queries, options)
    if options.as_json:
        for result in results:
            out_json(asdict(result))
    else:
        _print(results)
    return results


def search_all(queries: Sequence[str], options: SearchOptions) -> tuple[SearchResult, ...]:
    """What `search` prints for each query; `options.query` is ignored. Raises `UserError` as it does."""
    if not all(queries):
        raise UserError("the query is empty")
    encoder = open_encoder(options.model)
    corpus = open_corpus(options.corpus, encoder)
    warn_if_unreadable(encoder.source, queries)
    learnt = shares_of(encoder.source)
    shares = learnt.shares(queries, options.ranker).tolist()
    scores = scored(EntryIndex(corpus.items), encoder, queries, ranker=options.ranker, learnt=learnt)
    return tuple(
        SearchResult(
            query=text,
            model=encoder.source.requested,
            ranker=ranker_of(share),
            meaning=round(share, 3),
            corpus=corpus.name,
            entries=len(corpus.items),
            hits=tuple(_hits(found, corpus.items, options.top_k)),
        )
        for text, share, found in zip(queries, shares, scores, strict=True)
    )


def _hits(scores: Floats, items: tuple[Entry, ...], top_k: int) -> Iterator[Hit]:
    for number, place in enumerate(np.argsort(-scores, kind="stable")[:top_k].tolist(), start=1):
        item = items[place]
        yield Hit(
            rank=number, score=float(scores[place]), term=item.term, text=item.definition, lang=item.lang
        )


def _print(results: Sequence[SearchResult]) -> None:
    say("{count} entries of {name}", count=results[0].entries, name=results[0].corpus)
    for result in results:
        if len(results) > 1:
            out(result.query)
        for line in _hit_lines(result.hits):
            out(line)


def _hit_lines(hits: tuple[Hit, ...]) -> Iterator[str]:
    terms = [shorten(hit.term, _TERM_COLUMNS) for hit in hits]
    widest = max(map(width, terms), default=0)
    left = shutil.get_terminal_size().columns - widest - 12
    for hit, term in zip(hits, terms, strict=True):
        text = shorten(clean(hit.text), max(left, _LEAST_TEXT_COLUMNS))
        yield f"{hit.rank:>2}  {hit.score:.3f}  {pad(term, widest)}  {text}"
