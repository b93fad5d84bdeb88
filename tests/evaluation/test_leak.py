"""The leak check: what counts as trained on, and what it stops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embedkit.errors import AnswerNoError, UserError
from embedkit.ranking.fingerprints import TestRow, fingerprints_of, read_fingerprints, write_fingerprints
from embedkit.ranking.leak import Seen, find_leaks, require_no_leaks, seen_in

ROW = TestRow(("PWM", "Pulse-width modulation"), "c1")
SENTENCE = "A resistor limits the current that flows in a circuit."


def _train(tmp_path: Path, **row: str) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"anchor": "PWM", "positive": "other", "group": "c9"}, "exact"),
        ({"anchor": "other", "positive": "pulse width modulation", "group": "c9"}, "normalised"),
        ({"anchor": "other", "positive": "different", "group": "c1"}, "concept"),
        ({"text": "PWM", "label": "power"}, "exact"),
        ({"sentence1": "a", "sentence2": "pwm", "score": "1"}, "normalised"),
    ],
)
def test_overlap_is_counted_once_under_its_strongest_reason(
    tmp_path: Path, row: dict[str, str], reason: str
) -> None:
    leak = find_leaks([ROW], seen=seen_in([_train(tmp_path, **row)]), side="model")
    assert (leak.total, getattr(leak, reason)) == (1, 1)
    assert leak.examples == (f"PWM ({reason})",)


def test_unlike_rows_without_groups_do_not_leak(tmp_path: Path) -> None:
    row = TestRow(("a", "b"))
    assert (
        find_leaks([row], seen=seen_in([_train(tmp_path, anchor="c", positive="d")]), side="model").total == 0
    )


def test_a_trained_hard_negative_is_no_leak(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"anchor":"a","positive":"b","hard_negatives":["Pulse-width modulation"]}\n')
    assert find_leaks([ROW], seen=seen_in([path]), side="model").total == 0


def test_a_leak_is_refused_with_exit_one(tmp_path: Path) -> None:
    leak = find_leaks([ROW], seen=seen_in([_train(tmp_path, anchor="PWM", positive="b")]), side="model")
    with pytest.raises(AnswerNoError, match="1 of 1 test rows were trained on, as PWM"):
        require_no_leaks([leak], allow_leak=False)


def test_allow_leak_warns_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leak = find_leaks([ROW], seen=seen_in([_train(tmp_path, anchor="PWM", positive="b")]), side="model")
    require_no_leaks([leak], allow_leak=True)
    assert "warning: leak check, model: of 1 test rows, 1 are identical" in capsys.readouterr().err


def test_unknown_training_data_passes_as_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    require_no_leaks([find_leaks([ROW], seen=None, side="baseline")], allow_leak=False)
    assert "leak check, baseline: not possible" in capsys.readouterr().err


@pytest.mark.parametrize(
    "trained",
    [
        "A resistor limits the currents that flow in the circuit.",
        "Resistor limits the current that flows in a circuit, always.",
    ],
)
def test_a_trained_text_in_nearly_the_same_words_is_a_leak_that_names_it(
    tmp_path: Path, trained: str
) -> None:
    row = TestRow(("R", SENTENCE), "c1")
    leak = find_leaks([row], seen=seen_in([_train(tmp_path, anchor="other", positive=trained)]), side="model")
    assert (leak.total, leak.near) == (1, 1)
    assert "near '" in leak.examples[0]


@pytest.mark.parametrize(
    "trained",
    [
        "A capacitor limits the current that flows in a circuit.",
        "A resistor limits the voltage that appears in a circuit.",
    ],
)
def test_a_sentence_about_another_thing_in_the_same_words_is_no_leak(tmp_path: Path, trained: str) -> None:
    row = TestRow(("R", SENTENCE), "c1")
    assert (
        find_leaks(
            [row], seen=seen_in([_train(tmp_path, anchor="other", positive=trained)]), side="model"
        ).total
        == 0
    )


def test_a_name_in_the_plural_or_another_order_is_a_leak(tmp_path: Path) -> None:
    rows = [TestRow(("resistors", "x y")), TestRow(("modulation of pulse width", "z"))]
    leak = find_leaks(
        rows,
        seen=seen_in([_train(tmp_path, anchor="resistor", positive="pulse width modulation")]),
        side="model",
    )
    assert (leak.total, leak.near) == (2, 2)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (SENTENCE, "exact"),
        ("A resistor limits the current, that flows in a circuit", "normalised"),
        ("A resistor limits the currents that flow in the circuit.", "near"),
        ("Resistor limits the current that flows in a circuit, always.", "near"),
        ("the resistors, pull-up", "near"),
        ("이 부품이 회로에 흐르는 전류를 제한하고 전압을 나눈다", "near"),
        ("A capacitor limits the current that flows in a circuit.", ""),
        ("A resistor limits the voltage that appears in a circuit.", ""),
        ("이 부품은 회로에 흐르는 전류를 저장하고 전압은 나눈다", ""),
        ("something else", ""),
    ],
)
def test_hashes_alone_know_a_text_again(tmp_path: Path, text: str, how: str) -> None:
    trained = [
        TestRow((SENTENCE, "pull-up resistor"), "c1"),
        TestRow(("이 부품은 회로에 흐르는 전류를 제한하고 전압은 나눈다",), "c2"),
    ]
    path = tmp_path / "trained_on.npz"
    write_fingerprints(path, {"rows": fingerprints_of(trained), "dev": fingerprints_of([])})
    found = read_fingerprints(path)
    assert path.stat().st_size < 4000
    leak = find_leaks([TestRow((text,))], seen=Seen(fingerprints=found["rows"], name=""), side="model")
    assert (leak.total, getattr(leak, how) if how else 0) == ((1, 1) if how else (0, 0))
    empty = find_leaks(
        [TestRow((text,), "c1")], seen=Seen(fingerprints=found["dev"], name=""), side="dev rows"
    )
    assert empty.total == 0


def test_damaged_hashes_are_a_mistake_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "trained_on.npz"
    path.write_bytes(b"PK\x03\x04 not a whole file")
    with pytest.raises(UserError, match="is damaged"):
        read_fingerprints(path)
    assert read_fingerprints(tmp_path / "missing.npz") == {}
