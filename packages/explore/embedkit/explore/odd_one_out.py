"""`embedkit odd-one-out`: which of some words belongs least to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from embedkit.console import out, out_json
from embedkit.errors import UserError
from embedkit.explore.model import open_encoder, warn_if_unreadable
from embedkit.explore.texts import given_texts
from embedkit.messages import tr
from embedkit.text import fold, pad, width

FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedWord:
    """A word, its mean cosine distance (1 - cosine) to the others, and the nearest of them."""

    text: str
    distance: float
    nearest: str
    nearest_distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OddOneOutResult:
    """The odd word and all words, the farthest first. `margin` is how far it leads the next."""

    model: str
    odd: str
    margin: float
    members: tuple[ComparedWord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OddOneOutOptions:
    """What `embedkit odd-one-out` is asked for."""

    texts: Sequence[str] = ()
    file: str | None = None
    column: str | None = None
    model: str | None = None
    as_json: bool = False


def odd_one_out(options: OddOneOutOptions) -> OddOneOutResult:
    """Find the word whose mean cosine distance to the others is the largest.

    Raises:
        UserError: fewer than three different words, or a model that is missing.
    """
    given = given_texts(options.texts, options.file, column=options.column)
    words = tuple({fold(text): text for text in reversed(given)}.values())[::-1]
    if len(words) < FEWEST:
        raise UserError(
            "{least} different words or more are needed, not {count}", least=FEWEST, count=len(words)
        )
    encoder = open_encoder(options.model)
    warn_if_unreadable(encoder, words)
    vectors = encoder.encode(words)
    members = tuple(sorted(_members(words, 1 - vectors @ vectors.T), key=lambda m: -m.distance))
    result = OddOneOutResult(
        model=encoder.source.requested,
        odd=members[0].text,
        margin=round(members[0].distance - members[1].distance, 6),
        members=members,
    )
    if options.as_json:
        out_json(asdict(result))
    else:
        for line in _word_lines(result):
            out(line)
    return result


def _members(
    words: Sequence[str], distances: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> Iterator[ComparedWord]:
    for place, word in enumerate(words):
        others = np.delete(distances[place].astype(np.float64), place)
        nearest = int(others.argmin())
        yield ComparedWord(
            text=word,
            distance=round(float(others.mean()), 6),
            nearest=words[nearest + (nearest >= place)],
            nearest_distance=round(float(others.min()), 6),
        )


def _word_lines(result: OddOneOutResult) -> Iterator[str]:
    first, second, *_ = result.members
    yield tr(
        "{odd} is the odd one out: mean distance to the others {distance}; next: {next}, {next_distance}",
        odd=first.text,
        distance=f"{first.distance:.3f}",
        next=second.text,
        next_distance=f"{second.distance:.3f}",
    )
    widest = max(width(member.text) for member in result.members)
    for member in result.members:
        near = tr(
            "nearest: {text} ({distance})", text=member.nearest, distance=f"{member.nearest_distance:.3f}"
        )
        yield f"{member.distance:.3f}  {pad(member.text, widest)}  {near}"
