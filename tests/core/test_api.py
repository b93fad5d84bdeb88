"""`embedkit.api`: docs/python.md runs as it stands, nothing is printed, records are plain, types hold for strangers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import embedkit.api as api
from embedkit.api import notebook
from embedkit.console import out, say, track, warn

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "python.md").read_text("utf-8"), re.M | re.S)
HEAVY = ("torch", "pandas", "requests", "pydantic", "numpy", "transformers", "sentence_transformers", "scipy")
ROWS = [("PWM", "switching a signal on and off"), ("ADC", "turns a voltage into a number")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[dict[str, Any]]:
    """The names that the blocks of docs/python.md leave behind, run in order in an empty folder."""
    names: dict[str, Any] = {"printed": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("python"))
        patch.setenv("EMBEDKIT_MODEL_ID", str(tiny_model))
        patch.setattr("builtins.print", lambda *texts: names["printed"].append(texts))
        for block in BLOCKS:
            exec(compile(block, "docs/python.md", "exec"), names)
        yield names


def test_the_page_runs_and_finds_what_it_asks_for(page: dict[str, Any]) -> None:
    assert len(page["glossary"]) == 8
    assert page["same"].rows == page["pairs"].rows
    assert page["asked"]
    assert page["run"].curve("loss")
    assert page["verdict"].word in ("SHIP", "NOT YET", "NO DIFFERENCE", "DO NOT SHIP")
    assert {one.aspect for one in page["verdict"].metrics} == {"known", "unseen", "everyday"}
    assert [found.hits[0].rank for found in page["several"]] == [1, 1]
    assert any("did you mean 'epochs'" in str(texts[0]) for texts in page["printed"])


def test_every_call_has_an_example() -> None:
    text = "\n".join(BLOCKS)
    calls = [name for name in api.__all__ if name[0].islower()] + [
        "Glossary.of",
        "Glossary.read",
        "Pairs.read",
    ]
    assert [name for name in calls if f"{name}(" not in text] == []


@pytest.mark.parametrize("name", ["glossary", "shipped", "crawled", "pairs", "run", "verdict", "hits"])
def test_a_record_is_plain_frozen_and_shows_itself(page: dict[str, Any], name: str) -> None:
    record = page[name]
    assert json.loads(json.dumps(record.to_dict())) == record.to_dict()
    assert record._repr_html_().startswith("<p><strong>")
    with pytest.raises(FrozenInstanceError):
        record.messages = ()


def test_what_the_command_says_is_kept(page: dict[str, Any]) -> None:
    assert any("electronics.en.csv is not here" in line for line in page["shipped"].messages)
    assert any("runs/mine" in line or "steps" in line for line in page["run"].messages)
    assert page["verdict"].messages[-1].startswith("wrote ")


def test_silence_is_complete_and_ends(page: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    api.search("PWM", model=page["run"])
    api.evaluate(page["run"], resamples=100)
    assert capfd.readouterr() == ("", "")
    api.search("PWM", model=page["run"], corpus=page["glossary"], ranker="lexical", verbose=True)
    out("data")
    assert capfd.readouterr().out == "data\n"


def test_kept_messages_of_two_callers_do_not_end_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    from embedkit.console import kept

    first, second = kept(), kept()
    one = first.__enter__()
    two = second.__enter__()
    first.__exit__(None, None, None)
    warn("no column {names}", names="x")
    assert list(track([1], label="x")) == [1]
    second.__exit__(None, None, None)
    assert capfd.readouterr() == ("", "")
    assert (one, two) == ([], ["warning: no column x"])
    say("{text}", text="heard")
    assert capfd.readouterr().err == "heard\n"


def test_a_misspelt_argument_is_a_type_error_that_names_the_right_one() -> None:
    with pytest.raises(TypeError, match="did you mean 'hard_k'"):
        api.compose("electronics.en.csv", hard_kk=3)
    with pytest.raises(TypeError, match="as_json"):
        api.crawl("pages", as_json=True)


def test_a_mistake_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(api.UserError, match="in no file yet"):
        api.compose(api.Glossary.of(ROWS))
    with pytest.raises(api.UserError, match="row 2"):
        api.Glossary.of([ROWS[0], ("ADC", "")])
    with pytest.raises(api.UserError, match="no model"):
        api.search("PWM", model="nowhere")
    written = api.Glossary.of(ROWS).write("g.csv")
    with pytest.raises(api.UserError, match="already exists"):
        written.write("g.csv")
    assert api.Glossary.read("g.csv").entries == written.entries


def test_rows_of_a_data_frame_and_headers_in_korean() -> None:
    rows = [
        {
            "용어": "PWM",
            "정의": "펄스 폭 변조",
            "aliases": ["pulse-width modulation", "펄스폭변조"],
            "note": float("nan"),
        }
    ]
    (entry,) = api.Glossary.of(rows)
    assert (entry.term, entry.definition, entry.lang) == ("PWM", "펄스 폭 변조", "ko")
    assert entry.names == ("pulse-width modulation", "펄스폭변조")


def test_text_is_escaped_in_a_notebook() -> None:
    glossary = api.Glossary.of([("<script>x</script>", "a & b")])
    assert "<script>" not in glossary._repr_html_()
    assert "a &amp; b" in glossary._repr_html_()


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 1.0), (2.0, 1.0)])
def test_a_curve_is_drawn_from_two_points_on(values: tuple[float, ...]) -> None:
    series = api.Series(name="loss", steps=tuple(range(len(values))), values=values)
    assert ("<svg" in notebook.curve(series)) == (len(values) > 1)


def test_importing_it_loads_nothing_heavy() -> None:
    code = f"import sys, embedkit.api; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


CONSUMER = """
from embedkit.api import Glossary, ModelVerdict, Pairs, SearchHits, TrainedRun, compose, evaluate, search, train

glossary: Glossary = Glossary.of([("PWM", "switching a signal on and off")]).write("mine.csv")
pairs: Pairs = compose(glossary, hard_k=2)
run: TrainedRun = train(pairs, train={"epochs": 1})
verdict: ModelVerdict = evaluate(run)
one: SearchHits = search("PWM", model=run, ranker="lexical")
several: tuple[SearchHits, ...] = search(["PWM", "ADC"])
score: float = one[0].score
names: tuple[str, ...] = glossary.entries[0].names
anchors: list[str] = [pair.anchor for pair in pairs]
"""
# mypy --strict passes without it too; it leaves out what strangers' packages hold, which takes half a minute to read.
CONFIG = "[mypy]\nstrict = true\n" + "".join(
    f"[mypy-{name}.*]\nfollow_imports = skip\n"
    for name in (*HEAVY, "pydantic_core", "huggingface_hub", "typer")
)
WRONG = '\nbad: int = one[0].term\nsearch("PWM", ranker="guess")\n'


def test_a_strict_consumer_type_checks_and_mistakes_are_found(tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER + WRONG, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--cache-dir=cache", "consumer.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    after = len(CONSUMER.splitlines())
    assert [line.split(":")[1] for line in lines] == [str(after + 2), str(after + 3)], (
        done.stdout + done.stderr
    )
