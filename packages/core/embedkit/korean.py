"""Korean particles: 은/는, 이/가, 을/를, 과/와, 으로/로 by how the word before them ends when it is read aloud."""

from __future__ import annotations

import re
import unicodedata

_FORMS = {
    "은/는": ("은", "는"),
    "이/가": ("이", "가"),
    "을/를": ("을", "를"),
    "과/와": ("과", "와"),
    "으로/로": ("으로", "로"),
    "이라/라": ("이라", "라"),
}
_MARK = re.compile(r"\[(은/는|이/가|을/를|과/와|으로/로|이라/라)\]")
# Final consonant when read aloud in Korean: "" none, "l" the ㄹ that 으로/로 treats as none, "c" any other.
_DIGITS = {
    "0": "c", "1": "l", "2": "", "3": "c", "4": "", "5": "", "6": "c", "7": "l", "8": "l", "9": "",
}  # fmt: skip
_LETTERS = {"l": "l", "m": "c", "n": "c", "r": "l"}  # 엘, 엠, 엔, 알; every other letter's name ends in a vowel
_WORD_ENDINGS = re.compile(r"[a-z]*[a-z]{2}$")


def final_consonant(word: str) -> str:
    """`""`, `"l"` or `"c"`: how `word` ends when read aloud in Korean (Hangul, digits, letter names, Latin words)."""
    text = re.sub(r"[\s\"'’”)\]}.,]+$", "", unicodedata.normalize("NFC", word))
    if not text:
        return ""
    last = text[-1]
    if "가" <= last <= "힣":
        jong = (ord(last) - 0xAC00) % 28
        return "" if jong == 0 else "l" if jong == 8 else "c"
    if last.isdigit() and last in _DIGITS:
        return _DIGITS[last]
    if last.isascii() and last.isalpha():
        return _latin_final(text)
    return ""


def _latin_final(text: str) -> str:
    """Letters read one by one (PWM 피더블유엠) or as a word (filter 필터, pixel 픽셀, system 시스템)."""
    match = re.search(r"[A-Za-z]+$", text)
    token = match.group() if match else ""
    if len(token) == 1 or token.isupper():
        return _LETTERS.get(token[-1].lower(), "")
    last = token[-1].lower()
    if last == "l" or token.lower().endswith("le"):
        return "l"
    if last in "mn" or token.lower().endswith(("ng", "ne", "me")):
        return "c"
    return "c" if last in "kpb" else ""


def particle(word: str, kind: str) -> str:
    """The form of `kind` (as `"은/는"`) that follows `word`."""
    closed, open_ = _FORMS[kind]
    final = final_consonant(word)
    if kind == "으로/로" and final == "l":
        return open_
    return closed if final else open_


def resolve_particles(text: str) -> str:
    """Replace every `[은/는]` mark in `text` by the form that its left neighbour asks for."""
    done = ""
    position = 0
    for match in _MARK.finditer(text):
        done += text[position : match.start()]
        done += particle(done, match.group(1))
        position = match.end()
    return done + text[position:]
