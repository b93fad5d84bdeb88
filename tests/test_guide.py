"""The guide is true: its blocks run in an empty folder and print what is shown; both languages have the same."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from embedkit.cli import app

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(path.name for path in GUIDE.glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BOOKS = (GUIDE, ROOT / "docs" / "tutorials")
# Korean words that stood beside the one that is used: epoch, label, cross-encoder, validation rows, text, mining.
STRAY = ("에폭", "라벨", "교차 인코더", "개발용", "시험용", "채굴", "95 %", "수염", "연습 실행", "글이 아")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?")
# The guide's training on tiny data: two steps of a tiny model.
TINY = {"STEPS_PER_EPOCH": "2", "EPOCHS": "1", "BATCH_SIZE": "8", "MAX_LENGTH": "32"}


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.timeout(600)
def test_every_block_runs_and_prints_what_the_page_shows(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_MODEL_ID", str(tiny_model))
    monkeypatch.setenv("EMBEDKIT_DATA__MAX_ROWS", "400")
    for name, value in TINY.items():
        monkeypatch.setenv(f"EMBEDKIT_TRAIN__{name}", value)
    for name in PAGES:
        names: dict[str, object] = {}
        printed = ""
        for language, text in blocks(GUIDE / name):
            if language == "bash":
                printed = ""  # what training prints differs from run to run, and this one is tiny
                for line in text.splitlines():
                    program, *arguments = shlex.split(line)
                    assert program == "embedkit"
                    done = CliRunner().invoke(app, arguments)
                    assert done.exit_code == 0, f"{name}: {line}\n{done.output}\n{done.exception!r}"
            elif language == "python":
                shown = io.StringIO()
                with contextlib.redirect_stdout(shown):
                    exec(compile(text, name, "exec"), names)
                printed = shown.getvalue()
            elif language == "text" and printed:
                assert_alike(printed, text, name)


def assert_alike(printed: str, shown: str, name: str) -> None:
    """The same words, and numbers that differ by no more than what another processor rounds otherwise."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split(), f"{name}: {printed}"
    for one, other in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        assert abs(float(one) - float(other)) <= 0.011, f"{name}: {printed}"


@pytest.mark.parametrize(
    "english", [page for book in BOOKS for page in sorted(book.glob("*.md"))], ids=lambda p: p.name
)
def test_both_languages_have_the_same_blocks_headings_and_figures(english: Path) -> None:
    korean = english.parent / "ko" / english.name
    assert blocks(english) == blocks(korean)
    texts = [page.read_text(encoding="utf-8") for page in (english, korean)]
    levels, figures = (
        [re.findall(pattern, text, re.MULTILINE) for text in texts] for pattern in (r"^#+ ", r"^!\[")
    )
    assert levels[0] == levels[1]
    assert figures[0] == figures[1]


def test_korean_has_one_word_for_one_thing() -> None:
    pages = [ROOT / "README.ko.md", *(page for book in BOOKS for page in (book / "ko").glob("*.md"))]
    prose = [BLOCK.sub("", page.read_text(encoding="utf-8")) for page in pages]
    for path in (ROOT / "data" / "messages").glob("*.json"):
        prose += json.loads(path.read_text(encoding="utf-8")).values()
    assert [(word, text[:80]) for text in prose for word in STRAY if word in text] == []


def test_the_figures_are_what_the_script_draws() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "draw_guide.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"stale, run scripts/draw_guide.py: {done.stdout}{done.stderr}"
