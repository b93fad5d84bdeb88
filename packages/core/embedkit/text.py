"""Text for every room: clean it, fold it for comparison, detect its language by script, fit it to columns."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\u200b\ud800-\udfff]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_JOINERS = re.compile(r"[\s\-‐‑‒–—_/·・.,'’\"“”()\[\]{}:;!?]+")
_SCRIPTS = (
    ("ko", re.compile(r"[\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f]")),
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
)
_LETTER = re.compile(r"[^\W\d_]")
_OTHER_SCRIPT = {"ko", "ja", "zh", "ru", "ar"}


def clean(text: str) -> str:
    """NFC, no control characters, single spaces; bidirectional marks stay."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())  # most texts, at a fifth of the cost
    return " ".join(_CONTROL.sub("", unicodedata.normalize("NFC", text)).split())


def dumps(value: Any) -> str:
    """One line of JSON in NFC, with no ASCII escapes."""
    return unicodedata.normalize("NFC", json.dumps(value, ensure_ascii=False, allow_nan=False))


def writable(text: str) -> str:
    """`text` with � for each lone surrogate: file names in another encoding have some, and UTF-8 has none."""
    return text if text.isascii() else _SURROGATES.sub("�", text)


def fold(text: str) -> str:
    """The key under which two spellings are the same text: NFKC, case, spacing, hyphens, brackets and stops ignored.

    `fold("Pulse-Width Modulation") == fold("pulse width modulation")`, `fold("펄스 폭 변조") == fold("펄스폭변조")`.
    """
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return _JOINERS.sub("", folded) or folded.strip()


def hash64(text: str) -> int:
    """A 64-bit hash of a text; the chance of a collision among a million texts is 1 in 37 million."""
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def language_of(text: str, *, fallback: str = "en") -> str:
    """The language of a text by its script: a tenth of the letters decides, so Korean with Latin terms is Korean."""
    if text.isascii():
        known = fallback in _OTHER_SCRIPT and any(map(str.isalpha, text))
        return "en" if known else fallback
    letters = len(_LETTER.findall(text))
    if letters == 0:
        return fallback
    for lang, script in _SCRIPTS:
        if len(script.findall(text)) * 10 >= letters:
            return lang
    return "en" if fallback in _OTHER_SCRIPT else fallback


def is_acronym(text: str) -> bool:
    """Whether `text` looks like an abbreviation: one or two short tokens, each with capitals past its first letter.

    PWM, I2C, MOSFET, dB and SAR ADC do; op-amp, Wien and ECC memory do not.
    """
    tokens = text.split()
    return 1 <= len(tokens) <= 2 and all(_is_acronym_token(token) for token in tokens)


def _is_acronym_token(token: str) -> bool:
    letters = [c for c in token if c.isalpha()]
    capitals = sum(c.isupper() for c in token)
    if not 2 <= len(token) <= 12 or not any(c.isascii() for c in letters):
        return False
    return (capitals >= 2 and capitals * 2 >= len(letters)) or (
        len(token) <= 3 and any(map(str.isupper, token[1:]))
    )


def printable(text: str) -> str:
    """`text` with � for each control character: a terminal would obey them."""
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "�" for c in text)


def width(text: str) -> int:
    """Terminal columns that `text` takes: a Hangul syllable takes two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def pad(text: str, columns: int) -> str:
    """`text` filled with spaces to `columns` terminal columns."""
    return text + " " * max(0, columns - width(text))


def shorten(text: str, columns: int) -> str:
    """`text` cut to `columns` terminal columns, with an ellipsis where something was cut."""
    if width(text) <= columns:
        return text
    kept = ""
    for c in text:
        if width(kept + c) > columns - 1:
            break
        kept += c
    return kept.rstrip() + "…"


def align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines, each column padded to its widest cell in terminal columns."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(pad(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip()
