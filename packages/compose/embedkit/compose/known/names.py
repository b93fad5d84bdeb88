"""Whether a text has a name: as it is written, in the singular or plural, with particles, or in disguise."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_APART = r"[\s\-‐‑–_/·]"
_SPLIT = re.compile(_APART + "+")
_BETWEEN = _APART[:-1] + r".,*']*"  # between letters that are spelt out
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_ARTICLES = frozenset(("a", "an", "the"))
# Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans("аеорсухіѕјԁһӏвкмнтοαρνικυχτ", "aeopcyxisjdhlbkmhtoapvikuxt")
_COMPOUND_LATIN, _COMPOUND_HANGUL = 6, 3  # letters; a shorter name stands in other words by chance
_SPELT_LATIN = 5


def stands_in(name: str, text: str) -> bool:
    """Whether a text has a name as words of its own; spaces and hyphens are ignored, particles may follow Hangul."""
    pattern = _pattern(_plain(name))
    return bool(pattern) and bool(re.search(pattern, _plain(text)))


def is_hidden_in(name: str, text: str) -> bool:
    """Whether a text has a name in a longer word, spelt out letter by letter, or in letters that look alike."""
    words = [re.sub(r"[\W_]+", "", word) for word in _SPLIT.split(_unmasked(name, name))]
    letters = "".join(words)
    hangul = bool(_HANGUL.search(letters))
    if not letters:
        return False
    text = _unmasked(text, name)
    compound = (_APART + "*").join(map(re.escape, words))
    if len(letters) >= (_COMPOUND_HANGUL if hangul else _COMPOUND_LATIN) and re.search(compound, text):
        return True
    end = "" if hangul else r"(?!\w)"
    spelt = r"(?<!\w)" + _BETWEEN.join(map(re.escape, letters)) + end
    if len(letters) >= (_COMPOUND_HANGUL if hangul else _SPELT_LATIN) and re.search(spelt, text):
        return True
    return stands_in("".join(words) if len(words) == 1 else " ".join(words), text)


def is_only_names(text: str, names: Iterable[str]) -> bool:
    """Whether a text says nothing beside names: an article and a particle are nothing."""
    rest = _plain(text)
    for name in sorted(map(_plain, names), key=len, reverse=True):
        if pattern := _pattern(name):
            rest = re.sub(pattern, " ", rest)
    return sum(len(word) for word in re.findall(r"[^\W_]+", rest) if word not in _ARTICLES) < 2


def _pattern(name: str) -> str:
    """What finds a plain name in a plain text; nothing for a name without a letter."""
    words = [re.escape(word) for word in _SPLIT.split(name) if word]
    if not words:
        return ""
    end = ""
    if name[-1].isascii():
        words[-1], end = _stem(words[-1]) if re.search(r"[a-z]{3}$", name) else (words[-1], "(?:e?s)?")
        end += r"(?![a-z0-9])"
    return r"(?<!\w)" + (_APART + "*").join(words) + end


def _stem(word: str) -> tuple[str, str]:
    """The last word of a name up to where number changes it, and its endings: battery and batteries, switches."""
    for ending, length, endings in (("ies", 3, "(?:ies|y)"), ("y", 1, "(?:ies|y|ys)")):
        if word.endswith(ending) and len(word) > length + 2:
            return word[:-length], endings
    if re.search(r"(?:ch|sh|ss|x|z)es$", word):
        return word[:-2], "(?:es)?"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1], "s?"
    return word, "(?:e?s)?"


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
