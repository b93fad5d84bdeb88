"""Which model a task uses: the one named, else the newest run here, else the default model; and whether it can read."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.console import say, warn
from embedkit.data.run_folder import run_of
from embedkit.models.readable import UNREADABLE_SHARE, unreadable_share
from embedkit.models.resolve import newest_run, resolve_model
from embedkit.models.vectors import Encoder


def open_encoder(model: str | None) -> Encoder:
    """The encoder of a run, a folder or a hub id; where none is named, what was taken is said.

    Raises:
        UserError: there is no such model.
    """
    source = resolve_model(model or newest_run())
    if model is None:
        say("model: {model}", model=source)
    return Encoder(source)


def warn_if_unreadable(encoder: Encoder, texts: Sequence[str]) -> None:
    """Say so when a model that was not trained here does not know the script of the texts: its answers mean nothing."""
    if run_of(encoder.source) is not None:
        return
    share = unreadable_share(encoder.source, texts)
    if share > UNREADABLE_SHARE:
        warn(
            "{model} cannot read this text: {percent} % of its pieces are unknown or single jamo",
            model=encoder.source.requested,
            percent=round(share * 100),
        )
