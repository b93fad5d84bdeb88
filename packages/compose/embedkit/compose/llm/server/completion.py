"""A chat completion as servers send it, whole or as a stream of events: the answer in it and the tokens it took."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from embedkit.compose.llm.records import Answer, Call
from embedkit.text import dumps, writable

MOST_CHARS = 200_000  # of an answer: what a model writes beyond this is not kept
_MOST_TOKENS = 10**9  # of a count that can be meant


def parse_completion(text: str) -> Any:
    """The object that a server sends; a stream that nobody asked for is put together. None: it is no JSON."""
    if text.lstrip()[:6] in ("data: ", "event:") or text.lstrip().startswith("data:"):
        return _of_events(text)
    return _json(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        event = _json(line[5:]) if line.startswith("data:") else None
        if isinstance(event, dict):
            yield event


def _of_events(text: str) -> dict[str, Any]:
    """One completion of all events; a stream that broke off has no end and counts as cut off."""
    said: list[str] = []
    finish, usage = "length", None
    for event in _events(text):
        if event.get("error"):
            return event
        usage = event.get("usage") or usage
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            continue
        said.append(_text_of(choice.get("delta") or choice.get("message") or choice) or "")
        finish = choice.get("finish_reason") or finish
    return {"choices": [{"message": {"content": "".join(said)}, "finish_reason": finish}], "usage": usage}


def answer_in(value: Any, call: Call, *, seconds: float) -> Answer | None:
    """The answer in a completion; None where it is none. Tokens that are not counted there are estimated."""
    choices = value.get("choices") if isinstance(value, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return None
    text = _text_of(choice.get("message", choice))
    if text is None:
        return None
    text, usage = writable(text), value.get("usage")
    counted = usage if isinstance(usage, dict) else {}
    return Answer(
        text=text[:MOST_CHARS],
        finished=choice.get("finish_reason") != "length" and len(text) <= MOST_CHARS,
        tokens_in=_count(counted.get("prompt_tokens")) or tokens_in(call),
        tokens_out=_count(counted.get("completion_tokens")) or estimated_tokens(text),
        seconds=seconds,
    )


def _text_of(message: Any) -> str | None:
    """What a message says: its content, else what it would call a tool with; None where it is no message."""
    if not isinstance(message, dict):
        return None
    content = message.get("content", message.get("text"))
    parts = content if isinstance(content, list) else [content]
    text = "".join(filter(None, map(_text_of_part, parts)))
    return text or "".join(_arguments(message))


def _text_of_part(part: Any) -> str:
    if isinstance(part, dict):
        return part["text"] if isinstance(part.get("text"), str) else "" if "type" in part else dumps(part)
    return part if isinstance(part, str) else ""


def _arguments(message: dict[str, Any]) -> Iterator[str]:
    calls = message.get("tool_calls")
    functions = (
        [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    )
    for function in (*functions, message.get("function_call")):
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if isinstance(arguments, str | dict):
            yield arguments if isinstance(arguments, str) else dumps(arguments)


def _count(value: object) -> int:
    return value if type(value) is int and 0 < value < _MOST_TOKENS else 0


def tokens_in(call: Call) -> int:
    """About as many tokens as a model reads for a call, rather more than fewer."""
    return estimated_tokens(call.system) + estimated_tokens(call.user) + 20


def estimated_tokens(text: str) -> int:
    """About as many tokens as a text has: three letters each, a syllable of Hangul or a Chinese character one."""
    return -(-len(text.encode()) // 3)
