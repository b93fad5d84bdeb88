"""From rankings to hard negatives: pools of texts like the positive, guards, a ladder so that no row is lost.

Never a negative: a text of any concept that the anchor or the positive belongs to, or nearly such a text. The
rungs, written as `rule`: `bar` (all guards passed), `hub` (a text already used often), `draw` (a seeded draw
among the pool's other texts), `other` (a draw from other languages, for a row without a kind also from texts
of another length). All obey the concept mask.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embedkit.compose.concepts import Concepts, text_key
from embedkit.compose.mine.base import Indices, Miner, Question, Ranked
from embedkit.compose.rows import Draft, Role
from embedkit.pairs import Mining
from embedkit.progress import Ticker
from embedkit.text import language_of

HUB_LEAST = 8
HUB_FACTOR = 4
CHUNK = 2048
DRAWS = 64


@dataclass(frozen=True, slots=True)
class Negative:
    """One hard negative and its receipt."""

    text: str
    mining: Mining


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
        self._concepts = concepts
        self._near: defaultdict[str, set[int]] = defaultdict(set)
        for left, right in near:
            self._near[left].update(concepts.of_text(right))
            self._near[right].update(concepts.of_text(left))

    def of_row(self, draft: Draft) -> set[int]:
        """The row's concepts."""
        own = {self._concepts.of_record[draft.record]}
        return own.union(self._concepts.of_text(draft.anchor), self._concepts.of_text(draft.positive))

    def of_candidate(self, text: str) -> set[int]:
        """The concepts that a candidate belongs to or nearly belongs to."""
        return self._near.get(text, set()).union(self._concepts.of_text(text))


def mine(
    drafts: Sequence[Draft], mask: Mask, make_miner: MakeMiner, *, hard_k: int, seed: int
) -> list[tuple[Negative, ...]]:
    """The hard negatives of each draft, mined among the drafts' own texts."""
    found: list[tuple[Negative, ...]] = [()] * len(drafts)
    pools = _pools(drafts)
    ticker = Ticker("mine", len(drafts))
    done = 0
    for (role, lang), members in _by_pool(drafts).items():
        others = sorted((p for key, p in pools.items() if key != (role, lang)), key=lambda p: p.role != role)
        chooser = _Chooser(
            pools[role, lang], others, mask, make_miner, hard_k=hard_k, seed=seed, rows=len(members)
        )
        for number, negatives in zip(members, chooser.choose([drafts[n] for n in members]), strict=True):
            found[number] = negatives
            done += 1
            ticker.at(done)
    return found


def _language(text: str, draft: Draft) -> str:
    return language_of(text, fallback=draft.lang)


def _pools(drafts: Sequence[Draft]) -> dict[tuple[Role, str], Pool]:
    texts: defaultdict[tuple[Role, str], set[str]] = defaultdict(set)
    for draft in drafts:
        texts[draft.anchor_role, _language(draft.anchor, draft)].add(draft.anchor)
        texts[draft.positive_role, _language(draft.positive, draft)].add(draft.positive)
    about = _definitions(drafts)
    return {
        (role, lang): Pool(role, lang, tuple(sorted(texts[role, lang])), about.get(lang, {}))
        for role, lang in sorted(texts)
    }


def _definitions(drafts: Sequence[Draft]) -> dict[str, dict[str, str]]:
    """For each language, what names are explained as in it."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for draft in drafts:
        if draft.positive_role == "definition" and draft.anchor_role != "definition":
            found[_language(draft.positive, draft)].setdefault(draft.anchor, draft.positive)
    return found


def _by_pool(drafts: Sequence[Draft]) -> dict[tuple[Role, str], list[int]]:
    members: defaultdict[tuple[Role, str], list[int]] = defaultdict(list)
    for number, draft in enumerate(drafts):
        members[draft.positive_role, _language(draft.positive, draft)].append(number)
    return members


class _Concepts:
    """A pool seen by concept: which of its texts a set of concepts forbids."""

    def __init__(self, pool: Pool, mask: Mask) -> None:
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number, text in enumerate(pool.texts):
            for concept in mask.of_candidate(text):
                members[concept].append(number)
        self._members = {concept: np.array(numbers, dtype=np.int64) for concept, numbers in members.items()}

    def forbidden(self, concepts: set[int]) -> Indices:
        parts = [self._members[c] for c in sorted(concepts) if c in self._members]
        if not parts:
            return np.empty(0, dtype=np.int64)
        return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


class _Chooser:
    """Chooses for the rows of one pool, in their order."""

    def __init__(
        self,
        pool: Pool,
        others: Sequence[Pool],
        mask: Mask,
        make_miner: MakeMiner,
        *,
        hard_k: int,
        seed: int,
        rows: int,
    ) -> None:
        self._pool, self._others, self._mask = pool, others, mask
        self._miner = make_miner(pool)
        self._concepts = _Concepts(pool, mask)
        self._other_concepts: dict[int, _Concepts] = {}
        self._k, self._seed = hard_k, seed
        self._cap = max(HUB_LEAST, HUB_FACTOR * -(-rows * hard_k // len(pool.texts)))
        self._used: Counter[int] = Counter()
        self._keys = [text_key(text) for text in pool.texts]

    def choose(self, drafts: Sequence[Draft]) -> Iterator[tuple[Negative, ...]]:
        for start in range(0, len(drafts), CHUNK):
            part = drafts[start : start + CHUNK]
            questions = [self._question(draft) for draft in part]
            for draft, question, ranked in zip(
                part, questions, self._miner.rank(questions, self._k), strict=True
            ):
                yield self._row(draft, question, ranked)

    def _question(self, draft: Draft) -> Question:
        blocked = self._concepts.forbidden(self._mask.of_row(draft))
        return Question(draft.anchor, draft.positive, blocked, self._pool.about.get(draft.positive, ""))

    def _row(self, draft: Draft, question: Question, ranked: Ranked) -> tuple[Negative, ...]:
        picked = self._under_cap(ranked)
        if len(picked) < self._k and not ranked.complete:
            ranked = next(iter(self._miner.rank([question], len(self._pool.texts))))
            picked = self._under_cap(ranked)
        taken = dict.fromkeys(picked, "bar")
        for at, _ in self._distinct(ranked):
            if len(taken) >= self._k:
                break
            taken.setdefault(at, "hub")
        negatives = [self._receipt(ranked, at, rule) for at, rule in sorted(taken.items())]
        chosen = {int(ranked.indices[at]) for at in taken}
        self._used.update(chosen)
        negatives += self._drawn(draft, question, chosen, self._k - len(negatives))
        return tuple(negatives)

    def _under_cap(self, ranked: Ranked) -> list[int]:
        picked: list[int] = []
        for at, index in self._distinct(ranked):
            if len(picked) == self._k:
                break
            if self._used[index] < self._cap:
                picked.append(at)
        return picked

    def _distinct(self, ranked: Ranked) -> Iterator[tuple[int, int]]:
        """Place and number of each candidate, one of several spellings of the same text only."""
        seen: set[str] = set()
        for at, index in enumerate(ranked.indices.tolist()):
            key = self._keys[index]
            if key not in seen:
                seen.add(key)
                yield at, index

    def _receipt(self, ranked: Ranked, at: int, rule: str) -> Negative:
        text = self._pool.texts[int(ranked.indices[at])]
        score = float(ranked.scores[at])
        return Negative(text, Mining(score=score, rank=at + 1, miner=self._miner.name, rule=rule))

    def _drawn(self, draft: Draft, question: Question, chosen: set[int], wanted: int) -> Iterator[Negative]:
        """The last rungs: this pool, then the others, drawn by the row's id and the seed."""
        if wanted <= 0:
            return
        here = _draws(len(self._pool.texts), {*chosen, *question.blocked.tolist()}, wanted, self._key(draft))
        yield from (_draw_receipt(self._pool.texts[index], "draw") for index in here)
        wanted -= len(here)
        for number, pool in enumerate(self._others):
            if wanted <= 0:
                return
            if pool.role != self._pool.role and draft.kind != "pair":
                continue
            if number not in self._other_concepts:
                self._other_concepts[number] = _Concepts(pool, self._mask)
            blocked = self._other_concepts[number].forbidden(self._mask.of_row(draft))
            there = _draws(len(pool.texts), set(blocked.tolist()), wanted, self._key(draft))
            yield from (_draw_receipt(pool.texts[index], "other") for index in there)
            wanted -= len(there)

    def _key(self, draft: Draft) -> str:
        return f"{self._seed}\x1f{draft.id}"


def _draw_receipt(text: str, rule: str) -> Negative:
    return Negative(text, Mining(score=0.0, rank=0, miner="draw", rule=rule))


def _draws(size: int, forbidden: set[int], wanted: int, key: str) -> list[int]:
    """Up to `wanted` allowed numbers below `size`: hashed draws, then whatever is left in order."""
    drawn: dict[int, None] = {}
    for turn in range(DRAWS):
        digest = hashlib.blake2b(f"{key}\x1f{turn}".encode(), digest_size=8).digest()
        index = int.from_bytes(digest) % size
        if index not in forbidden:
            drawn[index] = None
        if len(drawn) == wanted:
            return list(drawn)
    for index in range(size):
        if len(drawn) == wanted:
            break
        if index not in forbidden:
            drawn[index] = None
    return list(drawn)
