"""Records of extraction, from the raw entry of a structure to the folded terms of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from embedkit.data.entries import Alias
from embedkit.messages import Phrase


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEntry:
    """One entry as its page shows it: headwords in order; senses, each with one line per block."""

    heads: tuple[str, ...]
    senses: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    anchors: tuple[str, ...] = ()
    fragment: str = ""
    line: int = 0
    lang: str = ""  # the language that the file states
    counted: bool = True  # whether its headwords count as terms of the page
    link: str = ""  # the wiki page that the headword links to
    evidence: str = ""  # what `aliases` were read from


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The entries of one structure. `refused`: why they are no terms; `node_id`: the structure's element."""

    structure: str
    found: tuple[RawEntry, ...]
    refused: str = ""
    node_id: int = 0
    marked: bool = False  # its markup says that it is a glossary
    certain: bool = False  # so sure that one term is enough

    @property
    def terms(self) -> int:
        """Head words, before aliases and redirects are folded."""
        return sum(len(f.heads) for f in self.found if f.counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term: its name, a definition per sense, its other names, and its anchor on the page."""

    term: str
    senses: tuple[str, ...]
    aliases: tuple[Alias, ...] = ()
    anchor: str = ""
    link: str = ""
    lang: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a page is a glossary, and why."""

    is_glossary: bool
    reason: str
    final: bool = False  # no option makes the page a glossary: its text is elsewhere, or must not be parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The terms of a page. `terms` counts headwords before redirects and synonyms are folded."""

    terms: int = 0
    entries: tuple[Term, ...] = ()
    redirects: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    verdict: Verdict = field(
        default_factory=lambda: Verdict(is_glossary=False, reason=Phrase("the page is empty"))
    )
    lang: str = "en"
    title: str = ""
    heads: tuple[str, ...] = ()  # every headword as the page shows it
    evidence: Mapping[str, int] = field(default_factory=dict)  # other names by what they were read from

    @property
    def aliases(self) -> int:
        """Other names over all entries."""
        return sum(len(e.aliases) for e in self.entries)

    @property
    def senses(self) -> int:
        """Definitions over all entries: the rows of the CSV."""
        return sum(len(e.senses) for e in self.entries)
