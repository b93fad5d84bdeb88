"""How people write a name: without its brackets, spaced and inflected as they like; and questions that make no row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedkit.compose import ComposeOptions, ComposeResult, compose
from embedkit.compose.known.clauses import clauses_of
from embedkit.compose.known.names import stands_in
from embedkit.compose.known.questions import kind_of
from embedkit.data.entries import Entry
from embedkit.data.names import said_names

from .conftest import rows_of

LAW = (
    (
        "채권(債權)",
        "특정인이 다른 특정인에게 일정한 행위를 청구할 수 있는 권리. 물건을 지배하는 권리와 다르다.",
    ),
    ("채권(債券)", "국가나 회사가 자금을 빌리면서 발행하는 유가 증권. 만기에 원금과 이자를 지급한다."),
    ("보석(保釋)", "보증금을 내는 조건으로 구속된 피고인을 풀어 주는 제도. 법원이 허가해야 한다."),
    ("blood pressure (BP)", "The force of the blood on the walls of the arteries. It is given in mmHg."),
    ("driver (software)", "A program that talks to one device. The system loads it when it starts up."),
)


def composed(folder: Path, asked: list[tuple[str, str]] | None = None, **options: object) -> ComposeResult:
    with (folder / "g.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("term", "definition"), *LAW])
    questions = []
    if asked:
        with (folder / "q.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("question", "term"), *asked])
        questions = [str(folder / "q.csv")]
    return compose(
        ComposeOptions(
            inputs=[str(folder / "g.csv")],
            output=str(folder / "p.jsonl"),
            split="1/0/0",
            hard_k=0,
            questions=questions,
            force=True,
        )
    )


def anchors(folder: Path, kinds: set[str]) -> Iterator[str]:
    for part in ("p.jsonl", "p.known.jsonl", "p.known.dev.jsonl"):
        if (folder / part).is_file():
            yield from (row["anchor"] for row in rows_of(folder / part) if row["kind"] in kinds)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blood pressure (BP)", ("blood pressure", "BP")),
        ("유언(遺言)", ("유언", "遺言")),
        ("펄스 폭 변조 (pulse-width modulation)", ("펄스 폭 변조", "pulse-width modulation")),
        ("PWM (pulse-width modulation)", ("PWM", "pulse-width modulation")),
        ("driver (software)", ()),
        ("금치산자 (구법)", ()),
        ("resistor", ()),
    ],
)
def test_brackets_that_hold_a_name_are_not_said(name: str, said: tuple[str, ...]) -> None:
    assert said_names(name) == said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("손해배상", "손해 배상을 받으려면"),
        ("비밀 유지 계약", "비밀유지계약이 뭔가요"),
        ("deck-building", "a deckbuilding game"),
        ("battery", "two batteries in series"),
        ("diagnosis", "early diagnoses matter"),
        ("PWM", "PWM을 쓰면"),
    ],
)
def test_a_name_stands_there_in_any_spacing_and_number(name: str, text: str) -> None:
    assert stands_in(name, text)


@pytest.mark.parametrize(("name", "text"), [("신장", "신 장소에서"), ("IC", "icing"), ("BP", "a bpm of 60")])
def test_a_short_name_is_not_met_by_chance(name: str, text: str) -> None:
    assert not stands_in(name, text)


def test_a_clause_names_the_thing_in_no_form() -> None:
    entry = Entry(
        term="손해배상(損害賠償)",
        definition="손해 배상은 남에게 끼친 손해를 메워 주는 일이다. 돈으로 갚는 것이 원칙이다. tort에서 온 말이다.",
        lang="ko",
    )
    assert clauses_of(entry, ["tort"]) == ("돈으로 갚는 것이 원칙이다",)


def test_a_question_has_the_name_without_its_brackets() -> None:
    assert kind_of("유언 남기려면", "유언(遺言)", ()) == "named"
    assert kind_of("what is a normal BP", "blood pressure (BP)", ()) == "named"


def test_a_name_is_asked_for_as_it_is_said(tmp_path: Path) -> None:
    composed(tmp_path)
    asked = list(anchors(tmp_path, {"question-definition", "typo-definition", "question", "keyword", "typo"}))
    assert not [anchor for anchor in asked if "(保釋)" in anchor or "(BP)" in anchor]
    assert any("보석" in anchor for anchor in asked)
    assert any("BP" in anchor for anchor in asked)
    assert any("(software)" in anchor for anchor in asked)
    # 채권 has two meanings: only the brackets tell which is asked for
    assert [anchor for anchor in asked if "채권(債" in anchor]
    assert not [anchor for anchor in asked if "채권" in anchor and "채권(債" not in anchor]


def test_a_question_that_makes_no_row_is_quarantined_with_place_and_reason(tmp_path: Path) -> None:
    result = composed(
        tmp_path,
        [
            ("돈을 맡기고 나오는 제도", "보석"),
            ("돈을 맡기고 나오는 제도", "보석(保釋)"),
            ("회사가 찍어 내는 증권", "채권"),
            ("보석(保釋)", "보석"),
            ("돈 이야기", "채권(債券)"),
            ("돈 이야기", "BP"),
            ("?!", "보석"),
        ],
    )
    assert [(row["line"], row["reason"]) for row in rows_of(tmp_path / "p.rejected.jsonl")] == [
        (8, "missing cell (question)"),
        (4, "ambiguous term (채권)"),
        (6, "asks for two concepts"),
        (7, "asks for two concepts"),
        (5, "stands in a training row"),
    ]
    assert result.questions.to_object() == {
        "in": 7,
        "out": 1,
        "merged": 1,
        "rejected": {
            "ambiguous term": 1,
            "asks for two concepts": 2,
            "missing cell": 1,
            "stands in a training row": 1,
        },
    }
