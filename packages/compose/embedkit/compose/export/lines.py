"""Formats of one JSON object a line: FlagEmbedding, Tevatron, ms-swift, sentence-transformers.

Each is a pair of functions: a query to the object its loader reads, and back. `from_...` raises `ValueError`
saying what is wrong with an object.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embedkit.compose.export.record import GroupedQuery, text_id
from embedkit.messages import Phrase

Object = Mapping[str, Any]
_NEGATIVE = re.compile(r"negative(?:_(\d+))?$")


@dataclass(frozen=True, slots=True)
class DecodedLine:
    """What an object held. `ignored` names the keys that have no place in a row of ours."""

    query: GroupedQuery
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """A format of lines. `groups`: an object holds several positives, and its project trains on all of them."""

    encode: Callable[[GroupedQuery], Object]
    decode: Callable[[Object], DecodedLine]
    groups: bool
    scores: bool = False  # an object carries a teacher's scores
    needs_negatives: str = ""  # what happens there to an object without negatives
    note: str = ""


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(Phrase("{key!r} is missing or is not a text", key=name))
    return value


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(Phrase("{name!r} is not a list", name=name))
    return tuple(_text(item, name) for item in value)


def _decoded(
    row: Object, query: str, positives: Sequence[str], negatives: Sequence[str], known: set[str]
) -> DecodedLine:
    if not positives:
        raise ValueError("no positive")
    ignored = tuple(key for key, value in row.items() if key not in known and value not in (None, [], ""))
    return DecodedLine(GroupedQuery(query, tuple(positives), tuple(negatives)), ignored)


def to_flagembedding(query: GroupedQuery) -> Object:
    """`{"query", "pos", "neg"}`, and where a teacher scored them `pos_scores` and `neg_scores`."""
    made = {"query": query.text, "pos": list(query.positives), "neg": list(query.negatives)}
    if not query.scores:
        return made
    count = len(query.positives)
    return made | {"pos_scores": list(query.scores[:count]), "neg_scores": list(query.scores[count:])}


def from_flagembedding(row: Object) -> DecodedLine:
    """`prompt` and `type` have no place in pairs, nor do scores that are not one per text."""
    positives, negatives = _texts(row.get("pos"), "pos"), _texts(row.get("neg") or [], "neg")
    of_positives, of_negatives = (_numbers(row.get(name)) for name in ("pos_scores", "neg_scores"))
    known = {"query", "pos", "neg"}
    if (len(of_positives), len(of_negatives)) != (len(positives), len(negatives)):
        return _decoded(row, _text(row.get("query"), "query"), positives, negatives, known)
    known |= {"pos_scores", "neg_scores"}
    found = _decoded(row, _text(row.get("query"), "query"), positives, negatives, known)
    return replace(found, query=replace(found.query, scores=(*of_positives, *of_negatives)))


def _numbers(value: object) -> tuple[float, ...]:
    """A list of finite numbers; none of them where one is not."""
    if not isinstance(value, list) or not all(
        type(item) in (int, float) and math.isfinite(item) for item in value
    ):
        return ()
    return tuple(map(float, value))


def to_tevatron(query: GroupedQuery) -> Object:
    """`{"query_id", "query", "positive_passages", "negative_passages"}`.

    Passages carry no `title`: where there is one Tevatron puts it and a space before the text.
    """
    return {
        "query_id": text_id("q", query.text),
        "query": query.text,
        "positive_passages": [_passage(text) for text in query.positives],
        "negative_passages": [_passage(text) for text in query.negatives],
    }


def _passage(text: str) -> dict[str, str]:
    return {"docid": text_id("d", text), "text": text}


def from_tevatron(row: Object) -> DecodedLine:
    """A title is joined to its text, as Tevatron does; the ids are made anew."""
    positives = _passages(row.get("positive_passages"), "positive_passages")
    negatives = _passages(row.get("negative_passages") or [], "negative_passages")
    known = {"query_id", "query", "positive_passages", "negative_passages"}
    return _decoded(row, _text(row.get("query"), "query"), positives, negatives, known)


def _passages(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(Phrase("{name!r} is not a list of passages", name=name))
    return tuple(titled(item.get("title"), _text(item.get("text"), f"{name}.text")) for item in value)


def titled(title: object, text: str) -> str:
    """A title and a text as the one text that a model reads."""
    return f"{title} {text}" if isinstance(title, str) and title.strip() else text


def to_ms_swift(query: GroupedQuery) -> Object:
    """`--task_type embedding`: messages of the user on both sides."""
    return _messages(query, role="user")


def to_ms_swift_reranker(query: GroupedQuery) -> Object:
    """`--task_type reranker`: passages are messages of the assistant."""
    return _messages(query, role="assistant")


def _messages(query: GroupedQuery, *, role: str) -> Object:
    return {
        "messages": [{"role": "user", "content": query.text}],
        "positive_messages": [[{"role": role, "content": text}] for text in query.positives],
        "negative_messages": [[{"role": role, "content": text}] for text in query.negatives],
    }


def from_ms_swift(row: Object) -> DecodedLine:
    """Both tasks. A conversation of several messages is not a text, and is refused; so is a system message."""
    positives = _conversations(row.get("positive_messages"), "positive_messages")
    negatives = _conversations(row.get("negative_messages") or [], "negative_messages")
    known = {"messages", "positive_messages", "negative_messages"}
    return _decoded(row, _content(row.get("messages"), "messages"), positives, negatives, known)


def _conversations(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(Phrase("{name!r} is not a list", name=name))
    return tuple(_content(item, name) for item in value)


def _content(value: object, name: str) -> str:
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        raise ValueError(Phrase("{name!r} is not one message", name=name))
    return _text(value[0].get("content"), f"{name}.content")


def to_sentence_transformers(query: GroupedQuery) -> Object:
    """Columns in the order in which they are fed to a loss: anchor, positive, negative or negative_1, …"""
    names = (
        ["negative"]
        if len(query.negatives) == 1
        else [f"negative_{n + 1}" for n in range(len(query.negatives))]
    )
    return {
        "anchor": query.text,
        "positive": query.positives[0],
        **dict(zip(names, query.negatives, strict=True)),
    }


def from_sentence_transformers(row: Object) -> DecodedLine:
    """Negatives in the order of their numbers; an empty cell is no negative."""
    names = sorted(filter(_NEGATIVE.match, row), key=_number)
    negatives = [_text(row[name], name) for name in names if row[name] is not None]
    positive = _text(row.get("positive"), "positive")
    known = {"anchor", "positive", *names}
    return _decoded(row, _text(row.get("anchor"), "anchor"), [positive], negatives, known)


def _number(name: str) -> int:
    match = _NEGATIVE.match(name)
    return int(match.group(1) or 0) if match else 0


LINES: dict[str, LineFormat] = {
    "sentence-transformers": LineFormat(
        encode=to_sentence_transformers, decode=from_sentence_transformers, groups=False
    ),
    "flagembedding": LineFormat(
        encode=to_flagembedding,
        decode=from_flagembedding,
        groups=True,
        scores=True,
        needs_negatives="FlagEmbedding's trainer divides by zero on such rows; mine negatives with its "
        "hn_mine or with compose --hard-k",
    ),
    "tevatron": LineFormat(
        encode=to_tevatron,
        decode=from_tevatron,
        groups=True,
        needs_negatives="Tevatron fails on such rows; mine negatives with compose --hard-k",
    ),
    "ms-swift": LineFormat(encode=to_ms_swift, decode=from_ms_swift, groups=False),
    "ms-swift-reranker": LineFormat(
        encode=to_ms_swift_reranker,
        decode=from_ms_swift,
        groups=True,
        note="ms-swift draws one positive and seven negatives of a line unless MAX_POSITIVE_SAMPLES and "
        "MAX_NEGATIVE_SAMPLES say otherwise",
    ),
}
