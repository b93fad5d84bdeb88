"""Files that are no tables of texts: what they are, told by their name or their keys, and what reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

from embedkit.errors import UserError
from embedkit.messages import Phrase

_PACK = (Phrase("is a pack of templates or a config"), Phrase("embedkit synth --pack reads a pack"))
_REJECTED = (Phrase("lists rejected rows"), Phrase("mend them where they came from"))
_TRAINING = (Phrase("is the config of a training run"), Phrase("embedkit config validate checks it"))
_CRAWL = (Phrase("is the config of a crawl"), Phrase("embedkit crawl --config reads it"))


def _other(form: str) -> tuple[Phrase, Phrase]:
    makes_pairs = Phrase("embedkit convert --from {format} makes pairs of it", format=form)
    return Phrase("is in the format {format}", format=form), makes_pairs


def _crawled(what: str) -> tuple[Phrase, Phrase]:
    return Phrase(what), Phrase("embedkit crawl --from-file makes a glossary of it")


_AS_CSV = Phrase("save its terms as a CSV with the columns term and definition")
_YAML = _crawled("is YAML")
_SUFFIXES = {
    ".md": _crawled("is a Markdown document"),
    ".rst": _crawled("is reStructuredText"),
    **dict.fromkeys((".adoc", ".asciidoc"), _crawled("is AsciiDoc")),
    ".org": _crawled("is an Org document"),
    **dict.fromkeys((".wiki", ".mediawiki"), _crawled("is wikitext")),
    **dict.fromkeys((".tbx", ".tbxm"), _crawled("is TBX")),
    **dict.fromkeys((".nt", ".ttl", ".n3", ".nq", ".trig"), _crawled("is RDF")),
    **dict.fromkeys((".rdf", ".skos", ".owl"), _crawled("is RDF")),
    ".jsonld": _crawled("is JSON-LD"),
    **dict.fromkeys((".mht", ".mhtml"), _crawled("is a saved web page (MHTML)")),
    ".po": (Phrase("is a gettext catalogue"), Phrase("po2csv of translate-toolkit makes a table of it")),
    ".pot": (Phrase("is a gettext catalogue"), Phrase("po2csv of translate-toolkit makes a table of it")),
    **dict.fromkeys((".tex", ".ltx", ".sty", ".bib"), (Phrase("is LaTeX"), _AS_CSV)),
    **dict.fromkeys((".tmx", ".xlf", ".xliff"), (Phrase("is a translation memory"), _AS_CSV)),
    ".toml": _PACK,
}
_YAML_SUFFIXES = (".yaml", ".yml")
# What the first lines of a text say that it is, the surest first.
_OPENINGS: tuple[tuple[re.Pattern[str], tuple[Phrase, Phrase]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.MULTILINE), told)
    for pattern, told in (
        (r"<(?:martif|tbx)[\s>]", _crawled("is TBX")),
        (r"<(?:tmx|xliff)[\s>]", (Phrase("is a translation memory"), _AS_CSV)),
        (r"<rdf:RDF[\s>]", _crawled("is RDF")),
        (
            r"\A\s*(?:@prefix|@base|prefix)\s[^,;\t]*<[^>]*>|\A<[^<>\s]+>\s+<[^<>\s]+>\s+(?:<|\").*\.\s*$",
            _crawled("is RDF"),
        ),
        (
            r"\A(?:MIME-Version:|From: <Saved by|Snapshot-Content-Location:)",
            _crawled("is a saved web page (MHTML)"),
        ),
        (
            r"^msgid \"",
            (Phrase("is a gettext catalogue"), Phrase("po2csv of translate-toolkit makes a table of it")),
        ),
        (
            r"^\s*\\(?:documentclass|newglossaryentry|longnewglossaryentry|newacronym|begin\{|usepackage|section\{)",
            (Phrase("is LaTeX"), _AS_CSV),
        ),
        (r"\A\s*<(?:!doctype html|html)", _crawled("is a web page")),
        (r"\A\s*<\?xml|\A\s*<[a-z][\w:.-]*(?:\s[^<>]*)?>\s*$", _crawled("is XML")),
        (r"\A---\s*$|\A(?:- )?(?:[\w ]{1,40}):(?: [^,;\t|]*)?\n(?:[ ]{2,}|- )[\w\"']", _YAML),
    )
)
# What is told by keys that only it has, the surest first.
_KEYS: tuple[tuple[set[str], tuple[Phrase, Phrase]], ...] = (
    ({"@context"}, _crawled("is JSON-LD")),
    ({"query", "pos"}, _other("flagembedding")),
    ({"query", "positive_passages"}, _other("tevatron")),
    ({"messages", "positive_messages"}, _other("ms-swift")),
    ({"_id", "text"}, _other("beir")),
    ({"query-id", "corpus-id"}, _other("beir")),
    ({"file", "line", "reason", "text"}, _REJECTED),
    ({"place", "reason"}, _REJECTED),
    (
        {"step", "inputs", "outputs"},
        (Phrase("is a manifest"), Phrase("it tells how the files beside it were made")),
    ),
    (
        {"id", "role", "key"},
        (Phrase("names the texts of vectors"), Phrase("compose --vectors reads its folder")),
    ),
    *(({key}, _TRAINING) for key in ("model_id", "train", "optim")),
    *(({key}, _CRAWL) for key in ("contact", "pace_s")),
    (
        {"word", "sentence"},
        (Phrase("is an evaluation"), Phrase("embedkit report reads the run that it lies in")),
    ),
    ({"queries"}, _other("llamaindex")),
)
_KEY = re.compile(r'(?P<indent>\s*)"(?P<key>(?:[^"\\]|\\.)*)"\s*:')
_LIST = re.compile(r"\ufeff?\s*\[\s*(?:[{\"\]\[].*)?$", re.DOTALL)
_PACK_KEY = re.compile(
    r"\s*(?:queries|passages|acronym_questions|answers|negatives|templates|languages?)\s*:"
)


def refuse_known(name: str, keys: Collection[str]) -> None:
    """Raise `UserError` for a file whose rows, or which itself, has keys that tell what it is."""
    for known, (problem, hint) in _KEYS:
        if known.issubset(keys):
            raise UserError(problem, place=name, hint=hint)


def refuse_documents(name: str, lines: Sequence[str]) -> None:
    """Raise `UserError` for what is text and no table: `lines` are the first ones that are not blank."""
    lowered = name.lower()
    for suffix, (problem, hint) in _SUFFIXES.items():
        if lowered.endswith(suffix):
            raise UserError(problem, place=name, hint=hint)
    if lowered.endswith(_YAML_SUFFIXES):
        problem, hint = _PACK if any(_PACK_KEY.match(line) for line in lines) else _YAML
        raise UserError(problem, place=name, hint=hint)
    _refuse_json(name, lines)
    head = "".join(lines[:40]).lstrip("\ufeff")[:20_000]
    for pattern, (problem, hint) in _OPENINGS:
        if pattern.search(head):
            raise UserError(problem, place=name, hint=hint)


def _refuse_json(name: str, lines: Sequence[str]) -> None:
    if _LIST.match(lines[0]):
        raise UserError(
            "is one JSON document",
            place=name,
            hint="one object a line is read: `jq -c '.[]' FILE > rows.jsonl` makes lines of an array",
        )
    if _opens_object(lines):
        refuse_known(name, _outer_keys(lines))
        raise UserError(
            "is one JSON document",
            place=name,
            hint="one object a line is read: `jq -c . FILE > rows.jsonl` puts each object on its line",
        )


def _outer_keys(lines: Sequence[str]) -> list[str]:
    """The keys of an object that has them on lines of their own: those as far in as the first one."""
    keys = [match for line in lines if (match := _KEY.match(line))]
    return [match["key"] for match in keys if match["indent"] == keys[0]["indent"]]


def _opens_object(lines: Sequence[str]) -> bool:
    """Whether an object begins on the first line and goes on below, as no line of JSON lines does."""
    first = lines[0].lstrip("\ufeff \t").rstrip()
    if not re.match(r'\{\s*(?:"|$)', first) or any(line.startswith("{") for line in lines[1:]):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return True
    return False
