"""Where words go: data to stdout, everything else to stderr, nothing that a terminal would obey."""

from __future__ import annotations

import os
import sys
from typing import Any

from embedkit.jsonl import dumps
from embedkit.messages import tr
from embedkit.text import printable

_hushed = False


def hush(yes: bool) -> None:
    """Let this process be silent, or speak again: of several that work together one speaks."""
    global _hushed
    _hushed = yes


def out(text: str) -> None:
    """One line of data on stdout."""
    if _hushed:
        return
    sys.stdout.write(printable(text) + "\n")


def out_json(value: Any) -> None:
    """One JSON document on stdout, on one line."""
    if _hushed:
        return
    sys.stdout.write(dumps(value) + "\n")


def say(template: str, **fields: object) -> None:
    """One message for the person on stderr, in their language (`EMBEDKIT_LANG`)."""
    if _hushed:
        return
    sys.stderr.write(printable(tr(template, **fields)) + "\n")
    sys.stderr.flush()


def warn(template: str, **fields: object) -> None:
    """A message that something deserves a look."""
    say("warning: {text}", text=tr(template, **fields))


def debug_wanted() -> bool:
    """Whether `EMBEDKIT_DEBUG` asks for tracebacks even where the mistake is the person's."""
    return os.environ.get("EMBEDKIT_DEBUG", "") not in ("", "0")
