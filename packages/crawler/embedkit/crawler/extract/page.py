"""One page to its terms: run the reader of every structure and fold what they give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from embedkit.crawler.extract import labels, reasons, words
from embedkit.crawler.extract.cause import cause
from embedkit.crawler.extract.fold import MIN_TERMS, fold_groups
from embedkit.crawler.extract.guard import refusal
from embedkit.crawler.extract.records import Extraction, Group, Verdict
from embedkit.crawler.extract.structures.definition_lists import definition_lists
from embedkit.crawler.extract.structures.headings import (
    OUTNUMBERED,
    heading_terms,
    names_glossary,
    one_term_page,
    scoped,
)
from embedkit.crawler.extract.structures.leads import Numbered, bullet_leads, dfn_leads, paragraph_leads
from embedkit.crawler.extract.structures.linked_data import linked_data
from embedkit.crawler.extract.structures.marked_pairs import marked_pairs
from embedkit.crawler.extract.structures.repeated_items import repeated_items
from embedkit.crawler.extract.structures.sentences import legal_definitions, signed_lines
from embedkit.crawler.extract.structures.tables import tables
from embedkit.crawler.extract.structures.text_lines import preformatted
from embedkit.crawler.extract.tree import Page, lines, parse, text_of
from embedkit.text import clean

_TITLE_WORDS = 8
MANY_HEADINGS = 20
ENOUGH = 20  # terms that markup gave: no guess by layout gives more that are right
_LETTER_CHARS = 3
_H1_EACH = 5
_LAZY = re.compile(
    r"<(?:template|noscript)\b(?:(?!</(?:template|noscript)).){0,2000}?<(?:dt|dl|table|h[2-6]|li|p)\b",
    re.I | re.S,
)


def extract(html: str, *, lang: str = "", url: str = "", title: str = "", gate: bool = True) -> Extraction:
    """The terms of a page. `title` and `url` help to see whether it is a glossary; without the gate any page is."""
    unsafe = refusal(html)
    if unsafe:
        return Extraction(verdict=Verdict(is_glossary=False, reason=unsafe, final=True))
    found = _extract(html, lang=lang, url=url, title=title, gate=gate)
    if not found.verdict.is_glossary and _LAZY.search(html):
        lazy = _extract(html, lang=lang, url=url, title=title, gate=gate, lazy=True)
        found = lazy if lazy.verdict.is_glossary else found
    if found.verdict.is_glossary:
        return found
    known = cause(html)
    return replace(found, verdict=replace(found.verdict, reason=known, final=True)) if known else found


def _extract(html: str, *, lang: str, url: str, title: str, gate: bool, lazy: bool = False) -> Extraction:
    page = parse(html, lang=lang, lazy=lazy)
    if page is None:
        return Extraction()
    if title:
        page = replace(page, title=title)
    groups = list(_groups(page, url=url, gate=gate))
    stated = linked_data(html)
    if stated is not None and stated.terms > sum(g.terms for g in groups if not g.refused):
        groups = [stated]
    return fold_groups(groups, page.lang or "en", page.heading or page.title, gate=gate)


def _groups(page: Page, *, url: str, gate: bool) -> Iterator[Group]:
    named = names_itself(page, url)
    inside, ended = _under_headings(page)
    listed, list_ids = definition_lists(page, named=named, inside=inside, ended=ended)
    tabled, table_ids = tables(page, named=named, inside=inside, ended=ended)
    numbered = list(enumerate(lines(page.body, groups=list_ids | table_ids)))
    places = {line.node.mem_id: n for n, line in numbered if line.kind == "group" and line.node is not None}
    structured = [_placed(g, places.get(g.node_id, 0)) for g in (*listed, *tabled)]
    if page.maker == "manual" and any(g.marked and not g.refused for g in listed):
        yield from structured
        return  # such pages mark their glossaries; the rest is text about them
    open_lines = _in_scope(numbered, structured, named=named or not gate)
    led = list(_line_groups(page, open_lines, numbered, structured, named=named or not gate, url=url))
    yield from _outnumbered([*structured, *led])


def _outnumbered(groups: list[Group]) -> list[Group]:
    """Refuse the lists, tables and bold words of a few entries where headings give five times as many terms."""
    heads = sum(g.terms for g in groups if g.structure == "heading" and not g.refused)
    others = sum(g.terms for g in groups if g.structure != "heading" and not g.refused)
    if heads < MANY_HEADINGS or heads < OUTNUMBERED * others:
        return groups
    inner = reasons.INNER
    return [g if g.structure == "heading" else replace(g, refused=g.refused or inner) for g in groups]


def _line_groups(
    page: Page,
    open_lines: list[Numbered],
    numbered: list[Numbered],
    structured: list[Group],
    *,
    named: bool,
    url: str,
) -> Iterator[Group]:
    others = sum(g.terms for g in structured if not g.refused)
    dfn = dfn_leads(open_lines, respec=page.respec)
    if dfn is not None:
        yield dfn
        return
    unnamed = None if page.maker == "manual" else bullet_leads(numbered, named=False)
    bullets = bullet_leads(open_lines, named=True) or unnamed
    paragraphs = paragraph_leads(open_lines, named=True)
    leads = [g for g in (bullets, paragraphs) if g is not None]
    heads = heading_terms(open_lines, others=others + sum(g.terms for g in leads))
    plain_heads = heading_terms(open_lines, others=others)
    led = sum(g.terms for g in (*leads, heads) if g is not None and not g.refused)
    enough = others >= ENOUGH or (led >= ENOUGH and not _has_marks(page))
    better = None if enough else _laid_out(page, open_lines, numbered, named=named)
    marked = better is not None and better.marked
    if better is not None and better.terms > max(led, others) - marked:
        yield better
        return
    if plain_heads is not None and plain_heads.terms > sum(g.terms for g in leads) and not others:
        yield plain_heads  # lists and bold words inside a heading's text belong to its definition
        return
    yield from leads
    if heads is not None:
        yield heads
    if not leads and heads is None and others < MIN_TERMS:
        single = one_term_page(page, numbered, url=url)
        if single is not None:
            yield single


def _has_marks(page: Page) -> bool:
    return page.body.css_first("[property], [role=term], [itemprop]") is not None


def _laid_out(
    page: Page, open_lines: list[Numbered], numbered: list[Numbered], *, named: bool
) -> Group | None:
    """What gives the most of: marks of single terms, sentences that define, lines with a sign, elements alike."""
    manual = page.maker == "manual" and not named
    found = [
        marked_pairs(page),
        legal_definitions(open_lines if manual else numbered, certain=not named),
        signed_lines(open_lines),
        repeated_items(page) if named else None,
        preformatted(page) if named else None,
    ]
    return max((g for g in found if g is not None), key=lambda g: g.terms, default=None)


def _under_headings(page: Page) -> tuple[frozenset[int], frozenset[int]]:
    """The lists and tables under a heading like "Glossary", and those under one like "See also"."""
    inside: list[int] = []
    ended: list[int] = []
    level = end = 0
    for node in page.body.css("h1, h2, h3, h4, h5, h6, dl, table"):
        tag = node.tag or ""
        if tag in ("dl", "table"):
            inside += [node.mem_id] if level else []
            ended += [node.mem_id] if end else []
            continue
        text, rank = text_of(node), int(tag[1])
        if rank <= end:
            end = 0
        if rank > 1 and words.END_SECTION.match(labels.trim(text)):
            end = end or rank
        if names_glossary(text):
            level = level or rank
        elif rank <= level:
            level = 0
    return frozenset(inside), frozenset(ended)


def _in_scope(numbered: list[Numbered], structured: list[Group], *, named: bool) -> list[Numbered]:
    """The lines where terms may stand; refused lists and tables do not interrupt a definition."""
    accepted = {g.node_id for g in structured if not g.refused}
    return scoped(
        [
            (n, x)
            for n, x in numbered
            if x.kind != "group" or (x.node is not None and x.node.mem_id in accepted)
        ],
        named=named,
    )


def _placed(group: Group, line: int) -> Group:
    return replace(group, found=tuple(replace(f, line=line) for f in group.found))


def names_itself(page: Page, url: str) -> bool:
    """Whether the page calls itself a glossary (title, h1, address) or has an alphabet of headings."""
    titles = [part for t in (page.heading, page.title) for part in words.TITLE_BREAK.split(t)]
    titles = [words.without_number(clean(t)) for t in titles]
    if any(words.INDEX.match(t) for t in titles):
        return False
    manual = page.maker == "manual"
    if any(_calls_itself(t) and not (manual and not _beyond_doubt(t)) for t in titles):
        return True
    if re.search(r"gloss|terminolog|용어", url, re.IGNORECASE):
        return True
    shown = [(h.tag, labels.trim(text_of(h))) for h in page.body.css("h1, h2, h3, h4")]
    heads = [text for _, text in shown]
    if (
        not page.title
        and len(heads) >= _H1_EACH
        and {tag for tag, _ in shown} == {"h1"}
        and labels.in_order(heads)
    ):
        return True
    letters = {t for t in heads if len(t) <= _LETTER_CHARS and words.LETTER.match(t)}
    return (len(letters) >= 3 and not manual) or bool(letters and _opens_as_glossary(page))


def _beyond_doubt(title: str) -> bool:
    """Whether a title says glossary by another word than one that names a structure of data."""
    return bool(words.GLOSSARY.search(words.AMBIGUOUS.sub("", title)))


def _calls_itself(title: str) -> bool:
    """Whether a title says glossary and is not a name in a program (`glossary.collection`)."""
    return (
        words.announces(title)
        and len(title.split()) <= _TITLE_WORDS
        and not re.match(r"[a-z]{3,}[._][a-z]", title)
    )


def _opens_as_glossary(page: Page) -> bool:
    first = page.body.css_first("p")
    return first is not None and bool(words.GLOSSARY.search(text_of(first)[:300]))
