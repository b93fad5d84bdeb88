"""The command `embedkit`: it collects each room's commands and turns errors into messages and exit codes.

Start-up is little more than `import typer`: nothing heavy is imported before a command's body runs. Modules of command
signatures have no `from __future__ import annotations`: Typer would evaluate the text of each annotation twice.
"""

import importlib
import os
import signal
import sys
from importlib.util import find_spec
from tempfile import gettempdir
from typing import Annotated, Literal, NoReturn

import typer

from embedkit.commands.help import RootGroup
from embedkit.errors import EXIT_INTERRUPTED, EmbedkitError, ReportedInterrupt, is_full

ROOMS = ("crawler", "compose", "trainer", "evaluation", "explore", "serving")

app = typer.Typer(
    name="embedkit",
    help="From a glossary to a better embedding model, with proof that it is better.",
    cls=RootGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
)
cache_app = typer.Typer(name="cache", help="See what the cache holds, and clear it.", no_args_is_help=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from embedkit.extras import DISTRIBUTION

        typer.echo(f"embedkit {version(DISTRIBUTION)}")
        raise typer.Exit()


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a glossary to a better embedding model, with proof that it is better."""
    if context.invoked_subcommand is None:
        from embedkit.commands.here import print_next_steps

        print_next_steps()


@app.command()
def doctor(json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Check this machine: versions, extras, devices, models, folders."""
    from embedkit.commands.doctor import doctor as run

    run(as_json=json_)


@app.command()
def demo(
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Run the whole path on shipped pages, offline: crawl, compose, train, evaluate, search."""
    from embedkit.commands.demo import demo as run

    run(as_json=json_)


@cache_app.command("info")
def cache_info(json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Print the cache's folder, and the files and size of each room in it."""
    from embedkit.commands.cache import cache_info as run

    run(as_json=json_)


@cache_app.command("clear")
def cache_clear(
    room: Annotated[
        Literal["http", "vectors", "models", "answers"] | None,
        typer.Argument(
            help="One room. Default: all but the answers of language models, which may have cost money."
        ),
    ] = None,
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="Keep files of the last DAYS days.")
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Remove fetched pages, vectors and converted models (answers by name), but none that another embedkit is using."""
    from embedkit.commands.cache import cache_clear as run

    run(room, older_than=older_than, yes=yes, as_json=json_)


app.add_typer(cache_app)

for _room in ROOMS:
    if find_spec(f"embedkit.{_room}") is not None:
        importlib.import_module(f"embedkit.{_room}.commands").register(app)


def main() -> None:
    """Run the command line; a person's mistake is a message, a bug a traceback."""
    sys.argv[1:] = map(_with_hyphens, sys.argv[1:])
    try:
        app()
    except EmbedkitError as error:
        _print_error(error)
    except (KeyboardInterrupt, SystemExit) as left:
        if isinstance(left, SystemExit) and left.code != EXIT_INTERRUPTED:  # Typer makes a 130 of Ctrl-C
            raise
        from embedkit.console import say

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not _was_reported(left):
            say("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        if isinstance(error, BrokenPipeError):
            # The reader of stdout has closed it (`| head`): no error, and nothing more can be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        if not is_full(error):
            raise
        from embedkit.files import no_space

        _print_error(no_space(error, place=str(getattr(error, "filename", None) or gettempdir())))


def _print_error(error: EmbedkitError) -> NoReturn:
    from embedkit.console import debug_wanted, say

    if debug_wanted():
        raise error
    say("{error}", error=error)
    if near := error.near():
        say("  did you mean {value}?", value=repr(near))
    sys.exit(error.exit_code)


def _with_hyphens(argument: str) -> str:
    """`--sample_size=3` as `--sample-size=3`: no option here has an underscore, and other tools write them so."""
    name, sign, value = argument.partition("=")
    return name.replace("_", "-") + sign + value if name.startswith("--") else argument


def _was_reported(left: BaseException | None) -> bool:
    """Whether a message about this Ctrl-C, which Typer turned into an exit, was already printed."""
    while left is not None and not isinstance(left, ReportedInterrupt):
        left = left.__cause__ or left.__context__
    return left is not None
