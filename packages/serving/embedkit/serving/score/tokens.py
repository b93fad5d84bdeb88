"""Texts to token numbers, each text once, and only as much of it as the model reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from embedkit.models.resolve import Role

CPU_GROUP = 8  # texts of like length; a batch of 32, padded to its longest text, takes 1.5 times as long
_CHARACTERS_A_TOKEN = 16  # a first guess of how much text the tokens that are read come from


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The tokens of one text as the model reads them."""

    ids: Sequence[int]
    types: Sequence[int]
    cut: bool


@dataclass(frozen=True, slots=True)
class PaddedGroup:
    """Texts of like length as arrays `(B, L)` by the names that a transformer takes, and where they stood."""

    places: Sequence[int]
    arrays: dict[str, NDArray[np.int64]]


class TextTokenizer:
    """A tokenizer of its own, cut at what the model reads and without padding. Not thread-safe."""

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int | None, prompts: Mapping[Role, str]) -> None:
        pad = tokenizer.padding or {}
        self._pad_id, self._pad_type = pad.get("pad_id", 0), pad.get("pad_type_id", 0)
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if max_tokens:
            self._tokenizer.enable_truncation(max_tokens)
        self._max_tokens, self._prompts = max_tokens, prompts

    def __call__(self, texts: Sequence[str], role: Role) -> list[TokenizedText]:
        """The tokens of each text, after the prompt of its role."""
        prompt = self._prompts.get(role, "")
        whole = [prompt + text for text in texts]
        found: dict[int, TokenizedText] = {}
        most = self._max_tokens or 0
        size, waiting = most * _CHARACTERS_A_TOKEN or None, list(range(len(whole)))
        while waiting:
            encodings = self._tokenizer.encode_batch_fast([whole[place][:size] for place in waiting])
            again = []
            for place, encoding in zip(waiting, encodings, strict=True):
                part = size is not None and len(whole[place]) > size
                if part and _count(encoding) < 2 * most:  # its end may look otherwise in the whole text
                    again.append(place)
                else:
                    cut = part or bool(encoding.overflowing)
                    found[place] = TokenizedText(encoding.ids, encoding.type_ids, cut)
            waiting, size = again, size and size * 4
        return [found[place] for place in range(len(whole))]

    def groups(self, tokenized: Sequence[TokenizedText], size: int) -> Iterator[PaddedGroup]:
        """The texts by length, longest first, at most `size` together."""
        order = sorted(range(len(tokenized)), key=lambda place: -len(tokenized[place].ids))
        for start in range(0, len(order), size):
            places = order[start : start + size]
            yield PaddedGroup(places, self._padded([tokenized[place] for place in places]))

    def _padded(self, texts: Sequence[TokenizedText]) -> dict[str, NDArray[np.int64]]:
        shape = len(texts), max(len(text.ids) for text in texts)
        ids, types = np.full(shape, self._pad_id, np.int64), np.full(shape, self._pad_type, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, text in enumerate(texts):
            n = len(text.ids)
            ids[row, :n], types[row, :n], mask[row, :n] = text.ids, text.types, 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}

    def prompt_length(self, role: Role) -> int:
        """How many tokens the prompt of a role has with what stands before it."""
        prompt = self._prompts.get(role, "")
        if not prompt:
            return 0
        alone = self._tokenizer.encode(prompt)
        ends_special = bool(alone.special_tokens_mask and alone.special_tokens_mask[-1])
        return len(alone.ids) - ends_special


def _count(encoding: Encoding) -> int:
    return len(encoding.ids) + sum(len(more.ids) for more in encoding.overflowing)
