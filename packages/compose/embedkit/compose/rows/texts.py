"""The texts of drafts without a copy of them: a text is a place, and is read where it stands."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.rows.drafts import Draft
from embedkit.text import hash64

Places = NDArray[np.int64]


class Texts(Sequence[str]):
    """Texts of drafts: place 2n is the anchor of draft n, 2n + 1 its positive."""

    def __init__(self, drafts: Sequence[Draft], places: Places) -> None:
        self._drafts, self._places = drafts, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> list[str]: ...
    def __getitem__(self, number: int | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        draft, side = divmod(int(self._places[number]), 2)
        return self._drafts[draft].positive if side else self._drafts[draft].anchor

    def in_order(self) -> Texts:
        """The same texts in alphabetical order, which reads them all."""
        texts = list(self)
        order = sorted(range(len(texts)), key=texts.__getitem__)
        return Texts(self._drafts, self._places[np.array(order, dtype=np.int64)])


def distinct_texts(drafts: Sequence[Draft]) -> Texts:
    """Every text once, in the order of the drafts."""
    hashes = array("Q")
    for draft in drafts:
        hashes.extend((hash64(draft.anchor), hash64(draft.positive)))
    _, first = np.unique(np.array(hashes, dtype=np.uint64), return_index=True)
    return Texts(drafts, np.sort(first))
