"""Texts to token numbers, each text once, and only as much of it as the model reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from embedkit.models.cross_encoder import TextPair
    from embedkit.models.resolve import Role

_ENDLESS = 1 << 24  # tokenizers that set no limit say a number like 1e30
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

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_tokens: int | None,
        prompts: Mapping[Role, str],
        pad: int | None = None,
    ) -> None:
        """`pad` fills a group up where the tokenizer itself names no such token."""
        padding = tokenizer.padding or {}
        self._pad_id, self._pad_type = padding.get("pad_id", pad or 0), padding.get("pad_type_id", 0)
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._max_tokens = max_tokens if max_tokens and max_tokens < _ENDLESS else None
        if self._max_tokens:
            self._tokenizer.enable_truncation(self._max_tokens)
        self._prompts = prompts

    @property
    def whole(self) -> Tokenizer:
        """A tokenizer that cuts nothing."""
        whole = type(self._tokenizer).from_str(self._tokenizer.to_str())
        whole.no_truncation()
        return whole

    def __call__(self, texts: Sequence[str], role: Role) -> list[TokenizedText]:
        """The tokens of each text, after the prompt of its role."""
        prompt = self._prompts.get(role, "")
        found = self._encodings([prompt + text for text in texts])
        return [TokenizedText(encoding.ids, encoding.type_ids, cut) for encoding, cut in found]

    def pairs(self, pairs: Sequence[TextPair]) -> list[TokenizedText]:
        """The tokens of each pair, the longer of its texts cut first; a text that comes again is read once."""
        distinct = list(dict.fromkeys(text for pair in pairs for text in pair))
        known = dict(zip(distinct, self._encodings(distinct, special=False), strict=True))
        found = []
        for one, other in pairs:
            (first, first_cut), (second, second_cut) = known[one], known[other]
            both = self._tokenizer.post_process(first, second)
            cut = first_cut or second_cut or bool(both.overflowing)
            found.append(TokenizedText(both.ids, both.type_ids, cut))
        return found

    def _encodings(self, texts: Sequence[str], *, special: bool = True) -> list[tuple[Encoding, bool]]:
        """The encoding of each text, and whether it was cut."""
        found: dict[int, tuple[Encoding, bool]] = {}
        most = self._max_tokens or 0
        size, waiting = most * _CHARACTERS_A_TOKEN or None, list(range(len(texts)))
        while waiting:
            encodings = self._tokenizer.encode_batch_fast(
                [texts[place][:size] for place in waiting], add_special_tokens=special
            )
            again = []
            for place, encoding in zip(waiting, encodings, strict=True):
                part = size is not None and len(texts[place]) > size
                if part and _count(encoding) < 2 * most:  # its end may look otherwise in the whole text
                    again.append(place)
                else:
                    found[place] = encoding, part or bool(encoding.overflowing)
            waiting, size = again, size and size * 4
        return [found[place] for place in range(len(texts))]

    def groups(
        self, tokenized: Sequence[TokenizedText], *, size: int, overhead: int
    ) -> Iterator[PaddedGroup]:
        """The texts by length, longest first, in groups of at most `size` that together cost least.

        A group costs its padded tokens and the time that `overhead` tokens take.
        """
        order = sorted(range(len(tokenized)), key=lambda place: -len(tokenized[place].ids))
        for start, end in _cheapest([len(tokenized[place].ids) for place in order], size, overhead):
            places = order[start:end]
            yield PaddedGroup(places, self._padded([tokenized[place] for place in places]))

    def _padded(self, texts: Sequence[TokenizedText]) -> dict[str, NDArray[np.int64]]:
        shape = len(texts), max(1, *(len(text.ids) for text in texts))
        ids, types = np.full(shape, self._pad_id, np.int64), np.full(shape, self._pad_type, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, text in enumerate(texts):
            n = len(text.ids)
            ids[row, :n], types[row, :n], mask[row, : n or 1] = (
                text.ids,
                text.types,
                1,
            )  # nothing: one pad token
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


def _cheapest(lengths: Sequence[int], size: int, overhead: int) -> list[tuple[int, int]]:
    """Where to divide falling lengths into groups, by dynamic programming: `O(N * size)`."""
    best = [(0, 0)]  # the cost of the first N texts, and where their last group starts
    for end in range(1, len(lengths) + 1):
        starts = range(max(0, end - size), end)
        best.append(min((best[s][0] + overhead + (end - s) * lengths[s], s) for s in starts))
    spans, end = [], len(lengths)
    while end:
        spans.append((best[end][1], end))
        end = best[end][1]
    return spans[::-1]
