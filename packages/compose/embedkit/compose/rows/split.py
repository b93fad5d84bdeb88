"""Train, dev and test by concept, with the proof that nothing of one part stands in another."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.concepts.claims import Hashes, text_hash
from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.rows.drafts import Draft
from embedkit.disjoint_sets import DisjointSets
from embedkit.errors import UserError

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")
DEFAULT_SPLIT = "0.9/0.05/0.05"
LEAST_HELD_OUT = 15  # concepts of dev and of test under the default split: fewer prove nothing
ENOUGH_CONCEPTS = 150  # to take so many out
TRAIN_BIT = 1


@dataclass(frozen=True, slots=True)
class LeakProof:
    """What two parts share; all zero or the split is wrong."""

    shared_concepts: int
    shared_texts: int
    near_duplicates: int
    held_out_negatives: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is shared."""
        return not (
            self.shared_concepts or self.shared_texts or self.near_duplicates or self.held_out_negatives
        )


def parse_split(text: str) -> tuple[float, float, float]:
    """`0.9/0.05/0.05` (or `18/1/1`) to shares that add up to 1. Raises `UserError`."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    total = sum(numbers)
    right = len(numbers) == 3 and all(0 <= n < 1e9 for n in numbers) and numbers[0] > 0
    if not right or not (abs(total - 1) < 1e-6 or all(n.is_integer() for n in numbers)):
        raise UserError(
            "--split {text!r} is not TRAIN/DEV/TEST",
            hint="for example 0.9/0.05/0.05, or 1/0/0 for no held-out rows",
            text=text,
        )
    return numbers[0] / total, numbers[1] / total, numbers[2] / total


def default_shares(concepts: int) -> tuple[float, float, float]:
    """The shares where a person states none: dev and test have fifteen concepts each where there are 150."""
    train, dev, test = parse_split(DEFAULT_SPLIT)
    least = LEAST_HELD_OUT / concepts if concepts >= ENOUGH_CONCEPTS else 0.0
    return (train, dev, test) if least <= dev else (1 - 2 * least, least, least)


def assign(
    drafts: Sequence[Draft],
    concepts: Concepts,
    near: Iterable[tuple[str, str]],
    *,
    shares: tuple[float, float, float],
    seed: int,
) -> list[Part]:
    """The part of each draft. What shares a text or nearly one stays together; the shares are of the concepts.

    Clusters fill test, then dev, in the order of a hash of the seed and the cluster: more input moves little.
    """
    forest = DisjointSets(len(concepts.ids))
    for claimants in concepts.shared():
        forest.union(claimants)
    for left, right in near:
        forest.union((*concepts.of_text(left), *concepts.of_text(right)))
    concept = np.fromiter(
        (concepts.of_record[draft.record] for draft in drafts), dtype=np.int64, count=len(drafts)
    )
    cluster = np.fromiter(map(forest.find, range(len(concepts.ids))), dtype=np.int64, count=len(concepts.ids))
    part_of = _fill(np.bincount(cluster[np.unique(concept)]), concepts, shares, seed)
    return [PARTS[code] for code in part_of[cluster[concept]].tolist()]


def _fill(
    sizes: NDArray[np.int64], concepts: Concepts, shares: tuple[float, float, float], seed: int
) -> NDArray[np.int8]:
    """Fill test and dev up to their shares, in hashed order; a cluster that does not fit is train's.

    `sizes` are the concepts in each cluster.
    """
    total = int(sizes.sum())
    wanted = {"test": shares[2] * total, "dev": shares[1] * total}
    part_of = np.zeros(len(sizes), dtype=np.int8)
    clusters = np.flatnonzero(sizes)
    draws = np.array([_draw(seed, concepts.ids[number]) for number in clusters.tolist()], dtype=np.uint64)
    for cluster in clusters[np.argsort(draws, kind="stable")].tolist():
        size = int(sizes[cluster])
        fitting: list[Part] = [p for p in ("test", "dev") if size <= wanted[p] + 0.5 and wanted[p] > 0]
        if fitting:
            part_of[cluster] = PARTS.index(fitting[0])
            wanted[fitting[0]] -= size
    return part_of


def _draw(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{name}".encode()).digest()[:8], "big")


def prove(
    drafts: Sequence[Draft],
    parts: Sequence[Part],
    concepts: Concepts,
    near: Iterable[tuple[str, str]],
    *,
    negatives: Iterable[tuple[Part, Sequence[str]]] = (),
) -> LeakProof:
    """Count what the parts share, from the rows as they will be written."""
    bits = np.array([1 << PARTS.index(part) for part in parts], dtype=np.uint8)
    own = np.fromiter(
        (concepts.of_record[draft.record] for draft in drafts), dtype=np.uint64, count=len(drafts)
    )
    texts = _hashes(text for draft in drafts for text in (draft.anchor, draft.positive))
    of_concept, of_text = _PartsOf(own, bits), _PartsOf(texts, np.repeat(bits, 2))
    sides = _hashes(text for pair in near for text in pair).reshape(-1, 2)
    here, there = of_text[sides[:, 0]], of_text[sides[:, 1]]
    close = (here > 0) & (there > 0) & _several(here | there)
    used = _hashes(text for part, found in negatives if part == "train" for text in found)
    return LeakProof(
        shared_concepts=int(_several(of_concept.parts).sum()),
        shared_texts=int(_several(of_text.parts).sum()),
        near_duplicates=int(close.sum()),
        held_out_negatives=int((of_text[used] > TRAIN_BIT).sum()),
    )


class _PartsOf:
    """Which parts each hash stands in, as bits in the order of PARTS."""

    def __init__(self, hashes: Hashes, bits: NDArray[np.uint8]) -> None:
        order = np.argsort(hashes, kind="stable")
        self._keys, first = np.unique(hashes[order], return_index=True)
        self.parts = np.bitwise_or.reduceat(bits[order], first) if len(first) else bits

    def __getitem__(self, hashes: Hashes) -> NDArray[np.uint8]:
        """The parts of each, 0 for one that stands nowhere."""
        if not len(self._keys):
            return np.zeros(len(hashes), dtype=np.uint8)
        place = np.minimum(np.searchsorted(self._keys, hashes), len(self._keys) - 1)
        return np.where(self._keys[place] == hashes, self.parts[place], 0).astype(np.uint8)


def _hashes(texts: Iterable[str]) -> Hashes:
    return np.array(array("Q", map(text_hash, texts)), dtype=np.uint64)


def _several(parts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where more than one bit is set."""
    return (parts & (parts - np.uint8(1))) > 0
