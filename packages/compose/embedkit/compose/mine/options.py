"""What a person can ask of mining, flag by flag."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from embedkit.compose.mine.candidates.base import Bar, Window
from embedkit.compose.mine.candidates.tokens import tokenizer_version
from embedkit.errors import UserError
from embedkit.models.resolve import resolve_model, weights_hash

_WINDOW = re.compile(r"(\d*):(\d*)")
_ENCODING = ("backend", "ann_above", "ann_recall")


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningOptions:
    """How hard negatives are found; each field is the flag of its name: `hard_k` is `--hard-k`.

    `vectors` is a folder of shards; above `ann_above` texts an index is searched (0: never).
    """

    miner: str = "auto"
    model: str = ""
    hard_k: int = 3
    max_relative: float = 0.95
    max_score: float | None = None
    margin: float = 0.0
    rank_window: str = ""
    hub_cap: int = 0
    cross_encoder: str = ""
    tokenizer: str = "words"
    backend: str = "torch"
    vectors: str = ""
    ann_above: int = 200_000
    ann_recall: float = 0.95
    rounds: int = 1
    round_config: str = ""
    seed: int = 0

    @property
    def bar(self) -> Bar:
        """What negatives may score."""
        return Bar(max_relative=self.max_relative, margin=self.margin, max_score=self.max_score)

    @property
    def sets_bar(self) -> bool:
        """Whether a bar beyond the default was asked for."""
        return self.bar != Bar()

    @property
    def window(self) -> Window:
        """The ranks that negatives are taken from first. Raises `UserError`."""
        return parse_window(self.rank_window)

    def without_vectors(self) -> Self:
        """The same with every text encoded anew."""
        return replace(self, vectors="")

    def settings(self) -> dict[str, Any]:
        """What the manifest says of it; what was not asked for is left out."""
        optional = {
            "max_score": self.max_score,
            "margin": self.margin or None,
            "rank_window": self.rank_window or None,
            "hub_cap": self.hub_cap or None,
            "cross_encoder": self.cross_encoder or None,
            "tokenizer": tokenizer_version(self.tokenizer) or None,
            "rounds": self.rounds if self.rounds > 1 else None,
        }
        asked = {name: value for name, value in optional.items() if value is not None}
        if self.cross_encoder:
            asked["cross_encoder_weights"] = weights_hash(resolve_model(self.cross_encoder).path)
        usual = {field.name: field.default for field in fields(MiningOptions)}
        encoding = {name: value for name in _ENCODING if (value := getattr(self, name)) != usual[name]}
        named = {"miner": self.miner, "hard_k": self.hard_k, "max_relative": self.max_relative}
        return {**named, **asked, **encoding}


def parse_window(text: str) -> Window:
    """`3:50` to the first and last rank, both included; either may be left out. Raises `UserError`."""
    if not text:
        return Window()
    match = _WINDOW.fullmatch(text.strip())
    first, last = (int(part) if part else None for part in match.groups()) if match else (0, 0)
    if not match or first == 0 or last == 0 or (last is not None and last < (first or 1)):
        raise UserError(
            "--rank-window {text!r} is not FIRST:LAST",
            hint="for example 3:50; 3: leaves the two nearest out, :50 takes none beyond the fiftieth",
            text=text,
        )
    return Window(first or 1, last)
