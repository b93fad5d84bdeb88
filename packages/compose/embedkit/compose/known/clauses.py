"""What a definition says without naming the thing: its clauses, as someone would describe it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from embedkit.compose.known.names import naming
from embedkit.data.entries import Entry
from embedkit.text import fold

_LEAST_CHARS = {"ko": 12, "ja": 12, "zh": 10}
_OTHERWISE = 30
_LINKS = re.compile(r"^(?:and|or|but|so|while|which|where|because)\s+", re.IGNORECASE)
_BREAKS = re.compile(r"[.;:!?。]\s+|[,、，]\s+|\s[–—-]\s")


def clauses_of(entry: Entry, others: Iterable[str] = ()) -> tuple[str, ...]:
    """The clauses of the definition that say enough and name nothing, in their order; `others` name its concept too.

    "A fixed resistor whose element is a nickel-chromium layer. With a tolerance of 1 % or better, it …" gives
    "A fixed resistor whose element is a nickel-chromium layer" and "With a tolerance of 1 % or better".
    """
    least = _LEAST_CHARS.get(entry.lang.partition("-")[0], _OTHERWISE)
    named = naming((entry.term, *entry.names, *others))
    parts = (_LINKS.sub("", part.strip(" .。")) for part in _BREAKS.split(entry.definition))
    whole = fold(entry.definition)
    fitting = (part for part in parts if len(part) >= least and not named.search(part))
    return tuple(dict.fromkeys(part for part in fitting if fold(part) != whole))
