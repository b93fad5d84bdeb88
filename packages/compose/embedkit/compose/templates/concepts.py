"""Items to concepts, and concepts to families that share a name, acronym or definition and stay in one part."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from embedkit.compose.templates.lists import ListItem
from embedkit.compose.templates.template import capitalised
from embedkit.data.tally import Tally
from embedkit.disjoint_sets import DisjointSets
from embedkit.ranking.near_duplicates import name_key, near_pairs
from embedkit.text import fold, is_acronym

_BRACKET = re.compile(r"^(.*\S)\s*[(（](.+)[)）]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One meaning: its name, acronyms and definitions.

    Concepts of one `family` lie on one side of the split and are never negatives of each other.
    """

    key: str
    name: str
    acronyms: tuple[str, ...]
    definitions: tuple[str, ...]
    is_term: bool
    file: str
    family: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it is called."""
        return (self.name, *self.acronyms)


@dataclass(slots=True)
class _Draft:
    name: str
    file: str
    is_term: bool = False
    acronyms: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)

    def take(self, item: ListItem) -> bool:
        """Add an item; False when it brought nothing new."""
        before = (self.is_term, len(self.acronyms), len(self.definitions))
        if item.acronym:
            self.acronyms.setdefault(fold(item.acronym), item.acronym)
        else:
            self.is_term = True
        if item.definition and fold(item.definition):
            self.definitions.setdefault(fold(item.definition), item.definition)
        return before != (self.is_term, len(self.acronyms), len(self.definitions))


def gather(items: Iterable[ListItem], tally: Tally, *, known: Mapping[str, str]) -> list[Concept]:
    """Concepts in order of appearance, from items in file order.

    `known` maps folded names to definitions, for the terms that came without one.
    """
    drafts: dict[str, _Draft] = {}
    for item in items:
        draft = drafts.setdefault(fold(item.name), _Draft(item.name, item.file))
        if draft.take(item):
            tally.given_out += 1
        else:
            tally.merged += 1
    for key, draft in drafts.items():
        if not draft.definitions and key in known:
            draft.definitions[fold(known[key])] = known[key]
    _borrow(drafts)
    return _with_families([_concept(key, draft) for key, draft in drafts.items()])


def _borrow(drafts: Mapping[str, _Draft]) -> None:
    """Give a term that is an acronym the definitions of its full form, where it has one full form only."""
    spelled: dict[str, list[_Draft]] = {}
    for draft in drafts.values():
        for acronym in draft.acronyms:
            spelled.setdefault(acronym, []).append(draft)
    for key, draft in drafts.items():
        if not draft.definitions and len(spelled.get(key, ())) == 1:
            draft.definitions.update(spelled[key][0].definitions)


def _concept(key: str, draft: _Draft) -> Concept:
    return Concept(
        key=key,
        name=draft.name,
        acronyms=tuple(draft.acronyms.values()),
        definitions=tuple(map(_stopped, draft.definitions.values())),
        is_term=draft.is_term,
        file=draft.file,
    )


def _stopped(definition: str) -> str:
    """A definition as a sentence that others can follow: `opposes current` of a list is `Opposes current.`"""
    definition = capitalised(definition)
    return definition if definition.endswith((".", "!", "?", "…", "。", ".)", ".”")) else definition + "."


def _with_families(concepts: Sequence[Concept]) -> list[Concept]:
    """Join concepts over shared names (plural and word order aside), acronyms and definitions."""
    families = DisjointSets(len(concepts))
    first: dict[str, int] = {}
    definitions: list[tuple[int, str]] = []
    for index, concept in enumerate(concepts):
        for shared in _shared(concept):
            families.union((index, first.setdefault(shared, index)))
        definitions += ((index, text) for text in concept.definitions)
    for left, right in near_pairs([text for _, text in definitions]):
        families.union((definitions[left][0], definitions[right][0]))
    return [
        replace(concept, family=concepts[families.find(index)].name) for index, concept in enumerate(concepts)
    ]


def _shared(concept: Concept) -> set[str]:
    """The keys under which another concept would be the same."""
    found = set(map(fold, concept.names)) | {name_key(concept.name)}
    for name in concept.names:
        if bracket := _BRACKET.match(name):
            found |= {fold(bracket.group(1)), name_key(bracket.group(1))}
            found |= {fold(bracket.group(2))} if is_acronym(bracket.group(2)) else set()
    return found


def split_families(concepts: Sequence[Concept], *, test_share: float, seed: int) -> set[str]:
    """The families of the test side: about `test_share` of the concepts, drawn under `seed`, never all."""
    sizes: dict[str, int] = {}
    for concept in concepts:
        sizes[concept.family] = sizes.get(concept.family, 0) + 1
    wanted = max(1, round(len(concepts) * test_share)) if test_share > 0 else 0
    order = sorted(sizes)
    random.Random(f"split|{seed}").shuffle(order)
    chosen: set[str] = set()
    taken = 0
    for family in order:
        if len(chosen) < len(order) - 1 and taken + sizes[family] <= wanted:
            chosen.add(family)
            taken += sizes[family]
    if wanted and not chosen and len(order) > 1:
        chosen.add(min(order, key=sizes.__getitem__))
    return chosen
