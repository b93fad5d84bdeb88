"""Base models that people fine-tune, smallest first, and which of them reads the languages of some rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from embedkit.errors import UserError
from embedkit.models.resolve import resolve_model
from embedkit.shipped_data import data_path

ANY_LANGUAGE = "*"
BASE_MODELS = "base_models.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """A base model: its hub id, its size in millions of parameters, the languages it reads (`*`: about a hundred), and
    the prompts that it was trained with.
    """

    id: str
    millions: int
    license: str
    languages: tuple[str, ...]
    query_prompt: str
    document_prompt: str

    def reads(self, languages: Collection[str]) -> bool:
        """Whether it reads them all."""
        return ANY_LANGUAGE in self.languages or set(languages) <= set(self.languages)


@cache
def base_models() -> tuple[BaseModel, ...]:
    """All of `data/base_models.json`."""
    found = json.loads(data_path(BASE_MODELS).read_text(encoding="utf-8"))
    return tuple(BaseModel(**{**item, "languages": tuple(item["languages"])}) for item in found)


def bases_for(languages: Collection[str]) -> list[BaseModel]:
    """Those that read the languages, smallest first."""
    return [base for base in base_models() if base.reads(languages)]


def choose_base(languages: Collection[str]) -> BaseModel | None:
    """The smallest that reads the languages and lies on this machine; None where none does."""
    return next((base for base in bases_for(languages) if is_here(base.id)), None)


def base_named(name: str) -> BaseModel | None:
    """The base model of that id, with or without its owner."""
    return next((base for base in base_models() if name in (base.id, base.id.split("/")[1])), None)


def is_here(name: str) -> bool:
    """Whether a model can be loaded without the network."""
    try:
        resolve_model(name, network=False)
    except UserError:
        return False
    return True


def names_of(bases: Sequence[BaseModel]) -> str:
    """As a message names them: `bge-m3 (MIT, 568 M)`."""
    return ", ".join(f"{base.id} ({base.license}, {base.millions} M)" for base in bases)
