"""Templates: text with slots ({term}, {definition}) and Korean particle marks ([은/는]) that follow them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from embedkit.korean import PARTICLES, particle
from embedkit.messages import Phrase
from embedkit.text import clean

SLOTS = ("term", "acronym", "full", "definition")
_HEAD = re.compile(r"[^\W\d_]+")
_PART = re.compile(r"\{([^{}]*)\}|\[([가-힣]+/[가-힣]+)\]")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. `{Term}` is `{term}` with a capital, for the head of a sentence."""

    text: str
    parts: tuple[tuple[str, str], ...]
    slots: frozenset[str]

    def applies(self, values: Mapping[str, str]) -> bool:
        """Whether every slot has something to fill it."""
        return all(values.get(slot) for slot in self.slots)

    def render(self, values: Mapping[str, str]) -> str:
        """The template filled in. What fills a slot is never read as a slot or a mark itself."""
        done = ""
        for kind, value in self.parts:
            if kind == "slot":
                filled = values[value.lower()]
                done += filled if value.islower() else capitalised(filled)
            else:
                done += particle(done, value) if kind == "mark" else value
        return clean(done)


def parse_template(text: str) -> Template:
    """Parse `text`. Raises `ValueError` saying what is wrong with it."""
    parts: list[tuple[str, str]] = []
    position = 0
    for found in _PART.finditer(text):
        parts.append(("text", text[position : found.start()]))
        parts.append(_part(found))
        position = found.end()
    parts.append(("text", text[position:]))
    if any(kind == "text" and ("{" in value or "}" in value) for kind, value in parts):
        raise ValueError("an unmatched brace")
    slots = frozenset(value.lower() for kind, value in parts if kind == "slot")
    if not slots:
        raise ValueError("no slot: without {term} or the like it would be the same text for every term")
    return Template(text, tuple(parts), slots)


def _part(found: re.Match[str]) -> tuple[str, str]:
    slot, mark = found.group(1), found.group(2)
    if mark is not None:
        if mark not in PARTICLES:
            raise ValueError(
                Phrase(
                    "[{mark}] is not a particle mark; they are {marks}", mark=mark, marks=" ".join(PARTICLES)
                )
            )
        return "mark", mark
    if slot not in SLOTS and slot not in {name.capitalize() for name in SLOTS}:
        slots = " ".join(f"{{{name}}}" for name in SLOTS)
        raise ValueError(Phrase("{{{slot}}} is not a slot; they are {slots}", slot=slot, slots=slots))
    return "slot", slot


def capitalised(text: str) -> str:
    """`text` with a capital at its head, where its first word has none: pH, mRNA and iOS stay as they are."""
    head = _HEAD.match(text)
    return text[:1].upper() + text[1:] if head and head.group().islower() else text
