"""`embedkit distill`: a static model that is trained on with the teacher's rows, and is a run like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.trainer.conftest import topic_rows, write_rows

from embedkit.errors import UserError
from embedkit.models.resolve import load_model, resolve_model
from embedkit.ranking.hybrid.shares import LanguageShare, LearntShares, keep_shares, shares_of
from embedkit.trainer.config import RunConfig
from embedkit.trainer.distill.run import STATIC_LR, DistillOptions, distill, student_config
from embedkit.trainer.distill.static import principal, static_model, token_vectors, weighted
from embedkit.trainer.run.train import named, run_training

TEXTS = ["a resistor", "저항"]
QUESTIONS = [
    {
        "anchor": f"what is {row['anchor']}",
        "positive": row["positive"],
        "group": row["group"],
        "kind": "question",
    }
    for row in topic_rows(stop=6)[::3]
]


@pytest.fixture
def teacher(workplace: Path, config_values: Callable[..., dict[str, Any]]) -> Path:
    """A trained run, runs/run, with known questions beside its rows."""
    write_rows(workplace / "pairs.known.jsonl", QUESTIONS)
    values = config_values(train={"epochs": 1}, data={"pairs_path": "pairs.jsonl"})
    return run_training(named(RunConfig.model_validate(values), None)).run


def test_each_token_has_the_vector_that_the_teacher_gives_it_as_a_text(tiny_model: Path) -> None:
    encoder = SentenceTransformer(str(tiny_model), device="cpu")
    tokenizer = encoder.tokenizer.backend_tokenizer
    vectors = token_vectors(encoder, tokenizer)
    assert vectors.shape == (len(encoder.tokenizer), 32)
    for text in ("a", "7", "저"):
        expected = encoder.encode(text, convert_to_tensor=True)
        torch.testing.assert_close(vectors[tokenizer.token_to_id(text)], expected, atol=1e-5, rtol=1e-4)


def test_a_text_is_the_mean_of_its_tokens_and_of_any_length(tiny_model: Path) -> None:
    student = static_model(SentenceTransformer(str(tiny_model), device="cpu"), TEXTS)
    a, b = (student[0].embedding.weight[student.tokenizer.token_to_id(c)].detach().numpy() for c in "ab")
    mean = (3 * a + b) / 4
    np.testing.assert_allclose(student.encode("a a b a"), mean / np.linalg.norm(mean), atol=1e-5)
    far = " ".join(["a"] * 200 + ["b"] * 200)
    assert not np.allclose(student.encode(far), student.encode("a"), atol=1e-3)


def test_tokens_that_training_added_stay_whole(tiny_model: Path) -> None:
    encoder = SentenceTransformer(str(tiny_model), device="cpu")
    encoder.tokenizer.add_tokens(["뷁뷁"])
    encoder.transformers_model.resize_token_embeddings(len(encoder.tokenizer))
    student = static_model(encoder, TEXTS)
    added = encoder.tokenizer.convert_tokens_to_ids("뷁뷁")
    assert student.tokenizer.encode("뷁뷁", add_special_tokens=False).ids == [added]
    assert student[0].embedding.num_embeddings == added + 1


def test_frequent_tokens_weigh_little_and_what_texts_share_is_gone() -> None:
    vectors = torch.tensor([[1.0, 1.0], [1.0, -1.0], [5.0, 5.0]])
    found = weighted(vectors, torch.tensor([1e6, 1e6, 0.0]))
    torch.testing.assert_close(found[0], -found[1], atol=1e-5, rtol=1e-3)
    assert found[0].norm() < 0.01
    torch.testing.assert_close(found[2], vectors[2] - torch.tensor([1.0, 0.0]), atol=1e-2, rtol=1e-3)


def test_principal_axes_keep_the_dot_products() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(50, 4) @ torch.randn(4, 16)
    small = principal(vectors, 4)
    torch.testing.assert_close(small @ small.T, vectors @ vectors.T, atol=1e-3, rtol=1e-3)
    with pytest.raises(UserError, match="the model has 16"):
        principal(vectors, 17)


def test_the_student_is_a_run_with_the_teachers_tokens(
    teacher: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learnt = LanguageShare(lang="ko", share=1, hybrid=0.5, definitions=1, questions=60, recall=(0, 1, 1))
    keep_shares(LearntShares((learnt,)), teacher / "model")
    result = distill(DistillOptions(model=str(teacher), minutes=1, as_json=True))
    assert not shares_of(resolve_model(str(result.run))).languages, "the teacher's are not the student's"
    said = capsys.readouterr()
    assert result.run == Path("runs/run-static")
    model, old = (SentenceTransformer(str(run / "model"), device="cpu") for run in (result.run, teacher))
    assert result.tokens == len(old.tokenizer)
    text = "저항 is a resistor"
    assert model.tokenizer.encode(text, add_special_tokens=False).ids == old.tokenizer.encode(
        text, add_special_tokens=False
    )
    before = SentenceTransformer(str(result.run / "distilled"), device="cpu")
    assert not np.allclose(before.encode(text), model.encode(text), atol=1e-3)
    assert resolve_model(str(result.run)).origin == "run"
    found = json.loads(said.out)
    assert found["questions"] == len(QUESTIONS)
    assert 0 <= found["student"]["known_recall_at_1"] <= 1
    assert found["speed_ratio"] > 1
    assert "--baseline runs/run" in said.err
    assert "distilled from run" in (result.model / "README.md").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="there is a run here already"):
        distill(DistillOptions(model=str(teacher)))


def test_a_student_takes_the_teachers_rows_but_not_what_only_a_transformer_has(
    workplace: Path, config_values: Callable[..., dict[str, Any]]
) -> None:
    run = workplace / "runs" / "lora"
    (run / "model").mkdir(parents=True)
    (run / "model" / "config.json").write_text("{}")
    values = config_values(train={"freeze_layers": 1, "pooling": "cls"}, data={"pairs_path": "pairs.jsonl"})
    values["lora"] = {"r": 4}
    (run / "config.json").write_text(RunConfig.model_validate(values).model_dump_json())
    config = student_config(resolve_model("runs/lora"), Path("there/fast"))
    assert config.data.pairs_path == "pairs.jsonl"
    assert (config.train.freeze_layers, config.train.pooling, config.lora) == (0, None, None)
    assert (config.train.batch_size, config.optim.lr) == (4, STATIC_LR)
    assert (config.output.save_dir, config.output.save_name) == ("there", "fast")
    (workplace / "pairs.jsonl").unlink()
    with pytest.raises(UserError, match="rows that the run was trained on are not there"):
        student_config(resolve_model("runs/lora"), Path("fast"))


def test_nothing_is_distilled_from_a_static_model(tiny_model: Path, tmp_path: Path) -> None:
    student = static_model(SentenceTransformer(str(tiny_model), device="cpu"), TEXTS)
    student.save_pretrained(str(tmp_path / "static"))
    with pytest.raises(UserError, match="nothing can be distilled"):
        static_model(load_model(resolve_model(str(tmp_path / "static"))), TEXTS)
