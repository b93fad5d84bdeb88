"""Errors for the user: each is one to three lines (place, problem, next step) and has an exit code."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from embedkit.messages import tr

_FULL = (
    errno.ENOSPC,
    getattr(errno, "EDQUOT", errno.ENOSPC),
    errno.EFBIG,
)  # EFBIG: `ulimit -f`, a FAT32 stick
# Writers in Rust and C++ lose the number of the error and keep its text, or only that a write failed.
_FULL_SAYINGS = (
    "No space left on device",
    "os error 28",
    "Disk quota exceeded",
    "File too large",
    "os error 27",
    "PytorchStreamWriter failed",
    "iostream error",
    "unexpected pos",
)
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class EmbedkitError(Exception):
    """Base of every error that is a message and not a bug.

    `problem` and `hint` are templates that `fields` fill in, and are shown in the user's language; without `fields`
    they are plain text. In a template, a brace that is no field is doubled, as `str.format` requires. `there` are names
    of which one may have been meant (`near`), too many to print.
    """

    exit_code = EXIT_USAGE

    def __init__(
        self, problem: str, *, place: str = "", hint: str = "", there: Iterable[str] = (), **fields: object
    ) -> None:
        super().__init__(problem)
        self.place = place
        self._there = tuple(there)
        self._problem, self._hint, self._fields = problem, hint, fields

    @property
    def problem(self) -> str:
        """What is wrong."""
        return tr(self._problem, **self._fields)

    @property
    def hint(self) -> str:
        """What to do about it."""
        return tr(self._hint, **self._fields)

    def near(self) -> str | None:
        """What was meant: of `there`, or of a field that lists names with commas, the one nearly like another field."""
        texts = [value for value in self._fields.values() if isinstance(value, str)]
        lists = [list(self._there), *(text.split(", ") for text in texts if ", " in text)]
        if not any(lists) or "did you mean" in f"{self._problem} {self._hint}":
            return None
        from difflib import get_close_matches

        wrong = [text for text in texts if ", " not in text and not any(text in there for there in lists)]
        # Names of files are alike by their endings alone.
        found = (
            get_close_matches(text, there, n=1, cutoff=0.81 if "." in text else 0.6)
            for text in wrong
            for there in lists
        )
        return next((near[0] for near in found if near), None)

    def __str__(self) -> str:
        head = f"{self.place}: {self.problem}" if self.place else self.problem
        return f"{head}\n  {self.hint}" if self.hint else head


class UserError(EmbedkitError):
    """Bad usage, config, input or environment: exit 2."""


class AnswerNoError(EmbedkitError):
    """The work ran and the answer is no (a gate was missed, validation found problems): exit 1."""

    exit_code = EXIT_NO


class TerminatedError(EmbedkitError):
    """SIGTERM arrived and the work was put in a safe place first: exit 143."""

    exit_code = EXIT_TERMINATED


class ReportedInterrupt(KeyboardInterrupt):
    """Ctrl-C after a message that said what is kept and how to go on: no second message is needed."""


def is_full(error: BaseException | None) -> bool:
    """Whether the error, or one that led to it, means that the disk has no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(saying in str(error) for saying in _FULL_SAYINGS):
            return True
        error = error.__cause__ or error.__context__
    return False
