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


_SUFFIXES = {
    ".md": (Phrase("is a Markdown document"), Phrase("embedkit crawl --from-file makes a glossary of it")),
    **dict.fromkeys((".toml", ".yaml", ".yml"), _PACK),
}
# What is told by keys that only it has, the surest first.
_KEYS: tuple[tuple[set[str], tuple[Phrase, Phrase]], ...] = (
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
_WEB_PAGE = re.compile(r"\ufeff?\s*<(?:!doctype html|html|\?xml)", re.IGNORECASE)


def refuse_known(name: str, keys: Collection[str]) -> None:
    """Raise `UserError` for a file whose rows, or which itself, has keys that tell what it is."""
    for known, (problem, hint) in _KEYS:
        if known.issubset(keys):
            raise UserError(problem, place=name, hint=hint)


def refuse_documents(name: str, lines: Sequence[str]) -> None:
    """Raise `UserError` for what is text and no table: `lines` are the first ones that are not blank."""
    for suffix, (problem, hint) in _SUFFIXES.items():
        if name.lower().endswith(suffix):
            raise UserError(problem, place=name, hint=hint)
    if _WEB_PAGE.match(lines[0]):
        raise UserError("is a web page", place=name, hint="embedkit crawl --from-file makes a glossary of it")
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
