"""Fixtures that every room's tests share, a real transformer of two layers of 32 among them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

# Tests that press Ctrl-C need it to reach the processes they start, also where the run itself ignores it (nohup, &).
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SHARED = Path(__file__).resolve().parents[2] / "shared"

HANGUL = (
    "가나다라마바사아자차카타파하펄스폭변조반도체저항콘덴서전압전"
    "류필터증폭기회로논리메모리다이오드트랜지스터신호잡음주파수"
)
PRINTABLE = "".join(chr(code) for code in range(33, 127))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or fills the cache of the person who runs it."""
    os.environ["EMBEDKIT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of sample pages and tools beside the checkout; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ does not lie beside the checkout")
    return SHARED


def build_tiny_encoder(folder: Path) -> Path:
    """Save a bare Hugging Face encoder with a character tokenizer; random weights, always the same."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = sorted(set(PRINTABLE.lower()) | set(HANGUL))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
        **dict(zip(names, special, strict=True)),
    )
    settings = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = BertModel(settings, add_pooling_layer=False)
    encoder.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bare encoder: no pooling, no modules.json."""
    return build_tiny_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture(scope="session")
def tiny_model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentenceTransformer folder: the bare encoder with mean pooling."""
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("tiny") / "model"
    SentenceTransformer(str(tiny_encoder), device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


BuildCrossEncoder = Callable[..., Path]


@pytest.fixture(scope="session")
def build_cross_encoder(tiny_encoder: Path) -> BuildCrossEncoder:
    """Saves the tiny encoder with a head that scores pairs; random weights, always the same."""
    pytest.importorskip("sentence_transformers", reason="the cross-encoder needs the extra train")

    def build(folder: Path, *, labels: int = 1) -> Path:
        import torch
        from tokenizers.processors import TemplateProcessing
        from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

        with torch.random.fork_rng():
            torch.manual_seed(1)
            model = BertForSequenceClassification(BertConfig.from_pretrained(tiny_encoder, num_labels=labels))
            model.classifier.weight.data *= 20
        model.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
        ends = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
        )
        tokenizer.save_pretrained(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def cross_encoder(build_cross_encoder: BuildCrossEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny cross-encoder."""
    return build_cross_encoder(tmp_path_factory.mktemp("cross") / "encoder")
