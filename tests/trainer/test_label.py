"""`embedkit label`: a cross-encoder grades pairs, and the graded pairs are rows that `cosent` trains on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from embedkit.data.records import ScoredPair
from embedkit.data.shapes import read_typed
from embedkit.errors import UserError
from embedkit.trainer.rows.label import LabelOptions, label


def test_pairs_of_every_shape_are_graded_once(cross_encoder: Path, tmp_path: Path) -> None:
    rows = [
        {"sentence1": "a cat", "sentence2": "a dog"},
        {"anchor": "pwm", "positive": "pulse width", "hard_negatives": ["noise", "filter"]},
        {"query": "pwm", "positive": "pulse width"},
        {"anchor": "adc", "positive": "converter", "negative": "diode"},
    ]
    source, output = tmp_path / "in.jsonl", tmp_path / "graded.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = label(LabelOptions(input=source, teacher=str(cross_encoder), output=output))
    found = list(read_typed(str(output))[1])
    assert all(isinstance(row, ScoredPair) for row in found)
    assert len(found) == result.pairs == 6
    assert 0 <= result.lowest < result.highest <= 1
    with pytest.raises(UserError, match="--force"):
        label(LabelOptions(input=source, teacher=str(cross_encoder), output=output))


def test_a_teacher_that_is_none_is_refused(
    tiny_encoder: Path, build_cross_encoder: Callable[..., Path], tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"sentence1":"a","sentence2":"b"}\n')
    options = LabelOptions(input=source, teacher=str(tiny_encoder), output=tmp_path / "o.jsonl")
    with pytest.raises(UserError, match="is not a cross-encoder"):
        label(options)
    three = build_cross_encoder(tmp_path / "three", labels=3)
    with pytest.raises(UserError, match="gives 3 scores"):
        label(LabelOptions(input=source, teacher=str(three), output=tmp_path / "o.jsonl"))


@pytest.mark.parametrize("row", ['{"text":"a"}', '{"anchor":"a"}', '{"sentence1":"a","sentence2":" "}'])
def test_a_row_without_a_pair_is_named_by_its_line(tmp_path: Path, row: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"sentence1":"a","sentence2":"b"}\n' + row + "\n")
    with pytest.raises(UserError, match=r"in.jsonl:2: holds no pair of texts"):
        label(LabelOptions(input=source, teacher="x", output=tmp_path / "o.jsonl"))
