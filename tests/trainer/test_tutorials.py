"""Every block of the tutorials runs, one page after the other, on a tiny model; their data is what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from embedkit.trainer.config import DataSection
from embedkit.trainer.rows.store import read_rows

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("[0-9]-*.md"))
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHORT = 25  # lines of each shipped file that the tutorials read
TINY = {
    "EMBEDKIT_TRAIN__STEPS_PER_EPOCH": "1",
    "EMBEDKIT_TRAIN__EPOCHS": "1",
    "EMBEDKIT_TRAIN__MAX_LENGTH": "32",
}


def rows_of(name: str) -> list[dict[str, str]]:
    text = (ROOT / "docs" / "tutorials" / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.timeout(600)
def test_every_block_runs(tmp_path: Path, tiny_model: Path) -> None:
    shutil.copytree(ROOT / "docs" / "tutorials" / "data", tmp_path / "docs" / "tutorials" / "data")
    (tmp_path / "data").mkdir()
    for name in ("similarity.jsonl", "terms.ko.txt", "acronyms.jsonl", "electronics.ko.csv"):
        lines = (ROOT / "data" / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / "data" / name).write_text("".join(lines[:SHORT]), encoding="utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "embedkit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m embedkit "$@"\n')
    (tools / "embedkit").chmod(0o755)
    env = os.environ | TINY | {"EMBEDKIT_MODEL_ID": str(tiny_model), "PATH": f"{tools}:{os.environ['PATH']}"}
    for page in PAGES:
        for text in BLOCK.findall(page.read_text(encoding="utf-8")):
            command = text.replace("--model sentence-transformers/all-MiniLM-L6-v2", f"--model {tiny_model}")
            done = subprocess.run(
                ["bash", "-euc", command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{page.name}: {text}\n{done.stderr}"
            if "train.loss=mnrl" in text:
                assert "losses that fit these rows: batch_all_triplet" in done.stderr
    assert (tmp_path / "runs" / "ko" / "model" / "model.safetensors").is_file()


def test_the_topics_are_three_and_the_dev_sentences_are_others() -> None:
    train, dev = rows_of("topics.jsonl"), rows_of("topics.dev.jsonl")
    assert Counter(row["label"] for row in train) == dict.fromkeys(("cooking", "football", "astronomy"), 24)
    assert Counter(row["label"] for row in dev) == dict.fromkeys(("cooking", "football", "astronomy"), 8)
    assert not {row["text"] for row in train} & {row["text"] for row in dev}


def test_the_inference_rows_have_one_sentence_of_each_class() -> None:
    rows = rows_of("nli.jsonl")
    assert Counter(row["label"] for row in rows) == {"entailment": 100, "neutral": 100, "contradiction": 100}
    assert len({row["sentence2"] for row in rows}) == 300
    path = str(ROOT / "docs" / "tutorials" / "data" / "nli.jsonl")
    pairs = read_rows(path, DataSection(max_hard_negatives=None), loss="mnrl")
    assert len(pairs) == 100
    assert pairs.store[0].hard_negatives
