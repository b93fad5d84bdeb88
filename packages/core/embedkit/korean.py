"""Korean particles (은/는, 이/가, 을/를, 과/와, 으로/로) by how the word before them ends when read aloud."""

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
    "이란/란": ("이란", "란"),
    "이나/나": ("이나", "나"),
    "이며/며": ("이며", "며"),
    "이다/다": ("이다", "다"),
}
PARTICLES = tuple(_FORMS)
_MARK = re.compile(rf"\[({'|'.join(_FORMS)})\]")
# Final consonant when read aloud in Korean: "" none, "l" the ㄹ that 으로/로 treats as none, "c" any other.
_DIGITS = {
    "0": "c", "1": "l", "2": "", "3": "c", "4": "", "5": "", "6": "c", "7": "l", "8": "l", "9": "",
}  # fmt: skip
_LETTERS = {"l": "l", "m": "c", "n": "c", "r": "l"}  # 엘, 엠, 엔, 알; the others end in a vowel
# 옴, 엡실론, 샵, 퍼밀, 원, 엔; signs that are not here end in a vowel (퍼센트, 도, 플러스, 알파, 뮤)
_SIGNS = {"Ω": "c", "ε": "c", "ο": "c", "υ": "c", "#": "c", "‰": "l", "₩": "c", "¥": "c"}
# 패럿, 그램, 뉴턴, 루멘, 데시벨, 파스칼, 줄, 몰 …; 볼트, 미터, 리터, 헤르츠 end in a vowel.
_CLOSED_UNITS = "F g N lm dBm ppm rpm min"
_L_UNITS = "dB Pa mol J px"
_OPEN_UNITS = "V A W m s L l H T B b U Hz eV bps fps lx cd Ah Wh cal mmHg IU dBi ppb"
_UNIT_ENDS = {
    unit: end
    for units, end in ((_CLOSED_UNITS, "c"), (_L_UNITS, "l"), (_OPEN_UNITS, ""))
    for unit in units.split()
}
_UNIT = re.compile(rf"(?:da|[fpnuµμmcdhkKMGT])??({'|'.join(sorted(_UNIT_ENDS, key=len, reverse=True))})")
_UNIT_TOKEN = re.compile(r"(\d[\d.,]*\s*|/)?([A-Za-zµμ]+)$")
_AFTER_SPACE = {"K": "c", "h": "c"}  # 300 K is 켈빈, 4K is 케이; 3 h is 시간
_ALONE = {"dB", "dBm", "dBi", "Hz", "Pa", "mol", "lm", "eV", "bps", "rpm", "ppm", "px", "lx", "mmHg"}
_ALONE_WITH_PREFIX = {"mm", "cm", "km", "kg", "mg", "ms", "mL"}
# Words that end otherwise than the rules below, or their last letter's name, say: 모스펫, 제이펙, 노어, 앰프.
_CLOSED_WORDS = """
mosfet jfet finfet jpeg mpeg matlab type mac tiktok job club setup startup backup up group robot bot slot plot
shot snapshot spot pilot chat format cat flat circuit unit limit commit git orbit audit
"""
_OPEN_WORDS = "nor xor xnor or mp3 mp4 radar sonar lidar amp hub github jet diet sheet feet tweet"
_READINGS = dict.fromkeys(_CLOSED_WORDS.split(), "c") | dict.fromkeys(_OPEN_WORDS.split(), "")
# Loanwords that close: 시스템, 라인, 프레임, 로직, 클록, 노트북, 칩, 인터넷, 레이아웃, 웹.
_CLOSED_END = re.compile(r"(?:[mn]|ng|ne|me|ck|ook|ic|ique|et|out|put|cut|[aeio]b|pp|[aeiu]p|[^o]op)$")
_BRACKETED = re.compile(r"(?<=\S)\s*[(（\[][^()（）\[\]]*[)）\]]$")
_TAIL = re.compile(r"[\s\"'’”)\]}.,!?…]+$")


def final_consonant(word: str) -> str:
    """`""`, `"l"` or `"c"`: how `word` ends when read aloud in Korean.

    A bracket at the end is not read: 펄스 폭 변조(PWM)는 goes by 변조, as the orthography asks.
    """
    text = _TAIL.sub("", _BRACKETED.sub("", unicodedata.normalize("NFKC", word).strip()))
    if not text:
        return ""
    last = text[-1]
    if "가" <= last <= "힣":
        jong = (ord(last) - 0xAC00) % 28
        return "" if jong == 0 else "l" if jong == 8 else "c"
    if last in _DIGITS:
        return _READINGS.get(_last_word(text), _DIGITS[last])
    if last.isascii() and last.isalpha():
        return _latin_final(text)
    return _SIGNS.get(last, "")


def _last_word(text: str) -> str:
    return re.split(r"[^A-Za-z0-9]", text)[-1].lower()


def _latin_final(text: str) -> str:
    """A unit (5F 패럿), letters one by one (PWM 피더블유엠) or a word (filter 필터, pixel 픽셀)."""
    unit = _unit_final(text)
    if unit is not None:
        return unit
    token = re.search(r"[A-Za-z]+$", text)
    word = token.group() if token else ""
    if word.lower() in _READINGS:
        return _READINGS[word.lower()]
    if len(word) == 1 or _is_spelt(word):
        return _LETTERS.get(word[-1].lower(), "")
    lowered = word.lower()
    if lowered.endswith(("l", "le")):
        return "l"
    return "c" if _CLOSED_END.search(lowered) else ""


def _unit_final(text: str) -> str | None:
    """The ending of a unit after a number (10 kg) or a slash (mg/dL), or alone (dB); None: no unit."""
    found = _UNIT_TOKEN.search(text)
    if not found:
        return None
    before, token = found.group(1) or "", found.group(2)
    if before.endswith((" ", "\u00a0")) and token in _AFTER_SPACE:
        return _AFTER_SPACE[token]
    unit = _UNIT.fullmatch(token)
    if unit and (before or unit.group(1) in _ALONE or token in _ALONE_WITH_PREFIX):
        return _UNIT_ENDS[unit.group(1)]
    return None


def _is_spelt(word: str) -> bool:
    """Whether a word is read letter by letter: PWM, IoT, SoC, PvP, mRNA; not Wi, Bluetooth, GitHub, LaTeX."""
    capitals = sum(c.isupper() for c in word)
    return word.isupper() or (len(word) <= 4 and capitals >= 2) or (len(word) <= 5 and word[1:].isupper())


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
