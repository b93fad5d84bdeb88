"""Batches of a cross-encoder: what is encoded is not a text but two, an anchor and what it is scored with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from embedkit.data.records import Pair, ScoredPair
from embedkit.trainer.rows.store import Rows
from embedkit.trainer.step.batch import Features, Plan, RowCollator, TextKey, split_by_length

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentence_transformers import CrossEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossPlan(Plan):
    """Who is scored with whom in a batch of B rows, K pairs of texts in a row at most.

    `places` (B, K) are those of the pairs among the distinct ones of the batch, `labels` (B, K) the scores that they
    are to get; where `counted` (B, K) is false there is none. The positive of a row stands first.
    """

    places: torch.Tensor
    labels: torch.Tensor
    counted: torch.Tensor


class CrossCollator(RowCollator):
    """Anchors with their positive, their hard negatives and positives of other concepts; or graded pairs."""

    def __init__(
        self, model: CrossEncoder, rows: Rows, *, in_batch_negatives: int = 0, **options: Any
    ) -> None:
        super().__init__(model, rows, **options)
        self._in_batch = in_batch_negatives

    def distinct(self, numbers: Sequence[int]) -> list[TextKey]:
        """The distinct pairs of texts of some rows."""
        return list(dict.fromkeys(key for row in self._scored(numbers) for key in row))

    def plan(self, numbers: Sequence[int], place: Mapping[TextKey, int]) -> CrossPlan:
        """The plan of a batch whose pairs of texts have their scores at `place`."""
        scored = list(self._scored(numbers))
        shape = len(scored), max(map(len, scored))
        places, labels = torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
        counted = torch.zeros(shape, dtype=torch.bool)
        for i, row in enumerate(scored):
            places[i, : len(row)] = torch.tensor([place[key] for key in row])
            labels[i, : len(row)] = torch.tensor(list(row.values()))
            counted[i, : len(row)] = True
        return CrossPlan(places=places, labels=labels, counted=counted, rows=tuple(numbers))

    def _scored(self, numbers: Sequence[int]) -> Iterator[dict[TextKey, float]]:
        """For each row its pairs of texts and the score of each, the positive first."""
        rows = [self._rows.store[number] for number in numbers]
        for i, row in enumerate(rows):
            if isinstance(row, ScoredPair):
                yield {(row.sentence1, row.sentence2): row.score}
                continue
            negatives = dict.fromkeys(row.hard_negatives)
            negatives |= dict.fromkeys(islice(self._others(numbers, rows, i), self._in_batch))
            pairs = {(row.anchor, text): 0.0 for text in negatives if text != row.positive}
            yield {(row.anchor, row.positive): 1.0, **pairs}

    def _others(self, numbers: Sequence[int], rows: Sequence[Pair], at: int) -> Iterator[str]:
        """Positives of the rows that follow in the batch, which is shuffled: each once, none of the row's concept, none
        that is a hard negative of the row.
        """
        concepts, seen = self._rows.concepts, set(rows[at].hard_negatives)
        own = int(concepts.row_concepts[numbers[at]])
        for row in (*rows[at + 1 :], *rows[:at]):
            if row.positive not in seen and own not in concepts.concepts_of(row.positive):
                seen.add(row.positive)
                yield row.positive

    def _encode(self, keys: Sequence[TextKey]) -> tuple[list[Features], dict[TextKey, int]]:
        features = self._preprocess(list(keys), **self._padding())
        groups: list[Features] = []
        place: dict[TextKey, int] = {}
        for members, group in split_by_length(features, left=self._left, multiple=self._multiple):
            for member in members:
                place[keys[member]] = len(place)
            groups.append(group)
        return groups, place
