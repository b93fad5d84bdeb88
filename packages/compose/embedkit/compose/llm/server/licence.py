"""What is known of the licences of language models that concerns texts which they wrote."""

from __future__ import annotations

from embedkit.messages import Phrase

UNKNOWN = Phrase(
    "its licence is not stated here: read what it says on training with its answers (--llm-license)"
)
# The beginning of a model's name, and what its terms say about models that are trained with its answers.
_NOTES = {
    "gemma": Phrase("Gemma Terms of Use: a model trained on its answers may count as a derivative of Gemma"),
    "llama": Phrase(
        "Llama Community License: a model trained on its answers has Llama first in its name when shared"
    ),
    "gpt": Phrase("OpenAI's terms: its answers may not train models that compete with OpenAI's"),
    "claude": Phrase("Anthropic's terms: its answers may not train models that compete with Anthropic's"),
}


def licence_note(llm: str, stated: str) -> str:
    """What a person states, else what the name of a known family tells, else that nothing is known."""
    if stated:
        return stated
    name = llm.casefold().replace("\\", "/").rpartition("/")[2]
    return next((note for family, note in _NOTES.items() if family in name), UNKNOWN)
