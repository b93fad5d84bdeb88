"""What a person can ask of mining beside the miner, checked before any work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embedkit.compose.mine.candidates.base import Bar, Guards
from embedkit.compose.mine.candidates.tokens import tokenizer_version, words_of
from embedkit.compose.mine.candidates.vectors import Encoding
from embedkit.compose.mine.rescore import Rescorer, find_cross_encoder
from embedkit.compose.mine.rounds import check_rounds
from embedkit.compose.mine.synonyms import read_candidates
from embedkit.errors import UserError
from embedkit.models.resolve import resolve_model, weights_hash

_WINDOW = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """The flags of mining as given; the properties are their meaning."""

    max_relative: float = 0.95
    max_score: float | None = None
    margin: float = 0.0
    rank_window: str = ""
    hub_cap: int = 0
    cross_encoder: str = ""
    tokenizer: str = "words"
    encoding: Encoding = field(default_factory=Encoding)
    synonyms: str = ""
    rounds: int = 1
    round_config: str = ""

    @property
    def bar(self) -> Bar:
        """What negatives may score."""
        return Bar(max_relative=self.max_relative, margin=self.margin, max_score=self.max_score)

    def check(self, output: Path | str, *, hard_k: int, model: str) -> None:
        """Raise `UserError` for what cannot be, before any work."""
        self.encoding.check()
        words_of(self.tokenizer)
        if self.synonyms:
            read_candidates(Path(self.synonyms))
        check_rounds(self.rounds, self.round_config, output, hard_k=hard_k, model=model)
        if self.cross_encoder:
            find_cross_encoder(self.cross_encoder)

    def without_vectors(self) -> MineOptions:
        """The same with every text encoded anew."""
        return replace(self, encoding=replace(self.encoding, vectors=""))

    def rescorer(self) -> Rescorer | None:
        """The cross-encoder asked for."""
        return Rescorer(find_cross_encoder(self.cross_encoder)) if self.cross_encoder else None

    @property
    def sets_bar(self) -> bool:
        """Whether a bar beyond the default was asked for."""
        return self.bar != Bar()

    def guards(self, *, hard_k: int, seed: int) -> Guards:
        """What a candidate has to pass. Raises `UserError` where the window is none or too narrow."""
        window = parse_window(self.rank_window)
        if window[1] is not None and hard_k and window[1] - window[0] + 1 < hard_k:
            raise UserError(
                "--rank-window {window} has room for fewer than --hard-k {hard_k} negatives",
                hint="for example --rank-window {first}:{last}",
                window=self.rank_window,
                hard_k=hard_k,
                first=window[0],
                last=window[0] + 10 * hard_k,
            )
        return Guards(hard_k=hard_k, seed=seed, window=window, hub_cap=self.hub_cap)

    def to_object(self) -> dict[str, Any]:
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
        return {"max_relative": self.max_relative, **asked, **self.encoding.to_object()}


def parse_window(text: str) -> tuple[int, int | None]:
    """`3:50` to the first and last rank, both included; either may be left out. Raises `UserError`."""
    if not text:
        return 1, None
    match = _WINDOW.fullmatch(text.strip())
    first, last = (int(part) if part else None for part in match.groups()) if match else (0, 0)
    if not match or first == 0 or last == 0 or (last is not None and last < (first or 1)):
        raise UserError(
            "--rank-window {text!r} is not FIRST:LAST",
            hint="for example 3:50; 3: leaves the two nearest out, :50 takes none beyond the fiftieth",
            text=text,
        )
    return first or 1, last
