"""Output: data to stdout, messages to stderr, never a control character."""

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
    """Turn this process's output off or on: of several ranks, one prints."""
    global _hushed
    _hushed = yes


def out(text: str) -> None:
    """One line of data on stdout."""
    _write(printable(text))


def out_json(value: Any) -> None:
    """One JSON document on stdout, on one line."""
    _write(dumps(value))


def _write(line: str) -> None:
    if _hushed or sys.stdout is None:  # closed by the caller (`>&-`)
        return
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # the rest of the buffer would be a second error at exit
            sys.stdout.close()
        raise UserError("cannot be written ({reason})", place="stdout", reason=error.strerror) from error


def say(template: str, **fields: object) -> None:
    """One message on stderr, in the user's language (`EMBEDKIT_LANG`)."""
    if _hushed or sys.stderr is None:
        return
    sys.stderr.write(printable(tr(template, **fields)) + "\n")
    sys.stderr.flush()


def warn(template: str, **fields: object) -> None:
    """One warning on stderr."""
    say("warning: {text}", text=tr(template, **fields))


def debug_wanted() -> bool:
    """Whether `EMBEDKIT_DEBUG` asks for a traceback with every error."""
    return os.environ.get("EMBEDKIT_DEBUG", "") not in ("", "0")
