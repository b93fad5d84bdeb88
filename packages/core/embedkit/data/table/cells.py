"""What a cell holds that is no text of a glossary: placeholders, errors and dates of a spreadsheet, markup, mojibake.

`cleaned_text` takes markup and mojibake out where that is certain; `problem_of` says why a cell cannot be used.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

MARKUP, MOJIBAKE, NO_NAME = "markup taken out", "mojibake repaired", "no name among the other names"
_MARKS = re.compile(r"[\s\-‐‑‒–—―−_.…·・?*/~ー]*")
# Said of nothing but a cell that is still to be filled, in any column.
_UNFILLED_WORDS = (
    "tbd|tba|tbc|todo|to do|fixme|xxx|n/a|n.a.|n.a|k.a.|k. a.|#n/a|to be defined|to be determined|to be added|"
    "to be completed|to be done|coming soon|no definition|no definition available|definition missing|"
    "no description|no description available|not applicable|not available|not defined|not yet defined|undefined|"
    "lorem ipsum|추후 작성|추후 작성 예정|추후 정의|추후 입력|추후 보완|추후 추가|추후 업데이트|추후 결정|"
    "작성 중|작성 예정|작성 필요|"
    "미작성|미입력|미정|미정의|입력 예정|입력 필요|정의 필요|정의 없음|설명 없음|내용 없음|"
    "해당 없음|해당 사항 없음|해당무|준비 중|"
    "확인 필요|확인 중|보완 필요|未定|未定義|未入力|未記入|準備中|作成中|該当なし|記載なし|待定|待补充|"
    "待補充|暂无|暫無|暂缺|不适用|不適用|"
    "keine angabe|noch zu definieren|noch offen|folgt|wird nachgereicht|entfällt|à définir|à compléter|à venir|"
    "non défini|sans objet|non disponible|s.o.|por definir|por determinar|por completar|pendiente|sin definición|"
    "no aplica|no disponible"
)
# Words that say so under a heading like "definition" or "synonyms", and may answer a question elsewhere.
_EMPTY_WORDS = (
    "none|null|nil|nan|na|nothing|empty|blank|unknown|pending|missing|없음|무|없다|미상|불명|なし|無し|無|无|不明|"
    "keine|keiner|offen|unbekannt|aucun|aucune|néant|inconnu|ninguno|ninguna|nada|desconocido"
)
_UNFILLED, _EMPTY = (frozenset(words.split("|")) for words in (_UNFILLED_WORDS, _EMPTY_WORDS))
_ERROR = re.compile(
    r"(?:#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|BUSY!|GETTING_DATA|NV|BEZUG!|"
    r"WERT!|ZAHL!|NOM\s?\?|VALEUR!|NOMBRE!|¿NOMBRE\?|¡REF!|¡VALOR!|¡DIV/0!|¡NUM!|\?NAME\?)|Err:5\d\d)(?!\w)",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"=\s*[+\-]?(?:[A-ZÀ-Þ][A-ZÀ-Þ0-9._]*\s*\(|\$?[A-Z]{1,3}\$?\d{1,7}(?![\w-])|(?:'[^']+'|\w+)!\$?[A-Z])"
)
_MONTH = (
    r"(?:jan|feb|mar|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|ene|abr|ago|dic|janv|févr|avr|juin|"
    r"juil|août|déc)"
)
_DATE = re.compile(
    rf"(?:\d{{1,2}}[-. ]{_MONTH}\.?(?:[-. ]\d{{2,4}})?|{_MONTH}\.?[- ]\d{{1,4}}"
    r"|\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?|\d{1,2}/\d{1,2}/\d{4}|\d{1,2}월 ?\d{1,2}일)",
    re.IGNORECASE,
)
_FLOAT = re.compile(r"\d[.,]\d+E\+\d+")
_TAGS = (
    r"a|abbr|article|b|big|blockquote|code|dd|del|dfn|div|dl|dt|em|figure|font|h[1-6]|i|ins|kbd|label|li|mark|ol|p|pre|q|"
    r"s|samp|section|small|span|strike|strong|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul|var"
)
_PAIRED = re.compile(rf"<({_TAGS})(?:\s+[^<>]*)?>(?=\S)(.*?)(?<=\S)</\1\s*>", re.IGNORECASE | re.DOTALL)
_SPACED = re.compile(
    r"<(p|div|td|tr|li|ul|ol|table|tbody)(?:\s+[^<>]*)?>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL
)
_BREAK = re.compile(r"\s*<(?:br|hr|wbr)\s*/?>\s*|\s*<img\s[^<>]*>\s*", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_BLOCK = re.compile(r"p|div|li|h\d|tr|td|th|dd|dt|blockquote|section|article|ul|ol|table", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-f]{1,5}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)
_SUPERSCRIPT = str.maketrans("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ")
# A lead byte of UTF-8 and what follows it, read as Windows-1252 or Latin-1.
_TRAIL = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_MOJIBAKE = re.compile(rf"[\xc2-\xdf][{_TRAIL}]|[\xe0-\xef][{_TRAIL}]{{2}}|[\xf0-\xf4][{_TRAIL}]{{3}}")
_USUAL = re.compile(
    r"[\x20-\x7e\xa0-\u024f\u02b0-\u04ff\u1e00-\u1eff\u2000-\u22ff\u2460-\u25ff\u3000-\u318f\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]+"
)
_BYTE_OF = {chr(byte): byte for byte in range(256)}
_BYTE_OF |= {
    bytes([b]).decode("cp1252"): b for b in range(0x80, 0xA0) if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


def cleaned_text(text: str) -> tuple[str, str]:
    """The cell without markup, or without mojibake, and what was done; what is not certain stays as it is.

    `<b>resistor</b>` loses its tags. `<b>` alone and `use <b> for bold`, which a glossary of HTML has, keep them.
    """
    done = ""
    if not text.isascii() and _MOJIBAKE.search(text) and (repaired := _repaired(text)):
        text, done = repaired, MOJIBAKE
    if ("<" in text and ">" in text) or ("&" in text and ";" in text):
        plain = _without_markup(text)
        if plain != text and plain.strip():
            return plain, MARKUP
    return text, done


def _without_markup(text: str) -> str:
    if _ENTITY.fullmatch(text.strip()):
        return text
    found = _without_tags(text)
    if found == text and _ENTITY.search(text):
        return _without_tags(html.unescape(text))
    return html.unescape(found) if _ENTITY.search(found) else found


def _without_tags(text: str) -> str:
    found = _BREAK.sub(" ", _COMMENT.sub(" ", text))
    wrapped = text.lstrip().startswith("<")  # "the <p> and </p> tags" speaks of them
    for pattern in (_PAIRED, _SPACED) if wrapped else (_PAIRED,):
        before = ""
        while before != found:
            before, found = found, pattern.sub(_inside, found)
    return found


def _inside(match: re.Match[str]) -> str:
    """What a pair of tags holds; a superscript stays one where there are such characters."""
    tag, inner = match[1].casefold(), match[2]
    if tag == "sup" and re.fullmatch(r"[\d+\-n]+", inner):
        return inner.translate(_SUPERSCRIPT)
    return f" {inner} " if _BLOCK.fullmatch(tag) else inner


def _repaired(text: str) -> str:
    """The text as it was before UTF-8 was read as Windows-1252; empty where its bytes are none."""
    try:
        repaired = bytes(_BYTE_OF[c] for c in text).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return ""
    return repaired if _USUAL.fullmatch(repaired) else ""


def problem_of(text: str, *, filled: bool = True, named: bool = False) -> str:
    """Why a cell holds no text, or nothing; `filled` for a column in which `none` says that there is nothing.

    `named` is for a name: it may be any word or mark, as a glossary of signs has, but no error and no date.
    """
    if "�" in text:
        return "damaged characters"
    if len(text) > 400:
        return ""
    if _ERROR.match(text) or _FORMULA.match(text):
        return "spreadsheet error"
    if len(text) > 40:
        return ""
    if _DATE.fullmatch(text) or (named and _FLOAT.fullmatch(text)):
        return "spreadsheet date"
    return "" if named or not is_placeholder(text, filled=filled) else "placeholder"


@lru_cache(maxsize=1 << 14)
def is_placeholder(text: str, *, filled: bool = True) -> bool:
    """Whether a cell only says that nothing stands in it yet: `TBD`, `-`, `추후 작성`; with `filled` also `없음`."""
    if len(text) > 40:
        return False
    said = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    bare = said.strip(" .…-–—*()[]<>{}!")
    if _MARKS.fullmatch(said):
        return True
    known = _UNFILLED | _EMPTY if filled else _UNFILLED
    return any(form in known for form in (said, bare, said.rstrip(".!"))) or _spaceless(bare) in _SPACELESS


def _spaceless(text: str) -> str:
    return "" if text.isascii() else text.replace(" ", "")


_SPACELESS = frozenset(_spaceless(text) for text in _UNFILLED) - {""}


def is_damaged(text: str) -> bool:
    """Whether mojibake stands in a text that could not be repaired."""
    if text.isascii() or _repaired(text):
        return False
    found = _MOJIBAKE.findall(text)
    return len(found) > 1 or any(len(sequence) > 2 for sequence in found)
