"""Disjoint sets of numbers (union-find): which entries belong together when some pairs are known to."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Sequence


class DisjointSets:
    """The numbers below `size`, each alone at first; the smallest member is a set's root. Four bytes a number."""

    def __init__(self, size: int) -> None:
        self._parent = array("i", range(size))

    def find(self, item: int) -> int:
        """The root of the set that `item` is in."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, items: Iterable[int]) -> None:
        """Join the sets of all `items`."""
        roots = sorted({self.find(item) for item in items})
        for root in roots[1:]:
            self._parent[root] = roots[0]

    def groups(self) -> Sequence[Sequence[int]]:
        """The members of every set in rising order, sets in the order of their smallest member."""
        members: dict[int, list[int]] = {}
        for item in range(len(self._parent)):
            members.setdefault(self.find(item), []).append(item)
        return list(members.values())


def joined(keys: Sequence[Iterable[Hashable]]) -> list[int]:
    """For each item the first one that it is tied to: items that share a key are tied, directly or through others."""
    sets, owner = DisjointSets(len(keys)), dict[Hashable, int]()
    for item, own in enumerate(keys):
        sets.union((item, *(owner.setdefault(key, item) for key in own)))
    return [sets.find(item) for item in range(len(keys))]
