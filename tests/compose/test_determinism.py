"""The whole of compose gives the same bytes with one thread and two, and whatever the blocks it works in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import made_glossary

pytest.importorskip("sentence_transformers", reason="needs the extra train")
# One process: both miners, with blocks of the sizes given.
RUN = """
import sys
from embedkit.compose.mine.candidates import dense
from embedkit.compose.mine.candidates import lexical
from embedkit.ranking.nearest import nearest
budget, tile, cells = map(int, sys.argv[2:])
dense.DenseMiner.__init__.__kwdefaults__["budget_bytes"] = budget
nearest.TILE, lexical.BLOCK_CELLS = tile, cells
import torch
from embedkit.compose import ComposeOptions, compose
for miner in ("dense", "hybrid"):
    compose(ComposeOptions(
        inputs=["g.csv"], output=f"{miner}/pairs.jsonl", miner=miner, model=sys.argv[1], hard_k=5, kinds="all"
    ))
print(torch.get_num_threads())
"""
USUAL = (64 << 20, 2048, 1 << 20)


def made(folder: Path, model: Path, *, threads: int, blocks: tuple[int, ...]) -> dict[str, bytes]:
    """Every file that compose writes in a folder of its own, with a cache of its own."""
    folder.mkdir()
    made_glossary(folder / "g.csv", terms=120)
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "EMBEDKIT_CACHE": str(folder / "cache")}
    command = [sys.executable, "-c", RUN, str(model), *map(str, blocks)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(threads)]
    files = (path for miner in ("dense", "hybrid") for path in (folder / miner).iterdir())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_threads_and_blocks_do_not_show(tmp_path: Path, tiny_model: Path) -> None:
    expected = made(tmp_path / "one", tiny_model, threads=1, blocks=USUAL)
    assert {name.split("/")[1] for name in expected} >= {
        "pairs.jsonl",
        "pairs.dev.jsonl",
        "pairs.test.jsonl",
        "pairs.manifest.json",
        "pairs.card.md",
    }
    assert b'"rule": "bar"' in expected["dense/pairs.jsonl"]
    for name, threads, blocks in (("two", 2, USUAL), ("blocks", 1, (1, 16, 1 << 13))):
        again = made(tmp_path / name, tiny_model, threads=threads, blocks=blocks)
        assert again == expected
