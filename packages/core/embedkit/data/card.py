"""The part of a run's model card that training leaves open and evaluation fills in."""

from __future__ import annotations

import re

_START, _END = "<!-- embedkit evaluate -->", "<!-- /embedkit evaluate -->"
_SECTION = re.compile(f"{re.escape(_START)}.*?{re.escape(_END)}\n", re.DOTALL)


def evaluation_section(text: str) -> str:
    """The section of a model card that tells what an evaluation found."""
    return f"{_START}\n## Before and after\n\n{text}\n{_END}\n"


UNMEASURED = evaluation_section(
    "Not measured yet on rows that training has not seen: `embedkit evaluate` fills this in."
)


def with_section(card: str, section: str) -> str:
    """The card with the section in place of an earlier one, else at its end."""
    after, found = _SECTION.subn(lambda _: section, card)
    return after if found else f"{card}\n{section}"
