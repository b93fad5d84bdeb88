"""Whether a model can read a text: how many of its tokenizer's pieces are unknown or single jamo."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from embedkit.models.resolve import ModelSource

UNREADABLE_SHARE = 0.05
SAMPLE_TEXTS = 2000
_JAMO = re.compile(r"^(?:##|▁|Ġ)?[\u1100-\u11ff\u3130-\u318f]$")
_UNKNOWN = ("[UNK]", "<unk>")


def unreadable_share(source: ModelSource, texts: Iterable[str]) -> float:
    """The share of a sample's pieces that are unknown or single jamo; 0 where there is no fast tokenizer."""
    path = Path(source.path) / "tokenizer.json"
    if not path.is_file() or find_spec("tokenizers") is None:
        return 0.0
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    total = bad = 0
    for text in islice(texts, SAMPLE_TEXTS):
        pieces = tokenizer.encode(text, add_special_tokens=False).tokens
        total += len(pieces)
        bad += sum(piece in _UNKNOWN or bool(_JAMO.match(piece)) for piece in pieces)
    return bad / total if total else 0.0
