"""What is left when compose is killed outright: the old output or none, and a next run that is whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run, made_glossary, rows_of

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a POSIX system")

KILLED = """
import itertools, os, signal, sys
module, name = sys.argv[1].rsplit(":")
owner = __import__(module, fromlist=["x"])
for part in name.split(".")[:-1]:
    owner = getattr(owner, part)
last, real, turns = name.split(".")[-1], getattr(owner, name.split(".")[-1]), itertools.count()
def dying(*args, **kwargs):
    if next(turns) == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(owner, last, dying)
from embedkit.compose import ComposeOptions, compose
compose(ComposeOptions(inputs=["g.csv"], miner="lexical", force=True))
"""


@pytest.mark.parametrize(
    "place",
    ["embedkit.compose.mine.negatives:NegativeStore.put", "embedkit.compose.run.output:pair_to_object"],
)
def test_kill_9_leaves_the_old_output_and_the_next_run_is_whole(run: Run, tmp_path: Path, place: str) -> None:
    made_glossary(tmp_path / "g.csv")
    (tmp_path / "data").mkdir()
    old = tmp_path / "data" / "pairs.jsonl"
    old.write_text("mine\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", KILLED, place], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [path.name for path in (tmp_path / "data").iterdir() if path.suffix != ".part"]
    assert (left, old.read_text(encoding="utf-8")) == (["pairs.jsonl"], "mine\n")
    assert run("compose", "--input", "g.csv", "--miner", "lexical", "--force").returncode == 0
    assert all(len(row["hard_negatives"]) == 3 for row in rows_of(old))
    assert not list((tmp_path / "data").glob("*.part"))
