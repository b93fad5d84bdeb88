"""What negatives are taken from: the texts of one role and language, and which of them a row forbids.

A text is read where it stands; its place and its hash are kept, some 30 bytes a draft and side.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from embedkit.compose.concepts.claims import Hashes, text_hash
from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.mine.candidates.base import NO_INDICES, Indices, Miner, Question
from embedkit.compose.rows.drafts import Draft, Role
from embedkit.compose.rows.texts import Texts
from embedkit.text import hash64, language_of

PoolKey = tuple[Role, str]


class Mask:
    """Which texts can't be negatives of a row: its concepts' texts and what is nearly one of them.

    `alike` are pairs of concepts that may be one, `apart` pairs that a person said to be two: what is nearly alike in
    those is a good negative.
    """

    def __init__(
        self,
        concepts: Concepts,
        near: Sequence[tuple[str, str]],
        *,
        alike: Collection[tuple[int, int]] = (),
        apart: Collection[tuple[int, int]] = (),
    ) -> None:
        self.concepts = concepts
        self._alike: defaultdict[int, set[int]] = defaultdict(set)
        self._near: defaultdict[str, set[int]] = defaultdict(set)
        told = {frozenset(pair) for pair in apart}
        for a, b in alike:
            if frozenset((a, b)) not in told:
                self._alike[a].add(b)
                self._alike[b].add(a)
        for left, right in near:
            here, there = concepts.of_text(left), concepts.of_text(right)
            if told and any(frozenset((a, b)) in told for a in here for b in there):
                continue
            self._near[left].update(there)
            self._near[right].update(here)

    def of_row(self, draft: Draft) -> set[int]:
        """The row's concepts."""
        own = {self.concepts.of_record[draft.record]}
        return own.union(self.concepts.of_text(draft.anchor), self.concepts.of_text(draft.positive))

    def of_candidate(self, text: str, key: int) -> set[int]:
        """The concepts that a candidate, with `key` its `text_hash`, belongs to or nearly belongs to."""
        own = self.concepts.of_hash(key)
        suspected = (self._alike[concept] for concept in own if concept in self._alike)
        return self._near.get(text, set()).union(own, *suspected)


class Pool:
    """The candidates of one role and language, in text order, which breaks ties; `about` defines names.

    Which of them a row forbids is looked up in an index by concept: some 20 bytes a text from the first question on.
    """

    def __init__(
        self, role: Role, lang: str, texts: Sequence[str], about: Mapping[str, str], mask: Mask
    ) -> None:
        self.role, self.lang, self.texts, self.about = role, lang, texts, about
        self._mask = mask

    @cached_property
    def _index(self) -> tuple[Hashes, Indices, Indices]:
        """The `text_hash` of each text, the numbers of the texts by concept, and where each concept's begin."""
        keys, concepts, members = array("Q"), array("i"), array("i")
        for number, text in enumerate(self.texts):
            keys.append(key := text_hash(text))
            for concept in self._mask.of_candidate(text, key):
                concepts.append(concept)
                members.append(number)
        owners = np.array(concepts, dtype=np.int32)
        numbers = np.array(members, dtype=np.int64)[np.argsort(owners, kind="stable")]
        starts = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=1))))
        return np.array(keys, dtype=np.uint64), numbers, starts

    @property
    def keys(self) -> Hashes:
        """The `text_hash` of each text: the spellings of one text share it."""
        return self._index[0]

    def forbidden(self, draft: Draft) -> Indices:
        """The numbers of the texts that belong to a concept of the row, or nearly do."""
        return self.of_concepts(self._mask.of_row(draft))

    def of_concepts(self, concepts: Iterable[int]) -> Indices:
        """The numbers of the texts that belong to one of these concepts, or nearly do."""
        _, numbers, starts = self._index
        known = [concept for concept in sorted(concepts) if concept < len(starts) - 1]
        parts = [numbers[starts[concept] : starts[concept + 1]] for concept in known]
        if not parts:
            return NO_INDICES
        return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))

    def drop_index(self) -> None:
        """Free what `forbidden` looks up in; the next call makes it anew."""
        self.__dict__.pop("_index", None)

    def question(self, draft: Draft) -> Question:
        """What a miner is asked for the row."""
        about = self.about.get(draft.positive, "")
        return Question(draft.anchor, draft.positive, self.forbidden(draft), about)


MakeMiner = Callable[[Pool], Miner]


class About(Mapping[str, str]):
    """What names are explained as: the positive of the first draft that `numbers` has for each anchor."""

    def __init__(self, drafts: Sequence[Draft], names: Hashes, numbers: Indices) -> None:
        self._drafts = drafts
        self._names, first = np.unique(names, return_index=True)
        self._numbers = numbers[first]

    def __getitem__(self, name: str) -> str:
        wanted = hash64(name)
        place = int(self._names.searchsorted(np.uint64(wanted)))
        if place == len(self._names) or int(self._names[place]) != wanted:
            raise KeyError(name)
        return self._drafts[int(self._numbers[place])].positive

    def __iter__(self) -> Iterator[str]:
        return (self._drafts[number].anchor for number in self._numbers.tolist())

    def __len__(self) -> int:
        return len(self._names)


class Pools:
    """The pools of the drafts' own texts. `rows` are the drafts that take their negatives from each."""

    def __init__(self, drafts: Sequence[Draft], mask: Mask) -> None:
        self._drafts, self._mask = drafts, mask
        self._scan(drafts)
        own = self._codes[1::2]
        keys = list(self._code)
        self.of: dict[PoolKey, Pool] = {key: self._pool(*key) for key in sorted(keys)}
        self.rows: dict[PoolKey, Indices] = {
            keys[code]: np.flatnonzero(own == code) for code in dict.fromkeys(own.tolist())
        }

    def beside(self, pool: Pool) -> list[Pool]:
        """The other pools, those of the same role first."""
        return sorted((p for p in self.of.values() if p is not pool), key=lambda p: p.role != pool.role)

    def _scan(self, drafts: Sequence[Draft]) -> None:
        """Pool and hash of every anchor and positive, and whether it is a name with its definition."""
        found: dict[PoolKey, int] = {}
        codes, hashes, defines = array("i"), array("Q"), array("b")
        for draft in drafts:
            for text, role in ((draft.anchor, draft.anchor_role), (draft.positive, draft.positive_role)):
                key = role, language_of(text, fallback=draft.lang)
                codes.append(found.setdefault(key, len(found)))
                hashes.append(hash64(text))
            defines.append(draft.positive_role == "definition" and draft.anchor_role != "definition")
        self._code = found
        self._codes, self._hashes = np.array(codes, dtype=np.int32), np.array(hashes, dtype=np.uint64)
        self._defines = np.array(defines, dtype=np.bool_)

    def _pool(self, role: Role, lang: str) -> Pool:
        places = np.flatnonzero(self._codes == self._code[role, lang])
        _, first = np.unique(self._hashes[places], return_index=True)
        texts = Texts(self._drafts, places[np.sort(first)]).in_order()
        defined = self._defines & (self._codes[1::2] == self._code.get(("definition", lang), -1))
        numbers = np.flatnonzero(defined)
        about = About(self._drafts, self._hashes[0::2][numbers], numbers)
        return Pool(role, lang, texts, about, self._mask)
