"""What `synth` is asked for and what it answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from embedkit.compose.templates.proof import SynthProof
from embedkit.compose.templates.rows import RowOptions, Shortfall
from embedkit.data.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthOptions(RowOptions):
    """The options of `synth`; each field is the flag of its name, `as_json` is `--json`.

    Without `terms` and `acronyms` the pack's own lists are taken, without `pack` the one of the lists' language.
    """

    terms: str = ""
    acronyms: str = ""
    test_split: float = 0.2
    pack: str = ""
    output: str = "data/pairs.jsonl"
    force: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthResult:
    """What was made: rows per side, concepts per side, the tally, the proof and what fell short."""

    pack: str
    train_rows: int
    test_rows: int
    train_concepts: int
    test_concepts: int
    tally: Tally
    proof: SynthProof
    shortfall: Shortfall
    outputs: tuple[str, ...]

    def counts(self) -> dict[str, Any]:
        """The counts that the manifest carries too."""
        return {
            **self.tally.to_object(),
            "rows": {"train": self.train_rows, "test": self.test_rows},
            "concepts": {"train": self.train_concepts, "test": self.test_concepts},
            "proof": asdict(self.proof),
            "shortfall": asdict(self.shortfall),
        }

    def to_object(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {"pack": self.pack, **self.counts(), "outputs": list(self.outputs)}
