"""What the composer's tests share: running the command as a person would, and small tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rapidfuzz.distance import Indel

from embedkit.ranking.near_duplicates import LEAST_RATIO, SENTENCE_CHARS, name_key

Run = Callable[..., "subprocess.CompletedProcess[str]"]
GLOSSARY = Path(__file__).resolve().parents[2] / "data" / "electronics.en.csv"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("compose", "--input", "x.csv")` in an empty folder, offline."""
    monkeypatch.chdir(tmp_path)
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "EMBEDKIT_CACHE": str(tmp_path / "cache"),
    }
    env.pop("EMBEDKIT_LANG", None)

    def run_command(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "embedkit", *args],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=env,
            timeout=120,
            check=False,
        )

    return run_command


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def made_glossary(path: Path, *, terms: int = 40) -> Path:
    """A glossary of distinct made-up devices, some with abbreviations and Korean names."""
    parts = ("lattice", "mirror", "pump", "valve", "gear", "lens", "spring", "rotor", "magnet", "filter")
    uses = ("cooling", "light", "water", "motion", "sound", "heat", "wind", "paper", "gold", "sand")
    lines = ["term,definition,aliases"]
    for n in range(terms):
        part, use = parts[n % 10], uses[(n * 7 + n // 10) % 10]
        alias = json.dumps([{"text": f"{use[:2].upper()}{part[0].upper()}{n}", "kind": "abbreviation"}])
        cell = '"' + alias.replace('"', '""') + '"'
        lines.append(
            f"{use} {part} {n},Device {n * 37 % 101} whose {part} turns {use} into {n * 13 % 89},{cell}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def near_duplicates(left: str, right: str) -> bool:
    """What `near_pairs` must find, by comparing two texts outright."""
    long = min(len(left), len(right)) >= SENTENCE_CHARS
    alike = Indel.normalized_similarity(left.casefold(), right.casefold()) >= LEAST_RATIO
    return name_key(left) == name_key(right) or (long and alike)
