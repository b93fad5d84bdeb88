"""Which miner mines: the one asked for, or for `auto` the best that this machine and this text allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from embedkit.compose.mine.candidates.base import OPEN_BAR, Bar, Miner
from embedkit.compose.mine.candidates.lexical import LexicalMiner
from embedkit.compose.mine.candidates.tokens import Words, plain_words
from embedkit.compose.mine.candidates.vectors import Encoding
from embedkit.compose.mine.pools import Pool
from embedkit.compose.mine.rescore import Rescorer, RescoringMiner
from embedkit.console import warn
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.messages import Phrase
from embedkit.models.readable import UNREADABLE_SHARE, unreadable_share
from embedkit.models.resolve import DEFAULT_MODEL, ModelSource, resolve_model

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
    share = unreadable_share(source, texts)
    if share > UNREADABLE_SHARE:
        warn(
            "{model} cannot read this text: {percent} % of its pieces are unknown or single jamo",
            model=source.requested,
            percent=round(share * 100),
        )
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


def miner_factory(
    choice: Choice,
    *,
    bar: Bar,
    rescorer: Rescorer | None = None,
    encoding: Encoding | None = None,
    words: Words = plain_words,
) -> Callable[[Pool], Miner]:
    """What makes the chosen miner over a pool; models are loaded at the first text that needs them.

    With a `rescorer` the bar is held against its scores, and the chosen miner only proposes.
    """
    if rescorer is None:
        return _proposing(choice, bar, encoding or Encoding(), words)
    make = _proposing(choice, OPEN_BAR, encoding or Encoding(), words)
    return lambda pool: RescoringMiner(make(pool), pool.texts, rescorer, bar=bar)


def _proposing(choice: Choice, bar: Bar, encoding: Encoding, words: Words) -> Callable[[Pool], Miner]:
    if choice.source is None:
        return lambda pool: _lexical(pool, words)
    from embedkit.compose.mine.candidates.dense import DenseMiner
    from embedkit.compose.mine.candidates.hybrid import HybridMiner

    encoder = encoding.encoder(choice.source)

    def dense(pool: Pool) -> DenseMiner:
        return DenseMiner(
            pool.texts, encoder, bar=bar, ann_above=encoding.ann_above, ann_recall=encoding.ann_recall
        )

    if choice.miner == "dense":
        return dense
    return lambda pool: HybridMiner(_lexical(pool, words), dense(pool))


def _lexical(pool: Pool, words: Words) -> LexicalMiner:
    return LexicalMiner(
        pool.texts,
        spelled=pool.role != "definition",
        about=(pool.about.get(text, "") for text in pool.texts),
        words=words,
    )
