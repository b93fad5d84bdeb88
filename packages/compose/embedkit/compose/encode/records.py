"""What `embed` is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """The options of `embed`; each field is the flag of its name, `mapping` is `--map`, `as_json` is `--json`.

    Without `shards` and `shard_index` the launcher's environment decides, else this process makes one shard.
    With `ray_workers` above 0 a Ray cluster encodes.
    """

    input: str = ""
    output: Path = Path("data/vectors")
    mapping: Sequence[str] = ()
    model: str = ""
    role: str = "document"
    backend: str = "torch"
    device: str = "auto"
    batch_size: int = 64
    shards: int = 0
    shard_index: int | None = None
    merge: bool = False
    ray_workers: int = 0
    force: bool = False
    as_json: bool = False


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
