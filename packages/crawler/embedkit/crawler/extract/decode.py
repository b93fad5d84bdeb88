"""Bytes to text as a browser decodes them: by BOM, header, `<meta charset>` or UTF-8, and last by detection."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What browsers read under these names (WHATWG Encoding Standard, "names and labels").
_BROWSER = {
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "utf-16": "utf-8",
}
_XML_ENCODING = re.compile(rb"\s*<\?.*encoding=['\"](.*?)['\"].*\?>", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<\s*meta[^>]+charset\s*=\s*[\"']?([^>]*?)[ /;'\">]", re.IGNORECASE)
_GUESSES = ("cp949", "cp932", "euc_jp", "gb18030", "big5")
_KANA = re.compile(r"[\u3040-\u30ff]")
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_GUESS_BYTES = 50_000


def decode(body: bytes, *, charset: str = "") -> str:
    """The text of a page's bytes; `charset` is what the HTTP header named. Never raises."""
    for bom, codec in _BOMS:
        if body.startswith(bom):
            return body[len(bom) :].decode(codec, errors="replace")
    for name in (charset, _declared(body)):
        text = _try(body, name)
        if text is not None:
            return text
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _guess(body)


def _declared(body: bytes) -> str:
    """The encoding that the page names near its start, in `<?xml … ?>` or `<meta charset>`."""
    match = _XML_ENCODING.match(body[:1024]) or _META_CHARSET.search(body[: max(2048, len(body) // 20)])
    return match[1].decode("ascii", errors="replace") if match else ""


def _try(body: bytes, name: str) -> str | None:
    """The text in a named encoding; None when the name is unknown or wrong (over 1 % broken characters)."""
    codec = _BROWSER.get(name.strip().lower(), name.strip())
    try:
        text = body.decode(codec, errors="replace") if codec else ""
    except (LookupError, ValueError):
        return None
    return text if codec and text.count("�") * 100 <= len(text) else None


def _japanese(body: bytes) -> str | None:
    """The text in a Japanese encoding if a third of it is kana; detectors mistake it for Korean or Chinese."""
    for codec in ("euc_jp", "cp932"):
        try:
            text = body.decode(codec)
        except UnicodeDecodeError:
            continue
        if len(_KANA.findall(text)) * 3 >= len(_FOREIGN.findall(text)):
            return text
    return None


def _guess(body: bytes) -> str:
    japanese = _japanese(body)
    if japanese is not None:
        return japanese
    try:
        best = from_bytes(body[:_GUESS_BYTES], cp_isolation=[*_GUESSES, "cp1252", "utf_8"]).best()
    except (ValueError, LookupError, RecursionError):
        best = None
    if best is None or best.encoding == "utf_8":
        return body.decode("utf-8", errors="replace")
    return body.decode(best.encoding, errors="replace")
