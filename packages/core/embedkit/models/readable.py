"""Whether a model can read a text: how many of its tokenizer's pieces carry no meaning of their own.

Such a piece is unknown, or smaller than a character (of `나` all-MiniLM-L6-v2 sees two jamo, a byte-level tokenizer
three bytes), or one letter of a longer word in an alphabet that is not Latin (`р ##е ##з ##и ##с ##т ##о ##р`).
WordPiece, Unigram and BPE tokenizers are measured alike, by the characters that each piece stands for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.console import warn
from embedkit.models.bases import bases_for, choose_base
from embedkit.models.resolve import ModelSource
from embedkit.text import language_of

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

UNREADABLE_SHARE = 0.05
SAMPLE_TEXTS = 2000
_TOKENIZERS = ("tokenizer.json", "*/tokenizer.json")
_JAMO = re.compile(r"^(?:##|▁|Ġ)?[\u1100-\u11ff\u3130-\u318f]$")
_BYTE = re.compile(r"^<0x[0-9A-F]{2}>$")
_UNKNOWN = ("[UNK]", "<unk>")
_SPACES = ("▁", "Ġ")
# From Greek to Georgian and Khmer, without the jamo: alphabets whose single letters mean nothing.
_LETTER = re.compile(r"[\u0370-\u10ff\u1200-\u1fff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readability:
    """How a tokenizer cuts some texts: `unreadable` of its `pieces`, which make up `words` words, mean nothing."""

    pieces: int = 0
    unreadable: int = 0
    words: int = 0

    @property
    def share(self) -> float:
        """The unreadable share of the pieces."""
        return self.unreadable / max(1, self.pieces)

    @property
    def pieces_per_word(self) -> float:
        """Pieces per word; a word is what stands between spaces."""
        return self.pieces / max(1, self.words)

    @property
    def readable(self) -> bool:
        """Whether so few pieces are unreadable that the tokenizer can be said to read the texts."""
        return self.share <= UNREADABLE_SHARE


def warn_if_unreadable(source: ModelSource, texts: Iterable[str]) -> None:
    """Say so when a model cannot read a sample of the texts, and what to do: its answers mean nothing."""
    sample = list(islice(texts, SAMPLE_TEXTS))
    warn_of_share(source.requested, unreadable_share(source, sample), set(map(language_of, sample)))


def warn_of_share(model: str, share: float, languages: Collection[str]) -> None:
    """Say that a model cannot read this share of the pieces of texts in the languages, where it is too much."""
    if share <= UNREADABLE_SHARE:
        return
    base = choose_base(languages) or next(iter(bases_for(languages)), None)
    warn(
        "{model} cannot read this text: {percent} % of its pieces are unknown or single letters; train adds tokens for "
        "them (train.extend_vocabulary), or take a base that reads it ({base})",
        model=model,
        percent=round(share * 100),
        base=base.id if base else "-",
    )


def unreadable_share(source: ModelSource, texts: Iterable[str]) -> float:
    """The unreadable share of a sample's pieces; 0 where there is no fast tokenizer."""
    folder = Path(source.path)
    path = next((found for name in _TOKENIZERS for found in sorted(folder.glob(name))), None)
    if path is None or find_spec("tokenizers") is None:
        return 0.0
    from tokenizers import Tokenizer

    return read(Tokenizer.from_file(str(path)), texts).share


def read(tokenizer: Tokenizer, texts: Iterable[str]) -> Readability:
    """How `tokenizer` cuts a sample of the texts."""
    sample = list(islice(texts, SAMPLE_TEXTS))
    encodings = encode_whole(tokenizer, sample)
    return Readability(
        pieces=sum(map(len, encodings)),
        unreadable=sum(
            unreadable_pieces(encoding, text) for encoding, text in zip(encodings, sample, strict=True)
        ),
        words=sum(len(text.split()) for text in sample),
    )


def encode_whole(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    """The texts cut into pieces without special tokens, padding and truncation."""
    plain = without_padding(tokenizer)
    encodings: list[Encoding] = plain.encode_batch(list(texts), add_special_tokens=False)
    return encodings


def without_padding(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither pads nor cuts, whatever was saved with the tokenizer."""
    copy: Tokenizer = type(tokenizer).from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def unreadable_pieces(encoding: Encoding, text: str) -> int:
    """How many pieces of `text` mean nothing of their own."""
    pieces = [
        (piece, span)
        for piece, span in zip(encoding.tokens, encoding.offsets, strict=True)
        if piece not in _SPACES
    ]
    shared = Counter(span for _, span in pieces)
    return sum(
        piece in _UNKNOWN
        or bool(_JAMO.match(piece) or _BYTE.match(piece))
        or (shared[span] > 1 and text[slice(*span)].isalpha() and span[1] - span[0] == 1)
        or _is_letter_of_word(text, span)
        for piece, span in pieces
    )


def _is_letter_of_word(text: str, span: tuple[int, int]) -> bool:
    start, stop = span
    beside = text[max(0, start - 1) : start] + text[stop : stop + 1]
    return stop - start == 1 and bool(_LETTER.match(text[start]) and _LETTER.search(beside))
