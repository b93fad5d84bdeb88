"""Which texts are longer than a model reads: the model cuts off the rest silently."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.messages import Phrase
from embedkit.models.resolve import resolve_model

LONG_CHARS = 2000
UNLIMITED = 1_000_000
TooLong = Callable[[str], str]


def over_chars(text: str) -> str:
    """What is wrong with a text of more characters than most models read, or the empty string."""
    return (
        Phrase("over {chars} characters, more than most models read", chars=LONG_CHARS)
        if len(text) > LONG_CHARS
        else ""
    )


def local_length_check(model: str) -> TooLong:
    """Count tokens where the model and the package tokenizers are installed, else characters."""
    try:
        return length_check(model, network=False)
    except UserError:
        return over_chars


def length_check(model: str, *, network: bool = True) -> TooLong:
    """Count tokens with the model's own tokenizer; without a model count characters.

    Raises:
        UserError: there is no such model, or tokenizers is not installed.
    """
    if not model:
        return over_chars
    source = resolve_model(model, network=network)
    folder = Path(source.path)
    limit = _limit(folder)
    if source.origin == "hub" or not limit or not (folder / "tokenizer.json").is_file():
        return over_chars
    tokenizer = require("tokenizers", extra="train").Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def over_tokens(text: str) -> str:
        count = len(tokenizer.encode(text).ids)
        if count <= limit:
            return ""
        return Phrase(
            "{count} tokens, and {model} reads {limit}", count=count, model=source.requested, limit=limit
        )

    return over_tokens


def _limit(folder: Path) -> int:
    """The length in tokens as sentence-transformers finds it; 0 where the model states none."""
    for name, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
    ):
        if (folder / name).is_file():
            value = json.loads((folder / name).read_text(encoding="utf-8")).get(key)
            if isinstance(value, int | float) and 0 < value < UNLIMITED:
                return int(value)
    return 0
