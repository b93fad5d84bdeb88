"""SKOS and other RDF vocabularies by rdflib: RDF/XML, Turtle, N-Triples, N3 and JSON-LD. Nothing is fetched."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

from embedkit.crawler.formats.concepts import xml
from embedkit.crawler.formats.concepts.concept import Name, TermConcept, content_of, language
from embedkit.crawler.formats.content import Content
from embedkit.data.entries import AliasKind
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.text import clean

SUFFIXES = {
    ".rdf": "xml", ".owl": "xml", ".skos": "xml", ".ttl": "turtle", ".turtle": "turtle", ".n3": "n3", ".nt": "nt",
    ".jsonld": "json-ld",
}  # fmt: skip
_SKOS = "http://www.w3.org/2004/02/skos/core#"
_XL = "http://www.w3.org/2008/05/skos-xl#"
_RDFS = "http://www.w3.org/2000/01/rdf-schema#"
_PREFERRED = (
    f"{_SKOS}prefLabel",
    f"{_XL}prefLabel",
    f"{_RDFS}label",
    "https://schema.org/name",
    "http://schema.org/name",
)
_OTHERS = (
    *(
        f"{_SKOS}altLabel",
        f"{_XL}altLabel",
        "https://schema.org/alternateName",
        "http://schema.org/alternateName",
    ),
    *(f"http://www.geneontology.org/formats/oboInOwl#{name}" for name in ("hasExactSynonym", "hasSynonym")),
)
# The first of these that a concept has defines it.
_DEFINITIONS = (
    *(f"{_SKOS}definition", "http://purl.obolibrary.org/obo/IAO_0000115", "https://schema.org/description"),
    *(
        "http://schema.org/description",
        "http://purl.org/dc/terms/description",
        f"{_RDFS}comment",
        f"{_SKOS}scopeNote",
    ),
)
_VALUES = (f"{_XL}literalForm", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value")
# Stands in for a context that lies on the web: SKOS and schema.org by their usual names.
_CONTEXT: dict[str, Any] = {
    "skos": _SKOS, "rdfs": _RDFS, "schema": "https://schema.org/", "dct": "http://purl.org/dc/terms/", "xl": _XL,
    "id": "@id", "type": "@type",
    **{n: f"{_SKOS}{n}" for n in ("prefLabel", "altLabel", "definition", "scopeNote", "Concept", "ConceptScheme")},
    **{n: f"https://schema.org/{n}" for n in ("name", "description", "alternateName", "DefinedTerm", "hasDefinedTerm")},
}  # fmt: skip


def read(body: bytes, *, place: str, form: str) -> Content:
    """The concepts of a vocabulary that have a label and a definition, in every language that defines them."""
    rdflib = require("rdflib", extra="formats")
    if form == "xml":
        xml.parse(body, place=place)  # refuses entities that expand
    data = _offline(body, place=place) if form == "json-ld" else body
    graph = rdflib.Graph()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its JSON-LD parser uses what it deprecates
            graph.parse(data=data, format=form)
    except Exception as error:  # noqa: BLE001 (each of rdflib's parsers has exceptions of its own)
        reason = clean(str(error))[:150]
        raise UserError("cannot be read as RDF ({reason})", place=place, reason=reason) from None
    subjects = list(dict.fromkeys(s for p in _PREFERRED for s in graph.subjects(rdflib.URIRef(p))))
    concepts = [_concept(graph, rdflib, subject) for subject in subjects]
    return content_of("RDF", [c for c in concepts if c.definitions])


def _concept(graph: Any, rdflib: Any, subject: Any) -> TermConcept:
    concept = TermConcept(anchor=str(subject).partition("#")[2])

    def texts(names: tuple[str, ...], *, first: bool) -> Iterator[tuple[str, str]]:
        for name in names:
            found = [
                v
                for node in graph.objects(subject, rdflib.URIRef(name))
                for v in _values(graph, rdflib, node)
            ]
            yield from sorted(set(found))
            if found and first:
                return

    seen: set[str] = set()
    for lang, text in texts(_PREFERRED, first=True):
        kind: AliasKind | None = "synonym" if lang in seen else None
        seen.add(lang)
        concept.names.append(Name(text, lang, kind))
    concept.names += [Name(text, lang, "synonym") for lang, text in texts(_OTHERS, first=False)]
    concept.definitions += texts(_DEFINITIONS, first=True)
    return concept


def _values(graph: Any, rdflib: Any, node: Any) -> Iterator[tuple[str, str]]:
    """A literal as language and text, also where a node of its own holds it (SKOS-XL, documentary notes)."""
    if isinstance(node, rdflib.Literal):
        yield language(node.language), clean(str(node))
        return
    for name in _VALUES:
        for value in graph.objects(node, rdflib.URIRef(name)):
            if isinstance(value, rdflib.Literal):
                yield language(value.language), clean(str(value))


def _offline(body: bytes, *, place: str) -> str:
    """JSON-LD with the contexts that lie on the web replaced by the usual names."""
    try:
        value = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError("not JSON: {error}", place=place, error=error) from None
    return json.dumps(_local_contexts(value))


def _local_contexts(value: Any) -> Any:
    if isinstance(value, list):
        return [_local_contexts(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {
        k: _context(v) if k == "@context" else _local_contexts(v) for k, v in value.items() if k != "@import"
    }


def _context(value: Any) -> Any:
    parts = value if isinstance(value, list) else [value]
    return [_CONTEXT if isinstance(p, str) else _context_of(p) for p in parts if p is not None]


def _context_of(value: Any) -> Any:
    return {k: v for k, v in value.items() if k != "@import"} if isinstance(value, dict) else value
