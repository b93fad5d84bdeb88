"""Which of several training processes this is, and that one of them alone writes and speaks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from embedkit.console import hush
from embedkit.errors import EmbedkitError, TerminatedError

# How long a process that is not the first waits with its error. If the first one has the same, it ends before
# that, and the launcher ends the others.
_WAIT_SECONDS = 15.0


def rank() -> int:
    """This process's number, 0 where it is alone; what torchrun and accelerate put in the environment."""
    return int(os.environ.get("RANK", "0")) if world_size() > 1 else 0


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


@contextmanager
def one_voice() -> Iterator[None]:
    """Let the first process alone speak; another's error comes out only if the first one has none."""
    if is_first():
        yield
        return
    hush(True)
    try:
        yield
    except TerminatedError:
        raise  # all were told to stop, and the first one says so
    except EmbedkitError as error:
        time.sleep(_WAIT_SECONDS)
        hush(False)
        error.place = f"process {rank()}: {error.place}".removesuffix(": ")
        raise
