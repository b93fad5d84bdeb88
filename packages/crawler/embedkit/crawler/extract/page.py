"""One page to its terms: run every structure's reader, let the gate judge, fold aliases and redirects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from embedkit.crawler.extract import labels, words
from embedkit.crawler.extract.deflist import definition_lists
from embedkit.crawler.extract.guard import refusal
from embedkit.crawler.extract.headings import heading_terms, names_glossary, one_term_page, scoped
from embedkit.crawler.extract.leads import Numbered, bullet_leads, dfn_leads, paragraph_leads
from embedkit.crawler.extract.pairs import marked_pairs
from embedkit.crawler.extract.records import Extraction, Found, Group, Term, Verdict
from embedkit.crawler.extract.tables import tables
from embedkit.crawler.extract.tree import Page, lines, parse, text_of
from embedkit.data.entries import Alias
from embedkit.messages import Phrase
from embedkit.text import clean, fold

_TITLE_WORDS = 8
_LETTER_CHARS = 3
_MIN_TERMS = 2
_REDIRECT_HOPS = 4


def extract(html: str, *, lang: str = "", url: str = "", title: str = "", gate: bool = True) -> Extraction:
    """The terms of a page. `title` and `url` add to what it says of itself; without the gate all is taken."""
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
        return  # its maker marks glossaries: what stands beside the marked lists is text about them
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
    if not leads and heads is None and others < _MIN_TERMS:
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
    """Whether a title says glossary, and is none of a program's names (`glossary.collection`)."""
    return (
        bool(words.GLOSSARY.search(title))
        and len(title.split()) <= _TITLE_WORDS
        and not re.match(r"[a-z]{3,}[._][a-z]", title)
    )


def _opens_as_glossary(page: Page) -> bool:
    first = page.body.css_first("p")
    return first is not None and bool(words.GLOSSARY.search(text_of(first)[:300]))


@dataclass(slots=True)
class _Draft:
    term: str
    senses: list[str] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    anchor: str = ""
    link: str = ""

    def add(self, aliases: Iterable[Alias], evidence: str, books: Counter[str]) -> None:
        known = {fold(self.term)} | {fold(a.text) for a in self.aliases}
        for alias in aliases:
            text = clean(alias.text)
            if text and fold(text) not in known:
                known.add(fold(text))
                self.aliases.append(alias if text == alias.text else replace(alias, text=text))
                books[evidence] += 1


@dataclass(slots=True)
class _Books:
    """What was dropped, by reason, and what other names were read from."""

    dropped: Counter[str]
    evidence: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Pointer:
    found: Found
    heads: tuple[str, ...]
    target: str


def fold_groups(groups: Sequence[Group], lang: str, title: str, *, gate: bool) -> Extraction:
    """Judge the groups and make entries of the accepted ones."""
    verdict = judge(groups)
    if gate and not verdict.is_glossary:
        return Extraction(verdict=verdict, lang=lang, title=title, dropped=_refused_counts(groups))
    accepted = [g for g in groups if not gate or not g.refused]
    found = sorted((f for g in accepted for f in g.found), key=lambda f: f.line)
    dropped: Counter[str] = Counter(_refused_counts(groups) if gate else {})
    books = _Books(dropped)
    entries, redirects = _entries(found, books)
    return Extraction(
        terms=sum(g.terms for g in accepted),
        entries=entries,
        redirects=redirects,
        dropped=dict(sorted(dropped.items())),
        verdict=verdict,
        lang=lang,
        title=title,
        heads=tuple(h for f in found for h in f.heads),
        evidence=dict(sorted(books.evidence.items())),
    )


def judge(groups: Sequence[Group]) -> Verdict:
    """The gate: at least two terms with definitions in structures that were accepted."""
    terms: Counter[str] = Counter()
    for group in groups:
        if not group.refused and any(f.senses or f.aliases for f in group.found):
            terms[group.structure] += group.terms
    total = terms.total()
    if total >= _MIN_TERMS or terms["page of one term"]:
        parts = ", ".join(f"{count} by {structure}" for structure, count in terms.most_common())
        return Verdict(is_glossary=True, reason=f"{total} terms ({parts})")
    if total:
        return Verdict(is_glossary=False, reason=Phrase("only {total} term with a definition", total=total))
    reasons = _refused_counts(groups)
    if not reasons:
        return Verdict(is_glossary=False, reason="nothing on it pairs terms with definitions")
    listed = "; ".join(f"{count} {reason}" for reason, count in reasons.items())
    return Verdict(is_glossary=False, reason=Phrase("what looks like terms is not: {listed}", listed=listed))


def _refused_counts(groups: Sequence[Group]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for group in groups:
        if group.refused:
            counts[group.refused] += group.terms
    return dict(counts.most_common())


def _entries(found: Sequence[Found], books: _Books) -> tuple[tuple[Term, ...], int]:
    drafts: dict[str, _Draft] = {}
    pointers: list[_Pointer] = []
    anchors: dict[str, str] = {}
    strip = _ordinals([h for f in found for h in f.heads])
    for item in found:
        heads = tuple(labels.without_ordinal(h) if strip else h for h in item.heads)
        _take(item, heads, drafts, pointers, anchors, books)
    redirects = _follow(pointers, drafts, anchors, books)
    terms = tuple(
        Term(term=d.term, senses=tuple(d.senses), aliases=tuple(d.aliases), anchor=d.anchor, link=d.link)
        for d in drafts.values()
    )
    return terms, redirects


def _ordinals(heads: Sequence[str]) -> bool:
    """Whether heads are numbered on purpose: at least two, one following another."""
    numbers = [n for h in heads if (n := labels.ordinal(h)) is not None]
    return any(b == a + 1 for a, b in pairwise(numbers))


def _take(
    item: Found,
    heads: tuple[str, ...],
    drafts: dict[str, _Draft],
    pointers: list[_Pointer],
    anchors: dict[str, str],
    books: _Books,
) -> None:
    numbered = len(item.senses) > 1 or bool(item.senses and re.match(r"^1[.)]\s", item.senses[0]))
    senses = [s for raw in item.senses if (s := labels.definition(raw, numbered=numbered))]
    targets = [labels.see_target(s) for s in senses]
    real = [s for s, target in zip(senses, targets, strict=True) if not target]
    term, aliases = labels.split_label(heads[0])
    others = list(_other_heads(heads[1:]))
    if not real:
        target = next(filter(None, targets), "")
        if target:
            pointers.append(
                _Pointer(item, (term, *(a.text for a in (*aliases, *others, *item.aliases))), target)
            )
        else:
            books.dropped["no definition"] += len(heads) if item.counted else 0
        return
    if term in drafts:
        books.dropped["the same headword again, senses joined"] += 1
    draft = drafts.setdefault(term, _Draft(term, anchor=item.anchors[0] if item.anchors else ""))
    draft.senses += [s for s in real if s not in draft.senses]
    draft.link = draft.link or item.link
    draft.add(aliases, "brackets", books.evidence)
    draft.add(others, "several headwords", books.evidence)
    draft.add(item.aliases, item.evidence or "page", books.evidence)
    anchors.update(dict.fromkeys(item.anchors, term))


def _other_heads(heads: Sequence[str]) -> Iterator[Alias]:
    for head in heads:
        name, aliases = labels.split_label(head)
        yield Alias(name, labels.alias_kind(name))
        yield from aliases


def _follow(
    pointers: Sequence[_Pointer], drafts: dict[str, _Draft], anchors: dict[str, str], books: _Books
) -> int:
    """Make each redirect an alias of the entry it names, through other redirects if need be; count them."""
    names = {fold(d.term): d.term for d in drafts.values()}
    for draft in drafts.values():
        for alias in draft.aliases:
            names.setdefault(fold(alias.text), draft.term)
    left, redirects = list(pointers), 0
    for _ in range(_REDIRECT_HOPS):
        waiting: list[_Pointer] = []
        for pointer in left:
            target = names.get(fold(pointer.target)) or anchors.get(pointer.found.fragment)
            if target is None or fold(target) == fold(pointer.heads[0]):
                waiting.append(pointer)
                continue
            redirects += len(pointer.found.heads)
            drafts[target].add((Alias(h, "redirect") for h in pointer.heads), "see", books.evidence)
            names.setdefault(fold(pointer.heads[0]), target)
        if len(waiting) == len(left):
            break
        left = waiting
    if left:
        books.dropped["points to a term that is not here"] += sum(
            len(p.found.heads) for p in left if p.found.counted
        )
    return redirects
