"""`embedkit search`: the entries nearest to a question; the corpus is encoded once and cached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embedkit.console import out, out_json, say
from embedkit.errors import UserError
from embedkit.models import resolve_model
from embedkit.text import clean, pad, shorten, width
from embedkit.trainer.evaluation.runs import run_of
from embedkit.trainer.tasks.corpus import Item, corpus_of, load_corpus
from embedkit.vectors import Encoder

_TERM_COLUMNS = 32
_LEAST_TEXT_COLUMNS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One entry found. `score` is the cosine of the query with the nearest of the entry's texts."""

    rank: int
    score: float
    term: str
    text: str
    lang: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The hits of one query, best first, and what was searched."""

    query: str
    model: str
    corpus: str
    entries: int
    hits: tuple[Hit, ...]


def search(
    query: str, *, model: str, corpus: Path | None = None, top_k: int = 5, as_json: bool = False
) -> SearchResult:
    """Find the `top_k` entries nearest to `query`: an entry is as near as the nearest of its definition and names.

    Raises:
        UserError: an empty query, or a model or corpus that is missing.
    """
    text = clean(query)
    if not text:
        raise UserError("the query is empty")
    source = resolve_model(model)
    items, name = (load_corpus(corpus), str(corpus)) if corpus else corpus_of(run_of(source), model=model)
    hits = tuple(_nearest(text, items, Encoder(source), top_k))
    result = SearchResult(query=text, model=model, corpus=name, entries=len(items), hits=hits)
    if as_json:
        out_json(asdict(result))
    else:
        say("{count} entries of {name}", count=len(items), name=name)
        for line in _lines(hits):
            out(line)
    return result


def _nearest(query: str, items: tuple[Item, ...], encoder: Encoder, top_k: int) -> Iterator[Hit]:
    texts = [text for item in items for text in item.texts]
    starts = np.cumsum([0, *(len(item.texts) for item in items[:-1])])
    cosines = encoder.encode(texts) @ encoder.encode([query], role="query")[0]
    nearest = np.maximum.reduceat(cosines, starts)
    for number, place in enumerate(np.argsort(-nearest, kind="stable")[:top_k], start=1):
        item = items[place]
        yield Hit(rank=number, score=float(nearest[place]), term=item.term, text=item.text, lang=item.lang)


def _lines(hits: tuple[Hit, ...]) -> Iterator[str]:
    terms = [shorten(hit.term, _TERM_COLUMNS) for hit in hits]
    widest = max(map(width, terms), default=0)
    left = shutil.get_terminal_size().columns - widest - 12
    for hit, term in zip(hits, terms, strict=True):
        text = shorten(clean(hit.text), max(left, _LEAST_TEXT_COLUMNS))
        yield f"{hit.rank:>2}  {hit.score:.3f}  {pad(term, widest)}  {text}"
