"""What negatives are taken from: the texts of one role and language, and which of them a row forbids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embedkit.compose.concepts import Concepts
from embedkit.compose.mine.base import NO_INDICES, Indices, Miner
from embedkit.compose.rows import Draft, Role
from embedkit.text import language_of

PoolKey = tuple[Role, str]


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates of one role and language, in text order, which breaks ties; `about` defines names."""

    role: Role
    lang: str
    texts: tuple[str, ...]
    about: Mapping[str, str] = field(default_factory=dict)


MakeMiner = Callable[[Pool], Miner]


class Mask:
    """Which texts can't be negatives of a row: its concepts' texts and what is nearly one of them."""

    def __init__(self, concepts: Concepts, near: Sequence[tuple[str, str]]) -> None:
        self.concepts = concepts
        self._near: defaultdict[str, set[int]] = defaultdict(set)
        for left, right in near:
            self._near[left].update(concepts.of_text(right))
            self._near[right].update(concepts.of_text(left))

    def of_row(self, draft: Draft) -> set[int]:
        """The row's concepts."""
        own = {self.concepts.of_record[draft.record]}
        return own.union(self.concepts.of_text(draft.anchor), self.concepts.of_text(draft.positive))

    def of_candidate(self, text: str) -> set[int]:
        """The concepts that a candidate belongs to or nearly belongs to."""
        return self._near.get(text, set()).union(self.concepts.of_text(text))


def pools_of(drafts: Sequence[Draft]) -> dict[PoolKey, Pool]:
    """The pools of the drafts' own texts."""
    texts: defaultdict[PoolKey, set[str]] = defaultdict(set)
    for draft in drafts:
        texts[draft.anchor_role, _language(draft.anchor, draft)].add(draft.anchor)
        texts[draft.positive_role, _language(draft.positive, draft)].add(draft.positive)
    about = _definitions(drafts)
    return {
        (role, lang): Pool(role, lang, tuple(sorted(texts[role, lang])), about.get(lang, {}))
        for role, lang in sorted(texts)
    }


def rows_by_pool(drafts: Sequence[Draft]) -> dict[PoolKey, list[int]]:
    """Which drafts take their negatives from which pool: the one of their positive."""
    members: defaultdict[PoolKey, list[int]] = defaultdict(list)
    for number, draft in enumerate(drafts):
        members[draft.positive_role, _language(draft.positive, draft)].append(number)
    return members


def _language(text: str, draft: Draft) -> str:
    return language_of(text, fallback=draft.lang)


def _definitions(drafts: Sequence[Draft]) -> dict[str, dict[str, str]]:
    """For each language, what names are explained as in it."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for draft in drafts:
        if draft.positive_role == "definition" and draft.anchor_role != "definition":
            found[_language(draft.positive, draft)].setdefault(draft.anchor, draft.positive)
    return found


class PoolConcepts:
    """A pool seen by concept: which of its texts a set of concepts forbids."""

    def __init__(self, pool: Pool, mask: Mask) -> None:
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number, text in enumerate(pool.texts):
            for concept in mask.of_candidate(text):
                members[concept].append(number)
        self._members = {concept: np.array(numbers, dtype=np.int64) for concept, numbers in members.items()}

    def forbidden(self, concepts: set[int]) -> Indices:
        """The numbers of the texts that belong to one of `concepts`, or nearly do."""
        parts = [self._members[c] for c in sorted(concepts) if c in self._members]
        if not parts:
            return NO_INDICES
        return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))
