"""How long the texts of a run are in tokens, and how many of them the model cuts; from a sample of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import texts_of
from embedkit.trainer.model.load import prompts_of
from embedkit.trainer.rows.sampling import sample_rows
from embedkit.trainer.rows.sources import TrainingRows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LENGTH_SAMPLE_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens per text of a sample, before cutting; `cut_share` of them are longer than `limit`.

    `histogram` holds (upper edge, share of the texts up to it and above the edge before).
    """

    limit: int
    median: int
    p95: int
    longest: int
    cut_share: float
    histogram: tuple[tuple[int, float], ...]


def measure_lengths(model: SentenceTransformer, rows: TrainingRows, *, seed: int) -> Lengths | None:
    """Those of a sample, of a cross-encoder both texts together; None where the model has no Hugging Face tokenizer or
    reads texts of any length.
    """
    from transformers import PreTrainedTokenizerBase

    limit, tokenizer = model.max_seq_length, getattr(model, "tokenizer", None)
    if limit is None or not isinstance(tokenizer, PreTrainedTokenizerBase):
        return None
    query, document = prompts_of(model)
    paired = rows.model == "cross_encoder"
    texts: list[str | tuple[str, str]] = []
    for row in sample_rows(rows, limit=LENGTH_SAMPLE_ROWS, seed=seed):
        first, *others = texts_of(row)
        texts += (
            [(first, text) for text in others]
            if paired
            else [query + first, *(document + text for text in others)]
        )
    lengths = np.array(
        [len(ids) for ids in tokenizer(list(dict.fromkeys(texts)), truncation=False)["input_ids"]]
    )
    return Lengths(
        limit=limit,
        median=int(np.median(lengths)),
        p95=int(np.quantile(lengths, 0.95)),
        longest=int(lengths.max()),
        cut_share=float((lengths > limit).mean()),
        histogram=length_histogram(lengths),
    )


def length_histogram(lengths: NDArray[np.int64]) -> tuple[tuple[int, float], ...]:
    """Shares of texts by length, between powers of two from 8 on."""
    edges = [2**power for power in range(3, max(4, int(lengths.max() - 1).bit_length() + 1))]
    counts, _ = np.histogram(lengths, bins=[0, *(edge + 0.5 for edge in edges)])
    return tuple(zip(edges, (counts / len(lengths)).tolist(), strict=True))
