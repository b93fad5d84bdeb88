"""The documents are true: every README block runs, generated pages are current, translations fit their templates."""

import ast
import inspect
import json
import os
import re
import string
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest
import yaml

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
def test_every_readme_block_runs_in_order_in_an_empty_folder(tmp_path: Path, tiny_model: Path) -> None:
    tools, folder = tmp_path / "bin", tmp_path / "empty"
    tools.mkdir()
    folder.mkdir()
    (tools / "embedkit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m embedkit "$@"\n')
    (tools / "embedkit").chmod(0o755)
    env = os.environ | TINY | {"EMBEDKIT_MODEL_ID": str(tiny_model), "PATH": f"{tools}:{os.environ['PATH']}"}
    for language, text in blocks("README.md"):
        if language == "text" or text.startswith(ELSEWHERE):  # text is what a command printed
            continue
        command = [sys.executable, "-c", text] if language == "python" else ["bash", "-euc", text]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stderr}"
    for name in (
        "runs/cfg/model/model.safetensors",
        "runs/cfg/report.html",
        "data/glossary.csv",
        "graph.html",
    ):
        assert (folder / name).is_file(), name


@pytest.mark.parametrize(
    "script", ["build_docs.py", "build_notebooks.py", "build_pages.py", "layout_table.py"]
)
def test_generated_files_are_current(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"stale, run `make docs`: {done.stdout}{done.stderr}"


def documents() -> list[Path]:
    found = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "data" / "README.md",
        *(ROOT / ".github").rglob("*.md"),
    ]
    return sorted(found)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        for title in re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_documents_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{link}: no such heading"


def test_every_decision_has_its_four_parts_and_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(folder.glob("[0-9]*.md"))
    assert pages
    assert len({page.name[:3] for page in pages}) == len(pages)
    for page in pages:
        number = int(page.name[:3])
        text = page.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix(f"# {number}. ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"], (
            page.name
        )
        assert re.search(r"^Status: (proposed|accepted|replaced)", text, re.MULTILINE), page.name
        index = (folder / "README.md").read_text(encoding="utf-8")
        assert f"- {number:03d} [{title}]({page.name})" in index, page.name


def test_the_map_names_places_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:packages|tests|data|benchmarks|scripts)/[\w./-]+)", text)
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_map_names_every_folder_of_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room in (ROOT / "packages").iterdir():
        home = room / "embedkit" if room.name == "core" else room / "embedkit" / room.name
        paragraph = re.search(rf"^\*\*{room.name}\*\*.*?\n\n", text, re.MULTILINE | re.DOTALL)
        assert paragraph, room.name
        folders = [path.parent.name for path in home.glob("*/__init__.py")]
        assert [f for f in folders if f"`{f}`" not in paragraph.group()] == [], room.name


def test_the_version_is_stated_once() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert (released[0] if released else version) == version
    assert "\n## Unreleased\n" in changelog


def test_the_workflow_runs_what_guards_main() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    commands = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert ".ci/run" in commands
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda p: p.stem
)
def test_issue_forms_have_what_github_asks_of_them(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.stem == "config":
        return
    assert {"name", "description", "body"} <= set(content)
    ids = [field["id"] for field in content["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in content["body"])


def test_every_picture_is_shown() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in documents())
    assert [path.name for path in (ROOT / "docs").rglob("*.png") if path.name not in texts] == []


def spoken() -> set[str]:
    """Every literal template that the code hands to say, warn, tr and the like."""
    found: set[str] = set()
    for path in (ROOT / "packages").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value, inspect.cleandoc(node.value)}
    for path in (ROOT / "packages").rglob("*.jinja"):
        page = path.read_text(encoding="utf-8")
        found |= {*re.findall(r'"([^"\n]+)"', page), *re.findall(r'\bt\("([^"\n]+)"', page)}
    # Scripts are named as Unicode names their letters.
    found |= {unicodedata.name(chr(code), "").split(" ")[0].title() for code in range(0x41, 0xD7A4)}
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
