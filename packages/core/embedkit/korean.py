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
# KS X 1001 lists its 4,888 Hanja by their Korean reading: how many in a row end open (o), closed (c) or in ㄹ (l).
_HANJA_RUNS = (
    "o29c35l10c50o20c7o17c12l4c10o3c18l6c51o63c17l3c17o13c20l4c13o12c4o79c12l4c16l5o27c7l1c48o64c1l5c1o25"
    "c7l2c21o8c9o27c5o15c1l1o8c3o2c2o2c20l5c33o17c2o40c20l2c17o11c16o10c17l2c21o4c16o18c19l6c24o23c15o20"
    "c1o27c9l4c10o26c18o8c25l7c12o14c24l2c15o25c7l2c3o34c14l3o19c13l3c44l11c28o20c18l4c29l4c17o16c18l1c17"
    "o42c21l4c6o43c18o60c16l5c43o3c10o30c47l13c30o46c15l1c8o68c39l4c3l3c15o28c39l4c14o19c24l4c19o11c11o11"
    "c40o10c11l2c9o24c59l7c59o54c11l1c9o8c18l1c5o47c30o32c22l3c29l3o82c23l1c12l1c13o59c30l9c20o26c62o17c4"
    "o28c66l8c67o69c6l3c17o46c21l1c5l1c14o34c40l15c12o15c22l5c32o12c4o4c34l10c29o36c20l1o26c15l3c6o18c6"
    "o24c4l3c12o15c26l2c12o15c3o5c7o12c3o16c9l3o11c21o38c6o14c7o7l10c2o14c19l2c36o18c16o4c4l1c27l4c33o50"
    "c9l3c10o15c22l5c24o20c5o26c15o16l3c10l4c8o20l1"
)
_HANJA_ENDS = "".join(end * int(count) for end, count in re.findall(r"([ocl])(\d+)", _HANJA_RUNS))
_RAISED = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+$")  # x² is 엑스 제곱, 10⁶ is 십의 육승
_OF_METRES = re.compile(r"(?:(?<![A-Za-z])|(?<=\d))[µμnmckd]?m[²³]$")  # 제곱미터
_DOTTED = {".net": "c", ".js": "", ".io": ""}  # 닷넷
_BRACKETED = re.compile(r"(?<=\S)\s*[(（\[][^()（）\[\]]*[)）\]]$")
_TAIL = re.compile(r"[\s\"'’”)\]}.,!?…]+$")


def final_consonant(word: str) -> str:
    """`""`, `"l"` or `"c"`: how `word` ends when read aloud in Korean.

    A bracket at the end is not read: 펄스 폭 변조(PWM)는 goes by 변조, as the orthography asks.
    """
    stripped = _TAIL.sub("", _BRACKETED.sub("", word.strip()))
    if _RAISED.search(stripped):
        return "" if _OF_METRES.search(stripped) else "c"
    text = unicodedata.normalize("NFKC", stripped)
    if not text:
        return ""
    last = text[-1]
    if "\u4e00" <= last <= "\u9fff":
        return _hanja_final(last)
    dotted = next((end for name, end in _DOTTED.items() if text.casefold().endswith(name)), None)
    if dotted is not None:
        return dotted
    if "가" <= last <= "힣":
        jong = (ord(last) - 0xAC00) % 28
        return "" if jong == 0 else "l" if jong == 8 else "c"
    if last in _DIGITS:
        return _READINGS.get(_last_word(text), _DIGITS[last])
    if last.isascii() and last.isalpha():
        return _latin_final(text)
    return _SIGNS.get(last, "")


def _hanja_final(character: str) -> str:
    """How the Korean reading of a Chinese character ends; one that Korean does not use ends open."""
    try:
        row, column = character.encode("euc_kr")
    except (UnicodeEncodeError, ValueError):
        return ""
    return _HANJA_ENDS[(row - 0xCA) * 94 + column - 0xA1].replace("o", "")


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
    if unit and (before or _stands_alone(token, unit.group(1))):
        return _UNIT_ENDS[unit.group(1)]
    return None


def _stands_alone(token: str, unit: str) -> bool:
    """Whether letters are a unit without a number before them: μF, kHz, cm; mA may be initials."""
    return token[0] in "µμ" or unit in _ALONE or token in _ALONE_WITH_PREFIX or token in ("nF", "pF", "mF")


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
