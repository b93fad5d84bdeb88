"""New tokens for words that the base model's tokenizer cannot read.

all-MiniLM-L6-v2 strips accents, which takes Hangul syllables apart: 금속 피막 저항기 is 18 jamo, each of which means
nothing. With tokens learnt from the training texts it is three. They are added tokens, found in the text before the
tokenizer's own rules apply, longest first, so every other word is cut as before, and the saved folder needs no code
of ours. A new token begins as what it means in words that the model knows, where the rows hold translations; else as
the mean of the pieces that it replaces. Of the embedding matrix only its new rows are trained, which is also cheaper:
the rows of a BERT vocabulary are half of MiniLM's weights.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedkit.data.records import texts_of
from embedkit.errors import UserError
from embedkit.models.readable import (
    SAMPLE_TEXTS,
    encode_whole,
    read,
    unreadable_pieces,
    without_padding,
)
from embedkit.trainer.model.translations import OTHER_SCRIPT, meanings
from embedkit.trainer.rows.concepts import text_hash
from embedkit.trainer.rows.parallel import everyday_translations
from embedkit.trainer.rows.sources import TrainingRows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import AddedToken, Tokenizer

# The name of the parameter that holds the vectors of new tokens.
NEW_ROWS = "new_rows"
AUTO_TOKENS = 4000
MIN_COUNT = 3
MOST_PARTS = 20_000
# Longer ones are sentences of a language without spaces.
LONGEST_TOKEN = 12
MOST_ROWS = 300_000
NUMBERED_AT_ONCE = 1000
_LAST_ALPHABET = "\u1fff"
_HANGUL = re.compile(r"[가-힣]")
_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]+")
# Of the new tokens, the share from which on a script is named.
_NAMED_SHARE = 0.15
_LANGUAGES = {
    "HANGUL": "Korean",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "CJK": "Chinese",
    "ARABIC": "Arabic",
    "CYRILLIC": "Cyrillic",
    "DEVANAGARI": "Devanagari",
    "GREEK": "Greek",
    "HEBREW": "Hebrew",
    "LATIN": "Latin",
    "THAI": "Thai",
}

Wanted = Literal["auto", "off"] | int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVocabulary:
    """The tokens that a run adds. Texts in `scripts` that have some of them are `shorter` times shorter in tokens;
    `translated` tokens begin as what they mean in words that the model knows.
    """

    tokens: tuple[str, ...]
    scripts: tuple[str, ...]
    shorter: float
    translated: int = 0


@dataclass(frozen=True, slots=True)
class VocabularySource:
    """Where a run's new tokens come from, and the texts beside their translations that say what they mean."""

    choose: Callable[[Tokenizer], NewVocabulary | None]
    translations: Callable[[], Iterable[tuple[str, str]]]


class ExtendedEmbedding(nn.Module):  # type: ignore[misc]
    """The base model's token embeddings, left as they are, and rows for new tokens, which are trained.

    Tokens from `start` on are the new ones; rows that the base model's matrix has there are padding.
    """

    def __init__(self, old: nn.Embedding, rows: Tensor, *, start: int, vocabulary: NewVocabulary) -> None:
        super().__init__()
        self.old = old.requires_grad_(False)
        self.new_rows = nn.Parameter(rows)
        self.start = start
        self.vocabulary = vocabulary

    @property
    def weight(self) -> Tensor:
        """The old rows, for code that asks for their type or device."""
        weight: Tensor = self.old.weight
        return weight

    def forward(self, numbers: Tensor) -> Tensor:
        """Vectors `(…, D)` of token numbers `(…)`."""
        own = numbers - self.start
        new = functional.embedding(own.clamp(min=0), self.new_rows)
        old: Tensor = self.old(numbers.clamp(max=self.start - 1))
        return torch.where((own >= 0)[..., None], new * getattr(self.old, "embed_scale", 1.0), old)

    def merged(self) -> nn.Embedding:
        """The old module with the new rows in its matrix."""
        behind = self.old.weight[self.start + len(self.new_rows) :]
        rows = torch.cat([self.old.weight[: self.start], self.new_rows, behind]).detach()
        self.old.weight = nn.Parameter(rows)
        self.old.num_embeddings = len(rows)
        return self.old


def texts_to_learn_from(rows: TrainingRows) -> Iterator[str]:
    """The distinct texts of the training rows, of large files those of evenly spaced rows."""
    seen = set[int]()
    for number in range(0, len(rows), -(-len(rows) // MOST_ROWS)):
        for text in texts_of(rows.store[number]):
            key = text_hash(text)
            if key not in seen:
                seen.add(key)
                yield text


def choose_vocabulary(tokenizer: Tokenizer, texts: Sequence[str], wanted: Wanted) -> NewVocabulary | None:
    """The new tokens that `texts` deserve; None where none are wanted or needed. The same for the same texts."""
    if wanted == "off" or (wanted == "auto" and read(tokenizer, _sample(texts)).readable):
        return None
    tokens = new_tokens(tokenizer, texts, wanted)
    return described(tokenizer, tokens, texts) if tokens else None


def new_tokens(tokenizer: Tokenizer, texts: Sequence[str], wanted: Wanted) -> tuple[str, ...]:
    """Characters and frequent sub-words of the words that the tokenizer cannot read, commonest characters first; then
    what leaves no word in single letters, which mean nothing where a character is no syllable.

    With auto everyday Korean words and the syllables of KS X 1001 come along where Hangul cannot be read: questions
    will have them.
    """
    words = _unreadable_words(tokenizer, texts)
    letters = Counter[str]()
    for word, count in words.items():
        letters.update(dict.fromkeys(word, count))
    most = AUTO_TOKENS if wanted == "auto" else int(wanted)
    tokens = [letter for letter, _ in sorted(letters.items(), key=lambda item: (-item[1], item[0]))]
    tokens += _learnt_subwords(words, most)
    tokens = _unknown_tokens(tokenizer, tokens)
    if len(tokens) < most:
        tokens += _unknown_tokens(tokenizer, _parts_of_rare_words(tokenizer, tokens, words))
    tokens = list(dict.fromkeys(tokens))[:most]
    if wanted == "auto" and has_hangul(tokens):
        tokens += _unknown_tokens(tokenizer, [*everyday_words("ko"), *ks_x_1001_syllables()])
    return tuple(token for token in dict.fromkeys(tokens) if not token.isascii())


def _parts_of_rare_words(tokenizer: Tokenizer, tokens: Sequence[str], words: Counter[str]) -> list[str]:
    """The longest known parts of the words that still have single letters with these tokens, commonest first."""
    extended = without_padding(tokenizer)
    extended.add_tokens(added_tokens(tokenizer, tokens))
    rare = _taken_apart(extended, words)
    if not rare:
        return []
    learner = _subword_learner(rare, MOST_PARTS, min_count=1)
    parts = Counter[str]()
    for word, count in rare.items():
        parts.update(dict.fromkeys((part for part in learner.encode(word).tokens if len(part) > 1), count))
    return [part for part, _ in sorted(parts.items(), key=lambda item: (-item[1], item[0]))]


def has_hangul(tokens: Iterable[str]) -> bool:
    """Whether some of the tokens are Korean."""
    return any(map(_HANGUL.match, tokens))


def _unreadable_words(tokenizer: Tokenizer, texts: Sequence[str]) -> Counter[str]:
    """How often the texts have each word that the tokenizer takes apart, in small letters where it reads all so.

    Words in Latin letters with marks are among them where such texts cannot be read, as Vietnamese by bytes; in a text
    that can be, as English with a café, nothing is to be cut in another way.
    """
    words = Counter[str](word for text in texts for word in _words(text))
    accented = [text for text in texts if not (text.isascii() or OTHER_SCRIPT.search(text))]
    if not read(tokenizer, _sample(accented)).readable:
        words.update(word for text in accented for word in _LATIN_WORD.findall(text) if not word.isascii())
    if _ignores_case(tokenizer):
        words = _in_small_letters(words)
    return _taken_apart(tokenizer, words)


def _taken_apart(tokenizer: Tokenizer, words: Counter[str]) -> Counter[str]:
    found = list(words)
    bad = (unreadable_pieces(e, word) for e, word in zip(encode_whole(tokenizer, found), found, strict=True))
    return Counter({word: words[word] for word, pieces in zip(found, bad, strict=True) if pieces})


def _in_small_letters(words: Counter[str]) -> Counter[str]:
    small = Counter[str]()
    for word, count in words.items():
        small[word.lower() if _has_case(word) else word] += count
    return small


def _ignores_case(tokenizer: Tokenizer) -> bool:
    normaliser = tokenizer.normalizer
    return normaliser is not None and bool(normaliser.normalize_str("БΩ") == normaliser.normalize_str("бω"))


def _has_case(word: str) -> bool:
    """Whether it is in an alphabet of capitals and small letters other than Latin."""
    return word.lower() != word.upper() and OTHER_SCRIPT.match(word) is not None


def _words(text: str) -> Iterator[str]:
    """The words of scripts other than Latin: their letters and marks. The Ω of 10 kΩ is a symbol."""
    for run in OTHER_SCRIPT.findall(text):
        words = "".join(c if unicodedata.category(c)[0] in "LM" else " " for c in run).split()
        yield from (word for word in words if len(word) > 1 or word > _LAST_ALPHABET)


def _learnt_subwords(words: Counter[str], most: int) -> list[str]:
    """The `most` commonest sub-words by byte pair encoding, in the order in which they were learnt."""
    numbers: dict[str, int] = _subword_learner(words, most, min_count=MIN_COUNT).get_vocab()
    return sorted((token for token in numbers if len(token) > 1), key=numbers.__getitem__)


def _subword_learner(words: Counter[str], most: int, *, min_count: int) -> Tokenizer:
    from tokenizers import Tokenizer, models, trainers

    learner = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=most, min_frequency=min_count, max_token_length=LONGEST_TOKEN, show_progress=False
    )
    learner.train_from_iterator(
        chain.from_iterable(repeat(word, count) for word, count in words.items()), trainer
    )
    return learner


def _unknown_tokens(tokenizer: Tokenizer, tokens: Sequence[str]) -> list[str]:
    """Those that the tokenizer does not read as one piece."""
    known = [
        len(encoding) == 1 and not unreadable_pieces(encoding, token)
        for encoding, token in zip(encode_whole(tokenizer, tokens), tokens, strict=True)
    ]
    return [
        token
        for token, one in zip(tokens, known, strict=True)
        if not one and tokenizer.token_to_id(token) is None
    ]


def everyday_words(lang: str) -> list[str]:
    """Words of a language that ship with their translations."""
    texts = (text for text, _ in everyday_translations(lang))
    return [text for text in texts if " " not in text and 1 < len(text) <= LONGEST_TOKEN]


def ks_x_1001_syllables() -> list[str]:
    """The 2,350 Hangul syllables of the Korean standard, which nearly all Korean text is written with."""
    rows = range(0xB0, 0xC9)
    return [bytes((row, cell)).decode("euc-kr") for row in rows for cell in range(0xA1, 0xFF)]


def described(tokenizer: Tokenizer, tokens: Sequence[str], texts: Sequence[str]) -> NewVocabulary:
    """The tokens, and what they do to a sample of the texts."""
    extended = without_padding(tokenizer)
    extended.add_tokens(added_tokens(tokenizer, tokens))
    sample = _sample([text for text in texts if not text.isascii()])
    lengths = [
        (len(before), len(after))
        for before, after in zip(encode_whole(tokenizer, sample), encode_whole(extended, sample), strict=True)
        if len(after) < len(before)
    ]
    return NewVocabulary(
        tokens=tuple(tokens),
        scripts=scripts_of(tokens),
        shorter=sum(before for before, _ in lengths) / sum(after for _, after in lengths) if lengths else 1.0,
    )


def scripts_of(tokens: Sequence[str]) -> tuple[str, ...]:
    """What the tokens are written in, commonest first: the language where its script tells it."""
    counts = Counter(unicodedata.name(token[0], "").split(" ")[0] for token in tokens)
    named = Counter[str]()
    for script, count in counts.items():
        named[_LANGUAGES.get(script, script.title())] += count
    if named["Japanese"]:  # whose texts have Chinese characters too
        named["Japanese"] += named.pop("Chinese", 0)
    most = [name for name, count in named.most_common() if count >= _NAMED_SHARE * len(tokens)]
    return tuple(most or [name for name, _ in named.most_common(1)])


def _sample(texts: Sequence[str]) -> Sequence[str]:
    """Evenly spaced ones."""
    return texts[:: max(1, -(-len(texts) // SAMPLE_TEXTS))]


def added_tokens(tokenizer: Tokenizer, tokens: Iterable[str]) -> list[AddedToken]:
    """The tokens as they are added: found in the text as it is, before it is normalised, which would take them apart.

    Where capitals are read as small letters, words of an alphabet that has both are found in either. Where a space is
    a piece, it belongs to the token behind it.
    """
    from tokenizers import AddedToken

    spaces = bool(encode_whole(tokenizer, [" "])[0].tokens)
    ignores_case = _ignores_case(tokenizer)
    return [
        AddedToken(token, normalized=ignores_case and _has_case(token), lstrip=spaces) for token in tokens
    ]


def extend_vocabulary(model: SentenceTransformer, source: VocabularySource) -> None:
    """Add the tokens chosen to the model's tokenizer and, as what they mean or as means of their old pieces, to its
    embeddings.

    The model is one of those that `can_extend`.

    Raises:
        UserError: the tokenizer numbers its tokens in an unusual way.
    """
    tokenizer: Any = model.tokenizer
    encoder: Any = model.transformers_model
    backend = tokenizer.backend_tokenizer
    vocabulary = source.choose(backend)
    if vocabulary is None:
        return
    tokens = list(vocabulary.tokens)
    old = encoder.get_input_embeddings()
    rows = torch.stack([_mean(old.weight, encoding.ids) for encoding in encode_whole(backend, tokens)])
    start = len(tokenizer)
    tokenizer.add_tokens(added_tokens(backend, tokens))
    if tokenizer.convert_tokens_to_ids(tokens) != list(range(start, start + len(tokens))):
        raise UserError(
            "the tokenizer cannot be extended: it gives new tokens numbers of its own",
            hint="set train.extend_vocabulary to off",
        )
    pairs = [*source.translations(), *(everyday_translations("ko") if has_hangul(tokens) else ())]
    known = meanings(_numbered(backend, pairs), start=start)
    for token, meaning in known.items():
        weights = torch.from_numpy(meaning.weights).to(rows.dtype)
        rows[token - start] = weights @ old.weight.detach()[torch.from_numpy(meaning.tokens)].to(rows.dtype)
    vocabulary = replace(vocabulary, translated=len(known))
    encoder.set_input_embeddings(ExtendedEmbedding(old, rows, start=start, vocabulary=vocabulary))


def _numbered(
    tokenizer: Tokenizer, pairs: Iterable[tuple[str, str]]
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """The texts as token numbers."""
    several = list(pairs)
    for start in range(0, len(several), NUMBERED_AT_ONCE):
        sides = zip(*several[start : start + NUMBERED_AT_ONCE], strict=True)
        numbers = ([encoding.ids for encoding in encode_whole(tokenizer, side)] for side in sides)
        yield from zip(*numbers, strict=True)


def _mean(weight: Tensor, pieces: Sequence[int]) -> Tensor:
    return (weight[list(pieces)] if pieces else weight).detach().mean(dim=0)


def can_extend(model: SentenceTransformer) -> bool:
    """Whether the model has a transformer and a tokenizer of the fast kind."""
    fast = getattr(getattr(model, "tokenizer", None), "backend_tokenizer", None)
    return fast is not None and model.transformers_model is not None


def extension_of(model: SentenceTransformer) -> ExtendedEmbedding | None:
    """The embeddings of a model whose vocabulary was extended."""
    encoder = model.transformers_model
    table = None if encoder is None else encoder.get_input_embeddings()
    return table if isinstance(table, ExtendedEmbedding) else None


def merge_vocabulary(model: SentenceTransformer) -> None:
    """Make old and new rows one plain embedding matrix."""
    table, encoder = extension_of(model), model.transformers_model
    if table is None or encoder is None:
        return
    whole = table.merged()
    encoder.set_input_embeddings(whole)
    encoder.config.get_text_config().vocab_size = whole.num_embeddings
