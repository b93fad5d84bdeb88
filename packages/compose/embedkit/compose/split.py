"""Train, dev and test by concept, with the proof that nothing of one part stands in another."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from embedkit.compose.concepts import Concepts, Forest, text_key
from embedkit.compose.rows import Draft
from embedkit.errors import UserError

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")
DEFAULT_SPLIT = "0.8/0.1/0.1"


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
    """`0.8/0.1/0.1` (or `8/1/1`) to shares that add up to 1. Raises `UserError`."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    total = sum(numbers)
    right = len(numbers) == 3 and all(0 <= n < 1e9 for n in numbers) and numbers[0] > 0
    if not right or not (abs(total - 1) < 1e-6 or all(n.is_integer() for n in numbers)):
        raise UserError(
            f"--split {text!r} is not TRAIN/DEV/TEST",
            hint="for example 0.8/0.1/0.1, or 1/0/0 for no held-out rows",
        )
    return numbers[0] / total, numbers[1] / total, numbers[2] / total


def assign(
    drafts: Sequence[Draft],
    concepts: Concepts,
    near: Iterable[tuple[str, str]],
    *,
    shares: tuple[float, float, float],
    seed: int,
) -> list[Part]:
    """The part of each draft. What shares a text or nearly one stays together; the shares are met by rows.

    Clusters fill test, then dev, in the order of a hash of the seed and the cluster: more input moves little.
    """
    forest = Forest(len(concepts.ids))
    for claimants in concepts.of_key.values():
        forest.union(claimants)
    for left, right in near:
        forest.union((*concepts.of_text(left), *concepts.of_text(right)))
    cluster = [forest.find(concepts.of_record[draft.record]) for draft in drafts]
    part_of = _fill(Counter(cluster), concepts, shares, seed)
    return [part_of[number] for number in cluster]


def _fill(
    rows: Counter[int], concepts: Concepts, shares: tuple[float, float, float], seed: int
) -> dict[int, Part]:
    """Fill test and dev up to their shares, in hashed order; a cluster that does not fit is train's."""
    wanted = {"test": shares[2] * rows.total(), "dev": shares[1] * rows.total()}
    part_of: dict[int, Part] = {}
    for cluster in sorted(rows, key=lambda number: _draw(seed, concepts.ids[number])):
        fitting: list[Part] = [
            p for p in ("test", "dev") if rows[cluster] <= wanted[p] + 0.5 and wanted[p] > 0
        ]
        part: Part = fitting[0] if fitting else "train"
        part_of[cluster] = part
        if part != "train":
            wanted[part] -= rows[cluster]
    return part_of


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}\x1f{name}".encode()).hexdigest()


def prove(
    drafts: Sequence[Draft],
    parts: Sequence[Part],
    concepts: Concepts,
    near: Iterable[tuple[str, str]],
    *,
    negatives: Iterable[tuple[Part, Sequence[str]]] = (),
) -> LeakProof:
    """Count what the parts share, from the rows as they will be written."""
    of_concept: defaultdict[int, set[Part]] = defaultdict(set)
    of_text: defaultdict[str, set[Part]] = defaultdict(set)
    for draft, part in zip(drafts, parts, strict=True):
        of_concept[concepts.of_record[draft.record]].add(part)
        for text in (draft.anchor, draft.positive):
            of_text[text_key(text)].add(part)
    none: set[Part] = set()
    close = 0
    for left, right in near:
        here, there = of_text.get(text_key(left), none), of_text.get(text_key(right), none)
        close += bool(here and there and len(here | there) > 1)
    held_out = {key for key, found in of_text.items() if found != {"train"}}
    leaked = sum(text_key(n) in held_out for part, texts in negatives if part == "train" for n in texts)
    return LeakProof(
        shared_concepts=sum(len(found) > 1 for found in of_concept.values()),
        shared_texts=sum(len(found) > 1 for found in of_text.values()),
        near_duplicates=close,
        held_out_negatives=leaked,
    )
