"""Lines that define in a sentence or behind a sign, without any markup: laws, contracts, lists of abbreviations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from embedkit.crawler.extract import labels, words
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.structures.leads import Numbered
from embedkit.crawler.extract.tree import PageLine
from embedkit.data.entries import Alias
from embedkit.text import is_acronym

_MIN_LINES, _MIN_CERTAIN = 3, 5
_COUNT = (
    r"^(?:\d{1,3}(?:\.\d{1,3})+\.?\s+|[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[a-z]{1,3}|[ivx]{1,5}|[가-하]|[①-⑳])[.)\]]+\s*"
    r"|[①-⑳•·*–-]\s*|제\d+호\s*)?"
)
_QUOTED = r"[\"“”„‘'«「『](?P<term>[^\"“”„‘«»「」『』]{1,90}?)[\"”“’'»」』]"
_NAMES = (
    r"(?P<names>(?:\s*[,(]?\s*(?:or|and|또는|이하)?\s*[\"“‘「『][^\"“”]{1,60}[\"”’」』]\s*\)?"
    r"|\s*\([^()]{1,80}\)){0,3})"
)
_MEANS = (
    r"(?:,[^,]{1,90},)?\s*(?:(?:shall|will|may|also)\s+)?(?:means?|refers? to|denotes?|signif(?:y|ies)|includes?"
    r"|(?:is|are) defined as|stands for|has the (?:same )?meaning|shall have the meaning|is|are"
    r"|bedeutet|bezeichnet|ist|désigne|signifie|s'entend|significa|se entiende por)\b(?:\s*[:,—-])?\s*"
)
_LEGAL = re.compile(_COUNT + _QUOTED + _NAMES + _MEANS + r"(?P<rest>\S.*)$", re.IGNORECASE)
_LEGAL_KO = re.compile(
    _COUNT
    + _QUOTED
    + _NAMES
    + r"\s*(?:이?라\s?함은|이?란|이?라고?\s?하면|은\(는\)|는\(은\)|은/는|은|는|[:：])\s*(?P<rest>\S.*)$"
)
_LEGAL_KO_BARE = re.compile(
    _COUNT
    + r"(?P<term>[가-힣A-Za-z][^\s,.]*(?:\s[^\s,.]+){0,3}?)(?P<names>\([^()]{1,60}\))?"
    + r"(?:이란|란|이라\s?함은|라\s?함은)\s+"
    r"(?P<rest>\S.*(?:말한다|뜻한다|의미한다|이다|다)\.?)$"
)
_DEFINES = re.compile(r"mean|refer|denote|signif|defined|bedeutet|désigne|entend|란|함은")
_SUB_ITEM = re.compile(r"^(?:[가-하]|[①-⑳]|\(?[a-z ivx]{1,4}\)|\d{1,2}\))[.)]?\s")
SIGN = re.compile(
    r"^(?:\d{1,4}[.)]\s+|[•·*▪○●■□◆◇◦‣※-]\s*)?(?P<term>[^:：=–—]{1,80}?)\s*"
    r"(?:[:：]\s+|：|\s[–—-]{1,2}\s+|[—―]\s*|\s[=→]\s|\s:\s)(?P<rest>\S.*)$"
)
_BRACKETED = re.compile(r"^[\[【〔](?P<term>[^\[\]【】〔〕]{1,60})[\]】〕]\s*[:：]?\s*(?P<rest>\S.*)$")
_REMARK = re.compile(
    r"^(?:notes?|warning|tip|hint|example|e\.g\.?|i\.e\.?|authors?|date|updated|last (?:updated|modified|changed)"
    r"|published|posted|sources?|see|see also|tel|phone|fax|e-?mail|address|copyright|version|revision|url|tags?"
    r"|category|categories|by|contact|synonyms?|related(?: terms)?|usage|status|page|file"
    r"|참고|주의|예|예시|출처|작성자|작성일|등록일|조회수?|문의|전화|담당|주소|수정일|비고)$",
    re.IGNORECASE,
)


def legal_definitions(lines: Sequence[Numbered], *, certain: bool = False) -> Group | None:
    """`"X" means …` and `"X"란 … 을 말한다`, three or more; the items below such a line belong to it.

    `certain`: only verbs that define, not `is` and `은`, for a page that does not call itself a glossary.
    """
    found: list[RawEntry] = []
    parts: list[str] = []

    def close() -> None:
        if parts and found:
            found[-1] = _with_more(found[-1], parts)
        parts.clear()

    for number, line in lines:
        match = _legal(line)
        if match and certain and not _DEFINES.search(match[0][match.end("term") : match.start("rest")]):
            match = None
        if match is not None:
            close()
            found.append(_defined(number, line, match))
        elif line.kind in ("heading", "group", "end"):
            close()
        elif found and (_SUB_ITEM.match(line.text) or found[-1].senses[0].endswith((":", "："))):
            parts.append(line.text)
    close()
    if len(found) < (_MIN_CERTAIN if certain else _MIN_LINES) or labels.repeat([f.heads[0] for f in found]):
        return None
    return Group(structure="sentence that defines", found=tuple(found))


def _legal(line: PageLine) -> re.Match[str] | None:
    if line.kind not in ("p", "li", "td") or len(line.text) < 8:
        return None
    match = _LEGAL.match(line.text) or _LEGAL_KO.match(line.text) or _LEGAL_KO_BARE.match(line.text)
    return match if match and labels.is_label(match["term"]) and len(match["rest"]) > 5 else None


def _defined(number: int, line: PageLine, match: re.Match[str]) -> RawEntry:
    term = labels.label(match["term"])
    names = [n for part in re.findall(r"[^\"“”‘’「」『』(),]+", match["names"] or "") if (n := part.strip())]
    aliases = [labels.name_in_parenthesis(term, n) for n in names]
    shown = [
        Alias(n, labels.alias_kind(n, term))
        for n in re.findall(r"[\"“‘「『]([^\"“”‘’「」『』]+)[\"”’」』]", match["names"] or "")
    ]
    return RawEntry(
        heads=(term,),
        senses=(re.sub(r"\s*;(?:\s*(?:and|or))?$", "", match["rest"]),),
        aliases=tuple(dict.fromkeys([*(a for a in aliases if a), *shown])),
        anchors=(line.anchor,) if line.anchor else (),
        line=number,
        evidence="brackets",
    )


def _with_more(entry: RawEntry, parts: Sequence[str]) -> RawEntry:
    sense = "\n".join((entry.senses[0], *parts))
    return RawEntry(
        heads=entry.heads, senses=(sense,), aliases=entry.aliases, anchors=entry.anchors, line=entry.line
    )


def signed_lines(lines: Sequence[Numbered]) -> Group | None:
    """`Term: text`, `Term – text`, `ABR—Available Bit Rate`: paragraphs of a page that calls itself a glossary."""
    flow = [(n, line) for n, line in lines if line.kind in ("p", "li", "heading", "group", "end", "td")]
    led = {at: m for at, (_, line) in enumerate(flow) if (m := _signed(line))}
    if len(led) < _MIN_LINES:
        return None
    first, last = min(led), max(led)
    spanned = sum(line.kind in ("p", "li", "td") for _, line in flow[first : last + 1])
    heads = [labels.label(m["term"]) for m in led.values()]
    about = sum(bool(words.GLOSSARY.search(h)) for h in heads)
    if (
        about * 3 > len(heads)
        or labels.language_codes(heads)
        or len(led) * 2 < spanned
        or len(set(heads)) * 10 < len(heads) * 8
    ):
        return None
    acronyms = sum(map(is_acronym, heads)) * 2 > len(heads)
    size = median(len(m["rest"].split()) if m["rest"].isascii() else len(m["rest"]) / 3 for m in led.values())
    if size < (2 if acronyms else 3) or sum(map(labels.is_code, heads)) * 3 > len(heads):
        return None
    return Group(structure="line with a sign", found=tuple(_signed_entry(flow, at, led) for at in led))


def _signed(line: PageLine) -> re.Match[str] | None:
    if line.kind not in ("p", "li") or line.text.startswith(("http", "www.")):
        return None
    match = SIGN.match(line.text) or _BRACKETED.match(line.text)
    if not match:
        return None
    term = labels.trim(match["term"])
    wrong = _REMARK.match(term) or words.NOT_A_TERM.match(term) or words.END_SECTION.match(term)
    short = labels.is_label(term) and len(term.split()) <= 7 and bool(re.search(r"[^\W\d_]", term))
    return match if short and not wrong else None


def _signed_entry(flow: Sequence[Numbered], at: int, led: dict[int, re.Match[str]]) -> RawEntry:
    number, line = flow[at]
    more: list[str] = []
    for index in range(at + 1, len(flow)):
        after = flow[index][1]
        if index in led or after.kind not in ("p", "li") or words.LETTER.match(after.text):
            break
        more.append(after.text)
    return RawEntry(
        heads=(labels.label(led[at]["term"]),),
        senses=("\n".join((led[at]["rest"], *more)),),
        anchors=(line.anchor,) if line.anchor else (),
        line=number,
    )
