"""A static model from an encoder: a vector for each token of its vocabulary; a text is the mean of its tokens' vectors.

Each token goes through the teacher alone, as a text of one token (Model2Vec; Tulkens and van Dongen 2024): some 1,000
tokens a second on a CPU core with a small teacher. The tokenizer stays as it is, tokens that training added included.
What all texts share is taken away, and frequent tokens weigh little (SIF; Arora et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from embedkit.console import track
from embedkit.errors import UserError
from embedkit.models.readable import encode_whole, without_padding
from embedkit.trainer.model.vocabulary import can_extend

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

BATCH_TOKENS = 512
# The share of all tokens from which on a token weighs less than half.
SIF = 1e-3


def static_model(
    teacher: SentenceTransformer, texts: Sequence[str], *, dimensions: int | None = None
) -> SentenceTransformer:
    """The teacher's static model, on the CPU, with vectors of length 1; with `dimensions` of so many numbers. `texts`
    say how frequent each token is.

    Raises:
        UserError: the teacher has no transformer with a tokenizer of the fast kind, or fewer dimensions.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    if not can_extend(teacher):
        raise UserError(
            "the model has no transformer with a fast tokenizer: nothing can be distilled from it",
            hint="name the model that it came from",
        )
    fast: Any = teacher.tokenizer
    tokenizer = without_padding(fast.backend_tokenizer)
    vectors = token_vectors(teacher, tokenizer)
    vectors = weighted(vectors, token_counts(tokenizer, texts, len(vectors)))
    if dimensions is not None:
        vectors = principal(vectors, dimensions)
    modules = [StaticEmbedding(tokenizer, embedding_weights=vectors.contiguous()), Normalize()]
    return SentenceTransformer(modules=modules, device="cpu")


def token_vectors(teacher: SentenceTransformer, tokenizer: Tokenizer) -> Tensor:
    """What the teacher makes of each token, `(V, D)`; row i is that of token i."""
    before, after = _frame(tokenizer)
    encoder: Any = teacher.transformers_model
    count = min(
        1 + max(tokenizer.get_vocab().values()), encoder.get_input_embeddings().weight.shape[0]
    )  # numbers may have gaps, and the matrix padding
    starts = range(0, count, BATCH_TOKENS)
    parts = []
    teacher.eval()
    with torch.inference_mode():
        for start in track(starts, label="distill", total=len(starts)):
            texts = [[*before, token, *after] for token in range(start, min(count, start + BATCH_TOKENS))]
            ids = torch.tensor(texts, device=teacher.device)
            features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            parts.append(teacher(features)["sentence_embedding"].float().cpu())
    return torch.cat(parts)[:, : teacher.truncate_dim].clone()  # out of inference mode: it is trained


def token_counts(tokenizer: Tokenizer, texts: Sequence[str], count: int) -> Tensor:
    """How often each of `count` tokens stands in the texts `(V,)`."""
    counts = torch.zeros(count)
    for encoding in encode_whole(tokenizer, texts):
        numbers = torch.tensor(encoding.ids, dtype=torch.long)
        counts.index_add_(0, numbers, torch.ones(len(numbers)))
    return counts


def weighted(vectors: Tensor, counts: Tensor) -> Tensor:
    """The vectors `(V, D)` without their mean over the texts, each times SIF's weight of its token."""
    share = (counts + 0.5) / (counts + 0.5).sum()
    return (vectors - share @ vectors) * (SIF / (SIF + share))[:, None]


def _frame(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens that stand before and after every text."""
    text = "a"
    inner = tokenizer.encode(text, add_special_tokens=False).ids
    whole = tokenizer.encode(text).ids
    start = next(i for i in range(len(whole)) if whole[i : i + len(inner)] == inner)
    return whole[:start], whole[start + len(inner) :]


def principal(vectors: Tensor, dimensions: int) -> Tensor:
    """The vectors `(V, D)` along their `dimensions` principal axes, not centred: nearest to the same dot products.

    Raises:
        UserError: `dimensions` are more than D.
    """
    if dimensions > vectors.shape[1]:
        raise UserError(
            "--dimensions is {dimensions}, but the model has {width}",
            hint="give no more than that",
            dimensions=dimensions,
            width=vectors.shape[1],
        )
    _, axes = torch.linalg.eigh(vectors.T @ vectors)
    return vectors @ axes[:, -dimensions:].flip(1)
