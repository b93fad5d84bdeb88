"""The user's own CSS selectors for terms and definitions, by BeautifulSoup, which knows nearly all of CSS.

BeautifulSoup is given the page as lexbor builds it, so that a selector matches what a browser's inspector shows.
"""

from __future__ import annotations

from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.element import Tag
from selectolax.lexbor import LexborHTMLParser
from soupsieve import SelectorSyntaxError

from embedkit.crawler.extract.fold import fold_groups
from embedkit.crawler.extract.guard import refusal
from embedkit.crawler.extract.labels import label
from embedkit.crawler.extract.records import Extraction, Group, RawEntry, Verdict
from embedkit.errors import UserError
from embedkit.text import clean


def extract_selected(html: str, *, term: str, definition: str, lang: str = "") -> Extraction:
    """Pair each element matched by `term` with those matched by `definition` before the next term."""
    unsafe = refusal(html)
    if unsafe:
        return Extraction(verdict=Verdict(is_glossary=False, reason=unsafe, final=True))
    soup = BeautifulSoup(LexborHTMLParser(html).html or "", "html.parser")
    terms, definitions = _ids(soup, term, "--select-term"), _ids(soup, definition, "--select-definition")
    found = tuple(_found(soup, terms, definitions))
    title = clean(soup.title.get_text()) if soup.title else ""
    own = soup.html.get("lang") if soup.html else ""
    groups = [Group(structure="your selectors", found=found)] if found else []
    return fold_groups(groups, lang or str(own or "en").split("-")[0], title, gate=bool(not found))


def _ids(soup: BeautifulSoup, selector: str, option: str) -> frozenset[int]:
    try:
        return frozenset(id(element) for element in soup.select(selector))
    except (SelectorSyntaxError, ValueError, NotImplementedError) as error:
        raise UserError(
            "not a CSS selector: {reason}", place=f"{option} {selector!r}", reason=str(error).splitlines()[0]
        ) from None


def _found(soup: BeautifulSoup, terms: frozenset[int], definitions: frozenset[int]) -> Iterator[RawEntry]:
    heads: list[str] = []
    senses: list[str] = []
    anchors: list[str] = []
    for element in soup.find_all(True):
        if not isinstance(element, Tag):
            continue
        if id(element) in terms:
            if senses:
                yield RawEntry(heads=tuple(heads), senses=tuple(senses), anchors=tuple(anchors))
                heads, senses, anchors = [], [], []
            heads += [name for name in [label(clean(element.get_text()))] if name]
            anchors += [str(element["id"])] if element.get("id") else []
        elif id(element) in definitions and heads:
            senses += [text for text in [clean(element.get_text())] if text]
    if heads:
        yield RawEntry(heads=tuple(heads), senses=tuple(senses), anchors=tuple(anchors))
