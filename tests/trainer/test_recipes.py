"""Every loss on a real, tiny transformer: it falls, the folder loads anywhere, a misfit is told before loading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tests.trainer.conftest import TOPICS, topic_rows, write_rows
from tests.trainer.test_train import metrics, run

from embedkit.trainer.shapes import EATS

Row = dict[str, Any]
Values = Callable[..., dict[str, Any]]


def pair_rows() -> list[Row]:
    return [
        row
        | {"hard_negatives": row["hard_negatives"] or ["nothing of this"], "scores": [0.9, 0.2, 0.1][: n + 1]}
        for row in topic_rows(stop=6)
        for n in [max(1, len(row["hard_negatives"]))]
    ]


def labelled_rows() -> list[Row]:
    return [
        {"text": f"{text} {n}", "label": english}
        for english, korean, definition in TOPICS[:4]
        for text in (english, korean, definition)
        for n in range(2)
    ]


def triplet_rows() -> list[Row]:
    others = [*TOPICS[1:], TOPICS[0]]
    return [
        {"anchor": english, "positive": definition, "negative": other[2]}
        for (english, _, definition), other in zip(TOPICS, others, strict=True)
    ]


def classed_rows() -> list[Row]:
    others = [*TOPICS[1:], TOPICS[0]]
    rows = []
    for (english, korean, definition), other in zip(TOPICS, others, strict=True):
        rows += [
            {"sentence1": english, "sentence2": definition, "label": "entailment"},
            {"sentence1": english, "sentence2": korean, "label": "neutral"},
            {"sentence1": english, "sentence2": other[2], "label": "contradiction"},
        ]
    return rows


def scored_rows() -> list[Row]:
    score = {"entailment": 1.0, "neutral": 0.6, "contradiction": 0}
    return [
        {"sentence1": row["sentence1"], "sentence2": row["sentence2"], "score": score[row["label"]]}
        for row in classed_rows()
    ]


ROWS: dict[str, Callable[[], list[Row]]] = {
    "pairs": pair_rows,
    "labelled": labelled_rows,
    "triplets": triplet_rows,
    "classed_pairs": classed_rows,
    "scored_pairs": scored_rows,
}
ALONE = {"data": {"use_dev": False}}


def recipe(loss: str, tiny_model: Path, **train: Any) -> dict[str, Any]:
    """What a loss is tried with."""
    extra: dict[str, Any] = {"guide_model": str(tiny_model)} if "gist" in loss else {}
    return {"loss": loss, "batch_size": 8, "epochs": 12, "temperature": 0.1, **extra, **train}


@pytest.mark.parametrize("loss", EATS)
def test_the_loss_falls_and_the_folder_loads_anywhere(
    loss: str, workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    write_rows(workplace / "pairs.jsonl", ROWS[EATS[loss]]())
    result = run(config_values(train=recipe(loss, tiny_model), **ALONE))
    losses = [row["loss"] for row in metrics(result.run) if "loss" in row]
    per_epoch = len(losses) // 12
    assert np.mean(losses[-per_epoch:]) < 0.97 * np.mean(losses[:per_epoch])
    stock = SentenceTransformer(str(result.model), device="cpu")
    again = SentenceTransformer(str(result.model), device="cpu")
    assert np.array_equal(stock.encode(["저항", "diode"]), again.encode(["저항", "diode"]))
    assert (
        load_file(result.model / "model.safetensors").keys()
        == load_file(tiny_model / "model.safetensors").keys()
    )
