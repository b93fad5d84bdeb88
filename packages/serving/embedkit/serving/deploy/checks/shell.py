"""Commands that stand in files of a folder: each `embedkit` in them is parsed by the real command, and no secret."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from embedkit.messages import Phrase
from embedkit.serving.deploy.checks.problems import DeployProblem, walk

_UsageError: Any = typer.BadParameter.__base__  # Typer brings a click of its own
_STARTS = ("embedkit", "run_embedkit.py")
_ENDS = frozenset({"&&", "||", ";", "|", "fi", "then", "else"})
_SECRET_KEY = re.compile(r"(secret|password|passwd|api[_-]?key|account[_-]?key|token|sas)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"AccountKey=|SharedAccessSignature|sig=[A-Za-z0-9%]{20,}|-----BEGIN|\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9-]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bsecrets\.AZURE_(?:CREDENTIALS|CLIENT_SECRET)\b"
    r"|\b\w*(?:KEY|SECRET|TOKEN|PASSWORD)=[^$\s\"']{3,}"
)


def invocations(command: str) -> list[list[str]]:
    """The arguments of each `embedkit` in a shell command."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=";&|")
    lexer.whitespace_split, lexer.commenters = True, ""
    words, found, taking = list(lexer), list[list[str]](), False
    for place, word in enumerate(words):
        if word.rpartition("/")[2] in _STARTS and (place == 0 or not taking):
            found.append([])
            taking = True
        elif word in _ENDS:
            taking = False
        elif taking:
            found[-1].append(word)
    return found


def argument_problem(arguments: Sequence[str]) -> Phrase | None:
    """What the real command says against its arguments; nothing is run."""
    from embedkit.cli import app

    command: Any = typer.main.get_command(app)
    name, words = "embedkit", list(arguments)
    try:
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command, name, words = command.commands[words[0]], f"{name} {words[0]}", words[1:]
        if hasattr(command, "commands"):
            return Phrase("{name} has no command {given!r}", name=name, given=" ".join(words[:1]))
        command.make_context(name, words)
    except _UsageError as error:
        return Phrase("{name}: {error}", name=name, error=error.format_message())
    except typer.Exit:
        pass
    return None


def flag_problems(place: str, command: str) -> Iterator[DeployProblem]:
    """Every `embedkit` of a command that the real one would refuse."""
    try:
        found = invocations(command)
    except ValueError as error:
        yield DeployProblem(place, Phrase("is no shell command: {error}", error=error))
        return
    if not found:
        yield DeployProblem(place, Phrase("does not run embedkit"))
    for arguments in found:
        problem = argument_problem(arguments)
        if problem is not None:
            yield DeployProblem(place, problem)


def secret_problems(place: str, content: object) -> Iterator[DeployProblem]:
    """Every value that is a secret in clear: by its key, or by what it looks like."""
    for path, value in walk(content):
        if isinstance(value, Mapping) and isinstance(value.get("value"), str):
            path, value = f"{path}.{value.get('name')}", value["value"]  # Kubernetes' form of a variable
        if not isinstance(value, str):
            continue
        key = path.rpartition(".")[2]
        plain = value and "${{" not in value and not value.startswith("$")
        if _SECRET_TEXT.search(value) or (plain and _SECRET_KEY.search(key) and key != "id-token"):
            yield DeployProblem(f"{place}: {path}", Phrase("a secret in clear: keep it out of files"))
