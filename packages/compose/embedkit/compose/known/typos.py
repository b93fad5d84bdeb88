"""One slip of the fingers: a letter lost, doubled, swapped or wrong; in Hangul one letter of a syllable."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

LEAST_LETTERS = 4  # a shorter word with a slip is another word
LEAST_SYLLABLES = 3
_HANGUL, _SYLLABLES = 0xAC00, 11172
_VOWELS, _FINALS = 21, 28
# What lies beside a key on the keyboard.
_NEAR = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for at, letter in enumerate(row)
}
# Vowels and finals that are taken for one another when typing in a hurry: ㅐ/ㅔ, ㅓ/ㅗ, ㅏ/ㅑ …
_VOWEL_SLIPS = {0: 2, 1: 5, 2: 0, 3: 7, 4: 8, 5: 1, 6: 4, 7: 3, 8: 4, 13: 18, 18: 20, 20: 18, 17: 13, 12: 8}
_FINAL_SLIPS = {0: 4, 1: 0, 4: 21, 8: 0, 16: 4, 17: 1, 19: 0, 21: 4}


def with_typo(text: str, random: Random) -> str:
    """`text` with one slip in one of its longer words; unchanged where it has none.

    `capacitor` becomes `capacitro`, `capactor`, `capacitpr` or `cappacitor`; `인덕터` becomes `인덕타`.
    """
    places = [at for at in range(1, len(text)) if _can_slip(text, at)]
    if not places:
        return text
    at = random.choice(places)
    if _is_syllable(text[at]):
        return text[:at] + _other_syllable(text[at], random) + text[at + 1 :]
    return random.choice(_LATIN_SLIPS)(text, at, random)


def _can_slip(text: str, at: int) -> bool:
    """Whether a letter may change: never the first of a word, none of a short word, none of an abbreviation."""
    if not text[at].isalpha():
        return False
    start = end = at
    while start and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    word = text[start:end]
    if at == start or not word.isalpha():
        return False
    if _is_syllable(text[at]):
        return len(word) >= LEAST_SYLLABLES
    return word.isascii() and len(word) >= LEAST_LETTERS and not word.isupper()


def _is_syllable(letter: str) -> bool:
    return 0 <= ord(letter) - _HANGUL < _SYLLABLES


def _other_syllable(syllable: str, random: Random) -> str:
    initial, rest = divmod(ord(syllable) - _HANGUL, _VOWELS * _FINALS)
    vowel, final = divmod(rest, _FINALS)
    if random.random() < 0.5 and vowel in _VOWEL_SLIPS:
        vowel = _VOWEL_SLIPS[vowel]
    else:
        final = _FINAL_SLIPS.get(final, 0)
    return chr(_HANGUL + (initial * _VOWELS + vowel) * _FINALS + final)


def _lost(text: str, at: int, random: Random) -> str:
    return text[:at] + text[at + 1 :]


def _doubled(text: str, at: int, random: Random) -> str:
    return text[:at] + text[at] + text[at:]


def _swapped(text: str, at: int, random: Random) -> str:
    """The letter and the one before it, unless that is the first of its word or the same."""
    before = text[at - 1]
    if at < 2 or not text[at - 2].isalpha() or before.lower() == text[at].lower():
        return _lost(text, at, random)
    return text[: at - 1] + text[at] + before + text[at + 1 :]


def _wrong(text: str, at: int, random: Random) -> str:
    other = random.choice(_NEAR[text[at].lower()])
    return text[:at] + (other.upper() if text[at].isupper() else other) + text[at + 1 :]


_LATIN_SLIPS: tuple[Callable[[str, int, Random], str], ...] = (_lost, _doubled, _swapped, _wrong)
