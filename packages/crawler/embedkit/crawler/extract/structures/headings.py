"""Headings that are terms, defined by the text below them; `details/summary`; pages of one term."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from embedkit.crawler.extract import labels, reasons, words
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.structures.leads import Numbered
from embedkit.crawler.extract.tree import Page, PageLine
from embedkit.data.entries import Alias

MAX_HEADING_WORDS = 7
_MIN_HEADINGS = 3
_PARTS = 3
OUTNUMBERED = 5
_SUMMARY = 7
_SECTION_NUMBER = re.compile(r"^\d{1,3}(?:\.\d{1,3})+\.?\s+(?=\D)")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, the lines down to the next one, and whether it stands under a letter ("A", "ㄱ")."""

    number: int
    heading: PageLine
    body: tuple[PageLine, ...]
    lettered: bool
    container: bool


def scoped(lines: Sequence[Numbered], *, named: bool) -> list[Numbered]:
    """The lines that may hold terms: none under "See also"; unless `named`, only those under "Glossary".

    Where a term has nothing but such a section, its first line is kept as "See …": the term is another name.
    """
    kept: list[Numbered] = []
    ended, inside, points, text = 0, 0, False, ""
    for n, line in lines:
        if line.kind == "heading" and line.level < _SUMMARY:
            text = labels.trim(line.text)
            if ended and line.level <= ended:
                ended = 0
            if inside and line.level <= inside:
                inside = 0
            if words.END_SECTION.match(text):
                last = kept[-1][1] if kept else line
                points = not ended and last.kind == "heading" and last.level < line.level and last.level > 1
                ended = ended or line.level
            elif not inside and names_glossary(text):
                inside = line.level
        elif ended and points and line.kind in ("p", "li") and words.SEE_SECTION.match(text):
            kept.append((n, replace(line, kind="p", text=f"See {line.text}", lead="", rest="", mark="")))
            points = False
        if not ended and (named or inside):
            kept.append((n, line))
    return kept


def names_glossary(text: str) -> bool:
    """Whether a heading announces a glossary."""
    return words.announces(words.without_number(text)) and len(text.split()) <= MAX_HEADING_WORDS


def sections(lines: Sequence[Numbered]) -> Iterator[Section]:
    """Cut lines at headings. A section with deeper headings that could be terms is their container."""
    starts = [i for i, (_, line) in enumerate(lines) if line.kind == "heading"]
    letter_level = 0
    for position, start in enumerate(starts):
        number, heading = lines[start]
        if letter_level and heading.level <= letter_level:
            letter_level = 0
        if words.LETTER.match(labels.trim(heading.text)):
            letter_level = letter_level or heading.level
        end = starts[position + 1] if position + 1 < len(starts) else len(lines)
        body = []
        for _, line in lines[start + 1 : end]:
            if line.kind == "end":
                break
            body.append(line)
        below = _below(lines, starts[position + 1 :], heading.level)
        yield Section(number, heading, tuple(body), bool(letter_level), below >= 2)


def _below(lines: Sequence[Numbered], starts: Sequence[int], level: int) -> int:
    count = 0
    for start in starts:
        heading = lines[start][1]
        if heading.level <= level:
            break
        count += _is_name(heading)
    return count


def _is_name(heading: PageLine) -> bool:
    text = labels.trim(heading.text)
    return (
        labels.is_label(text)
        and len(text.split()) <= MAX_HEADING_WORDS
        and (labels.asks_what(text) or not heading.text.rstrip().endswith(("?", "？", ":", "!", "…")))
        and not any(p.match(text) for p in (words.LETTER, words.NOT_A_TERM, words.END_SECTION))
        and not names_glossary(text)
    )


def _without_parts(lines: Sequence[Numbered]) -> list[Numbered]:
    """The lines without the sections that entry after entry has: "Example", "Why it matters", "See also".

    What stands under a repeated "Definition" is kept, without that heading.
    """
    texts = Counter(labels.trim(x.text).casefold() for _, x in lines if x.kind == "heading")
    kept: list[Numbered] = []
    inside = False
    for n, line in lines:
        if line.kind == "heading":
            text = labels.trim(line.text)
            repeated = texts[text.casefold()] >= _PARTS and not words.LETTER.match(text)
            inside = repeated and not words.DEFINITION_HEADERS[0].match(text)
            if repeated:
                continue
        if not inside:
            kept.append((n, line))
    return kept


def heading_terms(lines: Sequence[Numbered], *, others: int) -> Group | None:
    """Headings that are terms. `others`: how many terms other structures gave; headings have to give more."""
    cut = list(sections(_without_parts(lines)))
    firsts = sum(s.heading.level == 1 for s in cut)
    top = firsts >= _MIN_HEADINGS and firsts * 2 > len(cut)
    good = [s for s in cut if _is_entry(s, top=top)]
    lettered = [s for s in good if s.lettered]
    if len(good) >= OUTNUMBERED * others:
        others = 0  # the lists and bold words of a few entries
    if len(lettered) * 2 > len(good) or others:
        chosen = lettered if others or len(lettered) >= _MIN_HEADINGS else good
    else:
        chosen = good
    if not chosen or (chosen is good and not lettered and (len(good) < _MIN_HEADINGS or len(good) <= others)):
        chosen = good if others == 0 and len(good) >= _MIN_HEADINGS else lettered
    found = tuple(_found(s) for s in chosen)
    heads = [f.heads[0] for f in found]
    about = sum(bool(words.ABOUT_SECTION.match(h)) for h in heads)
    sections_of_text = about * 2 > len(heads) or (about * 4 > len(heads) and not labels.in_order(heads))
    refused = reasons.ABOUT_GLOSSARIES if sections_of_text else ""
    return Group(structure="heading", found=found, refused=refused) if found else None


def _is_entry(section: Section, *, top: bool) -> bool:
    if (section.heading.level == 1 and not top) or section.container or not _is_name(section.heading):
        return False
    kinds = {line.kind for line in section.body}
    return "p" in kinds or ("li" in kinds and "group" not in kinds)


def _found(section: Section) -> RawEntry:
    term = labels.label(_SECTION_NUMBER.sub("", section.heading.text))
    return RawEntry(
        heads=(term,),
        senses=("\n".join(line.text for line in section.body if line.kind in ("p", "li")),),
        aliases=tuple(_keywords(term, section.heading.keywords)),
        anchors=(section.heading.anchor,) if section.heading.anchor else (),
        line=section.number,
        evidence="keywords",
    )


def _keywords(term: str, keywords: Sequence[str]) -> Iterator[Alias]:
    """Names in LibreOffice help's index keywords: "CTL,definition" and "complex text layout, see CTL"."""
    for keyword in keywords:
        parts = [p.strip() for p in keyword.replace(";", ",").split(",")]
        if len(parts) == 2 and (parts[1] in ("definition", "definitions") or parts[1].startswith("see ")):
            name = parts[0]
            if labels.is_label(name) and name.casefold() != term.casefold():
                yield Alias(name, labels.alias_kind(name, term))


def one_term_page(page: Page, lines: Sequence[Numbered], *, url: str) -> Group | None:
    """A page about one term of a glossary: its title or address says glossary, its h1 is the term."""
    title_parts = words.TITLE_BREAK.split(page.title)
    is_glossary = any(words.GLOSSARY.search(p) for p in title_parts[1:]) or bool(
        words.GLOSSARY_PATH.search(url)
    )
    if (
        not is_glossary
        or not page.heading
        or names_glossary(page.heading)
        or not labels.is_label(page.heading)
    ):
        return None
    for section in sections(lines):
        if section.heading.level == 1 and labels.trim(section.heading.text) == labels.trim(page.heading):
            body = tuple(line for line in section.body if line.kind == "p" and len(line.text.split()) > 3)[:3]
            if body:
                found = _found(Section(section.number, section.heading, body, False, False))
                return Group(structure="page of one term", found=(found,))
    return None
