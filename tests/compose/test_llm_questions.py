"""Questions of a language model in compose: split by style, proven apart, and their writer named; judged synonyms."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from embedkit.compose import ComposeOptions, JudgeOptions, JudgeResult, compose, judge
from embedkit.compose.known.questions import OwnQuestion
from embedkit.compose.known.styles import split_by_style
from embedkit.compose.llm.records import STYLES
from embedkit.errors import UserError
from embedkit.text import hash64

from .conftest import made_glossary, rows_of
from .llm_server import LlmServer, Reply, Request, serve

# --- compose --questions ----------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EMBEDKIT_LANG", raising=False)
    made_glossary(tmp_path / "g.csv")
    return tmp_path


def words(number: int, style: str) -> str:
    """A question that no other is like."""
    letters = f"{hash64(f'{number} {style}'):x}".translate(str.maketrans("0123456789", "ghijklmnop"))
    return f"{letters[:5]} {letters[5:10]} {letters[10:]}?"


def written(path: Path, *, terms: int = 40, **more: Any) -> Path:
    """A file of questions as `ask` writes it, six for each device."""
    glossary = (path.parent / "g.csv").read_text(encoding="utf-8")
    rows = [
        {"question": words(n, style), "term": row["term"], "style": style, "lang": "en", "llm": "gemma-3-x"}
        | more
        for n, row in enumerate(csv.DictReader(io.StringIO(glossary)))
        for style in STYLES
        if n < terms
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_of_each_concept_some_styles_train_and_others_only_measure(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(here / "q.jsonl")
    compose(ComposeOptions(inputs=["g.csv"], questions=["q.jsonl"], hard_k=0, miner="lexical"))
    style_of = {row["question"]: (row["term"], row["style"]) for row in rows_of(here / "q.jsonl")}
    sides: dict[str, dict[str, set[str]]] = defaultdict(lambda: {"train": set(), "known": set()})
    kinds = set()
    for name in ("pairs", "pairs.known", "pairs.known.dev"):
        for row in rows_of(here / "data" / f"{name}.jsonl"):
            if row["anchor"] in style_of:
                term, style = style_of[row["anchor"]]
                sides[term]["train" if name == "pairs" else "known"].add(style)
                kinds.add((name, row["kind"]))
    taught = [side for side in sides.values() if side["train"]]
    assert len(taught) > 30
    assert all(len(side["train"]) == 4 and len(side["known"]) == 2 for side in taught)
    assert not any(side["train"] & side["known"] for side in taught)
    assert {style for side in taught for style in side["known"]} == set(STYLES)
    assert kinds == {
        ("pairs", "question-definition"),
        ("pairs.known", "described"),
        ("pairs.known.dev", "described"),
    }
    assert "questions of a language model: 160 of 240 may be trained on" in capsys.readouterr().err


def test_the_manifest_and_the_card_name_who_wrote_the_questions(here: Path) -> None:
    written(here / "q.jsonl")
    compose(ComposeOptions(inputs=["g.csv"], questions=["q.jsonl"], hard_k=0, miner="lexical"))
    note = "Gemma Terms of Use: a model trained on its answers may count as a derivative of Gemma"
    manifest = json.loads((here / "data" / "pairs.manifest.json").read_text())
    assert manifest["settings"]["questions_written_by"] == {"gemma-3-x": note}
    assert note in (here / "data" / "pairs.card.md").read_text(encoding="utf-8")


def test_questions_that_a_person_wrote_only_measure_still(here: Path) -> None:
    written(here / "q.jsonl", style="", llm="")
    result = compose(ComposeOptions(inputs=["g.csv"], questions=["q.jsonl"], hard_k=0, miner="lexical"))
    trained = {row["anchor"] for row in rows_of(here / "data" / "pairs.jsonl")}
    assert not trained & {row["question"] for row in rows_of(here / "q.jsonl")}
    assert result.questions.given_out == 240
    assert "questions_written_by" not in (here / "data" / "pairs.manifest.json").read_text()


def question(record: int, style: str, run: str = "m", text: str = "") -> OwnQuestion:
    return OwnQuestion(
        question=text or f"{record} {style} {run}",
        kind="described",
        record=record,
        lang="en",
        train=False,
        style=style,
        run=run,
    )


def test_with_one_style_the_runs_are_kept_apart() -> None:
    found = [
        question(n, "keyword", run, f"{n} {run} {k}") for n in range(20) for run in "abc" for k in range(2)
    ]
    divided = split_by_style(found, lambda record: record, seed=0)
    for n in range(20):
        sides = {run: {q.train for q in divided if q.record == n and q.run == run} for run in "abc"}
        assert all(len(side) == 1 for side in sides.values())
        assert sum(side == {False} for side in sides.values()) == 1


def test_the_division_does_not_depend_on_the_order_of_the_questions() -> None:
    found = [question(n, style) for n in range(30) for style in STYLES]
    taught = {q.question for q in split_by_style(found, lambda record: record, seed=3) if q.train}
    turned = {q.question for q in split_by_style(found[::-1], lambda record: record, seed=3) if q.train}
    assert taught == turned
    assert taught != {q.question for q in split_by_style(found, lambda record: record, seed=4) if q.train}


def test_one_question_for_each_concept_trains_or_measures() -> None:
    divided = split_by_style([question(n, "keyword") for n in range(90)], lambda record: record, seed=0)
    assert 40 < sum(q.train for q in divided) < 75


# --- judge ------------------------------------------------------------------------------------------------------------

TABLE = [
    {
        "term_a": "buck",
        "text_a": "buck",
        "term_b": "step-down",
        "text_b": "step-down",
        "decision": "",
        "note": "x",
    },
    {"term_a": "cat", "text_a": "cat", "term_b": "dog", "text_b": "dog", "decision": "", "note": "mine"},
    {"term_a": "one", "text_a": "one", "term_b": "1", "text_b": "1", "decision": "reject", "note": ""},
    {"term_a": "odd", "text_a": "odd", "term_b": "even", "text_b": "even", "decision": "", "note": ""},
]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


@pytest.fixture
def candidates(here: Path) -> Path:
    path = here / "synonym_candidates.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(TABLE[0]))
        writer.writeheader()
        writer.writerows(TABLE)
    return path


def opinion(request: Request) -> Reply:
    said = {"buck": ("same", "two names of a converter"), "cat": ("different", "two animals")}
    answer, reason = said.get(request.entry["a"]["text"], ("unsure", ""))
    return Reply(json.dumps({"answer": answer, "reason": reason}))


def judged(server: LlmServer, **more: Any) -> JudgeResult:
    result = judge(
        JudgeOptions(**{"candidates": "synonym_candidates.csv", "endpoint": server.url, "retries": 0, **more})
    )
    assert result is not None
    return result


def test_a_judge_fills_in_what_nobody_decided(candidates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(opinion) as server:
        result = judged(server)
        assert len(server.calls) == 3
        rows = table(candidates)
        assert [row["decision"] for row in rows] == ["accept", "reject", "reject", ""]
        assert [row["note"] for row in rows] == ["x", "mine", "", ""]
        assert rows[0]["judgement"] == "scripted-1: accept (two names of a converter)"
        assert rows[2]["judgement"] == ""
        assert rows[3]["judgement"] == "scripted-1: unsure"
        assert (result.accepted, result.rejected, result.unsure, result.decided_before) == (1, 1, 1, 1)
        assert "1 accepted, 1 rejected, 1 left open, 1 decided before" in capsys.readouterr().err
        again = judged(server)
        assert (again.usage.calls, again.decided_before) == (0, 3)


def test_a_person_overrules_the_judge_and_compose_listens(here: Path, candidates: Path) -> None:
    (here / "g.csv").write_text(
        "term,definition\nbuck,a converter that lowers its input\nstep-down,it makes less of more volts\n"
        "cat,a small animal that purrs at home\ndog,a loyal animal that barks at guests\n"
    )
    with serve(opinion) as server:
        judged(server)
    done = compose(
        ComposeOptions(
            inputs=["g.csv"], synonyms="synonym_candidates.csv", hard_k=0, split="1/0/0", force=True
        )
    )
    assert (done.concepts, done.synonyms.accepted) == (3, 1)
    (here / "data" / "synonym_candidates.csv").unlink()
    candidates.write_text(
        candidates.read_text(encoding="utf-8").replace("accept,", "reject,"), encoding="utf-8"
    )
    done = compose(
        ComposeOptions(
            inputs=["g.csv"], synonyms="synonym_candidates.csv", hard_k=0, split="1/0/0", force=True
        )
    )
    assert done.concepts == 4
    kept = table(here / "data" / "synonym_candidates.csv")
    assert "scripted-1: accept (two names of a converter)" in {row["judgement"] for row in kept}


def test_the_judge_is_shown_the_definitions(here: Path, candidates: Path) -> None:
    (here / "g.csv").write_text("term,definition\nbuck,a converter that lowers its input\n")
    with serve(opinion) as server:
        judged(server, inputs=["g.csv"], limit=1)
        assert server.calls[0].entry["a"]["definition"] == "a converter that lowers its input"
        assert server.calls[0].entry["b"] == {"text": "step-down", "term": "step-down"}


def test_a_table_that_is_none_is_told(here: Path) -> None:
    with serve(opinion) as server:
        with pytest.raises(UserError, match="has no column text_a"):
            judged(server, candidates="g.csv")
        with pytest.raises(UserError, match="no candidates"):
            judged(server, candidates="")
        with pytest.raises(UserError, match="there is no such file"):
            judged(server, candidates="nothing.csv")
        assert not server.calls


def test_another_output_leaves_the_table_alone(candidates: Path) -> None:
    before = candidates.read_bytes()
    with serve(opinion) as server:
        judged(server, output="judged.csv")
        assert candidates.read_bytes() == before
        assert table(Path("judged.csv"))[0]["decision"] == "accept"
        with pytest.raises(UserError, match="already exists"):
            judged(server, output="judged.csv")


def test_a_judge_that_raves_leaves_the_decision_open(candidates: Path) -> None:
    with serve(lambda request: Reply("Well, it depends.")) as server:
        result = judged(server)
        assert len(server.calls) == 6  # each is asked again once
    assert (result.unsure, [row["decision"] for row in table(candidates)]) == (3, ["", "", "reject", ""])


def test_a_dry_run_of_the_judge_shows_the_prompts(
    candidates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = candidates.read_bytes()
    options = JudgeOptions(candidates=str(candidates), endpoint="https://llm.example.com/v1", dry_run=True)
    assert judge(options) is None
    shown = capsys.readouterr()
    assert shown.err.startswith("texts would go to llm.example.com (the internet); nothing is sent\n")
    assert '"a": {"text": "buck"' in shown.out
    assert candidates.read_bytes() == before
