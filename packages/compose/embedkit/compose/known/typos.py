"""One slip of the fingers: a letter lost, doubled, swapped or wrong; in Hangul a letter of a syllable."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

LEAST_LETTERS = 4  # a shorter word with a slip is another word
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
    places = [at for at, letter in enumerate(text) if _can_slip(text, at)]
    if not places:
        return text
    at = random.choice(places)
    if _is_syllable(text[at]):
        return text[:at] + _other_syllable(text[at], random) + text[at + 1 :]
    return random.choice(_LATIN_SLIPS)(text, at, random)


def _can_slip(text: str, at: int) -> bool:
    """Whether a letter may change: never the first of a word, and none of a short Latin one."""
    letter = text[at]
    if at == 0 or not text[at - 1].isalnum():
        return False
    if _is_syllable(letter):
        return True
    start = end = at
    while start and text[start - 1].isalpha():
        start -= 1
    while end < len(text) and text[end].isalpha():
        end += 1
    word = text[start:end]
    return letter.isascii() and letter.isalpha() and len(word) >= LEAST_LETTERS and not word.isupper()


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
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :] if at > 1 else _lost(text, at, random)


def _wrong(text: str, at: int, random: Random) -> str:
    return text[:at] + random.choice(_NEAR[text[at].lower()]) + text[at + 1 :]


_LATIN_SLIPS: tuple[Callable[[str, int, Random], str], ...] = (_lost, _doubled, _swapped, _wrong)
