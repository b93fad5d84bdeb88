"""What a person reads, in English or (`EMBEDKIT_LANG=ko`) Korean: the English template is the key."""

from __future__ import annotations

import json
import os
from functools import cache

from embedkit.korean import resolve_particles
from embedkit.shipped import data_path


def language() -> str:
    """`ko` when `EMBEDKIT_LANG` asks for Korean, else `en`."""
    return "ko" if os.environ.get("EMBEDKIT_LANG", "").lower().startswith("ko") else "en"


@cache
def _korean() -> dict[str, str]:
    catalogue: dict[str, str] = json.loads(data_path("messages.ko.json").read_text(encoding="utf-8"))
    return catalogue


def tr(template: str, **fields: object) -> str:
    """Fill in `template`, translated where a translation is shipped; Korean particles follow what is filled in."""
    if language() != "ko":
        return template.format(**fields) if fields else template
    text = _korean().get(template, template)
    return resolve_particles(text.format(**fields) if fields else text)
