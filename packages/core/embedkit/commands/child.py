"""Run an embedkit command in a child process, as a user would type it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from embedkit.console import is_silent, say
from embedkit.errors import TerminatedError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def run_embedkit(arguments: Sequence[str], *, read: Path | None = None) -> int:
    """Run `embedkit ARGUMENTS... < read` with its output on stderr and return its exit code.

    The child ends when this process does; at Ctrl-C or SIGTERM it gets the time to clean up.
    """
    say("")
    line = " ".join(f"'{a}'" if " " in a else a for a in arguments)
    say("$ embedkit {line}", line=line if read is None else f"{line} < {read}")
    with _sigterm_raises(), read.open("rb") if read else nullcontext() as stdin:
        command = [sys.executable, "-m", "embedkit", *arguments]
        silent = is_silent()
        child = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.DEVNULL if silent else sys.stderr,
            stderr=subprocess.DEVNULL if silent else None,
        )
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal has sent the child the same signal; let it clean up.
            child.wait()
            raise
        except TerminatedError:
            child.terminate()
            child.wait()
            raise
        finally:
            child.terminate()


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Make SIGTERM an exception in this block, so that the child ends too."""
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_terminated(*_: object) -> None:
    raise TerminatedError("told to stop")


def peak_child_mib() -> float | None:
    """Peak memory in MiB of the largest child process so far; None on Windows, which does not report it."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return float(peak) / (1024 * 1024 if sys.platform == "darwin" else 1024)
