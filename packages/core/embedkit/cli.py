"""The command `embedkit`: collects each room's signatures and turns errors into messages and exit codes.

Starts in little more than the time of `import typer`: nothing heavy is imported before a command's body runs. Modules
of signatures have no `from __future__ import annotations`: Typer would evaluate each annotation's text twice.
"""

import importlib
import os
import signal
import sys
from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

import typer

from embedkit.errors import EXIT_INTERRUPTED, EmbedkitError, ToldInterrupt

ROOMS = ("crawler", "compose", "trainer", "evaluation", "explore", "serving")

app = typer.Typer(
    name="embedkit",
    help="From a glossary to a better embedding model, with proof that it is better.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cache_app = typer.Typer(name="cache", help="See what the cache holds, and clear it.", no_args_is_help=True)


class CacheRoom(StrEnum):
    """The rooms of the cache."""

    HTTP = "http"
    VECTORS = "vectors"
    MODELS = "models"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from embedkit.extras import DISTRIBUTION

        typer.echo(f"embedkit {version(DISTRIBUTION)}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a glossary to a better embedding model, with proof that it is better."""


@app.command()
def doctor(
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what works on this machine: versions, extras, devices, models, folders."""
    from embedkit.commands.doctor import doctor as run

    run(as_json=json_)


@app.command()
def demo(
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Glossary pages to a better model, offline, with verdict and report, under runs/demo/."""
    from embedkit.commands.demo import demo as run

    run(as_json=json_)


@cache_app.command("info")
def cache_info(
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say where the cache lies and what each room of it holds."""
    from embedkit.commands.cache import cache_info as run

    run(as_json=json_)


@cache_app.command("clear")
def cache_clear(
    room: Annotated[CacheRoom | None, typer.Argument(help="One room; by default all of them.")] = None,
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="Keep what was written in the last DAYS days.")
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Remove fetched pages, vectors and converted models; what another embedkit works with is kept."""
    from embedkit.commands.cache import cache_clear as run

    run(room.value if room else None, older_than=older_than, yes=yes, as_json=json_)


app.add_typer(cache_app)

for _room in ROOMS:
    if find_spec(f"embedkit.{_room}") is not None:
        importlib.import_module(f"embedkit.{_room}.commands").register(app)


def main() -> None:
    """Run the command line; a person's mistake is a message, a bug a traceback."""
    try:
        app()
    except EmbedkitError as error:
        from embedkit.console import debug_wanted, say

        if debug_wanted():
            raise
        say("{error}", error=error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our stdout has left (`| head`): nothing is wrong, and nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (KeyboardInterrupt, SystemExit) as left:
        if isinstance(left, SystemExit) and left.code != EXIT_INTERRUPTED:  # Typer makes a 130 of Ctrl-C
            raise
        from embedkit.console import say

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not _told(left):
            say("interrupted")
        sys.exit(EXIT_INTERRUPTED)


def _told(left: BaseException | None) -> bool:
    """Whether a Ctrl-C that Typer turned into an exit was told of where it arrived."""
    while left is not None and not isinstance(left, ToldInterrupt):
        left = left.__cause__ or left.__context__
    return left is not None
