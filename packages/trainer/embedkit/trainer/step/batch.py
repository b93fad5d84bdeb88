"""From rows to what the loss eats: distinct texts, tokenised once, in groups of like length, and who is what.

One pass over the distinct texts of a batch in length groups is what makes training with hard negatives
fast: a text that stands in several rows is encoded once, and little padding is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from embedkit.data.records import ClassedPair, Labelled, Pair, Row, ScoredPair, Triplet, texts_of
from embedkit.trainer.rows.sources import TrainingRows
from embedkit.trainer.rows.store import Rows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_GROUPS = 4
# A group more costs about as much as this many padded tokens (kernel launches, smaller matrices).
GROUP_COST_TOKENS = 256
Features = dict[str, Any]
TextKey = tuple[str, str]  # prompt, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who is what in a batch: the numbers of its rows, and of the source that they come from.

    Where several processes train, each encodes a share of the distinct texts: `shares` says how many each
    has, and `order` where this process's stand in its length groups laid end to end. Empty: all, as they
    stand.
    """

    rows: tuple[int, ...]
    source: int = 0
    order: torch.Tensor | None = None
    shares: tuple[int, ...] = ()

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        """The same plan on a device; training loops move batches by this method."""
        moved = {
            field.name: value.to(device, non_blocking=non_blocking)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan(Plan):
    """Who is what in a batch of B rows with U distinct texts, C of them positives or hard negatives.

    `anchors`, `positives` (B,) and `candidates` (C,) are places among the U texts; `targets` (B,) is the
    place of each row's positive among the candidates. `own` (B, C) marks a row's positive and hard
    negatives, `same_concept` (B, C) candidates of the row's concept, `same_row_concept` (B, B) rows of one
    concept. `scores` (B, C) are a teacher's, where the rows have them. The texts are for a second model.
    """

    anchors: torch.Tensor
    positives: torch.Tensor
    candidates: torch.Tensor
    targets: torch.Tensor
    own: torch.Tensor
    same_concept: torch.Tensor
    same_row_concept: torch.Tensor
    anchor_texts: tuple[str, ...]
    candidate_texts: tuple[str, ...]
    scores: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan(Plan):
    """Who is what in a batch of B rows of K texts each.

    `columns` (K, B) are places among the distinct texts; `labels` (B,) scores, or the numbers of classes.
    """

    columns: torch.Tensor
    labels: torch.Tensor


class LossModule(Protocol):
    """What a step needs of a loss: an `nn.Module` around the model, called with length groups and their plan.

    `texts_at_once` of a batch's texts are in memory together (None: all of them).
    """

    model: Any
    texts_at_once: int | None

    def __call__(self, groups: Sequence[Features], plan: Any) -> torch.Tensor: ...

    def train(self, mode: bool = True) -> Any: ...

    def modules(self) -> Iterable[Any]: ...

    def named_modules(self) -> Iterable[tuple[str, Any]]: ...

    def parameters(self) -> Iterable[Any]: ...

    def named_parameters(self) -> Iterable[tuple[str, Any]]: ...


class RowCollator:
    """Row numbers to length groups of features (`g0_input_ids`, …) and, as `label`, the plan."""

    def __init__(
        self,
        model: SentenceTransformer,
        rows: Rows,
        *,
        prompts: tuple[str, str],
        pad_to_multiple_of: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """`prompts` stand before an anchor (or one of two like sentences) and before a positive or negative;
        `share` (r, n): of n processes this is number r.
        """
        self._preprocess: Callable[..., Features] = model.preprocess
        self._rows = rows
        self.prompts = prompts
        self._multiple = pad_to_multiple_of or 1
        self._share = share
        tokenizer = getattr(model, "tokenizer", None)
        self._left = getattr(tokenizer, "padding_side", "right") == "left"

    def __call__(self, numbers: Sequence[int]) -> Features:
        keys = self.distinct(numbers)
        rank, size = self._share
        shares = deal(keys, size)
        groups, stands = self._encode(shares[rank] or keys[:1])
        place = {key: i for i, key in enumerate(chain.from_iterable(shares))}
        batch: Features = {
            f"g{i}_{key}": value for i, group in enumerate(groups) for key, value in group.items()
        }
        batch["label"] = replace(
            self.plan(numbers, place),
            order=torch.tensor([stands[key] for key in shares[rank]], dtype=torch.long),
            shares=tuple(map(len, shares)),
        )
        return batch

    def distinct(self, numbers: Sequence[int]) -> list[TextKey]:
        """The distinct texts of some rows, each with its prompt."""
        return list(dict.fromkeys(self._keys([self._rows.store[n] for n in numbers])))

    def plan(self, numbers: Sequence[int], place: Mapping[TextKey, int]) -> Plan:
        """The plan of a batch whose texts stand at `place` among vectors that are already there."""
        raise NotImplementedError

    def _keys(self, rows: Sequence[Any]) -> Iterable[TextKey]:
        raise NotImplementedError

    def _encode(self, keys: Sequence[TextKey]) -> tuple[list[Features], dict[TextKey, int]]:
        """Length groups of all texts, and where each text stands when the groups are laid end to end."""
        groups: list[Features] = []
        place: dict[TextKey, int] = {}
        for prompt in dict.fromkeys(prompt for prompt, _ in keys):
            texts = [text for own, text in keys if own == prompt]
            features = self._preprocess(texts, prompt=prompt or None, **self._padding())
            for members, group in split_by_length(features, left=self._left, multiple=self._multiple):
                for member in members:
                    place[prompt, texts[member]] = len(place)
                groups.append(group)
        return groups, place

    def _padding(self) -> dict[str, Any]:
        return (
            {}
            if self._multiple == 1
            else {"processing_kwargs": {"text": {"pad_to_multiple_of": self._multiple}}}
        )


class PairCollator(RowCollator):
    """Batches of pairs, for the losses that tell positives from the batch's other texts."""

    def _keys(self, rows: Sequence[Pair]) -> list[TextKey]:
        return [*self._asked(rows), *self._candidates(rows)]

    def _asked(self, pairs: Sequence[Pair]) -> list[TextKey]:
        return [(self.prompts[0], pair.anchor) for pair in pairs]

    def _candidates(self, pairs: Sequence[Pair]) -> list[TextKey]:
        texts = dict.fromkeys(text for p in pairs for text in (p.positive, *p.hard_negatives))
        return [(self.prompts[1], text) for text in texts]

    def plan(self, numbers: Sequence[int], place: Mapping[TextKey, int]) -> BatchPlan:
        """The plan of a batch whose texts stand at `place` among vectors that are already there."""
        pairs: list[Pair] = [self._rows.store[n] for n in numbers]
        candidates = self._candidates(pairs)
        column = {text: j for j, (_, text) in enumerate(candidates)}
        targets = [column[p.positive] for p in pairs]
        concepts = self._rows.concepts.row_concepts[list(numbers)]
        same = self._membership(concepts, [text for _, text in candidates])
        same[np.arange(len(targets)), targets] = True
        own, scores = _own_candidates(pairs, column)
        return BatchPlan(
            anchors=torch.tensor([place[key] for key in self._asked(pairs)]),
            positives=torch.tensor([place[candidates[target]] for target in targets]),
            candidates=torch.tensor([place[key] for key in candidates]),
            targets=torch.tensor(targets),
            own=own,
            same_concept=torch.from_numpy(same),
            same_row_concept=torch.from_numpy(concepts[:, None] == concepts[None, :]),
            anchor_texts=tuple(pair.anchor for pair in pairs),
            candidate_texts=tuple(text for _, text in candidates),
            scores=scores,
            rows=tuple(numbers),
        )

    def _membership(self, own: NDArray[np.int64], texts: Sequence[str]) -> NDArray[np.bool_]:
        """`(B, C)`: whether text C belongs to the concept of row B."""
        member = np.zeros((len(own), len(texts)), dtype=np.bool_)
        for j, text in enumerate(texts):
            concepts = self._rows.concepts.concepts_of(text)
            if concepts:
                member[:, j] = np.isin(own, list(concepts))
        return member


class ColumnCollator(RowCollator):
    """Batches of rows with a fixed number of texts: labelled sentences, sentence pairs, triplets."""

    def __init__(
        self, model: SentenceTransformer, rows: Rows, *, labels: Sequence[str | int] = (), **options: Any
    ) -> None:
        """`labels` are the classes in the order of their numbers; the rows' own where none are given."""
        super().__init__(model, rows, **options)
        self._numbers = {label: float(i) for i, label in enumerate(labels or rows.labels)}

    def _keys(self, rows: Sequence[Row]) -> list[TextKey]:
        return [key for row in rows for key in self._columns(row)]

    def _columns(self, row: Row) -> list[TextKey]:
        query, document = self.prompts
        texts = texts_of(row)
        prompts = (query, document, document) if isinstance(row, Triplet) else (query,) * len(texts)
        return list(zip(prompts, texts, strict=True))

    def plan(self, numbers: Sequence[int], place: Mapping[TextKey, int]) -> ColumnPlan:
        """The plan of a batch whose texts stand at `place` among vectors that are already there."""
        rows: list[Row] = [self._rows.store[n] for n in numbers]
        places = [[place[key] for key in self._columns(row)] for row in rows]
        return ColumnPlan(
            columns=torch.tensor(places).T.contiguous(),
            labels=torch.tensor([self._label(row) for row in rows]),
            rows=tuple(numbers),
        )

    def _label(self, row: Row) -> float:
        if isinstance(row, ScoredPair):
            return row.score
        return self._numbers[row.label] if isinstance(row, Labelled | ClassedPair) else 0.0


class MixedCollator:
    """Batches of a run's rows: each is put together as its source's rows are."""

    def __init__(self, rows: TrainingRows, parts: Sequence[RowCollator]) -> None:
        self._rows = rows
        self._parts = parts

    def __call__(self, numbers: Sequence[int]) -> Features:
        source, local = self._rows.local(numbers)
        batch = self._parts[source](local)
        batch["label"] = replace(batch["label"], rows=tuple(numbers), source=source)
        return batch


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInputs:
    """What steps are made of: the rows, how a batch of them is put together, and the loss around the model."""

    rows: TrainingRows
    collator: MixedCollator
    loss: LossModule


def make_collator(model: SentenceTransformer, rows: Rows, **options: Any) -> RowCollator:
    """The collator of one file's rows."""
    kind = PairCollator if rows.shape == "pairs" else ColumnCollator
    return kind(model, rows, **options)


def features_of(batch: Features) -> tuple[list[Features], Any]:
    """The length groups and the plan of a collated batch."""
    count = len({key.partition("_")[0] for key in batch if key != "label"})
    groups = [
        {key[len(head) :]: value for key, value in batch.items() if key.startswith(head)}
        for head in (f"g{i}_" for i in range(count))
    ]
    plan: Plan = batch["label"]
    return groups, plan


def on_device(batch: Features, device: torch.device) -> Features:
    """The batch with its tensors moved."""
    return {key: value.to(device) if hasattr(value, "to") else value for key, value in batch.items()}


def texts_in(groups: Iterable[Features]) -> int:
    """How many texts the length groups of a batch hold."""
    return sum(len(next(iter(group.values()))) for group in groups)


def deal(keys: Sequence[TextKey], size: int) -> list[list[TextKey]]:
    """The texts among `size` processes, about as many and as long ones to each."""
    if size == 1:
        return [list(keys)]
    by_length = sorted(keys, key=lambda key: (len(key[1]), key))
    return [by_length[first::size] for first in range(size)]


def split_by_length(
    features: Features, *, left: bool = False, multiple: int = 1, max_groups: int = MAX_GROUPS
) -> list[tuple[list[int], Features]]:
    """Cut padded features `(U, L)` into groups of like length, each with no more padding than it needs.

    Features that carry no mask (bags of words, packed inputs) stay one group.
    """
    mask = features.get("attention_mask")
    if not isinstance(mask, torch.Tensor) or mask.dim() != 2:
        count = len(next(iter(features.values())))
        if "offsets" in features:
            count = len(features["offsets"])
        return [(list(range(count)), features)]
    lengths = mask.sum(dim=1).numpy()
    order = np.argsort(lengths, kind="stable")
    groups = []
    for start, stop in cut_points(lengths[order], max_groups=max_groups):
        members = order[start:stop]
        longest = int(lengths[members].max())
        width = min(-(-longest // multiple) * multiple, mask.shape[1])
        window = slice(-width, None) if left else slice(0, width)
        groups.append((members.tolist(), _take(features, members, window, mask.shape)))
    return groups


def cut_points(lengths: NDArray[np.int64], *, max_groups: int = MAX_GROUPS) -> list[tuple[int, int]]:
    """Where to cut ascending `lengths` (U,) so that padded tokens plus the cost of groups are fewest."""
    count = len(lengths)
    starts, stops = np.arange(count)[:, None], np.arange(1, count + 1)[None, :]
    cost = np.where(stops > starts, (stops - starts) * lengths[None, :] + GROUP_COST_TOKENS, np.inf)
    best = cost[0]
    choices: list[NDArray[np.int64]] = []
    totals = [float(best[-1])]
    for _ in range(1, min(max_groups, count)):
        # through[i, j]: texts 0..i in the groups so far, i+1..j in one more.
        through = best[:-1, None] + cost[1:, :]
        choices.append(through.argmin(axis=0))
        best = through.min(axis=0)
        totals.append(float(best[-1]))
    cuts = [count]
    for choice in reversed(choices[: int(np.argmin(totals))]):
        cuts.append(int(choice[cuts[-1] - 1]) + 1)
    edges = [0, *reversed(cuts)]
    return list(pairwise(edges))


def _own_candidates(
    pairs: Sequence[Pair], column: Mapping[str, int]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """`(B, C)`: which candidates a row brings itself, and what a teacher gave them (None: nothing)."""
    own = torch.zeros(len(pairs), len(column), dtype=torch.bool)
    scores = torch.zeros(len(pairs), len(column))
    for i, pair in enumerate(pairs):
        places = [column[text] for text in (pair.positive, *pair.hard_negatives)]
        own[i, places] = True
        if pair.scores:
            scores[i, places] = torch.tensor(pair.scores)
    return own, scores if all(pair.scores for pair in pairs) else None


def _take(features: Features, members: NDArray[np.int64], window: slice, shape: torch.Size) -> Features:
    index = torch.from_numpy(members)
    return {
        key: value[index][:, window] if isinstance(value, torch.Tensor) and value.shape == shape else value
        for key, value in features.items()
    }
