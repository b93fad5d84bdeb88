"""The formats that are read: to add one, write a module with a reader, and a line here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from embedkit.crawler.extract.decode import decode
from embedkit.crawler.formats.concepts import dita, docbook, mappings, skos, tables, tbx, xml
from embedkit.crawler.formats.content import Content
from embedkit.crawler.formats.markup import asciidoc, markdown, mhtml, org, plain_text, restructured, wikitext


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The bytes of a file, where they are from, its name's ending, and the encoding that a server named."""

    body: bytes
    place: str
    suffix: str = ""
    charset: str = ""

    @property
    def text(self) -> str:
        """The decoded text."""
        return decode(self.body, charset=self.charset)


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is known, by the endings of its names or its document's first element, and what reads it."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[SourceFile], Content]
    roots: tuple[str, ...] = ()


_MARKDOWN = re.compile(
    r"^(?:#{1,6}\s|\*\*\S|\s*[-*+]\s+(?:\*\*|\[)|\|.*\|\s*$|\s{0,3}[:~]\s{1,3}\S|```|---\s*$|\*\[)",
    re.MULTILINE,
)
_ASCIIDOC = re.compile(r"^(?:=+\s\S|\[glossary\]|\S.*(?<!:)::(?:\s|$))", re.MULTILINE)


def _text(file: SourceFile) -> Content:
    """A text file: Markdown or AsciiDoc where it has their marks."""
    text = file.text
    if len(_ASCIIDOC.findall(text)) > 2:
        return asciidoc.read(text)
    return markdown.read(text) if _MARKDOWN.search(text) else plain_text.read(text)


FORMATS = (
    Format(
        "Markdown",
        (".md", ".markdown", ".mdx", ".mkd", ".mdown", ".qmd", ".rmd"),
        lambda f: markdown.read(f.text),
    ),
    Format("text", (".txt", ".text"), _text),
    Format("AsciiDoc", (".adoc", ".asciidoc", ".asc"), lambda f: asciidoc.read(f.text)),
    Format("reStructuredText", (".rst", ".rest"), lambda f: restructured.read(f.text)),
    Format("Org", (".org",), lambda f: org.read(f.text)),
    Format("wikitext", (".wikitext", ".wiki", ".mediawiki", ".mw"), lambda f: wikitext.read(f.text)),
    Format("MHTML", (".mhtml", ".mht", ".eml"), lambda f: mhtml.read(f.body, place=f.place)),
    Format("TBX", (".tbx",), lambda f: tbx.read(f.body, place=f.place), tbx.ROOTS),
    Format("DITA", (".dita",), lambda f: dita.read(f.body, place=f.place), dita.ROOTS),
    Format("DocBook", (".dbk", ".docbook"), lambda f: docbook.read(f.body, place=f.place), docbook.ROOTS),
    Format(
        "RDF", tuple(skos.SUFFIXES), lambda f: skos.read(f.body, place=f.place, form=_rdf_form(f)), ("RDF",)
    ),
    Format("JSON", (".json", ".json5"), lambda f: mappings.read_json(f.body, place=f.place)),
    Format("YAML", (".yaml", ".yml"), lambda f: mappings.read_yaml(f.body, place=f.place)),
    Format("table", tables.SUFFIXES, lambda f: tables.read(f.body, place=f.place, suffix=f.suffix)),
)
_BY_SUFFIX = {suffix: form for form in FORMATS for suffix in form.suffixes}
_BY_ROOT = {root: form for form in FORMATS for root in form.roots}
SUFFIXES = frozenset(_BY_SUFFIX)
HTML_SUFFIXES = frozenset((".html", ".htm", ".xhtml", ".xht", ".shtml"))


def _rdf_form(file: SourceFile) -> str:
    return "xml" if xml.root_name(file.body) == "RDF" else skos.SUFFIXES.get(file.suffix, "xml")


def format_of(file: SourceFile, root: str) -> Format | None:
    """The format of a file, by its first element, then its name; None for what is read as HTML.

    A DITA glossary entry and a DocBook one share the name of their element: DITA's has no name space.
    """
    if mhtml.is_mhtml(file.body):
        return _BY_SUFFIX[".mhtml"]
    if root == "glossentry":
        return _BY_SUFFIX[".docbook" if b"docbook" in file.body[:2000] or file.suffix == ".dbk" else ".dita"]
    if root in _BY_ROOT and file.suffix not in HTML_SUFFIXES:
        return _BY_ROOT[root]
    if root.lower() == "html" and file.suffix not in (".mhtml", ".mht"):
        return None
    return _BY_SUFFIX.get(file.suffix)
