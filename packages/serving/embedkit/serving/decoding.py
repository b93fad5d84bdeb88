"""Arrays of tokens back to texts. OpenAI's clients may send them; only their sender knows which tokenizer made them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from embedkit.errors import UserError
from embedkit.extras import require

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from embedkit.serving.score.requests import Decode

OWN = "model"


def token_decoder(name: str, tokenizer: Tokenizer | None) -> Decode | None:
    """`name` is empty for none, `model` for the model's own tokenizer, else an encoding of tiktoken.

    Raises:
        UserError: there is no such encoding, its file or package is missing, or the model has no such tokenizer.
    """
    if not name:
        return None
    if name == OWN:
        if tokenizer is None:
            raise UserError("--token-arrays model: this model has no tokenizer that decodes")
        return partial(_decoded, tokenizer)
    tiktoken = require("tiktoken", extra="serve")
    try:
        encoding = tiktoken.get_encoding(name)
    except ValueError as error:
        raise UserError(
            "--token-arrays {name!r} is neither model nor one of {names}",
            name=name,
            names=", ".join(tiktoken.list_encoding_names()),
        ) from error
    except OSError as error:  # requests' errors are among them
        raise UserError(
            "--token-arrays {name!r}: its file is not here and could not be fetched",
            hint="put {name}.tiktoken where TIKTOKEN_CACHE_DIR points",
            name=name,
        ) from error
    return lambda arrays: [encoding.decode(list(tokens)) for tokens in arrays]


def _decoded(tokenizer: Tokenizer, arrays: Sequence[Sequence[int]]) -> list[str]:
    """The texts of arrays of the tokenizer's own tokens. Raises `KeyError` where it has no such token."""
    for token in {token for tokens in arrays for token in tokens}:
        if tokenizer.id_to_token(token) is None:
            raise KeyError(token)
    return [tokenizer.decode(list(tokens)) for tokens in arrays]
