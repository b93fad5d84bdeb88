"""A cross-encoder gives two texts, read together, one score: too slow for a whole corpus, good for its first hits.

Costs some 10 ms a pair with a small one on one CPU core.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.console import say, track, warn
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import write_text
from embedkit.models.kinds import is_cross_encoder
from embedkit.models.resolve import (
    LoadOptions,
    ModelSource,
    quiet_loading,
    require_safetensors,
    resolve_model,
    weights_error,
)
from embedkit.models.run_folder import RERANKING

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from embedkit.data.entries import Entry

CANDIDATES = 32  # entries that a search has read again, where nobody says how many
_BLOCK = 256  # pairs a progress step
TextPair = tuple[str, str]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """nDCG@10 over `queries` questions of what plain words (BM25) find: as given, and as a cross-encoder orders it."""

    queries: int
    given: float
    reranked: float

    @property
    def is_worse(self) -> bool:
        """Whether the cross-encoder loses against the order that it was given."""
        return self.reranked < self.given


def write_orders(run: Path, orders: Orders) -> None:
    """Keep in a run what its cross-encoder does to an order, for those that rank with it; said, a loss as a warning."""
    write_text(run / RERANKING, json.dumps(asdict(orders), indent=2) + "\n")
    fields = {"given": f"{orders.given:.3f}", "reranked": f"{orders.reranked:.3f}", "queries": orders.queries}
    if orders.is_worse:
        warn(
            "it orders what plain words find worse than they do: nDCG@10 {reranked}, theirs {given} ({queries} "
            "questions); search without it, or train it longer or from another base",
            **fields,
        )
    else:
        say(
            "ordering what plain words find: nDCG@10 {reranked}, theirs {given} ({queries} questions)",
            **fields,
        )


def warn_if_worse(source: ModelSource) -> None:
    """Say so where a run's cross-encoder was measured to lose against the order that it was given."""
    try:
        orders = Orders(**json.loads((Path(source.path).parent / RERANKING).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return
    if orders.is_worse:
        warn(
            "{model}: after its training it ordered what plain words find worse than they do: nDCG@10 {reranked}, "
            "theirs {given}",
            model=source.requested,
            given=f"{orders.given:.3f}",
            reranked=f"{orders.reranked:.3f}",
        )


def find_cross_encoder(name: str, *, option: str = "--cross-encoder") -> ModelSource:
    """The folder of a cross-encoder; it is not loaded. `option` is how it was named.

    Raises:
        UserError: there is no such model, it is of another kind, or the packages to run it are missing.
    """
    if find_spec("sentence_transformers") is None:
        require("sentence_transformers", extra="train")
    source = resolve_model(name)
    if source.origin != "hub" and not is_cross_encoder(source):
        raise UserError(
            "is not a cross-encoder: its classification head would be random",
            place=name,
            hint="{option} wants a model that scores pairs of texts; --model takes an embedding model",
            option=option,
        )
    warn_if_worse(source)
    return source


def load_cross_encoder(source: ModelSource, options: LoadOptions | None = None) -> CrossEncoder:
    """Load it. Raises `UserError` where it cannot be loaded or gives more than one score a pair."""
    from sentence_transformers import CrossEncoder

    options = options or LoadOptions()
    if not options.allow_pickle:
        require_safetensors(source)

    try:
        with quiet_loading():
            model = CrossEncoder(
                source.path,
                device=None if options.device == "auto" else options.device,
                revision=source.revision or None,
                trust_remote_code=options.trust_remote_code,
                local_files_only=options.local_files_only or source.origin != "hub",
                model_kwargs=None if options.allow_pickle else {"use_safetensors": True},
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError, weights_error()) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            "the cross-encoder could not be loaded: {first}", place=source.requested, first=first
        ) from error
    if model.num_labels != 1:
        raise UserError(
            "gives {scores} scores a pair; one is needed",
            place=source.requested,
            hint="a reranker has one score, a model of inference classes has three",
            scores=model.num_labels,
        )
    return model


def relevance(logits: NDArray[np.floating]) -> Scores:
    """Scores from 0 to 1: the logistic function of what the head gives."""
    scores: Scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))
    return scores


def rescored(model: CrossEncoder, pairs: Sequence[TextPair]) -> Scores:
    """How well the texts of each pair go together, 0 to 1. Raises `UserError` where a score is not finite."""
    import torch

    keep = torch.nn.Identity()
    blocks = [list(pairs[start : start + _BLOCK]) for start in range(0, len(pairs), _BLOCK)]
    logits = np.concatenate(
        [
            np.asarray(model.predict(block, show_progress_bar=False, activation_fn=keep), np.float64)
            for block in track(blocks, label="rerank", total=len(blocks))
        ]
    )
    if not np.isfinite(logits).all():
        raise UserError("the cross-encoder gives scores that are not finite")
    return relevance(logits)


def passage(entry: Entry) -> str:
    """What a cross-encoder reads of an entry: its term, its other names, and its definition."""
    names = f" ({', '.join(entry.names)})" if entry.names else ""
    return f"{entry.term}{names}: {entry.definition}"
