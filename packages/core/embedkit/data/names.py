"""What a name says in its brackets: another name, or which of several things is meant."""

from __future__ import annotations

import re

from embedkit.text import is_acronym

_BRACKETED = re.compile(r"^(.+?)\s*[(（\[]([^()（）\[\]]+)[)）\]]$")
_HANGUL, _HAN = re.compile(r"[가-힣]"), re.compile(r"^[\u4e00-\u9fff\s·]+$")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")


def bracketed(name: str) -> tuple[str, str]:
    """A name without the brackets at its end, and what they hold."""
    match = _BRACKETED.match(name)
    return (match[1], match[2]) if match else (name, "")


def initials_match(short: str, long: str) -> bool:
    """Whether `short` could abbreviate `long` by first letters: PWM and pulse-width modulation."""
    letters = "".join(c for c in short.casefold() if c.isalpha())
    words = re.findall(r"[^\W\d_]+", long.casefold())
    return len(words) > 1 and "".join(word[0] for word in words).startswith(letters[:3])


def said_names(name: str) -> tuple[str, ...]:
    """The name without its brackets, then what they add, where that is another name; else nothing.

    `blood pressure (BP)` is said as `blood pressure` and as `BP`, `유언(遺言)` as `유언`. The brackets of
    `driver (software)` tell it from another driver, and stay.
    """
    base, inner = bracketed(name)
    if not inner or base.casefold() == inner.casefold():
        return ()
    other_script = bool(_WIDE.search(base)) != bool(_WIDE.search(inner))
    chinese = bool(_HANGUL.search(base) and _HAN.match(inner))
    if is_acronym(inner) or other_script or chinese or (is_acronym(base) and initials_match(base, inner)):
        return base, inner
    return ()
