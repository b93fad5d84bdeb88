"""Command signature of the page for people."""

from pathlib import Path
from typing import Annotated

import typer


def ui(
    folder: Annotated[Path, typer.Option(help="Folder with data/ and runs/.")] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
) -> None:
    """Open a page in the browser: decide on synonyms and hard negatives, ask the models before and after, see the runs.

    It listens on this machine alone and prints its address, which holds a token, on stdout.
    """
    from embedkit.serving.ui.server import UiOptions, run_ui

    run_ui(UiOptions(folder=folder, port=port, browser=browser))
