"""Whether a name stands in a text: spaced and inflected as people like, with its brackets or without."""

from __future__ import annotations

import re
from collections.abc import Iterable

from embedkit.data.names import said_names

_GAP = r"[\s\-‐‑–_/·]*"
_GAPS = re.compile(r"[\s\-‐‑–_/·]+")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
LEAST_SYLLABLES, LEAST_LETTERS = 3, 6  # a shorter name, spaced otherwise, is met by chance
# What a plural replaces: battery and batteries, diagnosis and diagnoses, stimulus and stimuli.
_ENDINGS = {"y": "(?:y|ies)", "is": "(?:is|es)", "us": "(?:us|uses|i)"}


def stands_in(name: str, text: str) -> bool:
    """Whether a text has the name as words of its own, in any spacing; endings and particles may follow it."""
    return bool(name.strip()) and bool(re.search(_pattern(name, whole=True), text.casefold()))


def naming(names: Iterable[str]) -> re.Pattern[str]:
    """What finds any of the names in a text, in any spacing, also as the beginning of a word."""
    every = sorted({form for name in names for form in (name, *said_names(name)) if form.strip()}, key=len)
    return re.compile(
        "|".join(_pattern(name, whole=False) for name in reversed(every)) or r"(?!)", re.IGNORECASE
    )


def _pattern(name: str, *, whole: bool) -> str:
    folded = name.casefold()
    letters = _GAPS.sub("", folded)
    wide = len(_WIDE.findall(letters))
    loose = wide >= LEAST_SYLLABLES or (not wide and len(letters) >= LEAST_LETTERS)
    stem, ending = (
        _inflected(folded) if folded[-1:].isascii() and len(letters) >= LEAST_LETTERS else (folded, "")
    )
    parts = _GAPS.sub("", stem) if loose else filter(None, _GAPS.split(stem))
    body = _GAP.join(map(re.escape, parts))
    end = r"(?:e?s)?(?![a-z0-9])" if whole and folded[-1:].isascii() else ""
    return rf"(?<!\w){body}{ending}{end}"


def _inflected(name: str) -> tuple[str, str]:
    """A name as its stem and a pattern of its endings."""
    found = next((end for end in _ENDINGS if name.endswith(end)), "")
    return (name.removesuffix(found), _ENDINGS[found]) if found else (name, "")
