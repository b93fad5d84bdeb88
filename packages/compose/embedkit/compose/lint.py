"""What is right in form and doubtful in substance: reported, counted, never changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from embedkit.compose.concepts import text_key
from embedkit.compose.read import Record
from embedkit.compose.rows import looks_like_definition
from embedkit.glossary import Alias

LONG_CHARS = 2000
CIRCULAR_WORDS = 2
_WORD = re.compile(r"\w+")
_SEE = re.compile(
    r"^(?:(?:see(?: also)?|refer to|synonym (?:of|for)|same as)[: ]+|[→⇒]\s*)"
    r"[\"'“]?(?P<after>[^.;\n]{1,80}?)[\"'”]?[.。]?$"
    r"|^[\"'“‘]?(?P<before>[^.;\n]{1,60}?)[\"'”’]?(?:을|를)?\s*"
    r"(?:참조|참고|보라|보기)(?:하라|하시오|할 것|하십시오)?[.。]?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding at a line. `code` is what it is counted under; an error is a row that cannot be used."""

    file: str
    line: int
    code: str
    message: str
    error: bool = False


def lint(records: Iterable[Record]) -> Iterator[Problem]:
    """Yield the doubts about each record, in the order of the records."""
    seen = _Seen({}, {}, {})
    for record in records:
        yield from _alone(record)
        yield from _beside_others(record, seen)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The first record of each definition, of each term in a language, and of each name-for-a-name."""

    definitions: dict[str, Record]
    terms: dict[tuple[str, str, str], Record]
    renames: dict[tuple[str, str], Record]


def _alone(record: Record) -> Iterator[Problem]:
    term, definition = record.entry.term, record.entry.definition
    if term == definition:
        yield _problem(record, "self pair", f"both sides are {_short(term)}")
    elif text_key(term) == text_key(definition):
        yield _problem(record, "equal but for case or brackets", f"{_short(term)} and {_short(definition)}")
    elif not record.stated_pair and _is_circular(term, definition):
        yield _problem(
            record, "circular definition", f"{_short(term)} is explained by itself: {_short(definition)}"
        )
    if see_target(definition):
        yield _problem(record, "See stub", f"{_short(term)} is only a pointer: {_short(definition)}")
    if max(len(term), len(definition)) > LONG_CHARS:
        yield _problem(record, "long text", f"over {LONG_CHARS} characters, more than most models read")


def _beside_others(record: Record, seen: _Seen) -> Iterator[Problem]:
    entry = record.entry
    term, definition = text_key(entry.term), text_key(entry.definition)
    if not record.stated_pair or looks_like_definition(entry.definition):
        first = seen.definitions.setdefault(definition, record)
        if text_key(first.entry.term) != term:
            yield _problem(
                record,
                "one definition on many terms",
                f"{_short(entry.term)} has that of {_named(first, record)}",
            )
    if not record.stated_pair:
        first = seen.terms.setdefault((term, entry.lang, entry.source), record)
        if text_key(first.entry.definition) != definition:
            yield _problem(record, "conflicting definitions", f"another one of {_named(first, record)}")
        back = seen.renames.get((definition, term))
        if back is not None:
            yield _problem(
                record,
                "circular definition",
                f"{_short(entry.term)} and {_named(back, record)} explain each other",
            )
        seen.renames.setdefault((term, definition), record)


def _problem(record: Record, code: str, message: str) -> Problem:
    return Problem(record.file, record.line, code, message)


def _named(other: Record, record: Record) -> str:
    place = f"line {other.line}" if other.file == record.file else f"{other.file}:{other.line}"
    return f"{_short(other.entry.term)} ({place})"


def _short(text: str) -> str:
    return f"{text!r}" if len(text) <= 60 else f"{text[:57] + '…'!r}"


def _is_circular(term: str, definition: str) -> bool:
    words = _WORD.findall(definition.casefold())
    own = _WORD.findall(term.casefold())
    rest = [word for word in words if word not in own and word not in ("a", "an", "the", "is", "of")]
    return len(rest) < len(words) and len(rest) <= CIRCULAR_WORDS and set(own) <= set(words)


def see_target(definition: str) -> str:
    """The name that a definition such as `See X.` or `X 참조` only points at, or the empty string."""
    match = _SEE.match(definition)
    if not match:
        return ""
    return (match["after"] or match["before"] or "").strip()


def resolve_stubs(records: Sequence[Record]) -> Iterator[Record]:
    """Yield the records; a stub that points at an entry becomes one more name of that entry."""
    named: dict[str, Record] = {}
    for record in records:
        if not record.stated_pair and not see_target(record.entry.definition):
            for name in (record.entry.term, *(alias.text for alias in record.entry.aliases)):
                named.setdefault(text_key(name), record)
    for record in records:
        target = None if record.stated_pair else named.get(text_key(see_target(record.entry.definition)))
        yield _redirected(record, target) if target else record


def _redirected(stub: Record, target: Record) -> Record:
    names = (Alias(stub.entry.term, "redirect"), *stub.entry.aliases)
    return replace(stub, entry=replace(target.entry, aliases=names))
