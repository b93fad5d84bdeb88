"""Claim: `embedkit --help` and every `SUB --help` take at most 1.5 × the time of `python -c "import typer"`.

The two are timed alternating in one run, both from compiled bytecode, as pip leaves it; the table shows medians and
their ratio. Exits 1 when a ratio is over the bar.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

import typer

from embedkit.cli import app

ROUNDS = 15
BAR = 1.5


def seconds(arguments: list[str], env: Mapping[str, str]) -> float:
    """Wall time of one Python process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=env)
    return time.perf_counter() - started


def main() -> int:
    """Print the table and say whether every command is under the bar."""
    with tempfile.TemporaryDirectory() as compiled:
        return table({**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled})


def table(env: Mapping[str, str]) -> int:
    """Print the table of medians; 1 when a ratio is over the bar."""
    names = ["", *sorted(typer.main.get_command(app).commands)]  # type: ignore[attr-defined]
    worst = 0.0
    print(f"{'command':<28}{'help ms':>9}{'typer ms':>10}{'ratio':>7}")
    for name in names:
        command = ["-m", "embedkit", *([name] if name else []), "--help"]
        seconds(command, env)  # compiles what it imports
        pairs = [(seconds(command, env), seconds(["-c", "import typer"], env)) for _ in range(ROUNDS)]
        ours, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
        worst = max(worst, ours / peer)
        print(f"{'embedkit ' + name:<28}{ours * 1000:>9.0f}{peer * 1000:>10.0f}{ours / peer:>7.2f}")
    print(f"worst ratio {worst:.2f}, bar {BAR}")
    return 0 if worst <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
