"""Messages in English or (`EMBEDKIT_LANG=ko`) Korean: the English template is the key of its translation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Self

from embedkit.shipped_data import data_path


def language() -> str:
    """`ko` when `EMBEDKIT_LANG` asks for Korean, else `en`."""
    return "ko" if os.environ.get("EMBEDKIT_LANG", "").lower().startswith("ko") else "en"


@cache
def _korean() -> dict[str, str]:
    import json  # 10 % of the time of --help, which does not need it

    files = sorted(data_path("messages").glob("*.ko.json"))
    return {key: text for path in files for key, text in json.loads(path.read_text(encoding="utf-8")).items()}


class Phrase(str):
    """A filled-in template: English text that `tr` can still translate.

    For text that is stored or raised before it is shown: the message of a `ValueError`, the reason of a rejected row.
    """

    template: str
    fields: Mapping[str, object]

    def __new__(cls, template: str, **fields: object) -> Self:
        phrase = super().__new__(cls, template.format(**fields) if fields else template)
        phrase.template, phrase.fields = template, fields
        return phrase

    def __str__(self) -> Self:
        """Itself: so `str(ValueError(phrase))` is still a phrase."""
        return self


def tr(template: str, **fields: object) -> str:
    """Fill in `template`, translated if there is a translation; Korean particles follow the filled-in words."""
    if isinstance(template, Phrase):
        return tr(template.template, **template.fields)
    if language() != "ko":
        return template.format(**fields) if fields else template
    from embedkit.korean import resolve_particles  # which --help in English does not need

    text = _korean().get(template, template)
    if fields:
        text = text.format(
            **{n: tr(value) if isinstance(value, Phrase) else value for n, value in fields.items()}
        )
    return resolve_particles(text)
