"""`embedkit similarity` compares texts by four functions; `embedkit odd-one-out` finds the word that belongs least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UserError
from embedkit.explore.model import ModelOptions, open_encoder, print_result
from embedkit.explore.texts import given_texts
from embedkit.messages import tr
from embedkit.models.backends import unit_rows
from embedkit.models.readable import warn_if_unreadable
from embedkit.text import fold, pad, shorten, width

FUNCTIONS = ("cosine", "dot", "euclidean", "manhattan")
TITLES = {
    "cosine": "cosine",
    "dot": "dot product",
    "euclidean": "Euclidean distance",
    "manhattan": "Manhattan distance",
}
MOST_TEXTS = 2000
FEWEST_WORDS = 3
_TEXT_COLUMNS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityMatrix:
    """One function of every two texts; higher is nearer for cosine and dot, lower for the distances."""

    function: str
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityResult:
    """The texts in the order given, and a matrix `(n, n)` for each function asked for."""

    model: str
    texts: tuple[str, ...]
    matrices: tuple[SimilarityMatrix, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityOptions(ModelOptions):
    """What `embedkit similarity` is asked for. Without `functions`: all four for two texts, cosine for more."""

    texts: Sequence[str] = ()
    file: str | None = None
    column: str | None = None
    functions: Sequence[str] = ()


def similarity(options: SimilarityOptions) -> SimilarityResult:
    """Compare every text with every other.

    Raises:
        UserError: fewer than two texts, more than `MOST_TEXTS`, or a model that is missing.
    """
    given = given_texts(options.texts, options.file, column=options.column)
    if not 2 <= len(given) <= MOST_TEXTS:
        raise UserError(
            "2 to {most} texts are compared, not {count}",
            hint="embedkit cluster and embedkit search take more",
            most=MOST_TEXTS,
            count=len(given),
        )
    encoder = open_encoder(options.model)
    warn_if_unreadable(encoder.source, given)
    chosen = tuple(dict.fromkeys(options.functions)) or (FUNCTIONS if len(given) == 2 else FUNCTIONS[:1])
    vectors = encoder.raw(given).astype(np.float64)
    matrices = tuple(_matrix(name, vectors) for name in chosen)
    result = SimilarityResult(model=encoder.source.requested, texts=given, matrices=matrices)
    print_result(result, _pair_lines(result) if len(given) == 2 else _matrix_lines(result), options)
    return result


def _matrix(function: str, vectors: NDArray[np.float64]) -> SimilarityMatrix:
    """Of the vectors as the model gives them; only cosine makes them unit vectors."""
    values = _values(function, vectors)
    return SimilarityMatrix(function=function, values=tuple(tuple(row) for row in values.round(6).tolist()))


def _values(function: str, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial.distance import cdist

    if function == "dot":
        return vectors @ vectors.T
    if function == "cosine":
        unit = unit_rows(vectors)
        return np.clip(unit @ unit.T, -1, 1)
    distances: NDArray[np.float64] = cdist(
        vectors, vectors, "euclidean" if function == "euclidean" else "cityblock"
    )
    return distances


def _pair_lines(result: SimilarityResult) -> Iterator[str]:
    for matrix in result.matrices:
        yield f"{matrix.values[0][1]:>8.4f}  {tr(TITLES[matrix.function])}"


def _matrix_lines(result: SimilarityResult) -> Iterator[str]:
    numbers = range(1, len(result.texts) + 1)
    first = width(str(len(result.texts)))
    for matrix in result.matrices:
        cells = [[f"{value:.3f}" for value in row] for row in matrix.values]
        size = max(len(cell) for row in cells for cell in row)
        yield tr(TITLES[matrix.function])
        yield "  ".join([" " * first, *(f"{number:>{size}}" for number in numbers)])
        for number, row, text in zip(numbers, cells, result.texts, strict=True):
            filled = (f"{cell:>{size}}" for cell in row)
            yield "  ".join([f"{number:>{first}}", *filled, shorten(" ".join(text.split()), _TEXT_COLUMNS)])


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
class OddOneOutOptions(ModelOptions):
    """What `embedkit odd-one-out` is asked for."""

    texts: Sequence[str] = ()
    file: str | None = None
    column: str | None = None


def odd_one_out(options: OddOneOutOptions) -> OddOneOutResult:
    """Find the word whose mean cosine distance to the others is the largest.

    Raises:
        UserError: fewer than three different words, or a model that is missing.
    """
    given = given_texts(options.texts, options.file, column=options.column)
    words = tuple({fold(text): text for text in reversed(given)}.values())[::-1]
    if len(words) < FEWEST_WORDS:
        raise UserError(
            "{least} different words or more are needed, not {count}", least=FEWEST_WORDS, count=len(words)
        )
    encoder = open_encoder(options.model)
    warn_if_unreadable(encoder.source, words)
    vectors = encoder.encode(words)
    members = tuple(sorted(_members(words, 1 - vectors @ vectors.T), key=lambda m: -m.distance))
    result = OddOneOutResult(
        model=encoder.source.requested,
        odd=members[0].text,
        margin=round(members[0].distance - members[1].distance, 6),
        members=members,
    )
    print_result(result, _word_lines(result), options)
    return result


def _members(words: Sequence[str], distances: NDArray[np.float32]) -> Iterator[ComparedWord]:
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
