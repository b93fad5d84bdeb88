"""The losses against their definitions, and the batch that feeds them: one pass over distinct texts,
ragged negatives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from tests.trainer.conftest import topic_rows, write_rows
from torch.nn import functional as F

from embedkit.trainer.config import DataSection, RunConfig
from embedkit.trainer.losses.base import BatchLoss, LossContext
from embedkit.trainer.losses.build import made_by_builder
from embedkit.trainer.losses.registry import SECTIONS
from embedkit.trainer.rows.store import Rows, read_rows
from embedkit.trainer.step.batch import PairCollator, cut_points, features_of, split_by_length
from embedkit.trainer.step.forward import encode_batch

Row = dict[str, Any]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> SentenceTransformer:
    loaded = SentenceTransformer(str(tiny_model), device="cpu")
    loaded.eval()
    return loaded


def read(tmp_path: Path, rows: list[Row]) -> Rows:
    return read_rows(str(write_rows(tmp_path / "rows.jsonl", rows)), DataSection(max_hard_negatives=None))


def made(model: SentenceTransformer, *, loss: str, **settings: Any) -> BatchLoss:
    """A loss in one direction at temperature 0.1, but for what the settings say."""
    section = SECTIONS[loss].model_validate({"temperature": 0.1, "symmetric": False, **settings})
    return made_by_builder(section, LossContext(model=model, config=RunConfig()))


def value(
    model: SentenceTransformer, rows: Rows, *, prompts: tuple[str, str] = ("", ""), **settings: Any
) -> float:
    groups, plan = features_of(PairCollator(model, rows, prompts=prompts)(range(len(rows))))
    loss = made(model, **settings).eval()
    with torch.no_grad():
        return float(loss(groups, plan))


def distinct_rows() -> list[Row]:
    return [
        {
            "anchor": f"{row['anchor']} {n}",
            "positive": f"{row['positive']} {n}",
            "hard_negatives": [f"no {n}", f"nil {n}"],
        }
        for n, row in enumerate(topic_rows(stop=3))
    ]


def stock_mnrl(model: SentenceTransformer, rows: list[Row], **options: Any) -> float:
    columns = [[row["anchor"] for row in rows], [row["positive"] for row in rows]]
    columns += [[row["hard_negatives"][i] for row in rows] for i in range(2)]
    loss = MultipleNegativesRankingLoss(model, scale=20.0, **options)
    with torch.no_grad():
        return float(loss([model.preprocess(column) for column in columns], None))


def test_mnrl_is_the_stock_loss_where_no_text_stands_twice(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    rows = distinct_rows()
    ours = value(model, read(tmp_path, rows), loss="mnrl", temperature=0.05)
    assert ours == pytest.approx(stock_mnrl(model, rows), abs=1e-5)


def test_masked_mnrl_is_mnrl_where_nothing_is_masked(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = read(tmp_path, distinct_rows())
    assert value(model, rows, loss="masked_mnrl") == pytest.approx(value(model, rows, loss="mnrl"), abs=1e-5)


def vectors(model: SentenceTransformer, *texts: str) -> torch.Tensor:
    return model.encode(list(texts), convert_to_tensor=True, normalize_embeddings=True)


SAME_CONCEPT: list[Row] = [
    {"anchor": "pwm", "positive": "pulse width", "group": "1"},
    {"anchor": "duty", "positive": "on time", "group": "1"},
    {"anchor": "diode", "positive": "one way", "hard_negatives": ["valve"], "group": "2"},
]


def test_same_concept_texts_are_no_negatives(model: SentenceTransformer, tmp_path: Path) -> None:
    anchors = vectors(model, "pwm", "duty", "diode")
    candidates = vectors(model, "pulse width", "on time", "one way", "valve")
    logits = anchors @ candidates.T / 0.1
    logits[0, 1] = logits[1, 0] = -torch.inf
    expected = float(F.cross_entropy(logits, torch.tensor([0, 1, 2])))
    ours = value(model, read(tmp_path, SAME_CONCEPT), loss="masked_mnrl", temperature=0.1)
    assert ours == pytest.approx(expected, abs=1e-5)


def test_same_concept_texts_can_be_positives(model: SentenceTransformer, tmp_path: Path) -> None:
    anchors = vectors(model, "pwm", "duty", "diode")
    candidates = vectors(model, "pulse width", "on time", "one way", "valve")
    logits = (anchors @ candidates.T / 0.1).exp()

    def against(row: int, positive: int, negatives: list[int]) -> float:
        return float(
            -torch.log(logits[row, positive] / (logits[row, positive] + logits[row, negatives].sum()))
        )

    both = [(against(r, 0, [2, 3]) + against(r, 1, [2, 3])) / 2 for r in (0, 1)]
    expected = np.mean([*both, against(2, 2, [0, 1, 3])])
    ours = value(
        model, read(tmp_path, SAME_CONCEPT), loss="masked_mnrl", temperature=0.1, same_concept="positive"
    )
    assert ours == pytest.approx(expected, abs=1e-5)


def test_the_margin_leaves_out_what_scores_above_the_positive(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    texts = ["far away", "diode!", "zz"]
    texts.sort(key=lambda text: float(vectors(model, "diode")[0] @ vectors(model, text)[0]), reverse=True)
    above, positive, below = texts
    rows = read(tmp_path, [{"anchor": "diode", "positive": positive, "hard_negatives": [above, below]}])
    scores = (vectors(model, "diode") @ vectors(model, positive, above, below).T)[0]
    expected = float(F.cross_entropy(scores[[0, 2]] / 0.1, torch.tensor(0)))
    assert value(model, rows, loss="masked_mnrl", false_negative_margin=0.0) == pytest.approx(
        expected, abs=1e-5
    )


def test_symmetric_adds_the_way_back(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = [{**row, "hard_negatives": []} for row in distinct_rows()]
    one_way = value(model, read(tmp_path, rows), loss="mnrl")
    anchors = vectors(model, *(row["anchor"] for row in rows))
    positives = vectors(model, *(row["positive"] for row in rows))
    back = float(F.cross_entropy(positives @ anchors.T / 0.1, torch.arange(len(rows))))
    both = value(model, read(tmp_path, rows), loss="mnrl", symmetric=True)
    assert both == pytest.approx((one_way + back) / 2, abs=1e-5)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("same_concept", ["mask", "positive"])
def test_a_batch_without_negatives_costs_nothing_and_has_clean_gradients(
    symmetric: bool, same_concept: str, model: SentenceTransformer, tmp_path: Path
) -> None:
    rows = read(tmp_path, SAME_CONCEPT[:2])
    groups, plan = features_of(PairCollator(model, rows, prompts=("", ""))(range(2)))
    loss = made(model, loss="masked_mnrl", symmetric=symmetric, same_concept=same_concept)
    result = loss(groups, plan)
    result.backward()
    assert float(result.detach()) == pytest.approx(0, abs=1e-6)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    model.zero_grad()


def test_each_distinct_text_is_encoded_once(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = read(tmp_path, topic_rows())
    groups, plan = features_of(PairCollator(model, rows, prompts=("", ""))(range(len(rows))))
    texts = {
        text for row in topic_rows() for text in (row["anchor"], row["positive"], *row["hard_negatives"])
    }
    assert sum(len(group["input_ids"]) for group in groups) == len(texts)
    assert len(groups) > 1
    assert len(plan.candidates) == len(
        {t for row in topic_rows() for t in (row["positive"], *row["hard_negatives"])}
    )


def test_groups_give_the_vectors_of_encode(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = read(tmp_path, topic_rows())
    groups, plan = features_of(PairCollator(model, rows, prompts=("", ""))(range(len(rows))))
    with torch.no_grad():
        found = encode_batch(model, groups, plan)[plan.anchors]
    wanted = model.encode([row["anchor"] for row in topic_rows()], convert_to_tensor=True)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_prompts_stand_before_anchors_and_documents(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = distinct_rows()
    plain = [
        {
            "anchor": "q: " + r["anchor"],
            "positive": "p: " + r["positive"],
            "hard_negatives": ["p: " + n for n in r["hard_negatives"]],
        }
        for r in rows
    ]
    wanted = value(model, read(tmp_path, plain), loss="mnrl")
    assert value(model, read(tmp_path, rows), prompts=("q: ", "p: "), loss="mnrl") == pytest.approx(
        wanted, abs=1e-5
    )


def test_padding_reaches_the_multiple(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = read(tmp_path, topic_rows())
    groups, _ = features_of(
        PairCollator(model, rows, prompts=("", ""), pad_to_multiple_of=8)(range(len(rows)))
    )
    assert {group["input_ids"].shape[1] % 8 for group in groups} == {0}


def test_left_padding_is_cut_on_the_left() -> None:
    mask = torch.zeros(200, 64, dtype=torch.long)
    mask[:100, -4:] = 1
    mask[100:] = 1
    groups = [
        group for _, group in split_by_length({"input_ids": mask * 7, "attention_mask": mask}, left=True)
    ]
    assert [group["input_ids"].shape for group in groups] == [(100, 4), (100, 64)]
    assert all(group["attention_mask"].all() for group in groups)


def test_features_without_a_mask_stay_one_group() -> None:
    features = {"input_ids": torch.arange(5), "offsets": torch.tensor([0, 2])}
    assert split_by_length(features) == [([0, 1], features)]


def padded(lengths: list[int], edges: list[tuple[int, int]]) -> int:
    return sum((stop - start) * lengths[stop - 1] for start, stop in edges)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40), groups=st.integers(1, 4))
def test_cuts_cover_all_texts_and_never_pad_more(lengths: list[int], groups: int) -> None:
    ordered = sorted(lengths)
    edges = cut_points(np.array(ordered), max_groups=groups)
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
    assert edges[-1][1] == len(ordered)
    assert len(edges) <= groups
    assert padded(ordered, edges) <= padded(ordered, [(0, len(ordered))])


def test_cuts_are_the_best_there_are() -> None:
    lengths = [4] * 100 + [50] * 100 + [200] * 10
    assert cut_points(np.array(lengths), max_groups=3) == [(0, 100), (100, 200), (200, 210)]
