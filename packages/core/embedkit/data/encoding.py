"""Which encoding a table is in: marks and NULs, then UTF-8, then East Asian code pages by what they spell.

One pass over the bytes, about a second a gigabyte; nothing is kept.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from typing import IO

from embedkit.data.table.headers import role_of
from embedkit.messages import Phrase

HEAD_BYTES = 1 << 20
BLOCK_BYTES = 1 << 20
BAD = "\udcff"  # stands where bytes could not be decoded; no decoder ever yields it
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_PLAUSIBLE = {
    "cp949": re.compile(r"[\uac00-\ud7a3\u4e00-\u9fff\u3000-\u303f\uff01-\uff5e·]"),
    "cp932": re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\u3000-\u303f\uff01-\uff5e]"),
    "euc_jp": re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\u3000-\u303f\uff01-\uff5e]"),
    "gb18030": re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff01-\uff5e]"),
}
_SIGNATURE = {
    "cp949": re.compile(r"[\uac00-\ud7a3]"),
    "cp932": re.compile(r"[\u3040-\u30ff]"),
    "euc_jp": re.compile(r"[\u3040-\u30ff]"),
    "gb18030": re.compile(r"[的一是不在有和了为]"),
}
_LABELS = {"cp949": "CP949 (EUC-KR)", "cp932": "Shift_JIS (CP932)", "euc_jp": "EUC-JP", "gb18030": "GB18030"}
_WESTERN = re.compile(r"[àáâãäåæçèéêëìíîïñòóôõöøœùúûüßÀÁÂÄÅÆÇÈÉÊËÍÎÑÓÔÖØÜ‘’“”–—…€£§°·µ±×²³«»¿¡®™©]")
_WORD = re.compile(r"[^\W\d_a-zA-Z]{3,}")  # in Western words an accented letter stands among ASCII ones
_INSIDE = re.compile(r"(?<=[a-z])[^\x00-\x7f](?=[a-z])")  # where East Asian writing hardly ever is
STATISTICS_LEAST = 30
_CELL = re.compile(r"[\t,;|\"]")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec name and the name people know it by."""

    codec: str
    label: str


DAMAGED_UTF8 = Encoding("utf-8", Phrase("UTF-8 with undecodable bytes"))


def _mark(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return BAD, error.end
    raise error


codecs.register_error("embedkit-mark", _mark)


def detect(handle: IO[bytes]) -> Encoding:
    """The encoding of a seekable file; the handle is left at its start."""
    handle.seek(0)
    head = handle.read(HEAD_BYTES)
    try:
        return _by_mark(head) or _by_nuls(head) or _utf8(handle) or _by_spelling(head)
    finally:
        handle.seek(0)


def _by_mark(head: bytes) -> Encoding | None:
    return next((Encoding(codec, label) for bom, codec, label in _BOMS if head.startswith(bom)), None)


def _by_nuls(head: bytes) -> Encoding | None:
    """UTF-16 without a mark: its ASCII (commas, line ends) is a NUL beside a byte, always on the same side.

    A NUL alone says little: 가 is U+AC00, and a sound UTF-8 file may hold one.
    """
    nuls = head.count(0)
    if not nuls or (nuls * 4 < len(head) and _is_utf8(head)):
        return None
    even, odd = head[0::2], head[1::2]
    little, big = _ascii_beside_nul(even, odd), _ascii_beside_nul(odd, even)
    if max(little, big) * 100 < len(head) or 2 * min(little, big) > max(little, big):
        return None
    return Encoding("utf-16-le" if little > big else "utf-16-be", "UTF-16 without BOM")


def _ascii_beside_nul(low: bytes, high: bytes) -> int:
    return sum(
        not above and (below in b"\t\n\r" or 32 <= below < 127)
        for below, above in zip(low, high, strict=False)
    )


def _is_utf8(head: bytes) -> bool:
    """Whether the head is UTF-8, the character aside that its end may cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _utf8(handle: IO[bytes]) -> Encoding | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    handle.seek(0)
    try:
        while block := handle.read(BLOCK_BYTES):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return Encoding("utf-8", "UTF-8")


def _by_spelling(head: bytes) -> Encoding:
    if _mostly_utf8(head):
        return DAMAGED_UTF8
    codec = _by_header(head) or max(_PLAUSIBLE, key=lambda name: _score(head, name))
    if _score(head, codec) > 0.5:
        return Encoding(codec, _LABELS[codec])
    return _single_byte(head)


def _by_header(head: bytes) -> str:
    """The code page in which the first line names a column, as 用語 or 术语; a short table says little else."""
    line = head.lstrip().split(b"\n", 1)[0]
    for codec in _PLAUSIBLE:
        cells = _CELL.split(line.decode(codec, "embedkit-mark"))
        if any(not cell.isascii() and role_of(cell) for cell in cells):
            return codec
    return ""


def _mostly_utf8(head: bytes) -> bool:
    """Whether most lines that are not ASCII are sound UTF-8: then the others are damaged."""
    lines = [line for line in head.splitlines() if not line.isascii()]
    sound = sum(_decodes(line) for line in lines)
    return sound * 2 > len(lines)


def _decodes(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _score(head: bytes, codec: str) -> float:
    """The share of plausible letters, more for those that only this language writes, less for damage."""
    text = head.decode(codec, "embedkit-mark")
    letters = len(_NON_ASCII.findall(text))
    if not letters:
        return 0.0
    plausible = len(_PLAUSIBLE[codec].findall(text)) - text.count(BAD) - 2 * len(_INSIDE.findall(text))
    if codec == "cp949":
        plausible -= 2 * _rare_hangul(text)
    return plausible / letters * (0.6 + len(_SIGNATURE[codec].findall(text)) / letters)


def _rare_hangul(text: str) -> int:
    """Syllables outside KS X 1001: hardly ever written, but what Japanese bytes look like in CP949."""
    counts = Counter(_SIGNATURE["cp949"].findall(text))
    return sum(count for syllable, count in counts.items() if not _in_ks_x_1001(syllable))


def _in_ks_x_1001(syllable: str) -> bool:
    try:
        return len(syllable.encode("euc_kr")) == 2
    except UnicodeEncodeError:
        return False


def _single_byte(head: bytes) -> Encoding:
    """Western European when nearly all are its accents inside words; else by statistics, given enough; else damage."""
    text = head.decode("cp1252", "embedkit-mark")
    letters = len(_NON_ASCII.findall(text))
    other_alphabet = sum(map(len, _WORD.findall(text)))
    if len(_WESTERN.findall(text)) * 10 >= 8 * letters and other_alphabet * 5 < letters:
        return _guess("cp1252")
    if letters < STATISTICS_LEAST:
        return DAMAGED_UTF8
    from charset_normalizer import from_bytes

    best = from_bytes(head[: 1 << 16]).best()
    return _guess(best.encoding if best and best.encoding != "ascii" else "cp1252")


def _guess(codec: str) -> Encoding:
    """One byte a letter says little: Czech in Windows-1250 looks Western, too."""
    name = codec.replace("cp125", "Windows-125").replace("_", "-")
    return Encoding(codec, Phrase("{name} (a guess; where it is wrong, save the file as UTF-8)", name=name))
