"""A real transformer, two layers of 32, made on the spot; and rows small enough to train on in a second."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

HANGUL = (
    "가나다라마바사아자차카타파하펄스폭변조반도체저항콘덴서전압전"
    "류필터증폭기회로논리메모리다이오드트랜지스터신호잡음주파수"
)
PRINTABLE = "".join(chr(code) for code in range(33, 127))
TOPICS = (
    ("resistor", "저항", "limits the current that flows in a circuit"),
    ("capacitor", "콘덴서", "stores charge between two plates"),
    ("diode", "다이오드", "lets current pass one way only"),
    ("transistor", "트랜지스터", "switches or amplifies a signal"),
    ("filter", "필터", "passes some frequencies and stops others"),
    ("amplifier", "증폭기", "makes a weak signal strong"),
    ("memory", "메모리", "keeps bits until they are read"),
    ("noise", "잡음", "is what disturbs a wanted signal"),
)


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


def topic_rows(*, start: int = 0, stop: int = len(TOPICS), group: bool = True) -> list[dict[str, Any]]:
    """Rows of English and Korean names with a definition; 0 to 2 hard negatives a row."""
    rows = []
    for index, (english, korean, definition) in list(enumerate(TOPICS))[start:stop]:
        others = [TOPICS[(index + step) % len(TOPICS)][2] for step in (1, 2)]
        for place, (anchor, positive) in enumerate(
            ((english, definition), (korean, definition), (english, korean))
        ):
            row: dict[str, Any] = {"anchor": anchor, "positive": positive, "hard_negatives": others[:place]}
            rows.append(row | ({"group": english} if group else {}))
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write a pairs.jsonl."""
    lines = (unicodedata.normalize("NFC", json.dumps(row, ensure_ascii=False)) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with pairs.jsonl and pairs.dev.jsonl in it and no outside settings."""
    for name in [name for name in os.environ if name.startswith("EMBEDKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "pairs.jsonl", topic_rows(stop=6))
    write_rows(tmp_path / "pairs.dev.jsonl", topic_rows(start=6))
    return tmp_path


@pytest.fixture
def config_values(tiny_model: Path) -> Callable[..., dict[str, Any]]:
    """Make the object of a quick cfg.json; keyword `train={...}` and so on is laid over it."""

    def make(**sections: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "model_id": str(tiny_model),
            "device": "cpu",
            "dtype": "float32",
            "train": {"batch_size": 4, "epochs": 2},
            "optim": {"lr": 0.003},
            "output": {"save_name": "run", "log_steps": 1},
        }
        for name, value in sections.items():
            values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
        return values

    return make
