"""What compose answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embedkit.compose.mine.explain import Explanation
from embedkit.compose.mine.rounds import Round
from embedkit.compose.mine.synonyms import Synonyms
from embedkit.compose.rows.split import LeakProof
from embedkit.data.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeResult:
    """What compose did. `rules` counts the negatives by the rule that admitted them.

    `joined` counts what made rows one concept, `joins` are `(term, term, evidence)` of those that wording linked.
    """

    outputs: Mapping[str, str]
    rows: Mapping[str, int]
    read: Tally
    made: Tally
    known: Tally
    questions: Tally
    lint: Mapping[str, int]
    texts: int
    concepts: int
    largest_concept: int
    joined: Mapping[str, int]
    joins: tuple[tuple[str, str, str], ...]
    leak: LeakProof
    miner: str
    miner_reason: str
    rows_short_of_k: int
    stated_self_pairs: int
    rules: Mapping[str, int]
    passed_over: Mapping[str, int]
    rounds: tuple[Round, ...]
    synonyms: Synonyms
    explained: tuple[Explanation, ...]

    def to_object(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {"outputs": dict(self.outputs), **self.counts()}

    def counts(self) -> dict[str, Any]:
        """The counts that the manifest carries too."""
        return {
            "rows": dict(self.rows),
            "texts": self.texts,
            "read": self.read.to_object(),
            "made": self.made.to_object(),
            "known": self.known.to_object(),
            "questions": self.questions.to_object(),
            "lint": dict(self.lint),
            "concepts": {
                "count": self.concepts,
                "largest": self.largest_concept,
                "joined": dict(self.joined),
                "joins": [list(join) for join in self.joins],
            },
            "leak": {
                "shared_concepts": self.leak.shared_concepts,
                "shared_texts": self.leak.shared_texts,
                "near_duplicates": self.leak.near_duplicates,
                "held_out_negatives": self.leak.held_out_negatives,
            },
            "mining": {
                "miner": self.miner,
                "reason": self.miner_reason,
                "rows_short_of_k": self.rows_short_of_k,
                "rules": dict(self.rules),
                "passed_over": dict(self.passed_over),
                **({"rounds": [item.to_object() for item in self.rounds]} if self.rounds else {}),
            },
            "synonyms": self.synonyms.counts(),
        }
