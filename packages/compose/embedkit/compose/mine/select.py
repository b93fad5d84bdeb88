"""From rankings to hard negatives: guards first, then weaker rules, so that no row is left without.

Never a negative: a text of any concept that the anchor or the positive belongs to, or nearly such a text. The rules,
in the order in which they are tried; the next one only when those before leave a row short:

- `bar`: all guards passed;
- `window`: outside the rank window;
- `hub`: a text that is a negative of many rows already (never when `hub_cap` states how many);
- `draw`: a seeded draw among the pool's other texts, the nearest over the bar left out;
- `other`: a draw from other languages, for a row without a kind also from texts of another length;
- `above`: over the bar, the farthest first.

All obey the concept mask and a stated `hub_cap`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from embedkit.compose.concepts.claims import text_hash
from embedkit.compose.mine.candidates.base import NO_INDICES, Candidates, Indices, Miner, Question
from embedkit.compose.mine.explain import NEIGHBOURS, Explanation, nearest_texts, not_taken
from embedkit.compose.mine.hubs import HubCap
from embedkit.compose.mine.negatives import Negative
from embedkit.compose.mine.options import MiningOptions
from embedkit.compose.mine.pools import MakeMiner, Mask, Pool, Pools
from embedkit.compose.rows.drafts import Draft
from embedkit.console import Ticker
from embedkit.data.records import Mining

CHUNK = 2048
DRAWS = 64


@dataclass(frozen=True, slots=True)
class Above:
    """The nearest neighbour of a row, which the bar refused because it scores above the positive."""

    text: str
    score: float
    own: float


@dataclass(frozen=True, slots=True)
class MinedRow:
    """What was mined for one row. `passed_over` counts the candidates that the hub cap withheld from it."""

    negatives: tuple[Negative, ...]
    passed_over: int
    above: Above | None
    explanation: Explanation | None = None


def mine(
    drafts: Sequence[Draft],
    mask: Mask,
    make_miner: MakeMiner,
    *,
    options: MiningOptions,
    explain: Container[int] = (),
) -> Iterator[tuple[int, MinedRow]]:
    """Yield each draft's number and hard negatives, mined among the drafts' own texts, pool by pool.

    The rows whose numbers `explain` holds are explained.
    """
    pools = Pools(drafts, mask)
    used: Counter[int] = Counter()
    ticker = Ticker("mine", len(drafts))
    done = 0
    for key, members in pools.rows.items():
        pool = pools.of[key]
        cap = HubCap.of(len(pool.texts), len(members), options, used)
        selector = _Selector(pool, pools.beside(pool), make_miner(pool), options, cap)
        for number, question, row in selector.select(drafts, members):
            if number in explain:
                why = selector.explain(drafts[number], question, row.negatives, mask)
                yield number, replace(row, explanation=why)
            else:
                yield number, row
            done += 1
            ticker.at(done)
        del selector  # its miner's index, before the next pool's is made
        pool.drop_index()


class _Selector:
    """Selects the negatives of the rows of one pool, in their order."""

    def __init__(
        self, pool: Pool, others: Sequence[Pool], miner: Miner, options: MiningOptions, cap: HubCap
    ) -> None:
        self._pool, self._others, self._miner = pool, others, miner
        self._window, self._seed, self._cap, self._k = options.window, options.seed, cap, cap.k
        self._limit = cap.k + self._window.first - 1

    def select(self, drafts: Sequence[Draft], members: Indices) -> Iterator[tuple[int, Question, MinedRow]]:
        """Yield number, question and negatives of each of the drafts that `members` numbers."""
        for start in range(0, len(members), CHUNK):
            part = members[start : start + CHUNK].tolist()
            questions = [self._pool.question(drafts[number]) for number in part]
            rankings = self._miner.rank(questions, self._limit)
            for number, question, ranked in zip(part, questions, rankings, strict=True):
                yield number, question, self._row(drafts[number], question, ranked)

    def explain(
        self, draft: Draft, question: Question, negatives: Sequence[Negative], mask: Mask
    ) -> Explanation:
        """Rank once more without the mask, and say of each neighbour what became of it and why."""
        limit = self._limit + NEIGHBOURS
        ranked = next(iter(self._miner.rank([replace(question, blocked=NO_INDICES)], limit)))
        near = nearest_texts(ranked, self._pool.texts, limit)
        others = not_taken(near, draft, mask, self._window, self._cap, {n.text for n in negatives})
        return Explanation(
            anchor=draft.anchor,
            positive=draft.positive,
            kind=draft.kind,
            own=ranked.refused.own if ranked.refused else None,
            bar=ranked.refused.bar if ranked.refused else None,
            taken=tuple(negatives),
            refused=tuple(islice(others, NEIGHBOURS)),
        )

    def _row(self, draft: Draft, question: Question, ranked: Candidates) -> MinedRow:
        above = self._above(ranked)
        ranked, taken, passed_over = self._under_bar(question, ranked)
        self._relax(ranked, taken)
        negatives = [self._negative(ranked, at, rule) for at, rule in sorted(taken.items())]
        seen = {text_hash(negative.text) for negative in negatives}
        for negative in self._last_rules(draft, question, ranked, seen):
            if len(negatives) >= self._k:
                break
            negatives.append(negative)
            seen.add(text_hash(negative.text))
        self._cap.used.update(seen)
        return MinedRow(tuple(negatives), passed_over, above)

    def _above(self, ranked: Candidates) -> Above | None:
        refused = ranked.refused
        if refused and len(refused.scores) and refused.scores[0] > refused.own:
            return Above(self._pool.texts[int(refused.indices[0])], float(refused.scores[0]), refused.own)
        return None

    def _under_bar(self, question: Question, ranked: Candidates) -> tuple[Candidates, dict[int, str], int]:
        """As much of the ranking as is needed, what of it passes every guard, and how many the hub cap withheld."""
        limit = self._limit
        while True:
            taken: dict[int, str] = {}
            over_cap = 0
            for at, key in self._distinct(ranked):
                if len(taken) == self._k:
                    break
                if not self._window.admits(at + 1):
                    continue
                if self._cap.reached(key):
                    over_cap += 1
                else:
                    taken[at] = "bar"
            last = self._window.last
            if len(taken) == self._k or ranked.complete or (last and len(ranked.indices) >= last):
                return ranked, taken, over_cap
            limit = min(4 * limit + CHUNK // 8, len(self._pool.texts))
            ranked = next(iter(self._miner.rank([question], limit)))

    def _relax(self, ranked: Candidates, taken: dict[int, str]) -> None:
        """The rules `window`, what comes after it before what comes before, and `hub`, best first."""
        if len(taken) >= self._k:
            return
        first = self._window.first
        outside = sorted(
            self._distinct(ranked), key=lambda item: (item[0] + 1 < first, abs(item[0] + 1 - first))
        )
        for rule in ("window", "hub"):
            for at, key in outside:
                if len(taken) >= self._k:
                    return
                allowed = not (self._cap.reached(key) if rule == "window" else self._cap.stated)
                if at not in taken and allowed:
                    taken[at] = rule

    def _distinct(self, ranked: Candidates) -> Iterator[tuple[int, int]]:
        """Place and key of each candidate, one of several spellings of the same text only."""
        seen: set[int] = set()
        for at, key in enumerate(self._pool.keys[ranked.indices].tolist()):
            if key not in seen:
                seen.add(key)
                yield at, key

    def _negative(self, ranked: Candidates, at: int, rule: str) -> Negative:
        return self._scored(int(ranked.indices[at]), float(ranked.scores[at]), rule, rank=at + 1)

    def _scored(self, index: int, score: float, rule: str, *, rank: int) -> Negative:
        miner = self._miner
        mining = Mining(score=score, rank=rank, miner=miner.name, rule=rule, weights=miner.weights)
        return Negative(self._pool.texts[index], mining)

    def _last_rules(
        self, draft: Draft, question: Question, ranked: Candidates, seen: set[int]
    ) -> Iterator[Negative]:
        """The rules `draw`, `other` and `above`; `seen` grows while this runs."""
        if len(seen) >= self._k:
            return
        key = f"{self._seed}\x1f{draft.id}"
        over = ranked.refused.indices.tolist() if ranked.refused else []
        for index in self._drawn(self._pool, {*question.blocked.tolist(), *over}, key, seen):
            yield _drawn_negative(self._pool, index, "draw")
        for pool in self._others:
            if pool.role == self._pool.role or draft.kind == "pair":
                for index in self._drawn(pool, set(pool.forbidden(draft).tolist()), key, seen):
                    yield _drawn_negative(pool, index, "other")
        for at in reversed(range(len(over))):
            if ranked.refused and self._free(self._pool.texts[over[at]], seen):
                yield self._scored(over[at], float(ranked.refused.scores[at]), "above", rank=0)

    def _drawn(self, pool: Pool, forbidden: set[int], key: str, seen: set[int]) -> Iterator[int]:
        return _draws(
            len(pool.texts),
            lambda index: index not in forbidden and self._free(pool.texts[index], seen),
            key,
        )

    def _free(self, text: str, seen: set[int]) -> bool:
        key = text_hash(text)
        return key not in seen and not (self._cap.stated and self._cap.reached(key))


def _drawn_negative(pool: Pool, index: int, rule: str) -> Negative:
    return Negative(pool.texts[index], Mining(score=0.0, rank=0, miner="draw", rule=rule))


def _draws(size: int, allowed: Callable[[int], bool], key: str) -> Iterator[int]:
    """Allowed numbers below `size`: hashed draws, then whatever is left in order."""
    for turn in range(DRAWS):
        digest = hashlib.blake2b(f"{key}\x1f{turn}".encode(), digest_size=8).digest()
        index = int.from_bytes(digest) % size
        if allowed(index):
            yield index
    yield from (index for index in range(size) if allowed(index))
