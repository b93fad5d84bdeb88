"""Headwords and definitions as text: the term, its other names, and references to other terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from embedkit.crawler.extract import words
from embedkit.data.entries import Alias, AliasKind
from embedkit.text import clean, fold, is_acronym, language_of

MIN_ALIKE = 3
_SAMPLE = 100
MIN_ORDERED = 4
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
    r"^(?:[-/%$\\@\[<{]\S.*|\S*\w_\w\S*(?:\s.*)?|\w+(?:[.:]{1,2}\w+)+(?:\s.*)?|[A-Za-z_][\w.]*\(.*\).*|\S+\s*[=|]\s*\S+.*|[\d\W]+|.*[{}<>$\\].*|[?!#]\S.*|.*\w\.\w+\([^()]*\)|.*\w_\w+\s?\(.*|.*\w\([^()]*[*,][^()]*\))$"
)
_SPEECH = (
    r"n|v|vt|vi|vb|adj|adv|prep|pron|conj|interj|abbr|pl|sing|noun|verb|adjective|adverb|pronoun|preposition|conjunction"
    r"|(?:proper|count|mass) noun|noun phrase|phrasal verb|(?:in)?transitive verb"
    r"|명사|동사|형용사|부사|대명사|관형사|접사|의존 ?명사"
    r"|名詞|動詞|形容詞|副詞|名|動|Substantiv|Verb|Adjektiv|nom|verbe|sustantivo|verbo"
)
_NOTE_WORDS = re.compile(rf"^(?:{_SPEECH})\.?$", re.IGNORECASE)
# "gambit (n.)", "gambit, noun", "gambit n.": a bare word only with its stop, "proper noun" is a term.
_SPEECH_TAIL = re.compile(
    rf"(?<=\S)(?:\s*[(\[<]\s*(?:{_SPEECH})\.?(?:\s*[,/]\s*(?:{_SPEECH})\.?)*\s*[)\]>]"
    r"|\s*,?\s+(?:n|v|vt|vi|vb|adj|adv|prep|pron|conj|interj|abbr)\."
    rf"|\s*,\s+(?:{_SPEECH}))$",
    re.IGNORECASE,
)
_IPA = r"ˈˌːˑɐ-ʯθðŋæœøβχʔ\u0303\u0329\u032f"
_SOUND = re.compile(rf"\s*(?:/[^/\[\]]*[{_IPA}][^/\[\]]*/|\[[^\[\]]*[{_IPA}][^\[\]]*\]|\\[^\\]{{2,60}}\\)")
# What is taken off headwords only where most of a page's end in it: a control's words, a part of speech.
_TAILS = (
    re.compile(
        r"(?<=\S)\s*(?:열기|닫기|펼치기|접기|펼쳐 ?보기|더 ?보기|자세히(?: ?보기)?|내용 ?보기|상세 ?보기|[+＋-]"
        r"|\b(?:click to )?(?:open|close|expand|collapse|toggle)(?: (?:menu|panel|section|definition))?"
        r"|\b(?:show|hide|read|open|see|learn) (?:more|less|menu|definition|answer)"
        r"|\b(?:copy link|permalink|definition))$",
        re.IGNORECASE,
    ),
    re.compile(rf"(?<=\S)[\s,·|–-]+(?:{_SPEECH})\.?$", re.IGNORECASE),
)
_HEADS_FIRST = re.compile(
    r"^(?:definition of|what (?:is|are|does)(?: an?| the)?|term|용어)\s*[:：]?\s+(?=\S)", re.IGNORECASE
)
_WHAT_IS = re.compile(r"^what (?:is|are)(?: an?| the)?\s+(?P<term>\S.*?)\s*\?$", re.IGNORECASE)
_WHAT_IS_KO = re.compile(r"^(?P<term>.*?[가-힣A-Za-z)])(?:이란|란)(?: 무엇인가요?| 무엇입니까)?\s*[?？]?$")
_LATIN_NAME = re.compile(r"^(?P<term>[가-힣][가-힣\s·]*?)\s+(?P<name>[A-Za-z][A-Za-z0-9 .,'’/&()-]*)$")
_PAIRED_QUOTES = ("“”", "„“", "„”", '""', "‘’", "«»", "「」", "『』", "《》", "〈〉", "''")
_OPENING_QUOTES = "".join(pair[0] for pair in _PAIRED_QUOTES)
_HANJA = re.compile(r"^(?P<term>[가-힣]+(?:\s[가-힣]+)*)\s+(?P<hanja>[\u4e00-\u9fff][\u4e00-\u9fff\s·]*)$")
_SHORTCODE = re.compile(
    r"\[/?[a-z][\w-]*(?:\s[\w-]+=(?:\"[^\"\]]*\"|'[^'\]]*'|[^\s\]]+))+\s*/?\]|\[/[a-z][\w-]{2,}\]|\{\{[<%].{0,300}?[%>]\}\}|\{%.{0,300}?%\}",
    re.IGNORECASE,
)
_TAIL_CHARS = 90
_OPENING = re.compile(r"^(?:(?:shall )?means?[,:]?\s+(?=\S)|[:：=]\s*(?=\S)(?![-)(DP]\s)|[–—-]\s+(?=\S))")
_AWAY_TAIL = re.compile(
    rf"[\s\[(↑▲⇧△^»›→…·|¶#-]*(?<![^\W_])(?:{words.AWAY})[\s\])↑▲⇧△^»›→…·.|¶#]*$", re.IGNORECASE
)


def _unmarked(text: str) -> str:
    """`text` without the marks of footnotes and editing links."""
    return _FOOTMARK.sub("", text) if "[" in text else text


def trim(text: str) -> str:
    """`text` without the separators that stand between a term and its definition."""
    return clean(_unmarked(text)).strip(_TRIM).strip()


def label(text: str) -> str:
    """A headword's text, without a trailing separator; a term made of punctuation (`...`, `>>>`) stays."""
    cleaned = _bare(clean(_unmarked(text)))
    trimmed = re.sub(r"(?<=\w)\.$", "", cleaned.strip(" :：;–—|·•¶").removesuffix(" -"))
    if trimmed.count(".") and cleaned.endswith(".") and re.search(r"\w\.\w+$", trimmed):
        trimmed += "."  # "e.g." keeps its stop
    return trimmed or cleaned


def _bare(text: str) -> str:
    """A headword without its sound, part of speech, the sign of a control beside it, and quotes around it."""
    if "/" in text or "[" in text or "\\" in text:
        text = _SOUND.sub("", text).strip() or text
    text = text.rstrip(" ¶▼▲▾▴▶▸►⌄⌃🔗🔊🔉") or text
    if not text.isascii():
        text = text.lstrip(" ○●■□◆◇▪▫◦‣∙※☞▶►★☆❏❖➤") or text
    if text[-1:] in ".)]>" or "," in text:
        text = _SPEECH_TAIL.sub("", text).strip(" ,") or text
    for pair in _PAIRED_QUOTES if text[:1] in _OPENING_QUOTES else ():
        inner = text[1:-1]
        if inner and text[0] == pair[0] and text[-1] == pair[1] and not set(inner) & set(pair):
            return inner.strip()
    return text


def alike(heads: Sequence[str]) -> Callable[[str], str]:
    """What takes off a headword the words that most of `heads` share: a control's, a part of speech, "What is".

    Where most are a Korean name and a foreign one ("가설 hypothesis"), the second goes into brackets.
    """
    steps: list[tuple[re.Pattern[str], str]] = [(_WHAT_IS, r"\g<term>"), (_WHAT_IS_KO, r"\g<term>")]
    steps += [(p, "") for p in (*_TAILS, _HEADS_FIRST)]
    steps.append((_LATIN_NAME, r"\g<term> (\g<name>)"))
    some = heads[:_SAMPLE]
    shared = [
        (pattern, by)
        for pattern, by in steps
        if len(some) >= MIN_ALIKE and sum(bool(pattern.search(h)) for h in some) * 2 > len(some)
    ]

    def strip(head: str) -> str:
        for pattern, by in shared:
            head = pattern.sub(by, head) or head
        return head

    return strip


def is_label(text: str) -> bool:
    """Whether `text` can name a term: something to read, and short."""
    return bool(text) and len(text) <= MAX_LABEL_CHARS and len(text.split()) <= MAX_LABEL_WORDS


def asks_what(text: str) -> bool:
    """Whether a heading asks for the definition of a term: "What is X?", "X란?"."""
    return bool(_WHAT_IS.match(text) or _WHAT_IS_KO.match(text))


def is_code(text: str) -> bool:
    """Whether `text` is program code: a path, option, signature, dotted or under_scored name."""
    return bool(_CODE.match(text))


def repeat(heads: Sequence[str]) -> bool:
    """Whether the same few labels stand again and again ("Description", "Solution"; UK, FR, DE): a form, not terms."""
    return len(heads) > 4 and len(set(heads)) * 2 < len(heads)


def in_order(heads: Sequence[str]) -> bool:
    """Whether names stand in the order of the alphabet, but for a few."""
    keys = [trim(h).casefold() for h in heads]
    steps = sum(a <= b for a, b in pairwise(keys))
    return len(keys) >= MIN_ORDERED and steps * 5 >= (len(keys) - 1) * 4


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
    hanja = _HANJA.match(text)
    if (
        hanja
        and len(hanja["hanja"].split()) == 1
        and len(hanja["hanja"]) == len(hanja["term"].replace(" ", ""))
    ):
        return hanja["term"], (Alias(hanja["hanja"], "translation", "zh"),)
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


def without_names_line(raw: str) -> tuple[str, tuple[str, ...]]:
    """A definition without a last line that only lists other names ("Also called: X, Y"), and those names."""
    text, _, last = raw.rstrip("\n").rpartition("\n")
    match = words.NAMES_LINE.match(line := clean(last)) if text.strip() else None
    if match is None or len(line) > MAX_LABEL_CHARS:
        return raw, ()
    names = [trim(name) for name in _LIST.split(line[match.end() :].rstrip("])"))]
    return (text, tuple(names)) if all(map(is_label, names)) else (raw, ())


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
    """A clean definition from raw text: sense marks, links elsewhere and see-also tails taken off, blocks joined."""
    lines = [clean(line) for line in _unmarked(raw).split("\n")]
    lines = [line for line in lines if line and not words.AWAY_LINE.fullmatch(line)]
    while len(lines) > 1 and _is_tail(lines[-1]):
        lines.pop()
    text = _MATH.sub(r"$\1$", " ".join(lines))
    if "[" in text or "{" in text:
        text = clean(_SHORTCODE.sub(" ", text))
    end = text[-_TAIL_CHARS:]
    shorter = _AWAY_TAIL.sub("", end)
    if shorter != end:
        text = (text[: len(text) - len(end)] + shorter) or text
    shorter = words.SEE_ALSO_END.sub("", text).strip()
    text = shorter if len(shorter.split()) > 1 or _HANGUL_OR_HAN.search(shorter) else text
    text = _OPENING.sub("", text).removesuffix("¶")
    return (_SENSE_MARK.sub("", text, count=1) if numbered else text).strip()


def _is_tail(line: str) -> bool:
    """Whether the last line of a definition only points to other pages ("See also: X, Y")."""
    match = words.SEE_ALSO.match(line)
    return bool(match) and len(line) <= 300
