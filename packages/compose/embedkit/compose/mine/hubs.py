"""Hubs: texts that are near to very many questions, and would be a negative of them all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from embedkit.compose.mine.options import MiningOptions

LEAST = 8
FACTOR = 4  # times the fair share


@dataclass(frozen=True, slots=True)
class HubCap:
    """How many rows of a pool one text may be a negative of, and of how many it is one: `used`, by `text_hash`.

    `k` is how many negatives a row gets; a `stated` cap is never exceeded.
    """

    most: int
    k: int
    stated: bool
    used: Counter[int]

    @classmethod
    def of(cls, texts: int, rows: int, options: MiningOptions, used: Counter[int]) -> HubCap:
        """The cap of a pool of so many texts that so many rows take their negatives from."""
        if not options.hub_cap:
            fair = FACTOR * -(-rows * options.hard_k // texts)
            return cls(max(LEAST, fair), options.hard_k, False, used)
        # A stated cap that has no room for all is shared out: so that the last rows get some too.
        room = max(1, options.hub_cap * texts // rows)
        return cls(options.hub_cap, min(options.hard_k, room), True, used)

    def reached(self, key: int) -> bool:
        """Whether the text with this `text_hash` is a negative of as many rows as it may be."""
        return self.used[key] >= self.most
