"""What counts as a word when texts are compared by words: what stands between spaces, or Korean morphemes by kiwipiepy.

Kiwi takes half a gigabyte of memory and about a millisecond a Korean text: it is used where it is asked for, not where
it happens to be installed, so the same command gives the same rows everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

from embedkit.errors import UserError
from embedkit.extras import require

Words = Callable[[str], list[str]]
TOKENIZERS = ("words", "kiwi")
_WORD = re.compile(r"\w+")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_CONTENT = ("N", "V", "M", "XR", "SL", "SN", "SH")  # nouns, verbs, modifiers, roots, Latin, digits, Hanja


def plain_words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return _WORD.findall(text.casefold())


def words_of(tokenizer: str) -> Words:
    """The words that `--tokenizer` asks for. Raises `UserError` for an unknown one or a missing extra."""
    if tokenizer not in TOKENIZERS:
        raise UserError(
            "--tokenizer {tokenizer!r} is not one of {known}",
            tokenizer=tokenizer,
            known=", ".join(TOKENIZERS),
        )
    return plain_words if tokenizer == "words" else _morphemes()


def tokenizer_version(tokenizer: str) -> str:
    """What is written of the tokenizer: `kiwi` with the version of its model, which decides what it finds."""
    return f"kiwi {version('kiwipiepy')}, model {version('kiwipiepy_model')}" if tokenizer == "kiwi" else ""


@cache
def _morphemes() -> Words:
    """Korean without particles and endings: 다이오드를 and 다이오드는 are one word."""
    kiwi = require("kiwipiepy", extra="ko").Kiwi(num_workers=1)

    def morphemes(text: str) -> list[str]:
        if not _HANGUL.search(text):
            return plain_words(text)
        tokens = kiwi.tokenize(text)
        return [
            token.form.casefold() for token in tokens if token.tag.startswith(_CONTENT) and token.tag != "VCP"
        ]

    return morphemes
