"""One page to its terms: run the reader of every structure and fold what they give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from embedkit.crawler.extract import labels, words
from embedkit.crawler.extract.fold import MIN_TERMS, fold_groups
from embedkit.crawler.extract.guard import refusal
from embedkit.crawler.extract.records import Extraction, Group, Verdict
from embedkit.crawler.extract.structures.definition_lists import definition_lists
from embedkit.crawler.extract.structures.headings import heading_terms, names_glossary, one_term_page, scoped
from embedkit.crawler.extract.structures.leads import Numbered, bullet_leads, dfn_leads, paragraph_leads
from embedkit.crawler.extract.structures.marked_pairs import marked_pairs
from embedkit.crawler.extract.structures.tables import tables
from embedkit.crawler.extract.tree import Page, lines, parse, text_of
from embedkit.text import clean

_TITLE_WORDS = 8
_LETTER_CHARS = 3


def extract(html: str, *, lang: str = "", url: str = "", title: str = "", gate: bool = True) -> Extraction:
    """The terms of a page. `title` and `url` help to see whether it is a glossary; without the gate any page is."""
    unsafe = refusal(html)
    if unsafe:
        return Extraction(verdict=Verdict(is_glossary=False, reason=unsafe))
    page = parse(html, lang=lang)
    if page is None:
        return Extraction()
    if title:
        page = replace(page, title=title)
    groups = list(_groups(page, url=url, gate=gate))
    return fold_groups(groups, page.lang or "en", page.heading or page.title, gate=gate)


def _groups(page: Page, *, url: str, gate: bool) -> Iterator[Group]:
    named = names_itself(page, url)
    inside = _under_glossary(page)
    listed, list_ids = definition_lists(page, named=named, inside=inside)
    tabled, table_ids = tables(page, named=named, inside=inside)
    numbered = list(enumerate(lines(page.body, groups=list_ids | table_ids)))
    places = {line.node.mem_id: n for n, line in numbered if line.kind == "group" and line.node is not None}
    yield from (_placed(g, places.get(g.node_id, 0)) for g in (*listed, *tabled))
    if page.maker == "manual" and any(g.marked and not g.refused for g in listed):
        return  # such pages mark their glossaries; the rest is text about them
    open_lines = _in_scope(numbered, [*listed, *tabled], named=named or not gate)
    yield from _line_groups(page, open_lines, numbered, [*listed, *tabled], named=named or not gate, url=url)


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
    bullets = bullet_leads(open_lines, named=True) or bullet_leads(numbered, named=False)
    paragraphs = paragraph_leads(open_lines, named=True)
    leads = [g for g in (bullets, paragraphs) if g is not None]
    heads = heading_terms(open_lines, others=others + sum(g.terms for g in leads))
    plain_heads = heading_terms(open_lines, others=others)
    if plain_heads is not None and plain_heads.terms > sum(g.terms for g in leads) and not others:
        yield plain_heads  # lists and bold words inside a heading's text belong to its definition
        return
    marked = marked_pairs(page)
    if marked is not None and marked.terms > sum(g.terms for g in (*leads, heads) if g is not None):
        yield marked
        return
    yield from leads
    if heads is not None:
        yield heads
    if not leads and heads is None and others < MIN_TERMS:
        single = one_term_page(page, numbered, url=url)
        if single is not None:
            yield single


def _under_glossary(page: Page) -> frozenset[int]:
    """The lists and tables under a heading like "Glossary" or "Terms and definitions"."""
    ids: list[int] = []
    level = 0
    for node in page.body.css("h1, h2, h3, h4, h5, h6, dl, table"):
        tag = node.tag or ""
        if tag in ("dl", "table"):
            ids += [node.mem_id] if level else []
        elif names_glossary(text_of(node)):
            level = level or int(tag[1])
        elif int(tag[1]) <= level:
            level = 0
    return frozenset(ids)


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
    if any(words.INDEX.match(clean(t)) for t in titles):
        return False
    if any(_calls_itself(clean(t)) for t in titles):
        return True
    if re.search(r"gloss|terminolog|용어", url, re.IGNORECASE):
        return True
    heads = (labels.trim(text_of(h)) for h in page.body.css("h1, h2, h3, h4"))
    letters = {t for t in heads if len(t) <= _LETTER_CHARS and words.LETTER.match(t)}
    return len(letters) >= 3 or bool(letters and _opens_as_glossary(page))


def _calls_itself(title: str) -> bool:
    """Whether a title says glossary and is not a name in a program (`glossary.collection`)."""
    return (
        bool(words.GLOSSARY.search(title))
        and len(title.split()) <= _TITLE_WORDS
        and not re.match(r"[a-z]{3,}[._][a-z]", title)
    )


def _opens_as_glossary(page: Page) -> bool:
    first = page.body.css_first("p")
    return first is not None and bool(words.GLOSSARY.search(text_of(first)[:300]))
