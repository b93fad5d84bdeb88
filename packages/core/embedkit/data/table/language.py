"""The language of rows in Latin script: by what the table says, else by all its rows together, else by the row itself.

The detector is py3langid (the extra `langid`), told to choose among the languages below. A long row may differ from its
table: from 25 characters on, with a probability of .9, none of some thousand English definitions of WordNet was called
another language, and 77 to 97 of 100 German and French texts were found. It takes a second to load, so a text without
a foreign letter or word is not shown to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from typing import Any

from embedkit.text import language_of

LANGUAGES = (
    "en",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "sv",
    "da",
    "cs",
    "tr",
    "id",
    "fi",
    "hu",
    "ro",
    "ca",
    "la",
)
LEAST_CHARS, LEAST_PROBABILITY = 25, 0.9
POOLED_CHARS = 4000
SURE_CHARS, SURE_PROBABILITY = 200, 0.99  # what outweighs the words of a header
_WORD = re.compile(r"[^\W\d_]+")
_FOREIGN_LETTER = re.compile(r"[à-öø-ÿāăąćčďđęěğıłńňőœřśşšťůűźżžß]", re.IGNORECASE)
_ENGLISH = frozenset(
    (
        "the",
        "of",
        "and",
        "is",
        "are",
        "that",
        "which",
        "for",
        "with",
        "or",
        "by",
        "from",
        "an",
        "as",
        "this",
        "its",
    )
)
_FOREIGN_WORDS = (
    "der das und den dem des ein eine einer einem einen ist im von mit zu auf für wird sich nicht durch oder zur zum "
    "le les une du dans pour qui que sur par avec ou est sont au aux ce cette pas plus "
    "el los las un una del que para por con es se como al su sin entre "
    "il lo gli uno della delle dei di che per non sono con nel alla da si "
    "o os uma do da dos das em no na ao com não mais "
    "het een van voor met niet door zijn wordt te bij aan w z na nie się jest do przez lub "
    "och att som av på är en ett til af det er ikke v je se na pro nebo ve bir bu ile için yang dan untuk dengan "
    "et ad cum quod qui sive vel aut per ex sunt esse quae"
)
_FOREIGN = (
    frozenset(_FOREIGN_WORDS.split())
    - _ENGLISH
    - {"on", "do", "no", "en", "an", "as", "die", "per", "z", "w", "v", "o"}
)


class TableLanguage:
    """Tells the language of a text of one table; `header` is the language that the names of its columns are in."""

    def __init__(self, texts: Iterable[str], header: str = "") -> None:
        pooled = ""
        for text in texts:
            pooled += f" {text}"
            if len(pooled) > POOLED_CHARS:
                break
        self._usual = header or "en"
        if (header or _may_be_foreign(pooled)) and (found := detected(pooled)):
            lang, probability = found
            sure = len(pooled) >= SURE_CHARS and probability >= SURE_PROBABILITY
            if sure or (not header and probability >= LEAST_PROBABILITY):
                self._usual = lang

    def of(self, text: str) -> str:
        """The language of a text: by its script, by its own words where they are enough, else that of the table."""
        usual = language_of(text, fallback=self._usual)
        if usual != self._usual or len(text) < LEAST_CHARS:
            return usual
        if (usual != "en" or _may_be_foreign(text)) and (found := detected(text)):
            return found[0] if found[1] >= LEAST_PROBABILITY else usual
        return usual


def _may_be_foreign(text: str) -> bool:
    """Whether a text has letters or words of other languages, and not more words that only English has."""
    words = _WORD.findall(text.casefold())
    foreign = sum(word in _FOREIGN for word in words)
    foreign += 0 if text.isascii() else sum(bool(_FOREIGN_LETTER.search(word)) for word in words)
    return foreign > sum(word in _ENGLISH for word in words)


def detected(text: str) -> tuple[str, float] | None:
    """The language of a text in Latin script and its probability; None without the extra `langid`."""
    detector = _detector()
    if detector is None:
        return None
    lang, probability = detector.classify(text)
    return str(lang), float(probability)


@cache
def _detector() -> Any:
    if find_spec("py3langid") is None:
        return None
    from py3langid import langid

    detector = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    detector.set_languages(list(LANGUAGES))
    return detector
