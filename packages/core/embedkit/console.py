"""Where words go: data to stdout, everything else to stderr, nothing that a terminal would obey."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from embedkit.data.jsonl import dumps
from embedkit.errors import UserError
from embedkit.messages import tr
from embedkit.text import printable

_hushed = False


def hush(yes: bool) -> None:
    """Let this process be silent, or speak again: of several that work together one speaks."""
    global _hushed
    _hushed = yes


def out(text: str) -> None:
    """One line of data on stdout."""
    _write(printable(text))


def out_json(value: Any) -> None:
    """One JSON document on stdout, on one line."""
    _write(dumps(value))


def _write(line: str) -> None:
    if _hushed or sys.stdout is None:  # closed by who started us (`>&-`): nobody wants the data
        return
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # what is left in the buffer would be a second error at the end
            sys.stdout.close()
        raise UserError("cannot be written ({reason})", place="stdout", reason=error.strerror) from error


def say(template: str, **fields: object) -> None:
    """One message for the person on stderr, in their language (`EMBEDKIT_LANG`)."""
    if _hushed or sys.stderr is None:
        return
    sys.stderr.write(printable(tr(template, **fields)) + "\n")
    sys.stderr.flush()


def warn(template: str, **fields: object) -> None:
    """A message that something deserves a look."""
    say("warning: {text}", text=tr(template, **fields))


def debug_wanted() -> bool:
    """Whether `EMBEDKIT_DEBUG` asks for tracebacks even where the mistake is the person's."""
    return os.environ.get("EMBEDKIT_DEBUG", "") not in ("", "0")
