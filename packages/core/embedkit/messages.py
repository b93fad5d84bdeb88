"""What a person reads, in English or (`EMBEDKIT_LANG=ko`) Korean: the English template is the key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Self

from embedkit.data.shipped import data_path
from embedkit.korean import resolve_particles


def language() -> str:
    """`ko` when `EMBEDKIT_LANG` asks for Korean, else `en`."""
    return "ko" if os.environ.get("EMBEDKIT_LANG", "").lower().startswith("ko") else "en"


@cache
def _korean() -> dict[str, str]:
    import json  # a tenth of the time that --help takes, which needs none of it

    files = sorted(data_path("messages").glob("*.ko.json"))
    return {key: text for path in files for key, text in json.loads(path.read_text(encoding="utf-8")).items()}


class Phrase(str):
    """A template that is filled in, English where it is written down, and that `tr` can still translate.

    For what travels before it is told: the words of a `ValueError`, the reason for a rejected row.
    """

    template: str
    fields: Mapping[str, object]

    def __new__(cls, template: str, **fields: object) -> Self:
        phrase = super().__new__(cls, template.format(**fields) if fields else template)
        phrase.template, phrase.fields = template, fields
        return phrase

    def __str__(self) -> Self:
        """Itself, so that the `str` of an exception that was made of it is still a phrase."""
        return self


def tr(template: str, **fields: object) -> str:
    """Fill in `template`, translated where a translation is shipped; Korean particles follow what is filled in."""
    if isinstance(template, Phrase):
        return tr(template.template, **template.fields)
    if language() != "ko":
        return template.format(**fields) if fields else template
    text = _korean().get(template, template)
    if fields:
        text = text.format(
            **{n: tr(value) if isinstance(value, Phrase) else value for n, value in fields.items()}
        )
    return resolve_particles(text)
