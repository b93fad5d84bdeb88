"""What is known of the licences of language models that concerns texts which they wrote."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from embedkit.data.manifest import manifest_path, read_manifest
from embedkit.data.reading import read_columns
from embedkit.errors import UserError

UNKNOWN = "its licence is not stated here: read what it says on training with its answers (--llm-license)"
# What stands in a name (the first that does), and what the terms say about models that are trained with answers.
_NOTES = {
    "gemma": "Gemma Terms of Use: a model trained on its answers may count as a derivative of Gemma",
    "llama": "Llama Community License: a model trained on its answers has Llama first in its name when shared",
    "gpt-oss": "Apache-2.0: nothing against training with its answers",
    "gpt": "OpenAI's terms: its answers may not train models that compete with OpenAI's",
    "claude": "Anthropic's terms: its answers may not train models that compete with Anthropic's",
}


def licence_note(llm: str, stated: str) -> str:
    """What a person states, else what the name of a known family tells, else that nothing is known."""
    if stated:
        return stated
    name = llm.casefold().replace("\\", "/").rpartition("/")[2]
    return next((note for family, note in _NOTES.items() if family in name), UNKNOWN)


def writers_of(questions: Path) -> dict[str, str]:
    """The language models that a file of questions names, and what is noted of the licence of each."""
    table = read_columns(questions)
    place = table.find(("llm",))
    names = (row.cells[place].strip() for row in table.rows if not row.problem) if place is not None else ()
    stated: dict[str, str] = {}
    with suppress(UserError):  # no manifest lies beside a file that a person put together
        settings = read_manifest(manifest_path(questions)).settings
        stated[str(settings.get("llm"))] = str(settings.get("llm_license", ""))
    return {name: licence_note(name, stated.get(name, "")) for name in sorted(set(names) - {""})}
