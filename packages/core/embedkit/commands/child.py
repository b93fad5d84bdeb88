"""One embedkit command run by another, in a process of its own, as a user would type it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from embedkit.console import say
from embedkit.errors import TerminatedError


def run_embedkit(arguments: Sequence[str]) -> int:
    """Run `embedkit ARGUMENTS...` with its output on stderr and return its exit code.

    It is never left behind: it ends with us, and at Ctrl-C or SIGTERM it is given the time to tidy up.
    """
    say("")
    say("$ embedkit {line}", line=" ".join(f"'{a}'" if " " in a else a for a in arguments))
    with _terminable():
        child = subprocess.Popen([sys.executable, "-m", "embedkit", *arguments], stdout=sys.stderr)
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal has sent the child the same signal; let it finish tidying up.
            child.wait()
            raise
        except TerminatedError:
            child.terminate()
            child.wait()
            raise
        finally:
            child.terminate()


@contextmanager
def _terminable() -> Iterator[None]:
    """A SIGTERM becomes an error here, so that the child ends too."""
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_terminated(*_: object) -> None:
    raise TerminatedError("told to stop")
