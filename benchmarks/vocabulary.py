"""Claim: MiniLM with new tokens (train.extend_vocabulary) finds Korean that it cannot find without, at equal time.

The shipped electronics as benchmarks/known.py trains and asks them; and aligned Korean and English segments of
LibreOffice's help, where a quarter of the segments is asked and never trained on. Results are kept a line each in
WORK/known.jsonl and WORK/segments.jsonl, so that a run that was cut off goes on.

    python benchmarks/recipes.py --fetch WORK        # for the segments: packages of Debian
    python benchmarks/vocabulary.py --minutes 4 --seeds 3 --test WORK
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from known import BM25, SHIPPED, UNSEEN, Result, measure, read_result
from recipes import ENTRIES, SOURCES, embedkit

from embedkit.data.records import Pair, write_pairs
from embedkit.models.resolve import DEFAULT_MODEL

SEGMENTS = "libreoffice-ko-en"
WITH, WITHOUT = "default", "no new tokens"
VOCABULARY = {WITH: "auto", WITHOUT: "off"}
ASKED = 0.25
NEAR = 0.01


@dataclass(frozen=True, slots=True)
class Bar:
    """What a column has to reach, how far above the model without new tokens it has to be, and a column below it."""

    least: float = 0.0
    gain: float = 0.0
    above: str = ""


_DEFINED = f"{UNSEEN}, term-definition"
BARS = {
    "definitions question ko": Bar(least=0.90),
    "alone described ko": Bar(least=0.35, gain=0.15),
    f"{_DEFINED} ko": Bar(least=0.12, above=f"{_DEFINED}, {BM25} ko"),
    "everyday ko": Bar(),
    "segments nDCG@10": Bar(gain=0.10),
}
ENGLISH = Bar(gain=-NEAR)


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """nDCG@10 on segments that were not trained on, of the base model and of the trained one."""

    arm: str
    seed: int
    minutes: float
    before: float
    after: float


def main() -> int:
    """Train what is not yet measured and print both tables; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, nargs="?", default=Path("build/vocabulary"))
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--sources", default=f"{SHIPPED},{SEGMENTS}")
    parser.add_argument("--test", action="store_true", help="ask the test questions, not those for choosing")
    options = parser.parse_args()
    work: Path = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    seeds = range(42, 42 + options.seeds)
    found: dict[str, dict[str, list[tuple[float, float]]]] = {arm: {} for arm in VOCABULARY}
    for arm in VOCABULARY:
        for seed in seeds:
            columns: dict[str, tuple[float, float]] = {}
            if SHIPPED in options.sources.split(","):
                columns |= electronics(
                    (SHIPPED, arm, seed, options.minutes, options.test), work, options.model
                )
            if SEGMENTS in options.sources.split(","):
                done = segments(arm, seed, options.minutes, work, options.model)
                columns["segments nDCG@10"] = (done.before, done.after)
            for name, values in columns.items():
                found[arm].setdefault(name, []).append(values)
    return print_table(found)


def electronics(
    key: tuple[str, str, int, float, bool], work: Path, model: str
) -> Mapping[str, tuple[float, float]]:
    """Before and after in each column of benchmarks/known.py, measured or kept."""
    kept = work / "known.jsonl"
    done = [read_result(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    for result in done:
        if (result.source, result.arm, result.seed, result.minutes, result.test) == key:
            return result.columns
    result: Result = measure(key, work, model)
    with kept.open("a") as handle:
        handle.write(json.dumps(asdict(result)) + "\n")
    return result.columns


def segments(arm: str, seed: int, minutes: float, work: Path, model: str) -> SegmentResult:
    """Train on three quarters of the segments and ask the rest, or take the kept result."""
    kept = work / "segments.jsonl"
    for line in kept.read_text().splitlines() if kept.is_file() else ():
        done = SegmentResult(**json.loads(line))
        if (done.arm, done.seed, done.minutes) == (arm, seed, minutes):
            return done
    folder = work / SEGMENTS
    if not (folder / "pairs.jsonl").is_file():
        write_segments(work, folder)
    run = f"runs/{arm.replace(' ', '-')}-{minutes:g}-{seed}"
    chosen = {
        "model_id": model, "seed": str(seed), "train.max_minutes": str(minutes), "train.epochs": "20",
        "train.extend_vocabulary": VOCABULARY[arm], "output.save_name": Path(run).name,
    }  # fmt: skip
    sets = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    embedkit(["train", "--force", *sets], cwd=folder)
    # Some help texts are nearly alike (2 %), for both arms.
    command = ["evaluate", "--model", run, "--test", "pairs.test.jsonl", "--json", "--allow-leak"]
    command += ["--output", f"{run}/measured"]
    said = json.loads(embedkit(command, cwd=folder))
    metric = next(metric for metric in said["metrics"] if metric["name"] == "ndcg@10")
    result = SegmentResult(arm, seed, minutes, metric["before"], metric["after"])
    with kept.open("a") as handle:
        handle.write(json.dumps(asdict(result)) + "\n")
    return result


def write_segments(work: Path, folder: Path) -> None:
    """Rows of a sample of the aligned segments: Korean asks for English. Each English segment is a concept."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {row.definition: row for row in SOURCES[SEGMENTS](work)}.values()
    rows = list({row.term: row for row in rows}.values())
    drawn = random.Random(0).sample(rows, min(ENTRIES, len(rows)))
    pairs = [
        Pair(anchor=row.term, positive=row.definition, group=f"s{place}", kind="translation", lang="ko")
        for place, row in enumerate(drawn)
    ]
    asked = round(ASKED * len(pairs))
    write_pairs(folder / "pairs.test.jsonl", pairs[:asked])
    write_pairs(folder / "pairs.jsonl", pairs[asked:])


def print_table(found: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> int:
    """A line for each column: base model, without new tokens, with them; the mean over seeds, and the bar."""
    print("| column | base model | without | with | bar | |\n|---|---:|---:|---:|---|---|")
    after = {
        arm: {name: mean(value for _, value in values) for name, values in columns.items()}
        for arm, columns in found.items()
    }
    missed = []
    for name, values in found[WITH].items():
        base, without, with_ = mean(before for before, _ in values), after[WITHOUT][name], after[WITH][name]
        bar = ENGLISH if name.endswith(" en") and BM25 not in name else BARS.get(name)
        met = bar is None or is_met(bar, without, with_, beside=after[WITH].get(bar.above, 0.0))
        if not met:
            missed.append(name)
        told = f"{bar_text(bar)} | {'met' if met else 'missed'}" if bar else "|"
        print(f"| {name} | {base:.3f} | {without:.3f} | {with_:.3f} | {told} |")
    not_asked = [name for name in BARS if name not in found[WITH]]
    print(f"missed: {', '.join(missed) or 'none'}; not measured: {', '.join(not_asked) or 'none'}")
    return int(bool(missed))


def is_met(bar: Bar, without: float, with_: float, *, beside: float) -> bool:
    """Whether a column is at its bar; `beside` is the value of the column that it has to be above."""
    gain = with_ - without if bar.gain or not bar.least else 0.0
    return with_ >= bar.least and gain >= bar.gain and (not bar.above or with_ > beside)


def bar_text(bar: Bar) -> str:
    """The bar in words."""
    parts = [f"≥ {bar.least:.2f}"] if bar.least else []
    if bar.gain > 0:
        parts.append(f"≥ {bar.gain:.2f} above without")
    elif bar.gain < 0:
        parts.append(f"≤ {-bar.gain:.2f} below without")
    elif not bar.least:
        parts.append("not below without")
    return ", ".join([*parts, *(["above BM25"] if bar.above else [])])


if __name__ == "__main__":
    raise SystemExit(main())
