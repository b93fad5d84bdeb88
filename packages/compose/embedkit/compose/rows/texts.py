"""The texts of drafts, not copied: only the place of each text is kept, and the text is read from its draft."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.rows.drafts import Draft
from embedkit.compose.rows.spool import RowSequence
from embedkit.text import hash64

Places = NDArray[np.int64]


class Texts(RowSequence[str]):
    """Texts of drafts: place 2n is the anchor of draft n, 2n + 1 its positive."""

    def __init__(self, drafts: Sequence[Draft], places: Places) -> None:
        self._drafts, self._places = drafts, places

    def __len__(self) -> int:
        return len(self._places)

    def at(self, number: int) -> str:
        """The text, read from its draft."""
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
