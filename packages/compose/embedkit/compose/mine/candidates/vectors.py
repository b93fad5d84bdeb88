"""Where the dense miner's vectors come from and how they are searched, as a person can ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.errors import UserError

if TYPE_CHECKING:
    from embedkit.models.resolve import ModelSource
    from embedkit.models.vectors import Encoder

ANN_ABOVE = 200_000
ANN_RECALL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """The engine, a folder of shards, and above how many texts an index is searched (0: never)."""

    backend: str = "torch"
    vectors: str = ""
    ann_above: int = ANN_ABOVE
    ann_recall: float = ANN_RECALL

    def check(self) -> None:
        """Raise `UserError` for what cannot be, before any work."""
        if self.backend != "torch":
            from embedkit.models.backends import check_backend

            check_backend(self.backend)
        if self.vectors and not Path(self.vectors).is_dir():
            raise UserError("there is no such folder", place=self.vectors, hint="embedkit embed makes it")

    def encoder(self, source: ModelSource) -> Encoder:
        """The encoder of `source`, over the shards where there are any."""
        from embedkit.models.backends import check_backend
        from embedkit.models.shards import Shards
        from embedkit.models.vectors import Encoder

        shards = Shards.open(Path(self.vectors)) if self.vectors else None
        return Encoder(source, backend=check_backend(self.backend), shards=shards)

    def to_object(self) -> dict[str, Any]:
        """What the manifest says of it: what was asked for beyond the defaults."""
        usual = Encoding()
        names = ("backend", "ann_above", "ann_recall")
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
