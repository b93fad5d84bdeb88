"""Processes behind one address: one that takes a dead one's place is asked to stop as the others are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
import time
from embedkit.serving.workers import run_workers

def work(number, ready):
    ready()
    while True:
        time.sleep(60)

run_workers(2, work, lambda: print("ready", flush=True))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="lists children as Linux does")
@pytest.mark.parametrize("_", range(3))
def test_a_stop_reaches_a_worker_that_has_just_begun(_: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            before = set(listed.read_text(encoding="ascii").split())
            os.kill(int(min(before)), signal.SIGKILL)
            until = time.monotonic() + 20
            while not set(listed.read_text(encoding="ascii").split()) - before:
                assert time.monotonic() < until
            process.terminate()
            process.wait(20)
            assert process.returncode == 0
        finally:
            process.kill()
