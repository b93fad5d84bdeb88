"""Test rows to queries over a corpus: what counts as right, and what is left out of a query's ranking.

A query is an anchor with its kind; the positives of its rows are right. Other texts of its own concept, and
its own text, are neither right nor wrong: a ranking leaves them out, and hard negatives among them do not
count. Where the rows say which positives are
definitions, a query for a definition searches all definitions and a query for a name all names: preferring
long texts to short ones is not knowledge of the domain. Texts that fold alike (`text.fold`) are one text.

Queries that share a `group`, an anchor or a right text, directly or through others, rise and fall together: they are
one concept of the statistics. The trainer joins rows without a `group` in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from embedkit.data.reading import read_entries
from embedkit.data.records import Pair, split_path
from embedkit.data.shapes import holds_pairs, read_pairs
from embedkit.disjoint_sets import joined
from embedkit.errors import UserError
from embedkit.ranking.particles import Variant, with_particles
from embedkit.ranking.retrieval import Places
from embedkit.text import fold, hash64, language_of

TextKind = Literal["definition", "name"]
Windows = dict[TextKind, tuple[int, int]]
_KINDS: tuple[TextKind, ...] = get_args(TextKind)
NO_POSITIVE = "no positive of the query is in the corpus"
OWN_TEXT = "the query's only positive is its own text"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuery:
    """One query. `relevant` and `excluded` are corpus places, `window` the places it searches (start, stop);
    `concept` is what the bootstrap resamples.
    """

    text: str
    kind: str
    lang: str
    concept: str
    relevant: Places
    excluded: Places
    window: tuple[int, int]
    hard_negatives: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSet:
    """Queries and the corpus they search. `rows` are the test file's; `dropped` counts queries by reason.

    `variants` are queries asked again in other words.
    """

    __test__ = False  # the name is not a test class

    queries: tuple[JudgedQuery, ...]
    corpus: tuple[str, ...]
    rows: tuple[Pair, ...]
    dropped: Mapping[str, int]
    corpus_name: str
    files: tuple[Path, ...]
    variants: tuple[Variant, ...] = ()

    @property
    def asked(self) -> list[str]:
        """The texts of the queries, then those of the variants."""
        return [query.text for query in self.queries] + [variant.text for variant in self.variants]

    @property
    def hash(self) -> str:
        """Of every query with its concept and right places, and of the texts it searches."""
        found = sha256()
        for query in self.queries:
            places = (query.relevant.tolist(), query.excluded.tolist(), query.window)
            found.update(repr((query.text, query.kind, query.concept, *places)).encode())
        for text in self.corpus:
            found.update(f"{len(text)} {text}".encode())
        return found.hexdigest()[:16]


def sibling_files(test: Path, trained_on: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The pairs files whose texts a test searches, `test` last: `pairs.jsonl`, `pairs.dev.jsonl`, `pairs.test.jsonl`.

    A file of another name searches what the model was `trained_on` and its splits, else the `pairs.jsonl` beside it.
    """
    stem, _, part = test.stem.rpartition(".")
    is_split = stem and part in ("dev", "test") and (own := test.with_name(stem + test.suffix)).is_file()
    trains = (own,) if is_split else (*(trained_on or (test.with_name("pairs.jsonl"),)), test)
    beside = dict.fromkeys(split_path(train, name) for train in trains for name in ("train", "dev", "test"))
    return (*(path for path in beside if path != test and path.is_file() and holds_pairs(path)), test)


def sampled(rows: Sequence[Pair], size: int | None) -> tuple[Pair, ...]:
    """The rows of `size` anchors drawn by their hashes, in their order; all rows where there are no more, or None."""
    anchors = {pair.anchor for pair in rows}
    if size is None or size >= len(anchors):
        return tuple(rows)
    drawn = set(sorted(anchors, key=lambda anchor: (hash64(anchor), anchor))[:size])
    return tuple(pair for pair in rows if pair.anchor in drawn)


def read_test_set(
    test: Path, *, corpus: Path | None = None, sample: int | None = None, trained_on: Sequence[Path] = ()
) -> TestSet:
    """Read the test file, its siblings and the corpus (a glossary's definitions or a pairs file's positives).

    With `sample`, the rows of so many anchors are asked and all texts are searched. What the model was `trained_on`
    belongs to the texts, whatever the test file's name.

    Raises:
        UserError: a bad row, an empty file, or no query with an answer in the corpus.
    """
    by_file = {path: tuple(read_pairs(path)) for path in sibling_files(test, trained_on)}
    rows = by_file[test]
    if not rows:
        raise UserError("holds no test rows", place=str(test))
    known = [pair for pairs in by_file.values() for pair in pairs]
    rows = sampled(rows, sample)
    queries, texts, dropped = queries_over(rows, known, corpus=corpus)
    if not queries:
        raise UserError(
            "none of the {count} queries has an answer in the corpus",
            place=str(corpus or test),
            hint="--corpus must hold the positives of the test rows",
            count=dropped.total(),
        )
    return TestSet(
        queries=tuple(queries),
        corpus=tuple(texts),
        rows=rows,
        dropped=dict(dropped),
        corpus_name=str(corpus) if corpus else " + ".join(path.name for path in by_file),
        files=(*by_file, *((corpus,) if corpus else ())),
        variants=tuple(with_particles([query.text for query in queries])),
    )


def queries_over(
    rows: Sequence[Pair], known: Sequence[Pair], *, corpus: Path | None = None
) -> tuple[list[JudgedQuery], list[str], Counter[str]]:
    """Queries of `rows`, the corpus they search (the positives of `known` if not given), what was dropped."""
    texts, windows = _one_pool(corpus) if corpus else _pools(known)
    queries, dropped = _queries(rows, texts, windows, _members(known))
    return queries, texts, dropped


def corpus_texts(path: Path) -> Iterable[str]:
    """The definitions of a table of any origin, or the positives of a pairs file."""
    if holds_pairs(path):
        return (pair.positive for pair in read_pairs(path))
    return (entry.definition for entry in read_entries(path))


def concept_of(pair: Pair) -> str:
    """The row's `group`; without one, its folded anchor."""
    return pair.group or f"anchor {fold(pair.anchor)}"


def _one_pool(corpus: Path) -> tuple[list[str], Windows]:
    texts = _distinct(corpus_texts(corpus))
    return texts, dict.fromkeys(_KINDS, (0, len(texts)))


def _pools(pairs: Iterable[Pair]) -> tuple[list[str], Windows]:
    """The distinct positives of each role side by side, and where each role's stand; a text may have both."""
    by_role: dict[TextKind, list[str]] = {role: [] for role in _KINDS}
    for pair in pairs:
        by_role[_role(pair)].append(pair.positive)
    texts: list[str] = []
    windows: Windows = {}
    for role, positives in by_role.items():
        start = len(texts)
        texts += _distinct(positives)
        windows[role] = (start, len(texts))
    return texts, windows


def _role(pair: Pair) -> TextKind:
    return "definition" if pair.kind.endswith("-definition") else "name"


def _distinct(texts: Iterable[str]) -> list[str]:
    """The first spelling of every text, in the order of their hashes: equal scores then favour nobody."""
    spelling: dict[bytes, str] = {}
    for text in texts:
        spelling.setdefault(sha256(fold(text).encode()).digest(), text)
    return [spelling[key] for key in sorted(spelling)]


def _members(pairs: Iterable[Pair]) -> dict[str, set[str]]:
    """Each concept's folded texts."""
    members: dict[str, set[str]] = {}
    for pair in pairs:
        members.setdefault(concept_of(pair), set()).update((fold(pair.anchor), fold(pair.positive)))
    return members


def _queries(
    rows: Sequence[Pair], texts: Sequence[str], windows: Windows, members: Mapping[str, set[str]]
) -> tuple[list[JudgedQuery], Counter[str]]:
    own = set().union(*(members[concept_of(pair)] for pair in rows))
    places = {window: dict(_find(own, texts, window)) for window in windows.values()}
    grouped: dict[tuple[str, str], list[Pair]] = {}
    for pair in rows:
        grouped.setdefault((pair.anchor, pair.kind), []).append(pair)
    queries: list[JudgedQuery] = []
    ties: list[set[str]] = []
    dropped: Counter[str] = Counter()
    for pairs in grouped.values():
        window = windows[_role(pairs[0])]
        query = _query(pairs, places[window], window, members)
        if len(query.relevant):
            queries.append(query)
            ties.append({key for pair in pairs for key in _ties(pair)})
        else:
            alone = all(fold(pair.positive) == fold(pair.anchor) for pair in pairs)
            dropped[OWN_TEXT if alone else NO_POSITIVE] += 1
    first = joined(ties)
    return [
        replace(query, concept=queries[at].concept) for query, at in zip(queries, first, strict=True)
    ], dropped


def _ties(pair: Pair) -> tuple[str, ...]:
    """What joins a row to others of its concept: its group, and its texts."""
    return concept_of(pair), f"text {fold(pair.anchor)}", f"text {fold(pair.positive)}"


def _find(keys: set[str], texts: Sequence[str], window: tuple[int, int]) -> Iterator[tuple[str, int]]:
    """Where in the window the texts with these keys stand."""
    for place in range(*window):
        key = fold(texts[place])
        if key in keys:
            yield key, place


def _query(
    pairs: Sequence[Pair],
    place: Mapping[str, int],
    window: tuple[int, int],
    members: Mapping[str, set[str]],
) -> JudgedQuery:
    first = pairs[0]
    right = {fold(pair.positive) for pair in pairs} - {fold(first.anchor)}
    own = set().union({fold(first.anchor)}, *(members[concept_of(pair)] for pair in pairs))
    hard = dict.fromkeys(text for pair in pairs for text in pair.hard_negatives)
    return JudgedQuery(
        text=first.anchor,
        kind=first.kind or "pair",
        lang=first.lang or language_of(first.anchor),
        concept=concept_of(first),
        relevant=_places(right, place),
        excluded=_places(own - right, place),
        window=window,
        hard_negatives=tuple(text for text in hard if fold(text) not in own),
    )


def _places(keys: Iterable[str], place: Mapping[str, int]) -> Places:
    return np.array(sorted(place[key] for key in keys if key in place), dtype=np.int64)
