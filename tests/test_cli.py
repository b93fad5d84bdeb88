"""What a person meets at the edge: exit codes, streams, one clear message for each mistake, nothing half done."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
GOOD_ROW = '{"anchor": "PWM", "positive": "pulse-width modulation", "group": "a"}\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `embedkit …` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "embedkit", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **env},
        )

    return call


def is_one_message(done: subprocess.CompletedProcess[str]) -> bool:
    lines = done.stderr.strip().splitlines()
    return "Traceback" not in done.stderr and 1 <= len(lines) <= 5 and not done.stdout


BAD = {
    "compose a missing file": (["compose", "--input", "absent.csv"], "absent.csv"),
    "compose an empty CSV": (["compose", "--input", "empty.csv"], "empty.csv"),
    "compose one column": (["compose", "--input", "one.csv"], "one.csv"),
    "crawl a missing page": (["crawl", "--from-file", "absent.html"], "absent.html"),
    "train without pairs": (["train"], "pairs.jsonl"),
    "train on a broken line 17": (["train", "--set", "data.pairs_path=broken.jsonl"], "broken.jsonl:17"),
    "train with a typo in the config": (["train", "--config", "typo.json"], "did you mean 'epochs'"),
    "train with a missing config": (["train", "--config", "absent.json"], "absent.json"),
    "train an unknown model": (
        ["train", "--set", "data.pairs_path=good.jsonl", "--set", "model_id=nobody/nothing"],
        "nobody/nothing",
    ),
    "train where nothing can be written": (
        ["train", "--set", "data.pairs_path=good.jsonl", "--set", "output.save_dir=good.jsonl/below"],
        "is a file, not a folder",
    ),
    "evaluate an unknown model": (["evaluate", "--model", "nowhere"], "nowhere"),
    "search without a model": (["search", "PWM", "--model", "nowhere"], "nowhere"),
    "validate a missing file": (["validate", "absent.jsonl"], "absent.jsonl"),
    "an unknown option": (["compose", "--hard", "3"], "--hard"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_message_and_exit_2_and_leaves_nothing(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    (tmp_path / "one.csv").write_text("term\nPWM\nADC\n", encoding="utf-8")
    (tmp_path / "good.jsonl").write_text(GOOD_ROW * 2, encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text(GOOD_ROW * 16 + "{broken\n", encoding="utf-8")
    (tmp_path / "typo.json").write_text('{"train": {"epoch": 1}}', encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    arguments, named = BAD[name]
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert is_one_message(done), done.stderr
    assert named in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_an_existing_output_is_kept_without_force(run: Run, tmp_path: Path) -> None:
    (tmp_path / "glossary.csv").write_text(
        "term,definition\nPWM,pulses of varying width\nADC,volts to bits\n"
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pairs.jsonl").write_text("mine\n")
    done = run("compose", "--input", "glossary.csv")
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert (tmp_path / "data" / "pairs.jsonl").read_text() == "mine\n"


def test_a_bad_row_is_quarantined_and_the_books_balance(run: Run, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text(
        "term,definition\nPWM,pulses of varying width\nADC,\nNA,not a number at all\n"
    )
    done = run("compose", "--input", "g.csv", "--split", "1/0/0")
    assert done.returncode == 0, done.stderr
    assert "3 in = 2 out + 1 rejected + 0 merged" in done.stderr
    rejected = [
        json.loads(line) for line in (tmp_path / "data" / "pairs.rejected.jsonl").read_text().splitlines()
    ]
    assert [row["line"] for row in rejected] == [3]


def test_debug_shows_the_traceback(run: Run) -> None:
    assert "Traceback" in run("validate", "absent.jsonl", EMBEDKIT_DEBUG="1").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_stdout_is_one_message_and_a_closed_one_none(run: Run) -> None:
    command = f"{sys.executable} -m embedkit config show"
    full = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True, text=True, check=False)
    assert (full.returncode, full.stderr) == (2, "stdout: cannot be written (No space left on device)\n")
    closed = subprocess.run(f"{command} >&-", shell=True, capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, "")


def test_messages_speak_korean(run: Run) -> None:
    done = run("validate", "absent.jsonl", EMBEDKIT_LANG="ko")
    assert done.returncode == 2
    assert "absent.jsonl" in done.stderr


def test_doctor_reports_on_stdout(run: Run) -> None:
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    checks = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert checks["shipped data"] == "ok"
    assert checks["torch"] == "ok"


def test_ctrl_c_is_130_with_no_traceback_and_no_partial_output(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"term {n},what number {n} is about and nothing else\n" for n in range(200_000))
    (tmp_path / "big.csv").write_text("term,definition\n" + rows)
    process = subprocess.Popen(
        [sys.executable, "-m", "embedkit", "compose", "--input", "big.csv"], stderr=subprocess.PIPE, text=True
    )
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["big.csv"]


@pytest.mark.parametrize("slow", ["typer", "sentence_transformers"])
def test_ctrl_c_while_it_is_loaded_is_130_with_one_line(run: Run, tmp_path: Path, slow: str) -> None:
    (tmp_path / f"{slow}.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "embedkit", "similarity", "cat", "dog"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1] == "interrupted"


def test_the_demo_keeps_what_is_not_its_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "precious").touch()
    done = run("demo")
    assert done.returncode == 2
    assert "not a demo" in done.stderr
    assert (tmp_path / "runs" / "demo" / "precious").exists()
