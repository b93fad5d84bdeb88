"""JSON as language models write it: in prose, after a thought, cut off, or with a slip that a person would read over.

What is read over: a comma too many, comments, single, curly and full-width quotes, an escape that is none, and a key
that stands twice. Nothing is made up: of what was cut off only the whole parts count.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

_TAGS = r"(?:think|thinking|thought|reasoning|analysis|scratchpad)>"
_THOUGHT_END = re.compile(rf"</{_TAGS}|<\|channel\|>final<\|message\|>", re.IGNORECASE)
_THOUGHT = re.compile(rf"<{_TAGS}", re.IGNORECASE)
_START, _OPENING = re.compile(r"[{\[]"), re.compile(r"[{\[｛［]")
_MOST_VALUES, _MOST_FAILURES = 100, 50
_SLIP = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|'(?P<single>(?:[^'\\]|\\.)*)'(?=\s*[,:\]}])|,(?=\s*[\]}])|//[^\n]*""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PLAIN = str.maketrans("“”„‟＂‘’｛｝［］：，０１２３４５６７８９", '"""""\'\'{}[]:,0123456789')


def after_thinking(text: str) -> str:
    """What a model says when it has thought; a thought without an end leaves nothing behind it."""
    ends = list(_THOUGHT_END.finditer(text))
    answer = text[ends[-1].end() :] if ends else text
    if ends and not answer.strip():  # it thought afterwards
        answer = text
    thought = _THOUGHT.search(answer)
    return answer[: thought.start()] if thought else answer


def json_values(text: str) -> list[Any]:
    """The objects and lists in a text, outermost first come; of a broken object the whole objects in it."""
    readings: list[list[Any]] = []
    text = _unquoted(text)
    start = _OPENING.search(text)
    for way in _WAYS if start else ():
        values, whole = _values(way(text[start.start() :] if start else ""))
        if whole and values:
            return values
        readings.append(values)
    return max(readings, key=len, default=[])


def _unquoted(text: str) -> str:
    """The text in a JSON string that is the whole answer."""
    if text.lstrip()[:1] == '"':
        with suppress(ValueError):
            value = json.loads(text, strict=False)
            return value if isinstance(value, str) else text
    return text


def _values(text: str) -> tuple[list[Any], bool]:
    """The values as they come, and whether no object was broken."""
    values: list[Any] = []
    place = failures = 0
    whole = True
    while len(values) < _MOST_VALUES and failures < _MOST_FAILURES:
        start = _START.search(text, place)
        if start is None:
            break
        try:
            value, place = _DECODER.raw_decode(text, start.start())
        except RecursionError:  # no person and no model means that
            return values, False
        except ValueError:
            place, failures = start.end(), failures + 1
            whole = whole and start[0] == "["
            continue
        if whole or isinstance(value, dict):  # a list in a broken object may be of anything
            values.append(value)
    return values, whole


def _object(pairs: Sequence[tuple[str, Any]]) -> Any:
    """An object; where a key stands twice its lists are joined, and texts that contradict each other are none."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    if all(key.isdecimal() for key in found):  # numbered, each with the same number
        return [value for _, value in pairs]
    told: defaultdict[str, list[Any]] = defaultdict(list)
    for key, value in pairs:
        told[key].append(value)
    return {key: _joined(values) for key, values in told.items()}


def _joined(values: Sequence[Any]) -> Any:
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return values[0] if all(value == values[0] for value in values) else None


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_object)


def _without_slips(text: str) -> str:
    return _SLIP.sub(_mended, text)


def _mended(slip: re.Match[str]) -> str:
    if slip["string"] is not None:
        return _ESCAPE.sub(_escape, slip["string"])
    if slip["single"] is not None:
        return '"' + _ESCAPE.sub(_escape, slip["single"].replace('\\"', '"').replace('"', '\\"')) + '"'
    return ""


def _escape(found: re.Match[str]) -> str:
    known = len(found[1]) == 5 or found[1] in '"\\/bfnrt'
    return found[0] if known else found[1]


_WAYS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    _without_slips,
    lambda text: _without_slips(text.translate(_PLAIN)),
)
