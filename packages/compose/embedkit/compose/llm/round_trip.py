"""The round trip: a question must find its concept again, by words, by the base model, or in the eyes of a judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from embedkit.compose.llm.prompt import Prompt, choice_call, entry_object
from embedkit.compose.llm.records import Call
from embedkit.data.entries import Entry
from embedkit.models.vectors import Encoder
from embedkit.ranking.bm25 import Bm25Scorer
from embedkit.ranking.entries import EntryIndex, meaning
from embedkit.ranking.retrieval import QUERY_BLOCK, Floats
from embedkit.text import hash64

LOST = "does not find its concept"
CHOICES = 5
FEWEST_PER_PLACE = 10  # concepts for each place that counts as found: in a small glossary chance finds much


class RoundTrip:
    """The entries of a glossary with their concepts, to be found by words and, with an encoder, by meaning."""

    def __init__(
        self, entries: Sequence[Entry], concepts: Sequence[int], *, top: int, encoder: Encoder | None
    ) -> None:
        order = sorted(range(len(entries)), key=lambda place: concepts[place])
        self.entries = [entries[place] for place in order]
        self._documents = [" ".join(entry.texts) for entry in self.entries]
        self._concepts, self._starts = np.unique([concepts[place] for place in order], return_index=True)
        self._index, self._encoder = EntryIndex(self.entries), encoder
        self.top = max(1, min(top, len(self._concepts) // FEWEST_PER_PLACE))

    def found(self, questions: Sequence[str], concepts: Sequence[int]) -> list[bool]:
        """Whether each question finds its concept among the first `top`."""
        found: list[bool] = []
        for start in range(0, len(questions), QUERY_BLOCK):
            part = slice(start, start + QUERY_BLOCK)
            asked, wanted = questions[part], np.searchsorted(self._concepts, concepts[part])
            hits = self._first(self._by_words(asked), wanted)
            if self._encoder is not None:
                cosines = meaning(self._index, self._encoder, asked).nearest
                hits = hits | self._first(self._of_concepts(cosines), wanted)
            found += hits.tolist()
        return found

    def _by_words(self, texts: Sequence[str]) -> Floats:
        everything = slice(0, len(self._documents))
        scorer = Bm25Scorer(texts, self._documents)
        return self._of_concepts(scorer.block(slice(0, len(texts)), everything))

    def _of_concepts(self, scores: Floats) -> Floats:
        """The score of the best entry of each concept `(Q, C)`."""
        best: Floats = np.maximum.reduceat(scores, self._starts, axis=1)
        return best

    def _first(self, scores: Floats, wanted: np.ndarray) -> np.ndarray:
        own = scores[np.arange(len(wanted)), wanted]
        better = (scores > own[:, None]).sum(axis=1)
        return np.asarray((better < self.top) & (own > 0))

    def neighbours(self, concept: int) -> list[Entry]:
        """An entry of each of the concepts that are nearest to a concept, by the words of its first entry."""
        place = int(np.searchsorted(self._concepts, concept))
        scores = self._by_words([self._documents[self._starts[place]]])[0]
        order = [other for other in np.argsort(-scores, kind="stable").tolist() if other != place]
        return [self.entries[self._starts[other]] for other in order[: CHOICES - 1]]

    def choices(
        self, prompt: Prompt, asked: Sequence[tuple[str, int, Entry]], *, shape: str
    ) -> Iterator[tuple[Call, int]]:
        """For each `(question, concept, entry)` the call that asks which of five entries it means, and the answer."""
        for question, concept, entry in asked:
            shown = self.neighbours(concept)
            right = hash64(question) % (len(shown) + 1)
            shown.insert(right, entry)
            entries = [entry_object(one.term, one.definition, one.names) for one in shown]
            yield choice_call(prompt, question, entries, shape=shape), right + 1
