"""What a model answered, read tolerantly: as JSON (`loose_json`), else as a numbered list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from embedkit.compose.llm.loose_json import after_thinking, json_values
from embedkit.text import clean

Verdict = Literal["accept", "reject", "unsure"]
_ITEM = re.compile(r"^[\s*_#>\-]*[\"']?(\d{1,2})[\"']?\s*\\?[.):：][\s*_]*(.+?)\s*,?\s*$", re.MULTILINE)
_NUMBER = re.compile(r"[#(\s]*(\d{1,3})(?:\.0)?[.):\s]*")
_NUMBERED = re.compile(r"\d{1,2}[.)]\s+(?=\S)")
_QUOTED = re.compile(r"[\"'“„‟「『«]([^\"“”„‟「」『』«»]+)[\"'“”」』»]")
_LIST = "questions"
_TEXT_KEYS = ("question", "text", "query", "q")
_ENTRY_KEYS = frozenset(("term", "definition", "other_names"))
_ANSWER_KEYS = ("answer", "decision")
_VERDICTS: dict[str, Verdict] = {
    **dict.fromkeys(("same", "yes", "true", "accept", "synonym", "synonyms", "identical"), "accept"),
    **dict.fromkeys(("different", "no", "false", "reject"), "reject"),
    "unsure": "unsure",
}
MOST_REASON = 300
_DEPTH = 5  # of objects around the list of questions
_Item = tuple[int | None, str]


def parse_questions(text: str, count: int) -> dict[int, str]:
    """The questions by their place from 0: by their numbers where those make sense, else in their order."""
    items = [(number, _bare(question)) for number, question in _questions(after_thinking(text))]
    numbers = [number for number, _ in items]
    if None in numbers or len(set(numbers)) < len(numbers):
        items = list(enumerate((question for _, question in items), start=1))
    first = 0 if 0 in numbers else 1
    return {
        number - first: question
        for number, question in items
        if question and number is not None and first <= number < count + first
    }


def _bare(question: str) -> str:
    """A question without a number before it and quotes around it."""
    question = clean(question)
    numbered = _NUMBERED.match(question)
    question = question[numbered.end() :] if numbered else question
    quoted = _QUOTED.fullmatch(question)
    return quoted[1].strip() if quoted else question


def _questions(text: str) -> Sequence[_Item]:
    """`(number, question)` as the answer has them."""
    values = json_values(text)
    lists = [found for value in values if (found := list(_of_json(value)))]
    if not values and "{" not in text:
        return [(int(number), question) for number, question in _ITEM.findall(text)]
    joined = [item for found in lists for item in found]
    numbers = [number for number, _ in joined]
    # One for each line, or parts of one list; else a draft or the prompt said again, and last the answer.
    parts = all(len(found) == 1 for found in lists) or (
        None not in numbers and len(set(numbers)) == len(numbers)
    )
    return joined if parts else lists[-1]


def _of_json(value: Any, *, depth: int = 0) -> Iterator[_Item]:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield None, item
            elif isinstance(item, dict):
                yield from _of_question(item)
    elif isinstance(value, dict):
        numbered = [(number, item) for key, item in value.items() if (number := _number(key)) is not None]
        if isinstance(value.get(_LIST), str):
            yield from ((int(number), question) for number, question in _ITEM.findall(value[_LIST]))
        elif numbered:
            yield from ((number, item) for number, item in numbered if isinstance(item, str))
        elif question := list(_of_question(value)):
            yield from question
        elif not _ENTRY_KEYS.intersection(value) and depth < _DEPTH:
            inner = [item for item in value.values() if isinstance(item, list | dict)]
            yield from _of_json(value.get(_LIST, inner[0] if inner else None), depth=depth + 1)


def _of_question(item: dict[str, Any]) -> Iterator[_Item]:
    question = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
    if question is not None:
        yield _number(item.get("number")), question


def _number(value: object) -> int | None:
    found = _NUMBER.fullmatch(str(value)[:20])
    return int(found[1]) if found else None


def _answers(text: str) -> list[dict[str, Any]]:
    """The objects of an answer, those that say which the answer is before the others, the last first."""
    objects = [value for value in json_values(text) if isinstance(value, dict)][::-1]
    return sorted(objects, key=lambda value: not any(key in value for key in _ANSWER_KEYS))


def parse_choice(text: str) -> int | None:
    """The number that a model chose; None where it chose none."""
    text = after_thinking(text)
    for value in _answers(text)[:1]:
        said = [value[key] for key in _ANSWER_KEYS if key in value] or list(value.values())
        return next((number for item in said if (number := _only_number(item)) is not None), None)
    return _only_number(text)


def _only_number(value: object) -> int | None:
    """A number, or the only one in a text."""
    if not isinstance(value, str) or (number := _number(value)) is not None:
        return _number(value) if not isinstance(value, str) else number
    digits = re.findall(r"\d+", value)
    return _number(digits[0]) if len(set(digits)) == 1 else None


def parse_verdict(text: str) -> tuple[Verdict, str] | None:
    """Whether two names are one thing, and the reason given; None where the answer says neither."""
    for value in _answers(after_thinking(text))[:1]:
        said = str(next((value[key] for key in _ANSWER_KEYS if key in value), "")).strip(" .!\"'")
        reason = value.get("reason")
        verdict = _VERDICTS.get(said.casefold())
        return (verdict, clean(reason)[:MOST_REASON] if isinstance(reason, str) else "") if verdict else None
    return None
