"""Headwords and definitions as text: the term, its other names, and references to other terms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from embedkit.crawler.extract import words
from embedkit.data.entries import Alias, AliasKind
from embedkit.text import clean, fold, is_acronym, language_of

MAX_LABEL_WORDS = 12
MAX_LABEL_CHARS = 110
_PAREN = re.compile(r"^(?P<term>.*\S)\s*[(（\[](?P<inside>[^()（）\[\]]+)[)）\]]\s*$")
_PARTS = re.compile(r"\s*[,;，、；/]\s*")
_LIST = re.compile(
    r"\s*(?:[,;，、；]\s*(?:(?:and|or|및|또는)\s+)?|\s(?:and|or|및|또는|und|et|y|e|o|ou|oder|и|или)\s)\s*"
)
_TRIM = " \t\n:：;.。,，、–—-=|·•"
_QUOTES = "\"'“”‘’«»「」『』<>《》"
_ORDINAL = re.compile(r"^(?P<number>\d{1,3})[.)]\s+(?=\S)")
_SENSE_MARK = re.compile(r"^[(\[]?(?:\d{1,2}|[a-z]|[①-⑳])[.)\]]\s+|^[①-⑳❶-❿]\s*")
_HANGUL_OR_HAN = re.compile(r"[가-힣\u4e00-\u9fff\u3040-\u30ff]")
_FOOTMARK = re.compile(r"\s*(?:\[\s*(?:\d{1,3}|[a-z]|citation needed|출처 ?필요|편집|edit|要出典)\s*\])+")
_MATH = re.compile(
    r"<math[^<>]{0,200}>((?:(?!<math).){0,2000}?)</math>", re.DOTALL
)  # a wiki without the Math extension
_CODE = re.compile(
    r"^(?:[-/%$\\@\[<{]\S.*|\S*\w_\w\S*(?:\s.*)?|\w+(?:[.:]{1,2}\w+)+(?:\s.*)?|\w[\w.]*\(.*\).*|\S+\s*[=|]\s*\S+.*|[\d\W]+)$"
)
_NOTE_WORDS = re.compile(
    r"^(?:n|v|vt|vi|adj|adv|noun|verb|adjective|abbr|명사|동사|형용사)\.?$", re.IGNORECASE
)


def _unmarked(text: str) -> str:
    """`text` without the marks of footnotes and editing links."""
    return _FOOTMARK.sub("", text) if "[" in text else text


def trim(text: str) -> str:
    """`text` without the separators that stand between a term and its definition."""
    return clean(_unmarked(text)).strip(_TRIM).strip()


def label(text: str) -> str:
    """A headword's text, without a trailing separator; a term made of punctuation (`...`, `>>>`) stays."""
    cleaned = clean(_unmarked(text))
    trimmed = re.sub(r"(?<=\w)\.$", "", cleaned.strip(" :：;–—|·•¶").removesuffix(" -"))
    if trimmed.count(".") and cleaned.endswith(".") and re.search(r"\w\.\w+$", trimmed):
        trimmed += "."  # "e.g." keeps its stop
    return trimmed or cleaned


def is_label(text: str) -> bool:
    """Whether `text` can name a term: something to read, and short."""
    return bool(text) and len(text) <= MAX_LABEL_CHARS and len(text.split()) <= MAX_LABEL_WORDS


def is_code(text: str) -> bool:
    """Whether `text` is program code: a path, option, signature, dotted or under_scored name."""
    return bool(_CODE.match(text))


def repeat(heads: Sequence[str]) -> bool:
    """Whether the same few labels stand again and again ("Description", "Solution"; UK, FR, DE): a form, not terms."""
    return len(heads) > 4 and len(set(heads)) * 2 < len(heads)


def language_codes(heads: Sequence[str]) -> bool:
    """Whether the labels are those of translations: "UK: minim rest", "ES: silencio de blanca"."""
    return sum(bool(re.fullmatch(r"[A-Z]{1,2}", h)) for h in heads) * 4 > len(heads) * 3 and len(heads) > 2


def ordinal(text: str) -> int | None:
    """The number before "1) Futures"; None where there is none."""
    match = _ORDINAL.match(text)
    return int(match["number"]) if match else None


def without_ordinal(text: str) -> str:
    """`text` without a leading "1) " or "1. "."""
    return _ORDINAL.sub("", text, count=1)


def split_label(text: str) -> tuple[str, tuple[Alias, ...]]:
    """The term in a headword and the names in its parenthesis.

    `가설 (假說, 영어: hypothesis)` is 가설 with two translations, `term (ABBR)` a term with an abbreviation,
    `PWM (pulse-width modulation)` an abbreviation with its full form. The qualifier of `dog (Canis)` stays.
    """
    term = text
    aliases: list[Alias] = []
    while len(term) <= 4 * MAX_LABEL_CHARS and (match := _PAREN.match(term)):
        names = list(_inside(match["term"].strip(), match["inside"]))
        if not names:
            break
        term, aliases = match["term"].strip(), [*names, *aliases]
    return term, tuple(aliases)


def _inside(term: str, inside: str) -> Iterator[Alias]:
    for part in _PARTS.split(inside):
        alias = name_in_parenthesis(term, part)
        if alias is not None:
            yield alias


def name_in_parenthesis(term: str, part: str) -> Alias | None:
    """The alias in `part`, which stands in brackets after `term`; None for a qualifier or a remark."""
    text = part.strip().strip(_QUOTES).strip()
    plural = words.PLURAL.match(text)
    if plural and text[plural.end() :]:
        return Alias(text[plural.end() :].strip(), "plural")
    for lang, pattern in words.LANGUAGE_LABELS.items():
        match = pattern.match(text)
        if match and text[match.end() :].strip():
            return Alias(text[match.end() :].strip(), "translation", lang)
    text = re.sub(r"^(?:abbr(?:eviated|eviation)?\.?|약어|약자|略称|or|also|aka|또는)\s*[:：]?\s+", "", text)
    if not is_label(text) or fold(text) == fold(term) or _NOTE_WORDS.match(text):
        return None
    if is_acronym(text) and not is_acronym(term):
        return Alias(text, "abbreviation")
    if is_acronym(term) and len(text.split()) > 1 and not is_acronym(text):
        return Alias(text, "full_form")
    return _translation(term, text)


def _translation(term: str, text: str) -> Alias | None:
    foreign = bool(_HANGUL_OR_HAN.search(text)) != bool(_HANGUL_OR_HAN.search(term))
    ours, theirs = language_of(term), language_of(text)
    if foreign or (ours != theirs and {ours, theirs} & {"ko", "ja", "zh", "ru", "ar"}):
        return Alias(text, "translation", theirs) if re.search(r"\w", text) else None
    return None


def alias_kind(text: str, term: str = "") -> AliasKind:
    """The kind of a second headword of the same entry."""
    if term and fold(text) in (f"{fold(term)}s", f"{fold(term)}es"):
        return "plural"
    return "abbreviation" if is_acronym(text) and not is_acronym(term) else "synonym"


def also_names(text: str, bold: Iterable[str]) -> tuple[str, ...] | None:
    """The names in a whole definition like "Also **X** and **Y**."; None when it is something else."""
    match = words.ALSO.match(text)
    if not match:
        return None
    rest = text[match.end() :]
    if len(rest) > MAX_LABEL_CHARS or re.search(r"[.。]\s+\S", rest):
        return None
    names = [trim(b) for b in bold] or [
        trim(n) for n in _LIST.split(re.sub(r"^(?:called|known as)\s+", "", rest))
    ]
    return tuple(n for n in names if is_label(n)) or None


def see_target(text: str) -> str:
    """The term that a whole definition points to ("See X.", "→ X", "X 참조"); empty when it defines."""
    line = text.strip().strip("()[]").strip()
    if len(line) > MAX_LABEL_CHARS or re.search(r"[.。;]\s+\S", line):
        return ""
    match = words.SEE_BEFORE.match(line) or words.SEE_AFTER.match(line)
    if not match:
        return ""
    target = re.sub(
        r"^(?:the term|also|auch|aussi|under|unter)\s*[:：]?\s+",
        "",
        match["target"].strip(),
        flags=re.IGNORECASE,
    )
    return trim(target).strip(_QUOTES).strip("#").strip()


def definition(raw: str, *, numbered: bool = False) -> str:
    """A clean definition from raw text: sense marks and see-also tails taken off, blocks joined."""
    lines = [clean(line) for line in _unmarked(raw).split("\n")]
    lines = [line for line in lines if line]
    while len(lines) > 1 and _is_tail(lines[-1]):
        lines.pop()
    text = _MATH.sub(r"$\1$", " ".join(lines))
    shorter = words.SEE_ALSO_END.sub("", text).strip()
    text = shorter if len(shorter.split()) > 1 or _HANGUL_OR_HAN.search(shorter) else text
    return (_SENSE_MARK.sub("", text, count=1) if numbered else text).strip()


def _is_tail(line: str) -> bool:
    """Whether the last line of a definition only points to other pages ("See also: X, Y")."""
    match = words.SEE_ALSO.match(line)
    return bool(match) and len(line) <= 300
