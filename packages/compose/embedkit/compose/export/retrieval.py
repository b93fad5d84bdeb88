"""Formats of a corpus, queries and judgements: LlamaIndex's one JSON document, and a BEIR folder.

Reading holds the corpus in memory, and so does writing LlamaIndex's document; writing BEIR passes over the rows thrice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedkit.compose.export.lines import titled
from embedkit.compose.export.record import ConvertCounts, GroupedQueries, GroupedQuery, text_id
from embedkit.data.jsonl import read_objects
from embedkit.errors import UserError
from embedkit.files import read_bytes
from embedkit.text import dumps, hash64

QRELS = Path("qrels")
_HEAD = ("query-id", "corpus-id", "score")


def llamaindex_document(queries: GroupedQueries, counts: ConvertCounts) -> str:
    """An `EmbeddingQAFinetuneDataset`. It has no field for negatives: they are only texts of the corpus.

    Escaped to ASCII, for its loader opens the file in the platform's encoding.
    """
    counts.lost["that a text is a hard negative (it stays in the corpus)"] += sum(
        len(query.negatives) for query in queries
    )
    value = {
        "queries": {text_id("q", query.text): query.text for query in queries},
        "corpus": {text_id("d", text): text for text in _corpus(queries)},
        "relevant_docs": {
            text_id("q", query.text): [text_id("d", text) for text in query.positives] for query in queries
        },
        "mode": "text",
    }
    return json.dumps(value, indent=1) + "\n"


def read_llamaindex(path: Path | str, counts: ConvertCounts) -> Iterator[GroupedQuery]:
    """Yield its queries; texts of the corpus that answer none are counted as lost."""
    try:
        value = json.loads(read_bytes(path))
        queries, corpus, relevant = (value[key] for key in ("queries", "corpus", "relevant_docs"))
        if not all(isinstance(part, dict) for part in (queries, corpus, relevant)):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise UserError("not an EmbeddingQAFinetuneDataset", place=str(path)) from None
    used: set[str] = set()
    for key, text in queries.items():
        found = relevant.get(key)
        ids = list(dict.fromkeys(map(str, found))) if isinstance(found, list) else []
        used.update(ids)
        yield from _query(f"{path}: {key}", text, ids, [], corpus, counts)
    counts.lost["corpus texts that answer no query"] += len(corpus.keys() - used)


def _corpus(queries: Iterable[GroupedQuery]) -> Iterator[str]:
    return _distinct(t for query in queries for t in (*query.positives, *query.negatives))


def _distinct(texts: Iterable[str]) -> Iterator[str]:
    """Each text once; a hash of it is remembered."""
    seen: set[int] = set()
    for text in texts:
        if (key := hash64(text)) not in seen:
            seen.add(key)
            yield text


def _query(
    place: str,
    text: object,
    positives: Sequence[str],
    negatives: Sequence[str],
    corpus: Mapping[str, object],
    counts: ConvertCounts,
) -> Iterator[GroupedQuery]:
    """The query with its texts looked up; what cannot be used is rejected, pair by pair."""
    if not isinstance(text, str) or not text.strip():
        counts.reject(place, "the query is missing or is not a text", count=max(1, len(positives)))
        return
    good = []
    for key in positives:
        passage = corpus.get(key)
        if isinstance(passage, str) and passage.strip():
            good.append(passage)
        else:
            counts.reject(place, "a passage is not in the corpus or is empty")
    if not positives:
        counts.reject(place, "no positive")
    if good:
        wrong = tuple(t for key in negatives if isinstance(t := corpus.get(key), str) and t.strip())
        counts.lost["negatives that are not in the corpus"] += len(negatives) - len(wrong)
        yield GroupedQuery(text, tuple(dict.fromkeys(good)), wrong)


def beir_files(folder: Path, parts: Mapping[str, GroupedQueries]) -> dict[Path, Iterable[str]]:
    """`corpus.jsonl`, `queries.jsonl`, `qrels/PART.tsv`: 1 for a positive, 0 for a hard negative (judged, wrong)."""
    texts = _distinct(query.text for queries in parts.values() for query in queries)
    corpus = _corpus(query for queries in parts.values() for query in queries)
    passages = ({"_id": text_id("d", text), "title": "", "text": text} for text in corpus)
    asked = ({"_id": text_id("q", text), "text": text} for text in texts)
    return {
        folder / "corpus.jsonl": (dumps(row) + "\n" for row in passages),
        folder / "queries.jsonl": (dumps(row) + "\n" for row in asked),
        **{folder / QRELS / f"{part}.tsv": _judgements(queries) for part, queries in parts.items()},
    }


def _judgements(queries: Iterable[GroupedQuery]) -> Iterator[str]:
    yield "\t".join(_HEAD) + "\n"
    for query in queries:
        for score, texts in ((1, query.positives), (0, query.negatives)):
            for text in texts:
                yield f"{text_id('q', query.text)}\t{text_id('d', text)}\t{score}\n"


def read_beir(folder: Path, counts: ConvertCounts) -> Iterator[tuple[str, list[GroupedQuery]]]:
    """Yield `(part, queries)` for each file of judgements; a score above 0 is a positive, 0 a hard negative."""
    files = sorted((folder / QRELS).glob("*.tsv"))
    if not files:
        raise UserError(
            "holds no qrels/*.tsv", place=str(folder), hint="a BEIR folder has one for each split"
        )
    texts = {str(row.get("_id")): row.get("text") for _, row in read_objects(folder / "queries.jsonl")}
    corpus = {str(row.get("_id")): _passage_text(row) for _, row in read_objects(folder / "corpus.jsonl")}
    used: set[str] = set()
    for path in files:
        judged = _read_judgements(path, counts)
        queries: list[GroupedQuery] = []
        for key, scores in judged.items():
            used |= scores.keys()
            right = [doc for doc, score in scores.items() if score > 0]
            wrong = [doc for doc, score in scores.items() if score <= 0]
            queries += _query(f"{path}: {key}", texts.get(key), right, wrong, corpus, counts)
        yield path.stem, queries
    counts.lost["corpus texts that no query is judged against"] += len(corpus.keys() - used)


def _passage_text(row: Mapping[str, Any]) -> object:
    text = row.get("text")
    return titled(row.get("title"), text) if isinstance(text, str) else text


def _read_judgements(path: Path, counts: ConvertCounts) -> dict[str, dict[str, int]]:
    """`{query id: {passage id: score}}`; the first line is a header."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("not UTF-8", place=str(path), hint="save the file as UTF-8") from None
    judged: dict[str, dict[str, int]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if number == 1 or not line.strip():
            continue
        row = line.rstrip("\r").split("\t")
        try:
            query, passage, score = row[0], row[1], int(row[2])
        except (IndexError, ValueError):
            counts.reject(f"{path}:{number}", "not query-id, corpus-id and a whole number")
            continue
        judged.setdefault(query, {})[passage] = score
        counts.lost["grades above 1"] += score > 1
    return judged
