"""Detects pages that would take a parser minutes or gigabytes, before they are parsed; 1 µs per tag."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate

from embedkit.messages import Phrase

MAX_TAGS = 250_000
MAX_NESTING_WORK = 100_000_000  # the sum of all tags' depths; lexbor looks up the open elements for every tag
MAX_REOPENED = 3_000_000  # tags times formats left open: HTML has them opened again in every paragraph
_TAG = re.compile(r"<[a-zA-Z]")
_NESTED = re.compile(
    r"<(/?)(?!(?:br|hr|img|input|meta|link|wbr|area|base|col|embed|source|track|param|p|li|dt|dd|tr|td|th|tbody"
    r"|thead|tfoot|option|colgroup|rp|rt|optgroup|html|head|body)\b)[a-z]",
    re.IGNORECASE,
)
_FORMAT = re.compile(r"<(/?)(?:b|big|code|em|font|i|s|small|strike|strong|tt|u)\b", re.IGNORECASE)


def refusal(html: str) -> str:
    """Why a page must not be parsed, in a few words; empty for a safe page."""
    tags = html.count("<") - html.count("</")
    if tags > MAX_TAGS:
        tags = len(_TAG.findall(html))
    if tags > MAX_TAGS:
        return Phrase("over {most:,} elements", most=MAX_TAGS)
    if tags * tags > 2 * MAX_NESTING_WORK and sum(_depths(_NESTED.findall(html))) > MAX_NESTING_WORK:
        return "its elements are nested too deep"
    if tags * tags > MAX_REOPENED and tags * max(_depths(_FORMAT.findall(html))) > MAX_REOPENED:
        return "its tags are not closed"
    return ""


def _depths(slashes: Iterable[str]) -> Iterable[int]:
    """How many elements are open after each tag; a closing tag too many counts as none."""
    return accumulate(slashes, lambda depth, slash: max(0, depth - 1) if slash else depth + 1, initial=0)
