"""Entries to terms: the gate judges what the structures gave; aliases, redirects and repeated headwords are folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from embedkit.crawler.extract import labels, reasons
from embedkit.crawler.extract.records import Extraction, Group, RawEntry, Term, Verdict
from embedkit.data.entries import Alias
from embedkit.messages import Phrase
from embedkit.text import clean, fold

MIN_TERMS = 2
_REDIRECT_HOPS = 4


@dataclass(slots=True)
class _TermDraft:
    term: str
    senses: list[str] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    anchor: str = ""
    link: str = ""
    lang: str = ""

    def add(self, aliases: Iterable[Alias]) -> int:
        """Add the names that it does not have yet, and count them."""
        known = {fold(self.term)} | {fold(a.text) for a in self.aliases}
        before = len(self.aliases)
        for alias in aliases:
            text = clean(alias.text)
            if text and fold(text) not in known:
                known.add(fold(text))
                self.aliases.append(alias if text == alias.text else replace(alias, text=text))
        return len(self.aliases) - before


@dataclass(frozen=True, slots=True)
class _Redirect:
    entry: RawEntry
    names: tuple[str, ...]
    target: str


def fold_groups(groups: Sequence[Group], lang: str, title: str, *, gate: bool) -> Extraction:
    """Judge the groups and make terms of the accepted ones' entries."""
    verdict = judge(groups)
    refused = _refused_counts(groups)
    if gate and not verdict.is_glossary:
        return Extraction(verdict=verdict, lang=lang, title=title, dropped=refused)
    accepted = [g for g in groups if not gate or not g.refused]
    found = sorted((f for g in accepted for f in g.found), key=lambda f: f.line)
    folding = _Folding(dropped=Counter(refused if gate else {}))
    redirects = folding.fold(found)
    return Extraction(
        terms=sum(g.terms for g in accepted),
        entries=tuple(folding.terms()),
        redirects=redirects,
        dropped=dict(sorted(folding.dropped.items())),
        verdict=verdict,
        lang=lang,
        title=title,
        heads=tuple(h for f in found for h in f.heads),
        evidence=dict(sorted(folding.evidence.items())),
    )


def judge(groups: Sequence[Group]) -> Verdict:
    """The gate: at least two terms with definitions in structures that were accepted."""
    terms: Counter[str] = Counter()
    for group in groups:
        if not group.refused and any(f.senses or f.aliases for f in group.found):
            terms[group.structure] += group.terms
    total = terms.total()
    certain = any(g.certain and not g.refused for g in groups)
    if total >= MIN_TERMS or (total and (certain or terms["page of one term"])):
        parts = ", ".join(f"{count} by {structure}" for structure, count in terms.most_common())
        return Verdict(is_glossary=True, reason=f"{total} terms ({parts})")
    if total:
        return Verdict(is_glossary=False, reason=Phrase("only {total} term with a definition", total=total))
    reasons_found = _refused_counts(groups)
    if not reasons_found:
        return Verdict(is_glossary=False, reason=Phrase("found no terms with definitions"))
    listed: str = ""
    for reason, count in reasons_found.items():
        part = Phrase("{count} {reason}", count=count, reason=reason)
        listed = Phrase("{one}; {other}", one=listed, other=part) if listed else part
    return Verdict(is_glossary=False, reason=Phrase("no terms, but {listed}", listed=listed))


def _refused_counts(groups: Sequence[Group]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for group in groups:
        if group.refused:
            counts[group.refused] += group.terms
    return dict(counts.most_common())


@dataclass(slots=True)
class _Folding:
    """The terms of a page while its entries are read one by one."""

    dropped: Counter[str]
    evidence: Counter[str] = field(default_factory=Counter)
    drafts: dict[str, _TermDraft] = field(default_factory=dict)
    redirects: list[_Redirect] = field(default_factory=list)
    anchors: dict[str, str] = field(default_factory=dict)
    alike: dict[str, list[str]] = field(default_factory=dict)  # the keys of the drafts with one headword

    def fold(self, found: Sequence[RawEntry]) -> int:
        """Take all entries, and count the headwords that only redirect to another."""
        shown = [h for f in found for h in f.heads]
        numbered, bare = _are_numbered(shown), labels.alike(shown)
        for entry in found:
            heads = (labels.without_ordinal(h) if numbered else h for h in entry.heads)
            self._take(entry, tuple(map(bare, heads)))
        return self._resolve_redirects()

    def terms(self) -> Iterator[Term]:
        """The terms in the order of the page."""
        for d in self.drafts.values():
            yield Term(
                term=d.term,
                senses=tuple(d.senses),
                aliases=tuple(d.aliases),
                anchor=d.anchor,
                link=d.link,
                lang=d.lang,
            )

    def _take(self, entry: RawEntry, heads: tuple[str, ...]) -> None:
        numbered = len(entry.senses) > 1 or bool(entry.senses and re.match(r"^1[.)]\s", entry.senses[0]))
        split = [labels.without_names_line(raw) for raw in entry.senses]
        senses = [s for raw, _ in split if (s := labels.definition(raw, numbered=numbered))]
        targets = [labels.see_target(s) for s in senses]
        real = [s for s, target in zip(senses, targets, strict=True) if not target]
        term, aliases = labels.split_label(heads[0])
        others = list(_other_heads(term, heads[1:]))
        if not real:
            target = next(filter(None, targets), "")
            if target:
                names = (term, *(a.text for a in (*aliases, *others, *entry.aliases)))
                self.redirects.append(_Redirect(entry, names, target))
            else:
                self.dropped[reasons.NO_DEFINITION] += len(heads) if entry.counted else 0
            return
        listed = [Alias(name, labels.alias_kind(name, term)) for _, names in split for name in names]
        key = self._key(
            f"{entry.lang}:{term}" if entry.lang else term, real, (*aliases, *others, *entry.aliases, *listed)
        )
        if key in self.drafts:
            self.dropped[reasons.SAME_HEAD] += 1
        anchor = entry.anchors[0] if entry.anchors else ""
        draft = self.drafts.setdefault(key, _TermDraft(term, anchor=anchor, lang=entry.lang))
        draft.senses += [s for s in real if s not in draft.senses]
        draft.link = draft.link or entry.link
        self._add(draft, aliases, "brackets")
        self._add(draft, others, "several headwords")
        self._add(draft, entry.aliases, entry.evidence or "page")
        self._add(draft, listed, "also")
        self.anchors.update(dict.fromkeys(entry.anchors, key))

    def _key(self, name: str, senses: Sequence[str], aliases: Iterable[Alias]) -> str:
        """The key of the draft that an entry belongs to: one with its headword, unless both have names of their own.

        채권(債權) and 채권(債券) are two terms; the names of one are none of the other.
        """
        alike = self.alike.setdefault(name, [])
        own = {fold(alias.text) for alias in aliases}
        for key in alike:
            draft = self.drafts[key]
            names = {fold(alias.text) for alias in draft.aliases}
            if own & names or own == names or not set(senses).isdisjoint(draft.senses):
                return key
        alike.append(name if not alike else f"{name}\x1f{len(alike)}")
        return alike[-1]

    def _add(self, draft: _TermDraft, aliases: Iterable[Alias], evidence: str) -> None:
        added = draft.add(aliases)
        if added:
            self.evidence[evidence] += added

    def _resolve_redirects(self) -> int:
        """Make each redirect an alias of the entry it names, through other redirects if need be; count them."""
        names = {fold(d.term): key for key, d in reversed(self.drafts.items())}
        for key, draft in self.drafts.items():
            for alias in draft.aliases:
                names.setdefault(fold(alias.text), key)
        left, resolved = self.redirects, 0
        for _ in range(_REDIRECT_HOPS):
            waiting: list[_Redirect] = []
            for redirect in left:
                target = names.get(fold(redirect.target)) or self.anchors.get(redirect.entry.fragment)
                if target is None or fold(self.drafts[target].term) == fold(redirect.names[0]):
                    waiting.append(redirect)
                    continue
                resolved += len(redirect.entry.heads)
                self._add(self.drafts[target], (Alias(n, "redirect") for n in redirect.names), "see")
                names.setdefault(fold(redirect.names[0]), target)
            if len(waiting) == len(left):
                break
            left = waiting
        if left:
            lost = sum(len(r.entry.heads) for r in left if r.entry.counted)
            self.dropped[reasons.NO_TARGET] += lost
        return resolved


def _are_numbered(heads: Sequence[str]) -> bool:
    """Whether heads are numbered on purpose: at least two, one following another."""
    numbers = [n for h in heads if (n := labels.ordinal(h)) is not None]
    return any(b == a + 1 for a, b in pairwise(numbers))


def _other_heads(term: str, heads: Sequence[str]) -> Iterator[Alias]:
    for head in heads:
        name, aliases = labels.split_label(head)
        inside = labels.name_in_parenthesis(term, name)
        yield inside if inside and inside.kind == "translation" else Alias(name, labels.alias_kind(name))
        yield from aliases
