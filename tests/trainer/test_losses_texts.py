"""Losses of texts alone: simcse and tsdae."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.trainer.conftest import write_rows
from tests.trainer.test_recipes import scored_rows, text_rows
from tests.trainer.test_train import run

from embedkit.compose.check.validate import check
from embedkit.errors import UserError
from embedkit.trainer.losses.texts import damage

Values = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def texts(workplace: Path) -> None:
    write_rows(workplace / "pairs.jsonl", text_rows())


def test_texts_alone_are_a_format(workplace: Path) -> None:
    found = check("pairs.jsonl")
    assert (found.form, found.rows, found.problems) == ("texts", len(text_rows()), ())
    write_rows(workplace / "pairs.jsonl", [{"text": "a"}, {"text": " "}])
    assert [problem.line for problem in check("pairs.jsonl").problems] == [2]


def test_damage_deletes_tokens_but_never_all(tiny_model: Path) -> None:
    model = SentenceTransformer(str(tiny_model), device="cpu")
    group = model.preprocess(["a resistor limits the current that flows", "diode", "noise and memory"])
    ids, tokenizer = group["input_ids"], model.tokenizer
    for deleted in (0.0, 0.6, 0.99):
        made = damage(group, tokenizer, deleted=deleted, random=torch.Generator().manual_seed(1))
        for row, before in zip(made["input_ids"].tolist(), ids.tolist(), strict=True):
            left = [token for token in row if token not in tokenizer.all_special_ids]
            whole = [token for token in before if token not in tokenizer.all_special_ids]
            assert 1 <= len(left) <= len(whole)
            assert deleted > 0 or left == whole
            assert row[0] == before[0] == tokenizer.cls_token_id
            rest = iter(whole)
            assert all(token in rest for token in left)
        assert made["attention_mask"].sum() == (made["input_ids"] != tokenizer.pad_token_id).sum()


def test_graded_dev_rows_measure_them(workplace: Path, config_values: Values) -> None:
    write_rows(workplace / "pairs.dev.jsonl", scored_rows())
    done = run(config_values(train={"loss": "simcse", "epochs": 1}))
    assert set(done.dev[-1][1].measured()) == {"pearson", "spearman"}


def test_tsdae_wants_the_models_own_weights(config_values: Values) -> None:
    with pytest.raises(UserError, match="which its decoder shares"):
        run(config_values(loss="tsdae", lora={"r": 2}, data={"use_dev": False}))


def test_simcse_wants_dropout(config_values: Values, still_model: Path) -> None:
    with pytest.raises(UserError, match="simcse needs dropout"):
        run(config_values(model_id=str(still_model), loss="simcse", data={"use_dev": False}))
