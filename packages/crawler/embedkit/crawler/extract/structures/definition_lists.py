"""Definition lists: `dl/dt/dd` of Wikipedia, Sphinx, docutils, DocBook, AsciiDoc, Markdown and plain HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from urllib.parse import unquote

from selectolax.lexbor import LexborNode

from embedkit.crawler.extract import labels, reasons, words
from embedkit.crawler.extract.noise import attribute
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.tree import Page, text_of, within
from embedkit.data.entries import Alias
from embedkit.text import clean, is_acronym

# Lists that pair names with something else: API signatures, field lists, footnotes, galleries, metadata.
_OTHER_LIST = re.compile(
    r"(?:^|\s)(?:py|c|cpp|js|rst|describe|class|function|method|data|exception|attribute|envvar|cmdoption|option-list"
    r"|field-list|footnote|citation|docinfo|gallery|wp-caption|tabs?|metadata|meta|toctree|breadcrumb\S*|comments?)(?:\s|$)"
)
_GLOSSARY_CLASS = re.compile(r"gloss|terms?(?:$|\s|-)|definition", re.IGNORECASE)
_CODE = "code, tt, kbd, samp, .option, .varname, .replaceable, .command, .envar, .parameter, .function"
_GLOSSARY_HEAD = "dt.glossterm, dt .glossterm"
_DT, _DD, _DL = "dt", "dd", "dl"
_PROSE_WORDS = 3
_MIN_UNNAMED = 4
_MANUAL_SECTIONS = 3
_FEW, RARE, LONG_PAGE = 5, 50, 100_000
# The end of a talk page's comment, in most of Wikipedia's languages: a time, a year, a time zone.
_SIGNATURE = re.compile(
    r"\b\d{1,2}:\d{2}\b.{0,40}\b\d{4}\b.{0,25}\((?:UTC|GMT|CES?T|[A-Z]{3,5}|م)\)|\d{4}년.{0,30}\((?:UTC|KST)\)"
)
_WIKI_PATH = re.compile(r"^(?:/wiki/|\./)(?P<title>[^#?:]+)(?:#.*)?$")
_MAIN = re.compile(r"(?:Main article|본문|主要記事|Hauptartikel)s?\s*:")
_SEE_CLASS = re.compile(r"glossseealso|seealso")


@dataclass(slots=True)
class _Open:
    """An entry being collected: consecutive `dt`, then consecutive `dd`."""

    dts: list[LexborNode] = field(default_factory=list)
    dds: list[LexborNode] = field(default_factory=list)


def definition_lists(
    page: Page,
    *,
    named: bool,
    inside: frozenset[int] = frozenset(),
    ended: frozenset[int] = frozenset(),
) -> tuple[list[Group], frozenset[int]]:
    """The page's definition lists, accepted and refused, and the ids of all `dl` nodes.

    `named`: the page calls itself a glossary; `inside`: the nodes under a heading that does; `ended`: those in a
    section like "See also".
    """
    lettered = {dl.mem_id for dl in page.body.css(_DL) if _is_alphabet(dl)}
    lists = [
        dl
        for dl in page.body.css(_DL)
        if dl.mem_id not in lettered
        and (
            not within(dl, (_DD, _DT))
            or _list_around(dl) in lettered
            or (page.maker == "manual" and _is_sphinx_glossary(dl))
        )
    ]
    all_listed = len(page.body.css("dt")) == len(page.body.css("dl dt"))
    stray, stray_ids = ([], frozenset()) if all_listed else _without_list(page)
    read = [(dl, tuple(_entries(dl))) for dl in lists]
    groups = [
        _judged(dl, found, named=named or dl.mem_id in inside, code=named) for dl, found in read if found
    ]
    groups += [replace(g, refused=g.refused or ("" if named else reasons.NO_LIST)) for g in stray]
    groups = [
        replace(g, refused=g.refused or reasons.SEE_ALSO_SECTION) if g.node_id in ended else g for g in groups
    ]
    if not named and any(words.PROGRAM_TITLE.search(t) for t in (page.title, page.heading)):
        program = reasons.PROGRAM
        groups = [replace(g, refused=g.refused or ("" if g.marked else program)) for g in groups]
    code = sum(g.terms for g in groups if g.refused == reasons.CODE)
    if not named and code * 4 >= sum(g.terms for g in groups) > 0:
        groups = [replace(g, refused=g.refused or ("" if g.marked else reasons.CODE)) for g in groups]
    if not named and _is_index(page):
        groups = [replace(g, refused=g.refused or reasons.INDEX) for g in groups]
    if not named and _is_manual_page(page):
        groups = [replace(g, refused=g.refused or reasons.OPTIONS) for g in groups]
    if not named:
        sizes = {dl.mem_id: len(dl.text()) for dl in lists}
        chars = sum(sizes.get(g.node_id, 0) for g in groups if not g.refused)
        groups = [g if g.node_id in inside else _unmarked(g, page, chars) for g in groups]
        groups = _mostly_other(groups, sizes, page, inside)
    if labels.repeat([h for g in groups if not g.refused for f in g.found for h in f.heads]):
        groups = [replace(g, refused=g.refused or reasons.REPEATED) for g in groups]
    return _pseudo_headings(groups, named=named), frozenset(dl.mem_id for dl in lists) | stray_ids


def _is_alphabet(dl: LexborNode) -> bool:
    """Whether a list's heads are letters, and its definitions lists of terms."""
    if dl.css_first("dd dl") is None:
        return False
    heads = [clean(dt.text()) for dt in _parts(dl) if dt.tag == _DT]
    return bool(heads) and sum(bool(words.LETTER.match(h)) for h in heads) * 2 > len(heads)


def _list_around(dl: LexborNode) -> int:
    parent = dl.parent
    while parent is not None and parent.tag != _DL:
        parent = parent.parent
    return parent.mem_id if parent is not None else 0


def _without_list(page: Page) -> tuple[list[Group], frozenset[int]]:
    """The `dt` and `dd` that no list holds, by the element that they stand in, and their ids."""
    strays = [n for n in page.body.css("dt, dd") if not within(n, (_DL, _DT, _DD))]
    groups = []
    for parent in dict.fromkeys(n.parent.mem_id for n in strays if n.parent):
        nodes = [n for n in strays if n.parent and n.parent.mem_id == parent]
        found = tuple(f for run in _runs(nodes) if (f := _found(run)) is not None)
        if found:
            refused = _heads_refused([h for f in found for h in f.heads])
            groups.append(
                Group(structure="definition list", found=found, refused=refused, node_id=nodes[0].mem_id)
            )
    return groups, frozenset(n.mem_id for n in strays)


def _is_manual_page(page: Page) -> bool:
    """Whether a page is the manual page of a command: by its title, or by its headings."""
    if any(words.MANUAL_PAGE.search(t) for t in (page.title, page.heading)):
        return True
    heads = {labels.trim(text_of(h)).casefold() for h in page.body.css("h1, h2, h3")}
    return sum(bool(words.MANUAL_SECTION.match(h)) for h in heads) >= _MANUAL_SECTIONS


def _is_index(page: Page) -> bool:
    heads = [page.title, *(text_of(h) for h in page.body.css("h1, h2")[:3])]
    return any(words.INDEX.match(words.without_number(labels.trim(h))) for h in heads)


def _mostly_other(
    groups: list[Group], sizes: Mapping[int, int], page: Page, inside: frozenset[int]
) -> list[Group]:
    """Refuse the terms of a page that does not call itself a glossary where most of it is about something else."""
    page_chars = len(page.body.text())
    good = [g for g in groups if not g.refused]
    listed = sum(sizes.get(g.node_id, 0) for g in good)
    under = any(g.node_id in inside for g in good)
    few = page.maker == "manual" and sum(g.terms for g in good) < _FEW
    rare = listed * RARE < page_chars and page_chars > LONG_PAGE
    beside = not under and any(g.marked for g in good) and page.maker == "manual" and listed * 3 < page_chars
    if not (few or rare or beside):
        return groups
    return [replace(g, refused=g.refused or reasons.OTHER_PAGE) for g in groups]


def _unmarked(group: Group, page: Page, listed_chars: int) -> Group:
    """Refuse an unmarked list if the page is a manual or mostly other text."""
    if group.refused or group.marked or page.maker == "wiki":
        return group
    if page.maker == "manual":
        return replace(group, refused=reasons.MANUAL_LIST)
    page_chars = len(page.body.text())
    few = (
        group.terms < _MIN_UNNAMED and listed_chars * 10 < page_chars * 9
    )  # a file may be a short list and no more
    if few or listed_chars * 5 < page_chars * 3:
        return replace(group, refused=reasons.ARTICLE_LIST)
    return group


def _is_sphinx_glossary(dl: LexborNode) -> bool:
    """Whether a list is Sphinx's glossary, also inside another list's definition."""
    return "glossary" in attribute(dl, "class").split()


def _entries(dl: LexborNode) -> Iterator[RawEntry]:
    for entry in _runs(_parts(dl)):
        found = _found(entry)
        if found is not None:
            yield found


def _parts(dl: LexborNode) -> Iterator[LexborNode]:
    """The `dt` and `dd` of a list, also those that stand in a `div` or `span` of it."""
    node = dl.child
    while node is not None:
        if node.tag in (_DT, _DD):
            yield node
        elif node.is_element_node and node.tag not in ("table", "ul", "ol"):
            yield from (n for n in node.css("dt, dd") if not _between(n, node))
        node = node.next


def _between(node: LexborNode, top: LexborNode) -> bool:
    parent = node.parent
    while parent is not None and parent.mem_id != top.mem_id:
        if parent.tag in (_DT, _DD):
            return True
        parent = parent.parent
    return False


def _runs(parts: Iterable[LexborNode]) -> Iterator[_Open]:
    current = _Open()
    for node in parts:
        if node.tag == _DT and current.dds:
            yield current
            current = _Open()
        if node.tag == _DT:
            current.dts.append(node)
        elif current.dts:
            current.dds.append(node)
    if current.dts:
        yield current


def _found(entry: _Open) -> RawEntry | None:
    heads, lead_in = _heads(entry.dts)
    if not heads:
        return None
    aliases: list[Alias] = []
    senses: list[str] = [lead_in] if lead_in else []
    fragment = ""
    for dd in entry.dds:
        also = _also(dd)
        if also is not None:
            aliases += [Alias(name, labels.alias_kind(name)) for name in also]
            continue
        text = text_of(dd, drop="hatnote")
        if not text or _SEE_CLASS.search(attribute(dd, "class")):
            continue
        link = dd.css_first("a[href*='#']")
        fragment = fragment or (attribute(link, "href").partition("#")[2] if link else "")
        senses = [f"{lead_in} {text}"] if senses == [lead_in] else [*senses, text]
    aliases += [Alias(full, "full_form") for dt in entry.dts for full in _full_forms(dt)]
    return RawEntry(
        heads=tuple(heads),
        senses=tuple(senses),
        aliases=tuple(aliases),
        anchors=tuple(a for dt in entry.dts for a in _anchors(dt)),
        fragment=fragment,
        link=_wiki_link(entry),
        evidence="also",
    )


def _full_forms(dt: LexborNode) -> Iterator[str]:
    """What an `abbr` in a headword stands for."""
    for node in dt.css("abbr[title]"):
        full = clean(attribute(node, "title"))
        if labels.is_label(full) and is_acronym(clean(node.text())) and not is_acronym(full):
            yield full


def _wiki_link(entry: _Open) -> str:
    """The title of the article that a headword, or "Main article: X" below it, links to."""
    links = [dt.css_first("a[href]") for dt in entry.dts]
    links += [dd.css_first(".hatnote a[href]") for dd in entry.dds if _MAIN.match(dd.text().strip())]
    for link in filter(None, links):
        match = _WIKI_PATH.match(attribute(link, "href"))
        if match and "new" not in attribute(link, "class").split():
            return unquote(match["title"]).replace("_", " ")
    return ""


def _heads(dts: Sequence[LexborNode]) -> tuple[list[str], str]:
    """The headwords, and the start of a definition that a `dt` holds after a bold "term:"."""
    heads: list[str] = []
    lead_in = ""
    for dt in dts:
        shown = text_of(dt).split("\n")
        if len(shown) > 1 and are_names(shown):
            heads += [name for part in shown if (name := labels.label(part))]
            continue
        text = " ".join(shown)
        bold = dt.css_first("b, strong")
        lead = text_of(bold).replace("\n", " ") if bold else ""
        if lead.endswith((":", "：")) and text.startswith(lead) and text != lead:
            text, lead_in = lead, text[len(lead) :].strip()
        name = labels.label(text)
        if name:
            heads.append(name)
    return heads, lead_in


def are_names(lines: Sequence[str]) -> bool:
    """Whether the lines of a headword are a name each, and not one name that a break divides."""
    return len(lines) <= 4 and all(
        labels.is_label(line)
        and line[-1] not in "-–,(&/"
        and (not line[0].islower() or is_acronym(line) or is_acronym(lines[0]))
        and line[0] not in "([（&/-–"
        for line in lines[1:]
    )


def _anchors(dt: LexborNode) -> Iterator[str]:
    for node in (dt, *dt.css("[id], a[name]")):
        yield from (value for name in ("id", "name") if (value := attribute(node, name)))


def _also(dd: LexborNode) -> tuple[str, ...] | None:
    """The names that a hatnote-only definition ("Also **X** and **Y**.") gives; () for another hatnote."""
    hatnote = dd.css_first(".hatnote")
    if hatnote is None:
        bold = [text_of(b) for b in dd.css("b, strong")]
        return labels.also_names(text_of(dd).replace("\n", " "), bold) if bold else None
    if text_of(dd, drop="hatnote"):
        return None
    return (
        labels.also_names(text_of(hatnote).replace("\n", " "), [text_of(b) for b in hatnote.css("b, strong")])
        or ()
    )


def _judged(dl: LexborNode, found: tuple[RawEntry, ...], *, named: bool, code: bool) -> Group:
    """The list as a group. `code`: names in code may be terms, for the page calls itself a glossary."""
    marked = _marked(dl)
    refused = _refusal(dl, found, marked=marked, named=named)
    if not refused and not marked and not code and _in_code(dl, [h for f in found for h in f.heads]):
        refused = reasons.CODE
    certain = named and (
        "glossary" in attribute(dl, "class").split() or dl.css_first(_GLOSSARY_HEAD) is not None
    )
    return Group(
        structure="definition list",
        found=found,
        refused=refused,
        node_id=dl.mem_id,
        marked=marked,
        certain=certain,
    )


def _marked(dl: LexborNode) -> bool:
    """Whether the markup of a list says that it is a glossary."""
    return (
        bool(_GLOSSARY_CLASS.search(attribute(dl, "class")))
        or dl.css_first(f"dt dfn, {_GLOSSARY_HEAD}") is not None
    )


def _refusal(dl: LexborNode, found: tuple[RawEntry, ...], *, marked: bool, named: bool) -> str:
    """Why a list is not a glossary; empty if it is. A marked one only needs terms and definitions."""
    defined = [f for f in found if f.senses or f.aliases]
    if not defined:
        return reasons.BARE
    if marked:
        return ""
    if _OTHER_LIST.search(attribute(dl, "class")):
        return reasons.OTHER_LIST
    heads = [h for f in found for h in f.heads]
    senses = [s for f in defined for s in f.senses]
    if any(_SIGNATURE.search(s) for s in senses):
        return reasons.DISCUSSION
    if _about(heads, named=named):
        return reasons.ABOUT_ITSELF
    return _heads_refused(heads) or _senses_refused(senses, named=named)


def _heads_refused(heads: Sequence[str]) -> str:
    if labels.repeat(heads):
        return reasons.REPEATED
    if sum(bool(words.CHAPTER.match(h)) for h in heads) * 2 > len(heads):
        return reasons.CONTENTS
    if sum(h.endswith(("?", "？")) for h in heads) * 2 > len(heads):
        return reasons.QUESTIONS
    if sum(bool(re.match(r"^(?:--?|/)\w", h)) for h in heads) * 2 > len(heads):
        return reasons.OPTIONS
    if (
        sum(not labels.is_label(h) for h in heads) * 2 > len(heads)
        or median(len(h.split()) for h in heads) > 7
    ):
        return reasons.LONG_HEADS
    if sum(bool(words.END_SECTION.match(h)) for h in heads) * 2 > len(heads):
        return reasons.ARTICLE_HEADINGS
    return ""


def _in_code(dl: LexborNode, heads: Sequence[str]) -> bool:
    """Whether most headwords are set as code or written like it."""
    marked = sum(is_code_node(dt) for dt in _parts(dl) if dt.tag == _DT)
    return marked * 2 > len(heads) or sum(map(labels.is_code, heads)) * 2 > len(heads)


def is_code_node(node: LexborNode) -> bool:
    """Whether most of an element's text is set as code."""
    code = sum(len(n.text()) for n in node.css(_CODE) if not within(n, ("code", "tt", "kbd", "samp")))
    return code * 10 >= len(node.text().strip()) * 6 > 0


def _about(heads: Sequence[str], *, named: bool) -> bool:
    """Whether heads are what a page tells about itself: author, licence, version."""
    return not named and sum(bool(words.ABOUT_SECTION.match(h)) for h in heads) * 2 > len(heads)


def _senses_refused(senses: Sequence[str], *, named: bool) -> str:
    if named or not senses:
        return ""
    if median(len(s.split()) if s.isascii() else len(s) / 3 for s in senses) < _PROSE_WORDS:
        return reasons.VALUES
    if sum(bool(re.match(r"^(?:#\s|[\d\W]+$)", s)) for s in senses) * 2 > len(senses):
        return reasons.VALUES
    return ""


def _pseudo_headings(groups: list[Group], *, named: bool) -> list[Group]:
    """Refuse all lists of a page where most `;` lines have no definition: they are its headings."""
    good = [g for g in groups if not g.refused]
    bare = sum(g.terms for g in groups if g.refused == reasons.BARE)
    bare += sum(not (f.senses or f.aliases) for g in good for f in g.found)
    defined = sum(bool(f.senses or f.aliases) for g in good for f in g.found)
    if bare > defined and not named:
        return [replace(g, refused=g.refused or reasons.ARTICLE_HEADINGS) for g in groups]
    # On a glossary page a headword in a list of its own is still a headword that lacks its definition.
    return [replace(g, refused="") if named and g.refused == reasons.BARE else g for g in groups]
