"""`embedkit classify`: labels of new texts from a few labelled ones, measured by cross-validation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import UserError
from embedkit.explore.classify import ClassifyOptions, classify
from embedkit.models.vectors import Encoder

TOPICS = {"fruit": "apple pear plum", "tool": "saw drill pliers"}


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six texts a label, and vectors that lie where their topic's words do."""
    monkeypatch.chdir(tmp_path)

    def encode(self: Encoder, texts: list[str], **_: object) -> np.ndarray:
        counts = [
            [sum(word in text for word in words.split()) for words in TOPICS.values()] for text in texts
        ]
        vectors = np.array(counts, dtype=np.float32) + 0.01
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    monkeypatch.setattr(Encoder, "encode", encode)
    rows = [
        {"text": f"{word} number {number}", "label": label}
        for label, words in TOPICS.items()
        for word in words.split()
        for number in range(2)
    ]
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("method", ["knn", "probe", None])
def test_new_texts_get_the_label_of_their_kind(labelled: Path, tiny_model: Path, method: str | None) -> None:
    result = classify(
        ClassifyOptions(
            labelled=str(labelled),
            texts=("a ripe pear", "a new drill"),
            model=str(tiny_model),
            method=method,  # type: ignore[arg-type]
        )
    )
    assert [text.label for text in result.texts] == ["fruit", "tool"]
    assert all(0.5 < text.confidence <= 1 for text in result.texts)
    assert (result.accuracy, result.by_chance, result.labelled) == (1.0, 0.5, 12)


def test_without_texts_each_label_is_measured(
    labelled: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classify(ClassifyOptions(labelled=str(labelled), model=str(tiny_model), as_json=True))
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [(one["label"], one["texts"], one["accuracy"]) for one in found["labels"]] == [
        ("fruit", 6, 1.0),
        ("tool", 6, 1.0),
    ]
    assert "100 % of 12 labelled texts are labelled right" in shown.err


def test_a_csv_with_other_columns_and_an_output(labelled: Path, tiny_model: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in labelled.read_text().splitlines()]
    table = tmp_path / "known.csv"
    table.write_text("sentence,intent\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows))
    (tmp_path / "new.txt").write_text("plum jam\nrusty saw\n")
    out = tmp_path / "out.csv"
    classify(
        ClassifyOptions(
            labelled=str(table), file=str(tmp_path / "new.txt"), model=str(tiny_model), output=out
        )
    )
    assert [line.split(",")[:2] for line in out.read_text().splitlines()] == [
        ["text", "label"],
        ["plum jam", "fruit"],
        ["rusty saw", "tool"],
    ]


def test_one_text_of_a_label_labels_but_is_not_measured(
    labelled: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled.write_text('{"text":"apple","label":"fruit"}\n{"text":"saw","label":"tool"}\n')
    result = classify(ClassifyOptions(labelled=str(labelled), texts=("pear",), model=str(tiny_model)))
    assert (result.texts[0].label, result.accuracy) == ("fruit", None)
    assert "cannot be measured" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('{"text":"apple","label":"fruit"}\n', "at least two labels"),
        ('{"text":"apple","label":"a"}\n{"text":"Apple!","label":"b"}\n', "has two labels: a and b"),
        ('{"text":"apple","kind":"a"}\n', "--label-column names one"),
    ],
)
def test_labels_that_cannot_be_learnt_are_one_message(
    labelled: Path, tiny_model: Path, rows: str, said: str
) -> None:
    labelled.write_text(rows)
    with pytest.raises(UserError) as caught:
        classify(ClassifyOptions(labelled=str(labelled), texts=("x",), model=str(tiny_model)))
    assert said in str(caught.value)
