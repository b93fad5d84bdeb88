"""`embedkit similarity`: how alike texts are, by cosine, dot product, Euclidean and Manhattan distance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.console import out, out_json
from embedkit.errors import UserError
from embedkit.explore.model import open_encoder, warn_if_unreadable
from embedkit.explore.texts import given_texts
from embedkit.messages import tr
from embedkit.models.backends import unit_rows
from embedkit.text import shorten, width

FUNCTIONS = ("cosine", "dot", "euclidean", "manhattan")
TITLES = {
    "cosine": "cosine",
    "dot": "dot product",
    "euclidean": "Euclidean distance",
    "manhattan": "Manhattan distance",
}
MOST_TEXTS = 2000
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
class SimilarityOptions:
    """What `embedkit similarity` is asked for. Without `functions`: all four for two texts, cosine for more."""

    texts: Sequence[str] = ()
    file: str | None = None
    column: str | None = None
    model: str | None = None
    functions: Sequence[str] = ()
    as_json: bool = False


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
    warn_if_unreadable(encoder, given)
    chosen = tuple(dict.fromkeys(options.functions)) or (FUNCTIONS if len(given) == 2 else FUNCTIONS[:1])
    vectors = encoder.model.encode_document(list(given), batch_size=64, show_progress_bar=False)
    matrices = tuple(_matrix(name, np.asarray(vectors, dtype=np.float64)) for name in chosen)
    result = SimilarityResult(model=encoder.source.requested, texts=given, matrices=matrices)
    if options.as_json:
        out_json(asdict(result))
    else:
        for line in _pair_lines(result) if len(given) == 2 else _matrix_lines(result):
            out(line)
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
