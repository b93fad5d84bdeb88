"""Takes out of a page what is never a term or a definition, and keeps what is only folded away.

A closed accordion, a tab and a lazy part of a glossary are hidden until someone opens them; menus, dialogs and the
labels for screen readers are hidden too. What a control opens, and what looks like its visible neighbours, is content.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from selectolax.lexbor import LexborNode

from embedkit.crawler.extract import labels, words
from embedkit.text import clean

# Elements that never hold a term or a definition, by element, by MediaWiki, by Sphinx and by blog engines.
NOISE = (
    "script, style, noscript, template, nav, footer, select, textarea, input, iframe, object, "
    "svg, canvas, video, audio, img, picture, figure, map, dialog, rt, rp, title, link, "
    "[role=navigation], [role=search], [role=banner], [role=contentinfo], [role=complementary], [role=dialog], "
    ".navbox, .vertical-navbox, .navbar, .toc, #toc, #table-of-contents, .infobox, "
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
    ".MathJax, .MathJax_Preview, .MathJax_Display, "
    # labels that only a screen reader reads out
    ".screen-reader-text, .sr-only, .sr_only, .visually-hidden, .visuallyhidden, .a11y-hidden, .offscreen, "
    ".assistive-text, .element-invisible, .blind, .screen_out, .screen-out, .hide-text, .ir_desc"
)
_LAZY = "noscript, template, "
_OPENERS = (
    *("aria-expanded", "aria-controls", "data-toggle", "data-bs-toggle", "data-target", "data-bs-target"),
)
_HEADS = ("h1", "h2", "h3", "h4", "h5", "h6", "dt", "summary", "th")
_INLINE = frozenset(
    ("a", "abbr", "b", "button", "code", "em", "i", "label", "mark", "small", "span", "strong", "sub", "sup")
)
_PANEL = re.compile(
    r"panel|tab-?(?:pane|content|body)|accordion|collaps|answer|toggle|expand|drawer-?content", re.I
)
_OVERLAY = re.compile(r"modal|popup|cookie|menu|nav|dropdown|tooltip|offcanvas|banner|overlay|search", re.I)
_UI = re.compile(
    r"^(?:open|close|copy|search|menu|edit|share|print|submit|cancel|ok|show|hide|expand|collapse|toggle|next|prev(?:ious)?"
    r"|(?:show|hide|expand|collapse|open|close|view) (?:all|more|less|menu)|all|send|subscribe|login|sign (?:in|up|out)"
    r"|열기|닫기|펼치기|접기|검색|메뉴|복사|공유|인쇄|더 ?보기"
    r"|전체 ?(?:보기|열기|닫기|펼치기|접기)|이전|다음|확인|취소)$",
    re.I,
)
_AWAY_LINK = re.compile(rf">{words.AWAY_ENDS}(?:{words.AWAY}|top|more|¶|#|§){words.AWAY_ENDS}<", re.I)
_LAST_WORD = re.compile(rf"{words.AWAY_ENDS}(?:top|more|¶|#|§){words.AWAY_ENDS}", re.I)


def attribute(node: LexborNode, name: str) -> str:
    """An attribute's value; the empty string where there is none."""
    return node.attributes.get(name) or ""


def inner_first(body: LexborNode, selector: str) -> list[LexborNode]:
    """The matches, each once and inner ones first: removing one never removes another with it."""
    found = {node.mem_id: node for node in body.css(selector) if node.tag != "body"}
    return list(found.values())[::-1]


def prune(body: LexborNode, html: str, *, lazy: bool) -> None:
    """Remove the noise below `body`. With `lazy` what stands in `noscript` and `template` is content."""
    if "<button" in html:
        kept = _terms_on_buttons(body)
        for button in inner_first(body, "button"):
            if button.mem_id not in kept:
                button.decompose()
    for node in inner_first(body, NOISE.replace(_LAZY, "") if lazy else NOISE):
        node.decompose()
    if "hidden" in html:
        _prune_hidden(body)
    if _AWAY_LINK.search(html):
        _prune_links(body)
    kept = frozenset(node.mem_id for node in body.css("main aside, article aside, dd aside, li aside"))
    for node in inner_first(body, "aside"):
        if node.mem_id not in kept:
            node.decompose()


def _terms_on_buttons(body: LexborNode) -> frozenset[int]:
    """The buttons whose text is a term: alone in a heading, or each with a text of its own and something to open."""
    kept: set[int] = set()
    groups: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for button in body.css("button"):
        text = clean(button.text())
        if not labels.is_label(text) or _UI.match(text) or attribute(button, "type") in ("submit", "reset"):
            continue
        head = _head_around(button)
        if head is not None:
            if clean(head.text()) == text:
                kept.add(button.mem_id)
        elif any(attribute(button, name) for name in _OPENERS) or _opens_next(button):
            groups[attribute(button, "class")].append((button.mem_id, text))
    for buttons in groups.values():
        texts = Counter(text for _, text in buttons)
        if len(buttons) > 1 and len(texts) * 4 >= len(buttons) * 3:
            kept |= {number for number, _ in buttons}
    return frozenset(kept)


def _head_around(node: LexborNode) -> LexborNode | None:
    parent = node.parent
    for _ in range(3):
        if parent is None or parent.tag in _HEADS:
            return parent
        parent = parent.parent
    return None


def _opens_next(button: LexborNode) -> bool:
    """Whether a block follows the button, or what holds nothing but it."""
    node: LexborNode | None = button
    for _ in range(3):
        if node is None:
            return False
        after = _next_element(node)
        if after is not None:
            return after.tag not in (*_INLINE, "button", "input")
        node = node.parent
        if node is None or node.tag == "body" or len(clean(node.text())) > len(clean(button.text())):
            return False
    return False


def _after(opener: LexborNode) -> LexborNode | None:
    """The block after a control, or after a heading that holds nothing else."""
    head = _head_around(opener)
    after = _next_element(head if head is not None else opener)
    return after if after is not None and after.tag not in _INLINE else None


def _next_element(node: LexborNode) -> LexborNode | None:
    after = node.next
    while after is not None and not after.is_element_node:
        if after.is_text_node and (after.text_content or "").strip():
            return None
        after = after.next
    return after


def _prune_hidden(body: LexborNode) -> None:
    opened = {attribute(n, "aria-controls") for n in body.css("[aria-controls]")}
    openers = body.css("button, [role=button], [role=tab], [aria-expanded]")
    nexts = {after.mem_id for n in openers if (after := _after(n)) is not None}
    opened |= {attribute(n, "href")[1:] for n in body.css("[role=tab][href^='#'], [data-toggle][href^='#']")}
    for node in inner_first(body, "[hidden], [aria-hidden=true]"):
        # LibreOffice help hides both wordings of a switch and shows one by script: the default one.
        if "hidden" in node.attributes and attribute(node, "id").startswith("default"):
            continue
        if node.mem_id not in nexts and not _is_panel(node, opened):
            node.decompose()


def _is_panel(node: LexborNode, opened: set[str]) -> bool:
    """Whether a hidden element is a part of the text that someone can open."""
    names = f"{attribute(node, 'class')} {attribute(node, 'id')}"
    if (
        node.tag in _INLINE
        or attribute(node, "role") in ("menu", "alert", "tooltip")
        or _OVERLAY.search(names)
    ):
        return False
    return (
        attribute(node, "role") in ("tabpanel", "region")
        or bool(attribute(node, "aria-labelledby"))
        or attribute(node, "id") in opened - {""}
        or node.tag == "dd"
        or bool(_PANEL.search(names))
        or node.css_first("dt, dfn") is not None
        or _has_open_twin(node)
    )


def _has_open_twin(node: LexborNode) -> bool:
    """Whether a neighbour of the same kind is not hidden, as the first of some tabs is."""
    if not attribute(node, "class") and node.tag in ("div", "p"):
        return False
    for step in ("prev", "next"):
        twin = getattr(node, step)
        while twin is not None:
            if (
                twin.tag == node.tag
                and attribute(twin, "class").split()[:1] == attribute(node, "class").split()[:1]
            ):
                hidden = "hidden" in twin.attributes or attribute(twin, "aria-hidden") == "true"
                if not hidden and twin.text().strip():
                    return True
            twin = getattr(twin, step)
    return False


def _prune_links(body: LexborNode) -> None:
    for link in inner_first(body, "a, .btn, [role=button]"):
        text = clean(link.text())
        if words.AWAY_LINE.fullmatch(text) or (_LAST_WORD.fullmatch(text) and _is_last(link)):
            if link.parent is not None and clean(link.parent.text()) == text and link.parent.tag in _HEADS:
                continue
            link.decompose()


def _is_last(node: LexborNode) -> bool:
    after = node.next
    while after is not None:
        if after.is_element_node or (after.is_text_node and (after.text_content or "").strip(" \n\t].)")):
            return False
        after = after.next
    return node.prev is not None
