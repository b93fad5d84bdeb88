"""Which model and which corpus a command uses where none is named.

The model: the newest run here, else the default model. The corpus: what the run was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedkit.console import out, out_json, say
from embedkit.data.entries import Entry
from embedkit.models.corpus import corpus_for
from embedkit.models.resolve import newest_run, resolve_model
from embedkit.models.vectors import Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What every command of this room is asked for: which model, and whether to print JSON."""

    model: str | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The entries that a command searches, and the name of where they come from."""

    items: tuple[Entry, ...]
    name: str


def open_corpus(path: Path | None, encoder: Encoder) -> Corpus:
    """The glossary or pairs file named, else what the encoder's run was trained on. Raises `UserError`."""
    items, name = corpus_for(encoder.source, path)
    return Corpus(items=items, name=name)


def open_encoder(model: str | None, *, quiet: bool = False) -> Encoder:
    """The encoder of a run, a folder or a hub id; where none is named, what was taken is said unless `quiet`.

    Raises:
        UserError: there is no such model.
    """
    source = resolve_model(model or newest_run())
    if model is None and not quiet:
        say("model: {model}", model=source)
    return Encoder(source)


def print_result(result: Any, lines: Iterable[str], options: ModelOptions) -> None:
    """The result record as JSON where that is asked for, else its lines, on stdout."""
    if options.as_json:
        out_json(asdict(result))
    else:
        for line in lines:
            out(line)
