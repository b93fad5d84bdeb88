"""Claims: compose with lexical mining takes a million rows within 1 GB of memory; its cost per row is flat from 10,000.

`python benchmarks/compose.py [ROWS…]` (1000 10000 100000 1000000). Made-up glossaries: words of a vocabulary of
200,000 with Zipf frequencies, every tenth row Korean, every tenth with an abbreviation, no two definitions alike. Each
size runs in a process of its own, by the same code as the command. Exits 1 when a bar is missed.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (1_000, 10_000, 100_000, 1_000_000)
VOCABULARY = 200_000
PEAK_MIB = 1024
FLAT = 0.2
FLAT_FROM = 10_000
PHASES = {
    "read": "read_all",
    "concepts": "join_records",
    "rows": "make_rows",
    "split": "split_rows",
    "mine": "mine_parts",
    "prove": "prove_split",
    "write": "write_output",
}
_LATIN = [c + v + e for c in "bcdfghklmnprstvz" for v in "aeiou" for e in ("", "n", "r", "s", "l")]
_HANGUL = [
    chr(0xAC00 + 588 * lead + 28 * vowel + tail)
    for lead in range(19)
    for vowel in range(0, 21, 2)
    for tail in (0, 4)
]


def vocabulary(syllables: list[str], rng: np.random.Generator) -> list[str]:
    """Different words of one to four syllables, the short ones frequent."""
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        length = 1 + min(3, len(words) // 300 + len(words) // 20_000)
        words["".join(syllables[n] for n in rng.integers(len(syllables), size=length))] = None
        if length == 1 and len(words) > 250:
            words["".join(syllables[n] for n in rng.integers(len(syllables), size=2))] = None
    return list(words)


def rows(count: int) -> Iterator[list[str]]:
    """`count` glossary rows; the same for every run."""
    rng = np.random.default_rng(7)
    english, korean = vocabulary(_LATIN, rng), vocabulary(_HANGUL, rng)
    shares = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    for number in range(count):
        words = korean if number % 10 == 0 else english
        length = int(rng.integers(9, 19))
        text = [words[n] for n in np.searchsorted(shares, rng.random(length) * shares[-1])]
        name = [words[n] for n in rng.integers(VOCABULARY, size=2)]
        short = "".join(chr(65 + n) for n in rng.integers(26, size=5)) if number % 10 == 1 else ""
        yield [" ".join(name), " ".join(text).capitalize() + ".", short]


def write_glossary(path: Path, count: int) -> None:
    """The rows as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["term", "definition", "abbreviation"], *rows(count)])


def measured(glossary: str, output: str) -> None:
    """Run compose in this process; print the seconds of each phase and the peak memory as JSON."""
    from embedkit.compose import ComposeOptions
    from embedkit.compose.run import compose as module

    seconds: dict[str, float] = {}
    for phase, name in PHASES.items():
        setattr(module, name, _timed(getattr(module, name), phase, seconds))
    result = module.compose(ComposeOptions(inputs=[glossary], output=output, miner="lexical"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rules = dict(result.rules)
    print(
        json.dumps({"seconds": seconds, "peak_mib": peak, "rows": sum(result.rows.values()), "rules": rules})
    )


def _timed(work: Callable[..., Any], phase: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def run(*args: Any, **settings: Any) -> Any:
        begin = time.process_time()
        answer = work(*args, **settings)
        seconds[phase] = time.process_time() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"  {phase}: {seconds[phase]:.1f} s, peak so far {peak} MiB", file=sys.stderr)
        return answer

    return run


def one(count: int) -> dict[str, Any]:
    """Measure one size in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        glossary = Path(folder) / "glossary.csv"
        write_glossary(glossary, count)
        command = [sys.executable, __file__, "--measure", str(glossary), str(Path(folder) / "pairs.jsonl")]
        print(f"{count} rows", file=sys.stderr)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def main() -> int:
    """Print the table; 1 when the peak is over the bar or the cost per row is not flat."""
    if sys.argv[1:2] == ["--measure"]:
        measured(*sys.argv[2:])
        return 0
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    found = {size: one(size) for size in sizes}
    print("CPU µs a row of input".ljust(24) + "".join(f"{size:>12,}" for size in sizes))
    for phase in (*PHASES, "all"):
        costs = [_cost(found[size], phase) / size * 1e6 for size in sizes]
        print(phase.ljust(24) + "".join(f"{cost:>12.1f}" for cost in costs))
    print("rows/s".ljust(24) + "".join(f"{size / _cost(found[size], 'all'):>12,.0f}" for size in sizes))
    print("peak MiB".ljust(24) + "".join(f"{found[size]['peak_mib']:>12,.0f}" for size in sizes))
    print("training rows".ljust(24) + "".join(f"{found[size]['rows']:>12,}" for size in sizes))
    large = [_cost(found[size], "all") / size for size in sizes if size >= FLAT_FROM]
    flat = not large or max(large) <= (1 + FLAT) * large[0]
    small = all(run["peak_mib"] <= PEAK_MIB for run in found.values())
    print(f"\nat most {PEAK_MIB} MiB: {'yes' if small else 'NO'}")
    print(f"at most 20 % dearer than {FLAT_FROM:,} rows: {'yes' if flat else 'NO'}")
    return 0 if flat and small else 1


def _cost(run: dict[str, Any], phase: str) -> float:
    seconds: dict[str, float] = run["seconds"]
    return sum(seconds.values()) if phase == "all" else seconds[phase]


if __name__ == "__main__":
    sys.exit(main())
