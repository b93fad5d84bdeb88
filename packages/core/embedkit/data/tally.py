"""The books of a step: what went in equals what came out plus what was rejected and merged, by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from embedkit.console import say
from embedkit.messages import tr


@dataclass(slots=True)
class Tally:
    """Counts of one step. `merged` holds exact duplicates that became one row."""

    step: str
    taken_in: int = 0
    given_out: int = 0
    merged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def reject(self, reason: str, count: int = 1) -> None:
        """Count something that goes no further, under its reason."""
        self.rejected[reason] += count

    @property
    def balanced(self) -> bool:
        """Whether nothing was lost: in = out + rejected + merged."""
        return self.taken_in == self.given_out + self.merged + self.rejected.total()

    def to_object(self) -> dict[str, Any]:
        """The JSON form that manifests carry."""
        return {
            "in": self.taken_in,
            "out": self.given_out,
            "merged": self.merged,
            "rejected": dict(sorted(self.rejected.items())),
        }

    def print(self) -> None:
        """Say the books on stderr, one line and one more per reason."""
        counts = asdict(self) | {"rejected": self.rejected.total()}
        say("{step}: {taken_in} in = {given_out} out + {rejected} rejected + {merged} merged", **counts)
        for reason, count in sorted(self.rejected.items()):
            say("  {count} rejected: {reason}", count=count, reason=tr(reason))
