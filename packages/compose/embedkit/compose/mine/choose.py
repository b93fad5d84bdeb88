"""Which miner mines: the one asked for, or for `auto` the best that this machine and this text allow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.compose.mine.candidates.base import OPEN_BAR, Bar
from embedkit.compose.mine.candidates.cross_encoder import Rescorer, RescoringMiner
from embedkit.compose.mine.candidates.lexical import LexicalMiner
from embedkit.compose.mine.candidates.tokens import Words, words_of
from embedkit.compose.mine.options import MiningOptions
from embedkit.compose.mine.pools import MakeMiner, Pool
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.messages import Phrase
from embedkit.models.cross_encoder import find_cross_encoder
from embedkit.models.readable import UNREADABLE_SHARE, unreadable_share, warn_if_unreadable
from embedkit.models.resolve import DEFAULT_MODEL, ModelSource, resolve_model

if TYPE_CHECKING:
    from embedkit.models.vectors import Encoder

MINERS = ("auto", "lexical", "dense", "hybrid")


@dataclass(frozen=True, slots=True)
class Choice:
    """The miner taken, the reason in words, and its model where it has one."""

    miner: str
    reason: str
    source: ModelSource | None = None


def check_miner(miner: str, model: str) -> None:
    """Raise `UserError` before any work when `miner` is unknown or wants what is not installed."""
    if miner not in MINERS:
        raise UserError("--miner {miner!r} is not one of {miners}", miner=miner, miners=", ".join(MINERS))
    if miner in ("dense", "hybrid"):
        if find_spec("sentence_transformers") is None:
            require("sentence_transformers", extra="train")
        resolve_model(model or DEFAULT_MODEL)


def choose_miner(miner: str, texts: Iterable[str], *, model: str = "") -> Choice:
    """Decide between lexical, dense and hybrid; raises what `check_miner` raises."""
    if miner == "lexical":
        return Choice("lexical", Phrase("asked for"))
    if miner == "auto":
        return _auto(texts, model or DEFAULT_MODEL)
    source = resolve_model(model or DEFAULT_MODEL)
    warn_if_unreadable(source, texts)
    return Choice(miner, Phrase("asked for"), source)


def _auto(texts: Iterable[str], model: str) -> Choice:
    if find_spec("sentence_transformers") is None or find_spec("torch") is None:
        return Choice("lexical", Phrase("sentence-transformers is not installed"))
    try:
        source = resolve_model(model, network=False)
    except UserError:
        return Choice("lexical", Phrase("{model} is not on this machine", model=model))
    share = unreadable_share(source, texts)
    if share > UNREADABLE_SHARE:
        percent = round(share * 100)
        why = Phrase("{model} cannot read {percent} % of the text's pieces", model=model, percent=percent)
        return Choice("lexical", why)
    return Choice("dense", f"{source}", source)


def miner_factory(choice: Choice, options: MiningOptions) -> MakeMiner:
    """What makes the chosen miner over a pool; models are loaded at the first text that needs them.

    With a cross-encoder the bar is held against its scores, and the chosen miner only proposes.
    """
    if not options.cross_encoder:
        return _proposing(choice, options, options.bar)
    rescorer = Rescorer(find_cross_encoder(options.cross_encoder))
    make = _proposing(choice, options, OPEN_BAR)
    return lambda pool: RescoringMiner(make(pool), pool.texts, rescorer, bar=options.bar)


def _proposing(choice: Choice, options: MiningOptions, bar: Bar) -> MakeMiner:
    words = words_of(options.tokenizer)
    if choice.source is None:
        return lambda pool: _lexical(pool, words)
    from embedkit.compose.mine.candidates.dense import DenseMiner
    from embedkit.compose.mine.candidates.hybrid import HybridMiner

    encoder = _encoder(choice.source, options)

    def dense(pool: Pool) -> DenseMiner:
        return DenseMiner(
            pool.texts, encoder, bar=bar, ann_above=options.ann_above, ann_recall=options.ann_recall
        )

    if choice.miner == "dense":
        return dense
    return lambda pool: HybridMiner(_lexical(pool, words), dense(pool))


def _encoder(source: ModelSource, options: MiningOptions) -> Encoder:
    """The encoder of `source`, over the shards where there are any."""
    from embedkit.models.backends import check_backend
    from embedkit.models.shards import Shards
    from embedkit.models.vectors import Encoder

    shards = Shards.open(Path(options.vectors)) if options.vectors else None
    return Encoder(source, backend=check_backend(options.backend), shards=shards)


def _lexical(pool: Pool, words: Words) -> LexicalMiner:
    return LexicalMiner(
        pool.texts,
        spelled=pool.role != "definition",
        about=(pool.about.get(text, "") for text in pool.texts),
        words=words,
    )
