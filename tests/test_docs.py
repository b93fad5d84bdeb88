"""The documents are true: every README block runs, generated pages are current, translations fit their templates."""

import ast
import json
import os
import re
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest

from embedkit.evaluation.report import verdict

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.ko.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Run elsewhere for real: the demo and the installation by `make test-install`, which takes minutes.
ELSEWHERE = ("make demo", "pip install")
# The README's training on tiny data: two steps of a tiny model.
TINY = {
    f"EMBEDKIT_TRAIN__{name}": value
    for name, value in {"STEPS_PER_EPOCH": "2", "EPOCHS": "1", "BATCH_SIZE": "8", "MAX_LENGTH": "32"}.items()
}


def blocks(name: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))


def test_both_readmes_have_the_same_blocks_and_as_many_headings() -> None:
    english, korean = ((ROOT / name).read_text(encoding="utf-8") for name in READMES)
    assert blocks("README.md") == blocks("README.ko.md")
    assert len(re.findall(r"^#+ ", english, re.MULTILINE)) == len(re.findall(r"^#+ ", korean, re.MULTILINE))
    assert max(len(english.splitlines()), len(korean.splitlines())) <= 200


@pytest.mark.timeout(900)
def test_every_readme_block_runs(tmp_path: Path, tiny_model: Path) -> None:
    shutil.copytree(ROOT / "data" / "pages", tmp_path / "data" / "pages")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "embedkit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m embedkit "$@"\n')
    (tools / "embedkit").chmod(0o755)
    env = os.environ | TINY | {"EMBEDKIT_MODEL_ID": str(tiny_model), "PATH": f"{tools}:{os.environ['PATH']}"}
    ordered = [text for _, text in blocks("README.md") if not text.startswith(ELSEWHERE)]
    # A reader has a glossary and a config by the time the first screen's second command is typed.
    first_screen = next(text for text in ordered if "--dry-run" in text)
    ordered.remove(first_screen)
    for text in [
        *ordered,
        first_screen.replace("compose", "compose --force").replace("train", "train --force"),
    ]:
        command = [sys.executable, "-c", text] if text.startswith("from ") else ["bash", "-euc", text]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        if "evaluate" in text:
            assert (tmp_path / "runs" / "cfg" / "report.html").is_file()
    assert (tmp_path / "runs" / "cfg" / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize("script", ["build_docs.py", "build_pages.py"])
def test_generated_files_are_current(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"stale, run `make docs`: {done.stdout}{done.stderr}"


def test_links_in_documents_lead_somewhere() -> None:
    for name in (*READMES, "CONTRIBUTING.md", "data/README.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / name).read_text(encoding="utf-8")):
            assert ((ROOT / name).parent / target).exists(), f"{name} links to {target}"


def spoken() -> set[str]:
    """Every literal template that the code hands to say, warn, tr and the like."""
    found: set[str] = set()
    for path in (ROOT / "packages").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    for path in (ROOT / "packages").rglob("*.jinja"):
        found |= set(re.findall(r'"([^"\n]+)"', path.read_text(encoding="utf-8")))
    for value in vars(verdict).values():  # these are put together from parts
        parts = value.values() if isinstance(value, dict) else [value]
        found |= {part for part in parts if isinstance(part, str)}
    return found


def korean_messages() -> dict[str, str]:
    """The catalogues of all rooms as one; a template stands in one of them only."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "data" / "messages").iterdir()]
    merged = {english: korean for file in files for english, korean in file.items()}
    assert len(merged) == sum(map(len, files))
    return merged


def test_korean_messages_translate_templates_that_exist_and_keep_their_fields() -> None:
    catalogue = korean_messages()
    assert sorted(set(catalogue) - spoken()) == []
    for english, korean in catalogue.items():
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, korean)
        ]
        assert fields[0] == fields[1], english
