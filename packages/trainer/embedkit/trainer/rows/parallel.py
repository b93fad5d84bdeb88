"""Everyday words and sentences beside their English, as they ship: what new tokens of a language begin as and learn by.

A glossary teaches a model its own words; questions are full of others. Trained on sentences that say the same in a
language that the model knows, the new tokens learn those too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from embedkit.data.records import Pair
from embedkit.shipped_data import data_path
from embedkit.trainer.rows.store import Rows, rows_in_memory

# The folder, a file a language.
SHIPPED = "parallel"
# The losses that a sentence and its English can be trained with.
PARALLEL_LOSSES = ("masked_mnrl", "mnrl", "cached_mnrl")
# Texts of fewer words say too little to be told apart from 255 others.
LEAST_WORDS = 4


@cache
def everyday_translations(lang: str) -> tuple[tuple[str, str], ...]:
    """Everyday words and sentences of a language and their English; none of most languages."""
    path = _path(lang)
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8").split("\n")
    return tuple((text, english) for text, _, english in (line.partition("\t") for line in lines) if english)


def everyday_sentences(lang: str) -> Rows | None:
    """The sentences of a language as rows, each with its English as the positive; None of most languages."""
    found = [
        Pair(anchor=text, positive=english, kind="translation", lang=lang, source="embedkit")
        for text, english in everyday_translations(lang)
        if len(text.split()) >= LEAST_WORDS
    ]
    return rows_in_memory(found, "pairs", path=_path(lang)) if found else None


def _path(lang: str) -> Path:
    return data_path(SHIPPED) / f"{lang}.tsv"
