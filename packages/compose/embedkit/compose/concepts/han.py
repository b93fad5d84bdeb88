"""One form for Chinese characters that are written in several ways: 電壓, 電圧 and 电压 are one word.

For comparing only, never for writing. The common form is the traditional one, because simplifying is many to one:
乾, 干 and 幹 are all 干 then. A text with no traditional character is read as simplified, whole words first (干燥 is
乾燥, 干线 is 幹線); Japanese and regional characters are exchanged one by one. Some 50 µs a text with such characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec

from embedkit.console import say
from embedkit.data.entries import Record
from embedkit.extras import DISTRIBUTION, require

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_REGIONS = ("jp2t", "tw2t", "hk2t")
Convert = Callable[[str], str]


def has_han(text: str) -> bool:
    """Whether a text holds Chinese characters."""
    return not text.isascii() and bool(_HAN.search(text))


@cache
def installed() -> bool:
    """Whether the extra `han` is there; without it `one_form` changes nothing."""
    return find_spec("opencc") is not None


def one_form(text: str) -> str:
    """The text with its Chinese characters in one form. A lone character stays: 后 may be a queen or stand for 後."""
    if text.isascii() or len(_HAN.findall(text)) < 2 or not installed():
        return text
    if _converter("t2s")(text) == text:
        text = _converter("s2t")(text)
    for region in _REGIONS:
        text = _converter(region)(text)
    return text


def say_without(records: Iterable[Record]) -> None:
    """Say once per table with Chinese characters that the extra `han` is missing."""
    if not installed() and any(has_han(record.entry.term) for record in records):
        say(
            "Chinese characters are compared as they stand; with {command} 電壓, 電圧 and 电压 are one word",
            command=f"pip install '{DISTRIBUTION}[han]'",
        )


@cache
def _converter(name: str) -> Convert:
    convert: Convert = require("opencc", extra="han").OpenCC(name).convert
    return convert
