"""The options of compose as a person gives them, and the settings that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.compose.known.training import DEFAULT_FORMS
from embedkit.compose.mine.options import MiningOptions
from embedkit.compose.rows.split import default_shares

Shares = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeOptions(MiningOptions):
    """The options of `compose`; each field is the flag of its name, `mapping` is `--map`, `as_json` is `--json`.

    An empty text stands for the default that the flag's help names.
    """

    inputs: Sequence[str]
    output: str = "data/pairs.jsonl"
    mapping: Sequence[str] = ()
    kinds: str = ""
    split: str = ""
    forms: int = DEFAULT_FORMS
    questions: Sequence[str] = ()
    train_questions: Sequence[str] = ()
    known: bool = True
    synonyms: str = ""
    explain: Sequence[str] = ()
    strict: bool = False
    force: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options with files found and texts parsed. `split` is None where the shares depend on the concepts."""

    options: ComposeOptions
    inputs: tuple[Path | str, ...]
    output: Path | str
    mapping: Mapping[str, str]
    kinds: tuple[str, ...]
    split: Shares | None
    questions: tuple[Path | str, ...]
    train_questions: tuple[Path | str, ...]
    known: bool

    def shares(self, concepts: int) -> Shares:
        """The shares of train, dev and test that were asked for, or those that suit so many concepts."""
        return self.split or default_shares(concepts)
