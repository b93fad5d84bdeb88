"""What a model answered, read tolerantly: JSON in prose or in a code fence, cut off, or a numbered list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from embedkit.text import clean

Verdict = Literal["accept", "reject", "unsure"]
_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_ITEM = re.compile(r"^\s*[\"']?(\d{1,2})[\"']?\s*[.):：]\s*(.+?)\s*,?\s*$", re.MULTILINE)
_PIECE = re.compile(r'\{\s*"number"\s*:\s*(\d+)\s*,\s*"question"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}')
_TEXT_KEYS = ("question", "text", "query", "q")
_VERDICTS: dict[str, Verdict] = {
    **dict.fromkeys(("same", "yes", "true", "accept", "synonym", "synonyms", "identical"), "accept"),
    **dict.fromkeys(("different", "no", "false", "reject"), "reject"),
    "unsure": "unsure",
}
MOST_REASON = 300
_DEPTH = 5  # of objects around the list of questions


def parse_questions(text: str, count: int) -> dict[int, str]:
    """The questions by their place from 0: by their numbers where those make sense, else in their order."""
    items = [
        (number, clean(question).strip('"“”')) for number, question in _questions(_THINKING.sub("", text))
    ]
    numbers = [number for number, _ in items]
    if None in numbers or len(set(numbers)) < len(numbers):
        items = list(enumerate((question for _, question in items), start=1))
    return {number - 1: question for number, question in items if question and number and number <= count}


def _questions(text: str) -> Iterator[tuple[int | None, str]]:
    """`(number, question)` as the answer has them, by the first form that gives any."""
    value = _json_in(text)
    found = list(_of_json(value)) if value is not None else []
    if not found:
        pieces = ((_number(number), _string(quoted)) for number, quoted in _PIECE.findall(text))
        found = [(number, question) for number, question in pieces if question]
    if not found and not isinstance(value, dict | list) and "{" not in text:
        found = [(int(number), question) for number, question in _ITEM.findall(text)]
    yield from found


def _of_json(value: Any, *, depth: int = 0) -> Iterator[tuple[int | None, str]]:
    if isinstance(value, dict):
        numbered = [(number, item) for key, item in value.items() if (number := _number(key)) is not None]
        if numbered:
            yield from ((number, item) for number, item in numbered if isinstance(item, str))
            return
        inner = [item for item in value.values() if isinstance(item, list | dict)]
        yield from _of_json(inner[0], depth=depth + 1) if inner and depth < _DEPTH else ()
    for item in value if isinstance(value, list) else ():
        if isinstance(item, str):
            yield None, item
        elif isinstance(item, dict):
            question = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
            if question is not None:
                yield _number(item.get("number")), question


def _string(quoted: str) -> str:
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:  # an escape that is none
        return ""


def _number(value: object) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdecimal() and len(text) < 4 else None


def _json_in(text: str) -> Any:
    """The first JSON object or list in a text; None where there is none that is whole."""
    decoder = json.JSONDecoder(strict=False)
    starts = [match.start() for match in re.finditer(r"[{\[]", text)][:20]
    for start in starts:
        try:
            return decoder.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            if text[start] == "{":  # what lies in a broken object is a piece of it
                return None
    return None


def parse_choice(text: str) -> int | None:
    """The number that a model chose; None where it chose none."""
    text = _THINKING.sub("", text)
    value = _json_in(text)
    if isinstance(value, dict):
        return next((number for item in value.values() if (number := _number(item)) is not None), None)
    digits = re.findall(r"\d+", text)
    return _number(digits[0]) if len(set(digits)) == 1 else None


def parse_verdict(text: str) -> tuple[Verdict, str] | None:
    """Whether two names are one thing, and the reason given; None where the answer says neither."""
    value = _json_in(_THINKING.sub("", text))
    if not isinstance(value, dict):
        return None
    said = str(value.get("answer", value.get("decision", ""))).strip().casefold()
    reason = clean(str(value.get("reason", "")))[:MOST_REASON]
    verdict = _VERDICTS.get(said)
    return (verdict, reason) if verdict else None
