"""Records to drafts: training rows that have an anchor and a positive, and no negatives yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, get_args

from embedkit.compose.rows.spool import Spool
from embedkit.data.entries import Alias, Entry, Record
from embedkit.data.records import ASKING_KINDS
from embedkit.errors import UserError
from embedkit.text import fold, is_acronym, language_of

Kind = Literal[
    "term-definition",
    "alias-definition",
    "abbreviation-full_form",
    "term-translation",
    "definition-term",
    "pair",
]
Role = Literal["definition", "name", "abbreviation", "question"]
# Rows that ask as people do are made for training alone: dev and test rows stay what a person wrote.
KINDS: tuple[str, ...] = (*get_args(Kind), *ASKING_KINDS)
# Rows that turn a definition round, or ask for it with a clause of itself, cost more than they teach.
_ON_REQUEST = ("definition-term", "description-definition")
DEFAULT_KINDS = tuple(kind for kind in KINDS if kind not in _ON_REQUEST)
DEFINITION_WORDS = 9
DEFINITION_CHARS = 60


@dataclass(frozen=True, slots=True)
class Draft:
    """A row before mining. `record` numbers its record; the roles say what the two texts are."""

    anchor: str
    positive: str
    kind: str
    record: int
    lang: str
    anchor_role: Role
    positive_role: Role

    @property
    def digest(self) -> bytes:
        """Sixteen bytes that depend on the two texts alone."""
        return _digest(self.anchor, self.positive)

    @property
    def id(self) -> str:
        """Sixteen hex digits that depend on the two texts alone."""
        return self.digest[:8].hex()


def pair_id(anchor: str, positive: str) -> str:
    """The id of a row with these texts."""
    return _digest(anchor, positive)[:8].hex()


def _digest(anchor: str, positive: str) -> bytes:
    return hashlib.sha256(f"{anchor}\x1f{positive}".encode()).digest()[:16]


def drafts_spool() -> Spool[Draft]:
    """An empty spool of drafts."""
    return Spool(attrgetter(*Draft.__slots__), lambda row: Draft(*row))


def parse_kinds(text: str) -> tuple[str, ...]:
    """`--kinds a,b` checked. Raises `UserError` on a kind that is not one."""
    if text in ("", "default"):
        return DEFAULT_KINDS
    if text == "all":
        return KINDS
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or any(part not in KINDS for part in parts):
        raise UserError(
            "--kinds {text!r} is not a list of kinds",
            hint="kinds: {kinds} or all",
            text=text,
            kinds=", ".join(KINDS),
        )
    return tuple(kind for kind in KINDS if kind in parts)


def draft_rows(records: Sequence[Record], *, kinds: Iterable[str] = DEFAULT_KINDS) -> Iterator[Draft]:
    """Yield every row of the wanted kinds that records state, self pairs and duplicates included."""
    wanted = frozenset(kinds)
    for number, record in enumerate(records):
        for draft in _stated(record, number) if record.stated_pair else _from_entry(record.entry, number):
            if draft.kind in wanted:
                yield draft


def is_self_pair(draft: Draft) -> bool:
    """Whether both sides are one text.

    Rows that we make fold both sides first. A row that a person wrote is a self pair only when its texts are
    identical: two spellings of one name are theirs to keep (lint reports them).
    """
    if draft.kind == "pair":
        return draft.anchor == draft.positive
    return fold(draft.anchor) == fold(draft.positive)


def looks_like_definition(text: str) -> bool:
    """Whether a text of unknown kind reads as a sentence rather than a name."""
    return len(text) >= DEFINITION_CHARS or len(text.split()) >= DEFINITION_WORDS


def _stated(record: Record, number: int) -> Iterator[Draft]:
    anchor, positive = record.entry.term, record.entry.definition
    lang = language_of(anchor, fallback=record.entry.lang)
    yield Draft(anchor, positive, "pair", number, lang, _role(anchor), _role(positive))
    for alias in record.entry.aliases:
        yield Draft(anchor, alias.text, "pair", number, lang, _role(anchor), _role(alias.text))


def _role(text: str) -> Role:
    return "definition" if looks_like_definition(text) else "name"


def _from_entry(entry: Entry, number: int) -> Iterator[Draft]:
    term, definition = entry.term, entry.definition
    name: Role = "abbreviation" if is_acronym(term) and _of_kind(entry, "full_form") else "name"
    explained = _is_full_form(definition, entry)
    if not explained:  # `PWM,pulse-width modulation` says what PWM stands for, and no more
        yield Draft(term, definition, "term-definition", number, entry.lang, name, "definition")
    for alias in entry.aliases:
        if alias.kind != "plural" and alias.text != definition:
            role: Role = "abbreviation" if alias.kind == "abbreviation" else "name"
            lang = _alias_lang(alias, entry)
            yield Draft(alias.text, definition, "alias-definition", number, lang, role, "definition")
    yield from _abbreviations(entry, number)
    yield from _translations(entry, number)
    if not explained:
        yield Draft(definition, term, "definition-term", number, entry.lang, "definition", name)


def _is_full_form(text: str, entry: Entry) -> bool:
    return any(alias.kind == "full_form" and alias.text == text for alias in entry.aliases)


def _of_kind(entry: Entry, kind: str) -> list[Alias]:
    return [alias for alias in entry.aliases if alias.kind == kind]


def _alias_lang(alias: Alias, entry: Entry) -> str:
    return alias.lang or language_of(alias.text, fallback=entry.lang)


def _abbreviations(entry: Entry, number: int) -> Iterator[Draft]:
    full = [a.text for a in _of_kind(entry, "full_form")]
    short = [a.text for a in _of_kind(entry, "abbreviation")]
    if full and (is_acronym(entry.term) or _is_full_form(entry.definition, entry)):
        short.insert(0, entry.term)
    else:
        full.insert(0, entry.term)
    for abbreviation in short:
        for name in full:
            lang = language_of(name, fallback=entry.lang)
            yield Draft(abbreviation, name, "abbreviation-full_form", number, lang, "abbreviation", "name")
            yield Draft(name, abbreviation, "abbreviation-full_form", number, lang, "name", "abbreviation")


def _translations(entry: Entry, number: int) -> Iterator[Draft]:
    for alias in _of_kind(entry, "translation"):
        lang = _alias_lang(alias, entry)
        yield Draft(entry.term, alias.text, "term-translation", number, entry.lang, "name", "name")
        yield Draft(alias.text, entry.term, "term-translation", number, lang, "name", "name")
