"""A page as a browser would build it (lexbor, 20 ms for 838 KB), without what is no text, and as lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from selectolax.lexbor import LexborHTMLParser, LexborNode

from embedkit.text import clean

MAX_NODES = 2_000_000
Kind = Literal["heading", "p", "li", "td", "group", "end"]

# Elements that never hold a term or a definition, by element, by MediaWiki, by Sphinx and by blog engines.
_NOISE = (
    "script, style, noscript, template, nav, footer, button, select, textarea, input, iframe, object, "
    "svg, canvas, video, audio, img, picture, figure, map, dialog, rt, rp, title, link, "
    "[role=navigation], [role=search], [role=banner], [role=contentinfo], [role=complementary], "
    "[aria-hidden=true], .navbox, .vertical-navbox, .navbar, .toc, #toc, #table-of-contents, .infobox, "
    ".metadata, .ambox, .tmbox, .mbox-small, .noprint, .mw-editsection, .editsection, sup.reference, "
    ".mw-ref, .reflist, .references, .mw-references-wrap, .catlinks, .mw-cite-backlink, .printfooter, "
    ".gallery, .gallerybox, .gallery-item, .thumb, .tright, .tleft, .shortdescription, .mw-jump-link, "
    ".sistersitebox, .authority-control, .mw-authority-control, .Template-Fact, .mw-empty-elt, "
    "#mw-navigation, #mw-panel, #mw-head, #siteSub, .ext-discussiontools-init-replylink-buttons, "
    ".mw-indicators, #footer, #mw-hidden-catlinks, .mw-portlet, .headerlink, .hash-link, .anchor-link, "
    ".anchorjs-link, .header-anchor, .heading-anchor, .permalink, .viewcode-link, .sphinxsidebar, "
    ".toctree-wrapper, .toc-tree, .sidebar-tree, .sidebar-drawer, .wy-nav-side, .related, .classifier, "
    ".classifier-delimiter, .breadcrumb, .breadcrumbs, .pagination, .prev-next, .sharedaddy, .widget, "
    ".widget-area, #comments, .comments-area, .comment-list, .commentlist, .cookie-notice, "
    ".screen-reader-text, .sr-only, .visually-hidden, .MathJax, .MathJax_Preview, .MathJax_Display"
)
_BLOCK_NAMES = """
    address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption
    footer form h1 h2 h3 h4 h5 h6 header hgroup hr li main menu nav ol p pre section summary table tbody
    td tfoot th thead tr ul caption
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_TEX_IMAGES = "img.tex[alt], img.mwe-math-fallback-image-inline[alt], img.mwe-math-fallback-png-inline[alt]"
_HEADINGS = {f"h{n}": n for n in range(1, 7)} | {"summary": 7}
_BOLD = frozenset(("b", "strong"))
_SOFT = {"a": "a", "i": "i", "em": "i", "code": "code", "u": "i", "tt": "code", "span": "", "font": ""}
_TERM_CLASS = re.compile(
    r"(?:^|[\s_-])(?:term|glossterm|gloss-term|glossary-term|bold|emph|strong|term-name|headword)(?:$|\s)"
)
_DISPLAYSTYLE = re.compile(r"^\{\\(?:display|text)style\s*(.*)\}$", re.DOTALL)
_XREF = re.compile(r"\[=\s*([^=\]|]+?)\s*(?:\|[^\]]*)?=\]|\[\[!?([\w-]+)\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line as a reader sees it: `lead` stands out at its start, by `mark` (dfn, b, a, i, code)."""

    kind: Kind
    text: str = ""
    level: int = 0
    lead: str = ""
    rest: str = ""
    mark: str = ""
    node: LexborNode | None = None
    owner: int = 0
    item: int = 0
    anchor: str = ""
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A parsed page: its body without noise, its language, its title and first heading."""

    body: LexborNode
    lang: str
    title: str
    heading: str
    respec: bool = False
    parser: LexborHTMLParser = field(repr=False)


def parse(html: str, *, lang: str = "") -> Page | None:
    """Parse and clean a page; None when nothing is in it. `lang` overrides what the page says of itself."""
    parser = LexborHTMLParser(html)
    body = parser.body
    if body is None:
        return None
    title_node = parser.css_first("head > title")
    title = clean(title_node.text()) if title_node else ""
    said = _language(parser, body)
    respec = parser.css_first("script[src*=respec]") is not None
    _math(body)
    _prune(body)
    first = body.css_first("h1")
    heading = text_of(first).replace("\n", " ") if first else ""
    return Page(body=body, lang=lang or said, title=title, heading=heading, respec=respec, parser=parser)


def _language(parser: LexborHTMLParser, body: LexborNode) -> str:
    html = parser.css_first("html")
    content = body.css_first("#mw-content-text [lang], .mw-parser-output[lang]")
    for node in (content, html, body):
        lang = attribute(node, "lang") if node else ""
        if lang:
            return lang.split("-")[0].lower()
    return ""


def attribute(node: LexborNode, name: str) -> str:
    """An attribute's value; the empty string where there is none."""
    return node.attributes.get(name) or ""


def _inner_first(body: LexborNode, selector: str) -> list[LexborNode]:
    """The matches, each once and the inner ones first, so that taking one out never takes another with it."""
    found = {node.mem_id: node for node in body.css(selector) if node.tag != "body"}
    return list(found.values())[::-1]


def _math(body: LexborNode) -> None:
    """Replace formulas by their TeX between dollar signs."""
    for node in _inner_first(body, ".mwe-math-element, .katex, mjx-container"):
        _replace_formula(node)
    for node in _inner_first(body, "math"):
        _replace_formula(node)
    for node in _inner_first(body, _TEX_IMAGES):
        node.replace_with(_tex(attribute(node, "alt")))
    for node in _inner_first(body, "script[type^='math/tex']"):
        node.replace_with(_tex(node.text()))
    for node in _inner_first(body, "span.math, div.math"):
        node.replace_with(_tex(re.sub(r"^\s*\\[(\[]|\\[)\]]\s*$", "", node.text())))


def _replace_formula(node: LexborNode) -> None:
    source = node.css_first("annotation[encoding*=tex], annotation[encoding*=TeX]")
    image = node.css_first("img[alt]")
    tex = source.text() if source else attribute(image, "alt") if image else attribute(node, "alttext")
    if tex:
        node.replace_with(_tex(tex))


def _tex(source: str) -> str:
    match = _DISPLAYSTYLE.match(source.strip())
    return f"${(match[1] if match else source).strip()}$"


def _prune(body: LexborNode) -> None:
    for node in _inner_first(body, _NOISE):
        node.decompose()
    for node in _inner_first(body, "[hidden]"):
        # LibreOffice help hides both wordings of a switch and shows one by script: the default one.
        if not attribute(node, "id").startswith("default"):
            node.decompose()
    told = {node.mem_id for node in body.css("main aside, article aside, dd aside, li aside")}
    for node in _inner_first(body, "aside"):
        if node.mem_id not in told:
            node.decompose()


def within(node: LexborNode, tags: tuple[str, ...]) -> bool:
    """Whether an ancestor of `node` has one of `tags`."""
    parent = node.parent
    while parent is not None:
        if parent.tag in tags:
            return True
        parent = parent.parent
    return False


def walk(root: LexborNode) -> Iterator[tuple[bool, LexborNode]]:
    """Yield `(entering, node)` for every node below `root` in document order; text nodes are only entered.

    No recursion: pages are nested as deep as their makers like.
    """
    node = root.child
    for _ in range(MAX_NODES):
        if node is None:
            return
        yield True, node
        below = node.child if node.is_element_node else None
        if below is not None:
            node = below
            continue
        while node is not None:
            yield False, node
            if node.next is not None:
                node = node.next
                break
            node = node.parent
            if node is None or node.mem_id == root.mem_id:
                return


def text_of(root: LexborNode, *, drop: str = "") -> str:
    """The text below `root`, a line a block, without subtrees that have the class `drop`."""
    parts: list[str] = []
    hidden = 0
    for entering, node in walk(root):
        if node.is_text_node:
            if entering and not hidden:
                parts.append(re.sub(r"\s+", " ", node.text_content or ""))
            continue
        tag = node.tag
        if drop and drop in attribute(node, "class"):
            hidden += 1 if entering else -1
        if not hidden and (tag in _BLOCKS or tag == "br"):
            parts.append("\n")
    return tidy("".join(parts))


def tidy(text: str) -> str:
    """Clean every line and drop the empty ones."""
    return "\n".join(line for line in map(clean, text.split("\n")) if line)


def plain(text: str) -> str:
    """ReSpec's source markup as its readers see it: `[=term=]` is term."""
    return _XREF.sub(lambda m: m[1] or f"[{m[2]}]", text)


class _Draft:
    """A line being read: its pieces with their marks."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str, LexborNode | None]] = []

    def add(self, text: str, mark: str, node: LexborNode | None) -> None:
        self.pieces.append((text, mark, node))

    def split(self) -> tuple[str, str, str, LexborNode | None]:
        """`(lead, rest, mark, node)`: the leading run of pieces under one mark, and what follows."""
        lead: list[str] = []
        mark, at = "", None
        for index, (text, piece_mark, node) in enumerate(self.pieces):
            blank = not text.strip(" \u200b\ufeff")
            if not lead and blank:
                continue
            if not mark and piece_mark:
                mark, at = piece_mark, node
            if not mark or (not blank and piece_mark != mark):
                return clean("".join(lead)), "".join(t for t, _, _ in self.pieces[index:]), mark, at
            lead.append(text)
        return clean("".join(lead)), "", mark, at


def lines(body: LexborNode, *, groups: frozenset[int] = frozenset()) -> Iterator[Line]:
    """The page as lines in reading order; each subtree in `groups` is one line of the kind "group"."""
    draft = _Draft()
    blocks: list[LexborNode] = [body]
    marks: list[tuple[int, str, LexborNode]] = []
    keywords: list[str] = []
    inside = 0
    for entering, node in walk(body):
        if node.is_text_node:
            if entering and not inside:
                mark, at = (marks[-1][1], marks[-1][2]) if marks else ("", None)
                draft.add(re.sub(r"\s+", " ", node.text_content or ""), mark, at)
            continue
        if not node.is_element_node:
            continue
        tag = node.tag or ""
        if node.mem_id in groups:
            if entering and not inside:
                yield from _flush(draft, blocks, keywords)
                yield Line(kind="group", node=node)
            inside += 1 if entering else -1
            draft = _Draft()
        elif inside:
            continue
        elif tag == "meta":
            if entering and attribute(node, "itemprop") == "keywords":
                keywords.append(attribute(node, "content"))
        elif tag in _BLOCKS or tag == "br":
            yield from _flush(draft, blocks, keywords)
            draft = _Draft()
            if entering and tag != "br":
                blocks.append(node)
            elif tag != "br":
                blocks.pop()
                if tag == "details":
                    yield Line(kind="end")
        elif entering:
            mark = _mark(node, marks[-1][1] if marks else "")
            if mark:
                marks.append((node.mem_id, mark, node))
        elif marks and marks[-1][0] == node.mem_id:
            marks.pop()
    yield from _flush(draft, blocks, keywords)


def _mark(node: LexborNode, outer: str) -> str:
    """How an inline element stands out, the strongest of it and what it lies in."""
    tag = node.tag or ""
    if tag == "dfn" or outer == "dfn":
        return "dfn"
    if tag in _BOLD or outer == "b":
        return "b"
    if tag in ("span", "font") and (
        _TERM_CLASS.search(attribute(node, "class")) or "bold" in attribute(node, "style").replace(" ", "")
    ):
        return "b"
    return outer or _SOFT.get(tag, "")


def _flush(draft: _Draft, blocks: list[LexborNode], keywords: list[str]) -> Iterator[Line]:
    text = clean("".join(t for t, _, _ in draft.pieces))
    if not text:
        return
    node = blocks[-1]
    heading = next((b for b in reversed(blocks) if b.tag in _HEADINGS), None)
    item = _item(blocks)
    lead, rest, mark, at = draft.split()
    kind: Kind = "heading" if heading else "td" if node.tag in ("td", "th") else "li" if item else "p"
    owner = item.parent.mem_id if item is not None and item.parent is not None else node.mem_id
    yield Line(
        kind=kind,
        text=text,
        level=_HEADINGS[heading.tag or ""] if heading else 0,
        lead=lead,
        rest=clean(rest),
        mark=mark,
        node=at,
        owner=owner,
        item=item.mem_id if item is not None else 0,
        anchor=_anchor(heading or item or node),
        keywords=tuple(keywords) if heading else (),
    )
    if heading:
        keywords.clear()


def _item(blocks: list[LexborNode]) -> LexborNode | None:
    """The list item that the innermost block is or lies in."""
    for node in reversed(blocks):
        if node.tag == "li":
            return node
        if node.tag in ("ul", "ol", "td", "dd", "body"):
            return None
    return None


def _anchor(node: LexborNode) -> str:
    if attribute(node, "id"):
        return attribute(node, "id")
    inner = node.css_first("[id], a[name]")
    return (attribute(inner, "id") or attribute(inner, "name")) if inner else ""
