"""Whether a text has a name: spaced and inflected as people like, with particles, with its brackets or without, or in
disguise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from embedkit.data.names import said_names

_APART = r"[\s\-‐‑–_/·]"
_GAP = _APART + "*"
_SPLIT = re.compile(_APART + "+")
_BETWEEN = _APART[:-1] + r".,*']*"  # between letters that are spelt out
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
_ARTICLES = frozenset(("a", "an", "the"))
# Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans("аеорсухіѕјԁһӏвкмнтοαρνικυχτ", "aeopcyxisjdhlbkmhtoapvikuxt")
# A shorter name is met by chance in other words, or spaced otherwise.
LEAST_SYLLABLES, LEAST_LETTERS = 3, 6
_SPELT_LATIN = 5
# What a plural replaces: battery and batteries, diagnosis and diagnoses, stimulus and stimuli.
_PLURALS = {"ies": "(?:ies|y)", "y": "(?:ies|y|ys)", "is": "(?:is|es)", "us": "(?:us|uses|i)"}
_ANY_PLURAL = "(?:e?s)?"


def stands_in(name: str, text: str) -> bool:
    """Whether a text has the name as words of its own, in any spacing; endings and particles may follow it."""
    pattern = _pattern(_plain(name), whole=True)
    return bool(pattern) and bool(re.search(pattern, _plain(text)))


def naming(names: Iterable[str]) -> re.Pattern[str]:
    """What finds any of the names in a text, in any spacing, also as the beginning of a word."""
    every = sorted({form for name in names for form in (name, *said_names(name))}, key=len, reverse=True)
    found = (_pattern(name.casefold(), whole=False) for name in every)
    return re.compile("|".join(filter(None, found)) or r"(?!)", re.IGNORECASE)


def is_hidden_in(name: str, text: str) -> bool:
    """Whether a text has a name in a longer word, spelt out letter by letter, or in letters that look alike."""
    words = [re.sub(r"[\W_]+", "", word) for word in _SPLIT.split(_unmasked(name, name))]
    letters = "".join(words)
    hangul = bool(_HANGUL.search(letters))
    if not letters:
        return False
    text = _unmasked(text, name)
    if len(letters) >= (LEAST_SYLLABLES if hangul else LEAST_LETTERS) and re.search(
        _GAP.join(map(re.escape, words)), text
    ):
        return True
    spelt = r"(?<!\w)" + _BETWEEN.join(map(re.escape, letters)) + ("" if hangul else r"(?!\w)")
    if len(letters) >= (LEAST_SYLLABLES if hangul else _SPELT_LATIN) and re.search(spelt, text):
        return True
    return stands_in(" ".join(words), text)


def is_only_names(text: str, names: Iterable[str]) -> bool:
    """Whether a text says nothing beside names: an article and a particle are nothing."""
    rest = _plain(text)
    for name in sorted(map(_plain, names), key=len, reverse=True):
        if pattern := _pattern(name, whole=True):
            rest = re.sub(pattern, " ", rest)
    return sum(len(word) for word in re.findall(r"[^\W_]+", rest) if word not in _ARTICLES) < 2


def _pattern(name: str, *, whole: bool) -> str:
    """What finds a plain name in a plain text; nothing for a name without a letter. Not `whole`: a word may go on."""
    letters = _SPLIT.sub("", name)
    if not letters:
        return ""
    wide = len(_WIDE.findall(letters))
    loose = wide >= LEAST_SYLLABLES or (not wide and len(letters) >= LEAST_LETTERS)
    stem, ending = _inflected(name) if name[-1].isascii() else (name, "")
    parts = _SPLIT.sub("", stem) if loose else filter(None, _SPLIT.split(stem))
    end = r"(?![a-z0-9])" if whole and name[-1].isascii() else ""
    return rf"(?<!\w){_GAP.join(map(re.escape, parts))}{ending}{end}"


def _inflected(name: str) -> tuple[str, str]:
    """A name up to where number changes it, and a pattern of its endings."""
    if not re.search(r"[a-z]{3}$", name):
        return name, _ANY_PLURAL
    for ending, endings in _PLURALS.items():
        if name.endswith(ending) and len(name) > len(ending) + 2:
            return name.removesuffix(ending), endings
    if re.search(r"(?:ch|sh|ss|x|z)es$", name):
        return name[:-2], "(?:es)?"
    if len(name) > 3 and name.endswith("s") and not name.endswith("ss"):
        return name[:-1], "s?"
    return name, _ANY_PLURAL


def _plain(text: str) -> str:
    """NFKC in small letters, without characters that nobody sees."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c) != "Cf")


def _unmasked(text: str, name: str) -> str:
    """A plain text without accents and, for a name in Latin letters, with those instead of what looks like them."""
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", _plain(text)) if unicodedata.category(c) not in ("Mn", "Cf")
    )
    bare = unicodedata.normalize("NFC", bare)
    return bare.translate(_LOOKALIKES) if name.isascii() else bare
