"""How people ask, by language: templates that make training rows, and others that only measure.

`data/forms/en.toml` holds three lists: `train` (rows to train on), `question` and `keyword` (rows to measure on).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from random import Random

from embedkit.compose.templates.template import Template, parse_template
from embedkit.data.entries import Entry
from embedkit.shipped_data import data_path
from embedkit.text import hash64, language_of

FOLDER = "forms"
_HANGUL = re.compile(r"[가-힣]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """The templates of one language. No wording of `train` stands in the other two."""

    train: tuple[Template, ...]
    question: tuple[Template, ...]
    keyword: tuple[Template, ...]


@cache
def forms_of(lang: str) -> Forms | None:
    """The forms of a language (`ko-KR` has those of `ko`); None where none ship."""
    path = data_path(FOLDER) / f"{lang.partition('-')[0].lower()}.toml"
    if not path.is_file():
        return None
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    lists = {name: tuple(map(parse_template, values[name])) for name in ("train", "question", "keyword")}
    return Forms(**lists)


def asked_in(name: str, entry: Entry) -> str:
    """The language that a name is asked for in: the entry's own for SPICE in a Korean glossary, Chinese for 電壓."""
    lang = language_of(name, fallback=entry.lang)
    return entry.lang if lang == "en" else lang


def seeded(seed: int, purpose: str, *texts: str) -> Random:
    """Random numbers that depend on the seed, on what they are for and on the texts, and on nothing else."""
    return Random(hash64("\x1f".join((str(seed), purpose, *texts))))


def typed(term: str, random: Random) -> str:
    """The term as some type it: Korean words in one, English ones without a hyphen."""
    if random.random() < 0.5:
        return term
    return term.replace(" ", "") if _HANGUL.search(term) else term.replace("-", " ")
