"""What is known of the licences of language models that concerns texts which they wrote."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from embedkit.data.manifest import manifest_path, read_manifest
from embedkit.data.reading import read_columns
from embedkit.errors import UserError

UNKNOWN = "not known here: look up what its licence says on training with its answers, and state it with --llm-license"
# How the name of a family begins, and what its terms say of models that are trained with answers, as read in November
# 2026: Gemma Terms of Use 1.1 (e); Llama 2 and 3 Community License 1.b.v; Llama 3.1, 3.2, 3.3 and 4 1.b.i; OpenAI's
# terms of use; Anthropic's help page on training with outputs. A name that is not clearly of a family tells nothing.
_NOTES = (
    (r"(?:code)?gemma-?4(?![\d.]*[\db])", "Apache-2.0: nothing against training with its answers"),
    (
        r"(?:code)?gemma(?:-?[123]n?(?![\d.]*b)|-?[27]b|[:@]|-it|$)",
        "Gemma Terms of Use: a model trained on its answers may count as a derivative of Gemma",
    ),
    (
        r"(?:code-?llama|(?:meta-)?llama-?[23])(?![\d._]*[\db])",
        "Llama 2 and 3 Community License: its answers may not improve language models other than Llama",
    ),
    (
        r"(?:meta-)?llama-?(?:3[._][123]|4)(?![\d.]*[\db])",
        "Llama Community License: a model trained on its answers has Llama first in its name when shared, and shows "
        "Built with Llama",
    ),
    (r"gpt-oss", "Apache-2.0: nothing against training with its answers"),
    (
        r"chatgpt|gpt-(?:3\.5|[45])(?!all)|o[134](?:-mini|-pro|-preview)?(?:-\d|$)",
        "OpenAI's terms: its answers may not train models that compete with OpenAI's",
    ),
    (
        r"claude-",
        "Anthropic's terms: its answers may not train models that compete with Anthropic's; semantic search does not",
    ),
)


def licence_note(llm: str, stated: str) -> str:
    """What a person states, else what the name of a known family tells, else that nothing is known."""
    if stated:
        return stated
    name = llm.casefold().replace("\\", "/").rpartition("/")[2]
    return next((note for family, note in _NOTES if re.match(family, name)), UNKNOWN)


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
