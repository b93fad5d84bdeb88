"""JSON Schemas (draft 2020-12) of the row formats, generated from the records and shipped in `embedkit/schemas/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from embedkit.data.entries import Entry
from embedkit.data.pairs import Pair
from embedkit.data.rows import ClassedPair, Labelled, ScoredPair, Triplet

FOLDER = Path(__file__).resolve().parents[1] / "schemas"
_ROWS: dict[str, type] = {
    "glossary": Entry,
    "pairs": Pair,
    "labelled": Labelled,
    "classed_pairs": ClassedPair,
    "scored_pairs": ScoredPair,
    "triplets": Triplet,
}
FORMATS = tuple(_ROWS)


def row_schema(name: str) -> dict[str, Any]:
    """The schema of one row of a format named in `FORMATS`; keys it does not know are allowed and ignored."""
    schema = TypeAdapter(_ROWS[name]).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"embedkit {name} row"
    return schema
