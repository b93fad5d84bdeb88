"""What `embed` answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    """What this process did. `complete` says whether all shards of the set lie in the folder now."""

    output: str
    shards: int
    made: tuple[int, ...]
    kept: tuple[int, ...]
    vectors: int
    encoded: int
    complete: bool
