"""The options of compose as a person gives them, and the settings that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.compose.mine.options import MiningOptions


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
    synonyms: str = ""
    explain: Sequence[str] = ()
    strict: bool = False
    force: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options with files found and texts parsed. `shares` are those of train, dev and test."""

    options: ComposeOptions
    inputs: tuple[Path | str, ...]
    output: Path | str
    mapping: Mapping[str, str]
    kinds: tuple[str, ...]
    shares: tuple[float, float, float]
