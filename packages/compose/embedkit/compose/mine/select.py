"""From rankings to hard negatives: guards, and a ladder so that no row is lost.

Never a negative: a text of any concept that the anchor or the positive belongs to, or nearly such a text. The
rungs, written as `rule`, each tried only when the one before leaves a row short:

- `bar`: all guards passed;
- `window`: outside the rank window;
- `hub`: a text already used often (never when `hub_cap` states how often);
- `draw`: a seeded draw among the pool's other texts, the nearest over the bar left out;
- `other`: a draw from other languages, for a row without a kind also from texts of another length;
- `above`: over the bar, the farthest first.

All obey the concept mask and a stated `hub_cap`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from embedkit.compose.concepts.graph import text_hash
from embedkit.compose.mine.candidates.base import NO_INDICES, Guards, Indices, Question, Ranked
from embedkit.compose.mine.explain import NEIGHBOURS, Explanation, neighbours, refusals
from embedkit.compose.mine.found import Found, Negative
from embedkit.compose.mine.pools import MakeMiner, Mask, Pool, PoolConcepts, Pools
from embedkit.compose.rows.drafts import Draft
from embedkit.data.records import Mining
from embedkit.progress import Ticker

HUB_LEAST = 8
HUB_FACTOR = 4
CHUNK = 2048
DRAWS = 64


@dataclass(frozen=True, slots=True)
class Above:
    """The nearest neighbour of draft `number`, which the bar refused because it scores above the positive."""

    number: int
    text: str
    score: float
    own: float


@dataclass(frozen=True, slots=True)
class Mined:
    """What mining found for each draft, what stands above its positive, how often the hub cap said no."""

    negatives: Found
    above: list[Above] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    explained: dict[int, Explanation] = field(default_factory=dict)


def mine(
    drafts: Sequence[Draft],
    mask: Mask,
    make_miner: MakeMiner,
    *,
    guards: Guards,
    explain: Container[int] = (),
) -> Mined:
    """The hard negatives of each draft, mined among the drafts' own texts; those that `explain` has are explained."""
    mined = Mined(Found(len(drafts)))
    pools = Pools(drafts)
    used: Counter[int] = Counter()
    ticker = Ticker("mine", len(drafts))
    done = 0
    for key, members in pools.rows.items():
        pool = pools.of[key]
        others = sorted((p for p in pools.of.values() if p is not pool), key=lambda p: p.role != key[0])
        chooser = _Chooser(
            pool, others, mask, make_miner, guards=guards, rows=len(members), used=used, mined=mined
        )
        for number, question in chooser.choose(members, drafts):
            if number in explain:
                mined.explained[number] = chooser.explain(drafts[number], question, mined.negatives[number])
            done += 1
            ticker.at(done)
        del chooser  # its index, before the next pool's is made
    return mined


class _Chooser:
    """Chooses for the rows of one pool, in their order."""

    def __init__(
        self,
        pool: Pool,
        others: Sequence[Pool],
        mask: Mask,
        make_miner: MakeMiner,
        *,
        guards: Guards,
        rows: int,
        used: Counter[int],
        mined: Mined,
    ) -> None:
        self._pool, self._others, self._mask, self._guards = pool, others, mask, guards
        self._miner = make_miner(pool)
        self._concepts = PoolConcepts(pool, mask)
        self._other_concepts: dict[int, PoolConcepts] = {}
        fair = HUB_FACTOR * -(-rows * guards.hard_k // len(pool.texts))
        self._cap = guards.hub_cap or max(HUB_LEAST, fair)
        # A stated cap that has no room for all is shared out: the last rows shall not go empty-handed.
        room = max(1, self._cap * len(pool.texts) // rows)
        self._k = min(guards.hard_k, room) if guards.hub_cap else guards.hard_k
        self._used, self._mined = used, mined

    def choose(self, members: Indices, drafts: Sequence[Draft]) -> Iterator[tuple[int, Question]]:
        """Fill in what was mined for each of the drafts that `members` numbers, one a turn."""
        limit = self._k + self._guards.window[0] - 1
        for start in range(0, len(members), CHUNK):
            part = members[start : start + CHUNK].tolist()
            questions = [self._question(drafts[number]) for number in part]
            rankings = self._miner.rank(questions, limit)
            for number, question, ranked in zip(part, questions, rankings, strict=True):
                self._mined.negatives.put(number, self._row(drafts[number], question, ranked, limit))
                self._note_above(number, ranked)
                yield number, question

    def explain(self, draft: Draft, question: Question, taken: Sequence[Negative]) -> Explanation:
        """Rank once more without the mask, and say of each neighbour what became of it and why."""
        limit = self._k + self._guards.window[0] - 1 + NEIGHBOURS
        ranked = next(iter(self._miner.rank([replace(question, blocked=NO_INDICES)], limit)))
        found = neighbours(ranked, self._pool.texts, limit)
        receipts = tuple((negative.text, negative.mining) for negative in taken)
        refused = refusals(
            found, draft, self._mask, self._guards, receipts=receipts, used=self._used, cap=self._cap
        )
        return Explanation(
            anchor=draft.anchor,
            positive=draft.positive,
            kind=draft.kind,
            own=ranked.refused.own if ranked.refused else None,
            bar=ranked.refused.bar if ranked.refused else None,
            taken=receipts,
            refused=tuple(islice(refused, NEIGHBOURS)),
        )

    def _note_above(self, number: int, ranked: Ranked) -> None:
        refused = ranked.refused
        if refused and len(refused.scores) and refused.scores[0] > refused.own:
            text = self._pool.texts[int(refused.indices[0])]
            self._mined.above.append(Above(number, text, float(refused.scores[0]), refused.own))

    def _question(self, draft: Draft) -> Question:
        blocked = self._concepts.forbidden(self._mask.of_row(draft))
        return Question(draft.anchor, draft.positive, blocked, self._pool.about.get(draft.positive, ""))

    def _row(self, draft: Draft, question: Question, ranked: Ranked, limit: int) -> tuple[Negative, ...]:
        ranked, taken = self._by_bar(question, ranked, limit)
        self._relax(ranked, taken)
        negatives = [self._receipt(ranked, at, rule) for at, rule in sorted(taken.items())]
        seen = {text_hash(negative.text) for negative in negatives}
        for negative in self._last_rungs(draft, question, ranked, seen):
            if len(negatives) >= self._k:
                break
            negatives.append(negative)
            seen.add(text_hash(negative.text))
        self._used.update(seen)
        return tuple(negatives)

    def _by_bar(self, question: Question, ranked: Ranked, limit: int) -> tuple[Ranked, dict[int, str]]:
        """What passes every guard, in as much of the ranking as that takes."""
        while True:
            taken: dict[int, str] = {}
            over_cap = 0
            for at, key in self._distinct(ranked):
                if len(taken) == self._k:
                    break
                if not self._guards.in_window(at + 1):
                    continue
                if self._used[key] < self._cap:
                    taken[at] = "bar"
                else:
                    over_cap += 1
            last = self._guards.window[1]
            if len(taken) == self._k or ranked.complete or (last and len(ranked.indices) >= last):
                self._mined.passed_over["hub cap"] += over_cap
                return ranked, taken
            limit = min(4 * limit + CHUNK // 8, len(self._pool.texts))
            ranked = next(iter(self._miner.rank([question], limit)))

    def _relax(self, ranked: Ranked, taken: dict[int, str]) -> None:
        """The rungs `window`, what comes after it before what comes before, and `hub`, best first."""
        if len(taken) >= self._k:
            return
        first = self._guards.window[0]
        outside = sorted(
            self._distinct(ranked), key=lambda item: (item[0] + 1 < first, abs(item[0] + 1 - first))
        )
        for rule in ("window", "hub"):
            for at, key in outside:
                if len(taken) >= self._k:
                    return
                under = self._used[key] < self._cap
                if at not in taken and (under if rule == "window" else not self._guards.hub_cap):
                    taken[at] = rule

    def _distinct(self, ranked: Ranked) -> Iterator[tuple[int, int]]:
        """Place and key of each candidate, one of several spellings of the same text only."""
        seen: set[int] = set()
        for at, key in enumerate(self._concepts.keys[ranked.indices].tolist()):
            if key not in seen:
                seen.add(key)
                yield at, key

    def _receipt(self, ranked: Ranked, at: int, rule: str) -> Negative:
        text = self._pool.texts[int(ranked.indices[at])]
        score = float(ranked.scores[at])
        miner = self._miner
        return Negative(
            text, Mining(score=score, rank=at + 1, miner=miner.name, rule=rule, weights=miner.weights)
        )

    def _last_rungs(
        self, draft: Draft, question: Question, ranked: Ranked, seen: set[int]
    ) -> Iterator[Negative]:
        """The rungs `draw`, `other` and `above`; `seen` grows while this runs."""
        if len(seen) >= self._k:
            return
        key = f"{self._guards.seed}\x1f{draft.id}"
        over = ranked.refused.indices.tolist() if ranked.refused else []
        forbidden = {*question.blocked.tolist(), *over}
        yield from self._drawn(self._pool, forbidden, key, seen, "draw")
        for number, pool in enumerate(self._others):
            if pool.role == self._pool.role or draft.kind == "pair":
                if number not in self._other_concepts:
                    self._other_concepts[number] = PoolConcepts(pool, self._mask)
                blocked = self._other_concepts[number].forbidden(self._mask.of_row(draft))
                yield from self._drawn(pool, set(blocked.tolist()), key, seen, "other")
        for at in reversed(range(len(over))):
            text = self._pool.texts[over[at]]
            if ranked.refused and self._free(text, seen):
                score = float(ranked.refused.scores[at])
                receipt = Mining(
                    score=score, rank=0, miner=self._miner.name, rule="above", weights=self._miner.weights
                )
                yield Negative(text, receipt)

    def _drawn(
        self, pool: Pool, forbidden: set[int], key: str, seen: set[int], rule: str
    ) -> Iterator[Negative]:
        def allowed(index: int) -> bool:
            return index not in forbidden and self._free(pool.texts[index], seen)

        for index in _draws(len(pool.texts), allowed, key):
            yield Negative(pool.texts[index], Mining(score=0.0, rank=0, miner="draw", rule=rule))

    def _free(self, text: str, seen: set[int]) -> bool:
        key = text_hash(text)
        return key not in seen and not (self._guards.hub_cap and self._used[key] >= self._cap)


def _draws(size: int, allowed: Callable[[int], bool], key: str) -> Iterator[int]:
    """Allowed numbers below `size`: hashed draws, then whatever is left in order."""
    for turn in range(DRAWS):
        digest = hashlib.blake2b(f"{key}\x1f{turn}".encode(), digest_size=8).digest()
        index = int.from_bytes(digest) % size
        if allowed(index):
            yield index
    yield from (index for index in range(size) if allowed(index))
