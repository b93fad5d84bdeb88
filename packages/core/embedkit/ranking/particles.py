"""Korean queries as people write them: a name with a particle attached, which must not change what is found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from embedkit.korean import particle

PARTICLES = ("은/는", "을/를")
# A name, not a sentence: what a particle can stand after. Longer ones are questions or definitions.
_MOST_WORDS = 4
_NAME = re.compile(r"[^.?!…]*[가-힣][^.?!…]*(?<=[가-힣A-Za-z0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Another wording of the query at place `query`, and the particle that it has."""

    query: int
    particle: str
    text: str


def with_particles(queries: Sequence[str]) -> Iterator[Variant]:
    """Each Korean name with each particle in the form that its last sound asks for: 저항은, 회로를."""
    for place, text in enumerate(queries):
        if (
            _NAME.fullmatch(text)
            and len(text.split()) <= _MOST_WORDS
            and not text.endswith(("다", "요", "까"))
        ):
            for kind in PARTICLES:
                yield Variant(query=place, particle=kind, text=text + particle(text, kind))
