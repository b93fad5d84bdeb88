"""Search in the service: `POST /v1/search` over a corpus with the rankers of `embedkit search`, and a page to try it.

The corpus' texts are encoded by the service itself, between the requests of others. When its file changes, it is read
again in the background and takes the old one's place whole; a file that cannot be used changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from embedkit.console import say, warn
from embedkit.data.entries import Entry
from embedkit.errors import UserError
from embedkit.models.corpus import load_corpus
from embedkit.models.cross_encoder import CANDIDATES, passage, relevance
from embedkit.models.resolve import Role
from embedkit.ranking.entries import EntryIndex, combine, words
from embedkit.ranking.hybrid.shares import DENSE, LEXICAL, LearntShares, Ranker, ranker_of
from embedkit.ranking.retrieval import Floats
from embedkit.serving.http.bodies import json_response
from embedkit.serving.http.service import EmbeddingService
from embedkit.serving.score.answers import Encoded
from embedkit.serving.score.requests import (
    RequestError,
    check_model,
    mapping,
    one_of,
    optional_count,
    optional_flag,
    optional_text,
    read_texts,
)

WATCH_SECONDS = 1.0
MOST_HITS = 100
MOST_QUERIES = 64
RANKERS: tuple[Ranker, ...] = get_args(Ranker)
_CHUNK = 256
_PAGE = Path(__file__).with_name("page.html")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
_LOG = logging.getLogger(__name__)
Ranked = list[tuple[int, float]]  # places of entries with their scores
EncodeTexts = Callable[[Sequence[str], Role], Awaitable[Encoded]]


@dataclass(frozen=True, slots=True)
class LoadedCorpus:
    """Entries ready to be ranked, with the vectors of their texts `(T, D)`, where they come from, and the model's
    shares of meaning and words.
    """

    index: EntryIndex
    vectors: Floats
    name: str
    learnt: LearntShares


class SearchedCorpus:
    """The corpus that is searched at the moment. `file` is watched where it is given."""

    def __init__(self, loaded: LoadedCorpus, *, file: Path | None = None) -> None:
        self.current, self._file = loaded, file
        self._seen = _state(file)

    async def watch(self, encode: EncodeTexts) -> None:
        """Until cancelled: when the file has changed, and is no longer being written, load it."""
        if self._file is None:
            return
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            state = _state(self._file)
            if state in (None, self._seen):
                continue
            await asyncio.sleep(WATCH_SECONDS)
            if state == _state(self._file):
                self._seen = state
                await self._replace(self._file, encode)

    async def _replace(self, file: Path, encode: EncodeTexts) -> None:
        try:
            entries = await asyncio.to_thread(load_corpus, file)
            index = EntryIndex(entries)
            vectors = await self._vectors(index.texts, encode)
            await asyncio.to_thread(words, index, ["warm"])
        except UserError as error:
            warn("the corpus stays as it was: {error}", error=error)
        except Exception:  # noqa: BLE001  (a full queue, a model that fails; the service goes on)
            _LOG.exception("the corpus stays as it was")
            self._seen = None
        else:
            self.current = LoadedCorpus(index, vectors, str(file), self.current.learnt)
            say("{corpus}: {count} entries are searched from now on", corpus=file, count=len(entries))

    async def _vectors(self, texts: Sequence[str], encode: EncodeTexts) -> Floats:
        """The vectors of texts; those that the present corpus has are kept."""
        known = dict(zip(self.current.index.texts, self.current.vectors, strict=True))
        new = [text for text in dict.fromkeys(texts) if text not in known]
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            known.update(zip(chunk, (await encode(chunk, "document")).vectors, strict=True))
        return np.stack([known[text] for text in texts])


def _state(file: Path | None) -> tuple[int, int, int] | None:
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def prepare(
    entries: Sequence[Entry], name: str, vectors: Callable[[Sequence[str]], Floats], learnt: LearntShares
) -> LoadedCorpus:
    """The index of a corpus, built before the service answers."""
    index = EntryIndex(entries)
    words(index, ["warm"])  # the n-grams are built now
    return LoadedCorpus(index, vectors(index.texts), name, learnt)


def routes(service: EmbeddingService, corpus: SearchedCorpus | None) -> list[Route]:
    """`POST /v1/search`, and the page at `/`."""
    handler = partial(_search, service, corpus)
    return [
        Route("/v1/search", service.endpoint("/v1/search", handler), methods=["POST"]),
        Route("/", service.endpoint("/", _page, is_open=True)),
    ]


async def _page(_: Request) -> Response:
    """`GET /`: the page; it holds no data and asks with the visitor's key."""
    return HTMLResponse(_PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": _POLICY})


async def _search(service: EmbeddingService, corpus: SearchedCorpus | None, request: Request) -> Response:
    """`POST /v1/search`: for each query the entries that answer it, best first."""
    fields = mapping(await service.body(request))
    if corpus is None:
        raise RequestError(
            404, "no corpus is loaded; start the service with --corpus glossary.csv", code="no_corpus"
        )
    check_model(optional_text(fields, "model"), service.served.names)
    queries = read_texts(fields.get("query"), "query", service.options.limits)
    if len(queries) > MOST_QUERIES:
        raise RequestError(
            400, f"query has {len(queries)} texts; at most {MOST_QUERIES} are accepted", param="query"
        )
    empty = next((place for place, text in enumerate(queries) if not text.strip()), None)
    if empty is not None:
        raise RequestError(400, f"query[{empty}] is empty", param="query")
    top_k = min(optional_count(fields, "top_k") or 5, MOST_HITS)
    rerank = optional_flag(fields, "rerank")
    if rerank:
        service.require_reranker()
    most = min(max(optional_count(fields, "candidates") or CANDIDATES, top_k), MOST_HITS) if rerank else top_k
    ranker = cast("Ranker", one_of(fields, "ranker", RANKERS))
    loaded = corpus.current
    vectors, shares = None, loaded.learnt.shares(queries, ranker)
    if (shares != LEXICAL).any():
        vectors = (await service.encoded(request, queries, "query")).vectors
    found = await asyncio.to_thread(_best, loaded, queries, vectors, shares, most)
    if rerank:
        found = await _reranked(service, request, loaded, queries, found)
    return json_response(
        {
            "object": "list",
            "model": service.served.name,
            "corpus": Path(loaded.name).name,
            "entries": len(loaded.index.entries),
            "ranker": ranker,
            "cross_encoder": service.reranker.name if rerank and service.reranker else None,
            "data": [
                {
                    "object": "search",
                    "index": place,
                    "query": query,
                    "ranker": ranker_of(share),
                    "hits": _hits(loaded, row[:top_k]),
                }
                for place, (query, share, row) in enumerate(zip(queries, shares.tolist(), found, strict=True))
            ],
        }
    )


def _scores(loaded: LoadedCorpus, queries: Sequence[str], vectors: Floats | None, shares: Floats) -> Floats:
    """The scores `(Q, E)`."""
    index = loaded.index
    if vectors is None:
        return words(index, queries)
    near = index.nearness(vectors @ loaded.vectors.T)
    return near.nearest if (shares == DENSE).all() else combine(near, words(index, queries), shares)


def _best(
    loaded: LoadedCorpus, queries: Sequence[str], vectors: Floats | None, shares: Floats, most: int
) -> list[Ranked]:
    """The first entries of each query as `embedkit search` orders them."""
    return [
        [(place, float(row[place])) for place in np.argsort(-row, kind="stable")[:most].tolist()]
        for row in _scores(loaded, queries, vectors, shares)
    ]


async def _reranked(
    service: EmbeddingService,
    request: Request,
    loaded: LoadedCorpus,
    queries: Sequence[str],
    found: Sequence[Ranked],
) -> list[Ranked]:
    """The same entries as the cross-encoder orders them."""
    pairs = [
        (query, passage(loaded.index.entries[place]))
        for query, row in zip(queries, found, strict=True)
        for place, _ in row
    ]
    scores = iter(relevance((await service.scored(request, pairs)).vectors[:, 0]).tolist())
    return [sorted(((place, next(scores)) for place, _ in row), key=lambda one: -one[1]) for row in found]


def _hits(loaded: LoadedCorpus, ranked: Ranked) -> list[dict[str, Any]]:
    """The entries of one query with what a page shows of them."""
    hits = []
    for rank, (place, score) in enumerate(ranked, start=1):
        entry = loaded.index.entries[place]
        hits.append(
            {
                "rank": rank,
                "score": score,
                "term": entry.term,
                "text": entry.definition,
                "names": list(entry.names),
                "lang": entry.lang,
                "source_url": entry.permalink or entry.source_url,
            }
        )
    return hits
