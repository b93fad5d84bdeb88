"""A concept with names and definitions in several languages, as entries: one for each language that defines it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.formats.content import Content
from embedkit.data.entries import Alias, AliasKind


@dataclass(frozen=True, slots=True)
class Name:
    """A name of a concept; `kind` is empty for the one that is preferred."""

    text: str
    lang: str = ""
    kind: AliasKind | None = None


@dataclass(slots=True)
class TermConcept:
    """A concept while it is read. `definitions` are pairs of language and text."""

    anchor: str = ""
    names: list[Name] = field(default_factory=list)
    definitions: list[tuple[str, str]] = field(default_factory=list)


def language(tag: str | None) -> str:
    """The language of a tag, without script and region: `ko-KR` is `ko`."""
    return (tag or "").replace("_", "-").split("-")[0].lower()


def entries(concept: TermConcept) -> Iterator[RawEntry]:
    """One entry for each language with a definition; names in other languages are its translations."""
    names = [n for n in concept.names if n.text]
    langs = dict.fromkeys(n.lang for n in names)
    if not names:
        return
    by_lang: dict[str, list[str]] = {}
    for lang, text in concept.definitions:
        if text:
            home = lang if lang in langs else "en" if "en" in langs and not lang else next(iter(langs))
            by_lang.setdefault(home, []).append(text)
    for lang, texts in by_lang.items():
        own = sorted((n for n in names if n.lang == lang), key=lambda n: n.kind is not None)
        first = own[0]
        others = [Alias(n.text, n.kind or labels.alias_kind(n.text, first.text)) for n in own[1:]]
        others += [
            Alias(n.text, "abbreviation" if n.kind == "abbreviation" else "translation", n.lang)
            for n in names
            if n.lang != lang
        ]
        yield RawEntry(
            heads=(first.text,),
            senses=tuple(dict.fromkeys(texts)),
            aliases=tuple(dict.fromkeys(a for a in others if a.text != first.text)),
            anchors=(concept.anchor,) if concept.anchor else (),
            lang=lang,
            evidence="file",
        )


def content_of(structure: str, concepts: Iterable[TermConcept], *, title: str = "") -> Content:
    """The concepts as the content of a file. A concept without a definition counts as dropped."""
    found: list[RawEntry] = []
    for concept in concepts:
        defined = list(entries(concept))
        found += defined
        if not defined and concept.names:
            found.append(RawEntry(heads=(concept.names[0].text,), lang=concept.names[0].lang))
    langs = [f.lang for f in found if f.lang]
    most = max(set(langs), key=langs.count, default="")
    group = Group(structure=structure, found=tuple(found), marked=True, certain=True)
    return Content(groups=(group,), title=title, lang=most)
