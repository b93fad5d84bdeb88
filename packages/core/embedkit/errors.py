"""The errors a person can meet: each is one to three lines (place, problem, next step) and knows its exit code."""

from __future__ import annotations

EXIT_OK = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class EmbedkitError(Exception):
    """Base of every error that is a message and not a bug."""

    exit_code = EXIT_USAGE

    def __init__(self, problem: str, *, place: str = "", hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place
        self.hint = hint

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
