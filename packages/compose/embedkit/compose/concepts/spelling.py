"""What folding must not hide: mW and MW, .NET and net, x² and x2, 3.3 V and 33 V are different names.

Case carries meaning in a short word of a name that is one word: MHz, US, Go. `Fuse` and `fuse`, `JAVASCRIPT` and
`JavaScript` stay one name, as do `op-amp` and `op amp`.
"""

from __future__ import annotations

import re
import unicodedata

CASED_CHARS = 5  # in a longer word case is style
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_RAISED = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[.:/\-](?=\d)")
_UNIT = re.compile(r"(?<=\d)\s+(?=[^\W\d])")
_SIGN_FIRST = re.compile(r"^[.\-−+](?=\w)")
_SIGN_LAST = re.compile(r"(?<=\w)([!'’+\-−])$")
_JOINERS = re.compile(r"[\s\-‐‑‒–_/·・.,'’\"“”()\[\]{}:;!?]+")


def spelling(name: str) -> str:
    """A form of the name in which case and signs that carry meaning are kept; equal for two ways to write one name."""
    kept = []
    if not name.isascii():
        name = _RAISED.sub(lambda m: "^" + m[0].translate(_SUPERSCRIPTS), name)
        name = unicodedata.normalize("NFKC", name)
    if match := _SIGN_FIRST.match(name.strip()):
        kept.append(match[0].replace("−", "-"))
    last = _SIGN_LAST.search(name.strip())
    name = _UNIT.sub("", _BETWEEN_DIGITS.sub("\x00", name))
    words = [word for word in _JOINERS.split(name) if word]
    cased = len(words) == 1 and _is_cased(words[0])
    kept += words if cased else ["".join(words).casefold()]
    return "\x1f".join([*kept, *([last[1]] if last else [])])


def _is_cased(word: str) -> bool:
    """Whether the case of a word may tell it from another: not that of Fuse and fuse."""
    letters = "".join(filter(str.isalpha, word))
    if not 0 < len(letters) <= CASED_CHARS or letters.upper() == letters.lower():
        return False
    return not (len(letters) > 2 and (letters.islower() or letters.istitle()))
