"""Command signatures of the crawler: Typer options and help, then one call into the room."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
