"""Lines that open with their term: bold bullets and paragraphs, `<br>` runs, `<dfn>`, plain lists."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from embedkit.crawler.extract import labels, words
from embedkit.crawler.extract.noise import attribute
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.tree import PageLine, plain
from embedkit.data.entries import Alias

Numbered = tuple[int, PageLine]
_SEPARATOR = re.compile(r"^\s*(?:[(（][^()（）]{1,80}[)）]\s*)?(?:[:：=,，.。;]|[–—―]|-{1,2}(?=\s|$)|→)\s*")
_BRACKET = re.compile(r"^\s*[(（](?P<inside>[^()（）]{1,80})[)）]\s*")
_LEAD_END = re.compile(r"[:：–—=.。-]\s*$")
_PLAIN_LEAD = re.compile(r"^(?P<lead>[^:：–—]{1,80}?)\s*(?:[:：]\s+|\s[–—-]{1,2}\s+)(?P<rest>\S.*)$")
_OR = re.compile(r"^\s*or(?:, more formally,)?\s+(?:an?\s+|the\s+)?(?P<name>[^.:;,()]{2,50}?)[.:]\s+(?=\S)")
# What goes on with a sentence that has the term as its subject; a new sentence opens with a capital.
_SENTENCE = re.compile(
    r"(?!(?:shall )?means? )(?:[a-zß-ÿ(]|(?:이란|란|은|는|이|가|을|를|의|와|과|とは|は|が|是|指))"
)
_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,3})*\.?")
_MIN_LINES = 3
_PLAIN_LINES = 5
_UNNAMED_LINES = 10


def dfn_leads(lines: Sequence[Numbered], *, respec: bool) -> Group | None:
    """Paragraphs and items that open with `<dfn>`; "**X**, see Y" lines between them are redirects."""
    led = [(n, line) for n, line in lines if line.kind in ("p", "li") and line.mark == "dfn" and line.lead]
    if len(led) < _MIN_LINES:
        return None
    pointing = [(n, line) for n, line in lines if line.mark == "b" and _is_redirect(line, respec=respec)]
    found = [_found(n, line, (), respec=respec) for n, line in led]
    found += [_found(n, line, (), respec=respec, counted=False) for n, line in pointing]
    return Group(structure="dfn paragraph", found=tuple(found))


def _is_redirect(line: PageLine, *, respec: bool) -> bool:
    rest = plain(line.rest) if respec else line.rest
    return labels.is_label(line.lead) and bool(labels.see_target(_SEPARATOR.sub("", rest, count=1)))


def bullet_leads(lines: Sequence[Numbered], *, named: bool) -> Group | None:
    """Lists in which most items open with a bold, linked or plain term."""
    lists: dict[int, list[Numbered]] = defaultdict(list)
    for n, line in lines:
        if line.kind == "li":
            lists[line.owner].append((n, line))
    found = [f for rows in lists.values() for f in _terms_of(rows, named=named)]
    found.sort(key=lambda f: f.line)
    return Group(structure="bullet", found=tuple(found)) if found else None


def _terms_of(rows: Sequence[Numbered], *, named: bool) -> list[RawEntry]:
    """A list's terms; none where its items are the translations of one term."""
    found = _list_entries(rows, named=named)
    heads = [h for f in found for h in f.heads]
    about = sum(bool(words.GLOSSARY.search(h)) for h in heads)
    return [] if labels.language_codes(heads) or (len(heads) > 2 and about * 3 > len(heads)) else found


def _list_entries(rows: Sequence[Numbered], *, named: bool) -> list[RawEntry]:
    items: dict[int, list[Numbered]] = defaultdict(list)
    for n, line in rows:
        items[line.item].append((n, line))
    firsts = [lines[0][1] for lines in items.values()]
    bold = sum(map(_bold_lead, firsts))
    if bold and bold * 5 >= len(firsts) * 3 and (named or _certain(firsts)):
        return [_item(lines) for lines in items.values() if _bold_lead(lines[0][1])]
    if named and len(firsts) >= _MIN_LINES and sum(map(_soft_lead, firsts)) * 5 >= len(firsts) * 4:
        return [_item(lines) for lines in items.values() if _soft_lead(lines[0][1])]
    return _plain_list(list(items.values())) if named else []


def _plain_list(items: Sequence[Sequence[Numbered]]) -> list[RawEntry]:
    """A list of "term – text" or "term: text" without any markup of the term."""
    matches = [_PLAIN_LEAD.match(lines[0][1].text) for lines in items]
    led = [(m, lines) for m, lines in zip(matches, items, strict=True) if m and labels.is_label(m["lead"])]
    if len(items) < _PLAIN_LINES or len(led) * 5 < len(items) * 4:
        return []
    return [
        RawEntry(
            heads=(labels.label(match["lead"]),),
            senses=("\n".join([match["rest"], *(line.text for _, line in lines[1:])]),),
            anchors=_anchors(lines[0][1]),
            line=lines[0][0],
        )
        for match, lines in led
    ]


def _bold_lead(line: PageLine) -> bool:
    lead = line.lead.strip()
    return (
        line.mark in ("b", "dfn")
        and labels.is_label(labels.label(lead))
        and not lead.endswith(("?", "!", "？"))
        and not words.SEE_ALSO.match(lead)
    )


def _soft_lead(line: PageLine) -> bool:
    """A lead that is a link, italics or code: a term only where a separator and a text follow."""
    separated = _SEPARATOR.match(line.rest) or _LEAD_END.search(line.lead)
    return (
        bool(line.mark and separated and labels.is_label(line.lead))
        and len(line.rest) > len(line.lead) // 2 + 5
    )


def _certain(firsts: Sequence[PageLine]) -> bool:
    """Whether a list on a page that does not call itself a glossary is one nevertheless."""
    led = [
        line
        for line in firsts
        if _bold_lead(line) and (_SEPARATOR.match(line.rest) or _LEAD_END.search(line.lead))
    ]
    if len(led) < _UNNAMED_LINES or len(led) * 10 < len(firsts) * 9:
        return False
    distinct = len({line.lead for line in led})
    if sum(labels.is_code(labels.label(line.lead)) for line in led) * 2 > len(led):
        return False
    return (
        labels.in_order([line.lead for line in led])
        and distinct == len(led)
        and median(len(line.rest.split()) for line in led) >= 5
    )


def _item(lines: Sequence[Numbered]) -> RawEntry:
    n, first = lines[0]
    return _found(n, first, [line.text for _, line in lines[1:]])


def paragraph_leads(lines: Sequence[Numbered], *, named: bool) -> Group | None:
    """Paragraphs, and lines between `<br>`, that open with a bold term; others continue the last one."""
    flow = [(n, line) for n, line in lines if line.kind in ("p", "heading", "group", "end", "li")]
    led = [i for i, (_, line) in enumerate(flow) if _paragraph_lead(line)]
    if len(led) < _MIN_LINES or not named:
        return None
    spanned = [line for _, line in flow[led[0] : led[-1] + 1] if line.kind == "p"]
    if len(led) * 3 < len(spanned):
        return None
    found = tuple(_paragraph(flow, i) for i in led)
    if sum(bool(f.senses) for f in found) * 2 < len(found):
        return None
    return Group(structure="bold paragraph", found=found)


def _paragraph_lead(line: PageLine) -> bool:
    if line.kind != "p" or line.mark != "b" or not _bold_lead(line):
        return False
    lead = labels.trim(line.lead)
    other = (words.LETTER, words.NOT_A_TERM, words.END_SECTION)
    return not words.GLOSSARY.search(lead) and not any(p.match(lead) for p in other)


def _paragraph(flow: Sequence[Numbered], index: int) -> RawEntry:
    n, line = flow[index]
    more: list[str] = []
    for _, after in flow[index + 1 :]:
        if after.kind not in ("p", "li") or _paragraph_lead(after) or words.LETTER.match(after.text):
            break
        if not _NUMBER.fullmatch(after.text):
            more.append(after.text)
    return _found(n, line, more)


def _found(
    number: int, line: PageLine, more: Iterable[str], *, respec: bool = False, counted: bool = True
) -> RawEntry:
    rest, aliases = _or_name(*_after_bracket(line))
    separated = _SEPARATOR.match(rest)
    more = list(more)
    if separated:
        rest = rest[separated.end() :]
    elif rest and more and (name := labels.name_in_parenthesis(labels.label(line.lead), rest)) is not None:
        rest, aliases = "", (*aliases, name)
    elif rest and _SENTENCE.match(rest) and not _LEAD_END.search(line.lead) and line.mark != "dfn":
        rest = f"{line.lead} {rest}"  # "**Deck** is a stack of cards": the sentence needs its subject
    sense = "\n".join(t for t in (rest, *more) if t)
    return RawEntry(
        heads=(labels.label(line.lead),),
        senses=(plain(sense) if respec else sense,) if sense else (),
        aliases=(*aliases, *_data_lt(line)),
        anchors=_anchors(line),
        line=number,
        counted=counted,
        evidence="data-lt" if line.mark == "dfn" else "brackets",
    )


def _after_bracket(line: PageLine) -> tuple[str, tuple[Alias, ...]]:
    """What follows the lead, and the names in a bracket right after it: "**난수**(亂數, random): …"."""
    match = _BRACKET.match(line.rest)
    if not match:
        return line.rest, ()
    _, aliases = labels.split_label(f"{labels.label(line.lead)} ({match['inside']})")
    return (line.rest[match.end() :], aliases) if aliases else (line.rest, ())


def _or_name(rest: str, aliases: tuple[Alias, ...]) -> tuple[str, tuple[Alias, ...]]:
    """Take "or, more formally, a X." off the start of a definition: X is another name."""
    match = _OR.match(rest)
    if not match or not labels.is_label(match["name"]):
        return rest, aliases
    return rest[match.end() :], (*aliases, Alias(match["name"], labels.alias_kind(match["name"])))


def _data_lt(line: PageLine) -> Iterator[Alias]:
    """The other texts by which ReSpec links to a `<dfn>`."""
    if line.mark != "dfn" or line.node is None:
        return
    for name in attribute(line.node, "data-lt").split("|"):
        if name.strip():
            yield Alias(name.strip(), labels.alias_kind(name.strip()))
    for name in attribute(line.node, "data-plurals").split("|"):
        if name.strip():
            yield Alias(name.strip(), "plural")


def _anchors(line: PageLine) -> tuple[str, ...]:
    own = attribute(line.node, "id") if line.node is not None else ""
    return tuple(dict.fromkeys(a for a in (own, line.anchor) if a))
