"""Claim: questions of real people, trained on, are worth more than question forms: recall@1 of other real questions.

Half of the hand-written `data/questions.*`, drawn by hash, trains beside the templates in one arm; the other arm has
the templates alone. Both answer the other half, as search does: over the whole glossary, by meaning and with words.
Every arm trains the default recipe, until known dev recall stops rising or for so many steps or minutes. Results are
kept a line each in WORK/results.jsonl, so that a run that was cut off goes on.

    python benchmarks/questions.py WORK                        # three seeds, the default recipe: hours on two cores
    python benchmarks/questions.py --steps 60 --seeds 1 WORK   # a look
    python benchmarks/questions.py --score runs/NAME --asked pairs.known.jsonl --glossary g.csv   # one model
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.data.entries import Entry
from embedkit.data.reading import read_entries
from embedkit.data.records import Pair
from embedkit.data.shapes import read_pairs
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.models.vectors import Encoder
from embedkit.ranking.entries import EntryIndex, combine, meaning, words
from embedkit.ranking.hybrid.shares import shares_of
from embedkit.shipped_data import data_path
from embedkit.text import fold, hash64

GLOSSARIES = ("electronics.en.csv", "electronics.ko.csv")
QUESTIONS = ("questions.en.jsonl", "questions.ko.jsonl")
TEMPLATES, WITH = "templates", "templates and questions"
ASKED_KINDS = ("named", "other_name", "described")


def main() -> int:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path, nargs="?", default=Path("questions-work"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="So many steps instead of the recipe's own end.")
    parser.add_argument(
        "--minutes", type=float, default=0, help="At most so many minutes of training for each arm."
    )
    parser.add_argument("--score", default="", help="Train nothing: measure this model or run.")
    parser.add_argument("--asked", type=Path, help="With --score: rows whose anchors are asked.")
    parser.add_argument(
        "--glossary", type=Path, action="append", help="With --score: what is searched. Repeatable."
    )
    args = parser.parse_args()
    if args.score:
        asked = [pair for pair in read_pairs(args.asked) if pair.kind in ASKED_KINDS]
        print_scores([{"arm": args.score, "seed": "", **scores(args.score, asked, args.glossary)}])
        return 0
    args.work.mkdir(parents=True, exist_ok=True)
    kept = args.work / "results.jsonl"
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []
    results: list[dict[str, Any]] = [json.loads(line) for line in lines]
    limits = [args.steps, args.minutes]
    for seed in range(args.seeds):
        for arm in (TEMPLATES, WITH):
            if not any([r["arm"], r["seed"], r["limits"]] == [arm, seed, limits] for r in results):
                results.append({"arm": arm, "seed": seed, "limits": limits, **trained(arm, seed, args)})
                with kept.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps(results[-1]) + "\n")
    rows = asked_rows(args.work)
    base = [{"arm": "the base model", "seed": "", **scores(DEFAULT_MODEL, rows, glossaries())}]
    print_scores([*base, *(result for result in results if result["limits"] == limits)])
    print_gain([result for result in results if result["limits"] == limits])
    return 0


def glossaries() -> list[Path]:
    """The shipped glossary in both languages."""
    return [data_path(name) for name in GLOSSARIES]


def halves(work: Path) -> tuple[Path, Path]:
    """The questions to train on and those to test with, each half of every file."""
    lines = [line for name in QUESTIONS for line in data_path(name).read_text(encoding="utf-8").splitlines()]
    paths = (work / "train.jsonl", work / "test.jsonl")
    for side, path in enumerate(paths):
        path.write_text("".join(line + "\n" for line in lines if hash64(line) % 2 == side), encoding="utf-8")
    return paths


def folder_of(arm: str, work: Path) -> Path:
    """Where an arm's rows are."""
    return work / arm.replace(" ", "-")


def composed(arm: str, work: Path) -> Path:
    """The training rows of an arm; the questions to test with are known rows of both."""
    train, test = halves(work)
    output = folder_of(arm, work) / "pairs.jsonl"
    if not output.is_file():
        questions = ["--questions", str(test), *(["--train-questions", str(train)] if arm == WITH else [])]
        inputs = [part for path in glossaries() for part in ("--input", str(path))]
        embedkit("compose", *inputs, *questions, "--hard-k", "0", "--output", str(output))
    return output


def asked_rows(work: Path) -> list[Pair]:
    """The real questions that both arms keep out of training."""
    both: list[dict[str, Pair]] = []
    for arm in (TEMPLATES, WITH):
        folder = composed(arm, work).parent
        rows = [
            pair for part in ("known", "known.dev") for pair in read_pairs(folder / f"pairs.{part}.jsonl")
        ]
        both.append({pair.anchor: pair for pair in rows if pair.kind in ASKED_KINDS})
    return [pair for anchor, pair in both[0].items() if anchor in both[1]]


def trained(arm: str, seed: int, args: argparse.Namespace) -> dict[str, float]:
    """Train an arm and measure it."""
    pairs, name = (
        composed(arm, args.work),
        f"{folder_of(arm, args.work).name}-{seed}-{args.steps}-{args.minutes:g}",
    )
    sets = [f"data.pairs_path={pairs}", f"output.save_dir={args.work / 'runs'}", f"output.save_name={name}"]
    sets.append(f"seed={seed}")
    if args.steps:
        sets += ["train.epochs=1", f"train.steps_per_epoch={args.steps}"]
    if args.minutes:
        sets.append(f"train.max_minutes={args.minutes:g}")
    embedkit("train", "--force", *(part for item in sets for part in ("--set", item)))
    return scores(str(args.work / "runs" / name), asked_rows(args.work), glossaries())


def embedkit(*args: str) -> None:
    """Run a command as a person would."""
    subprocess.run([sys.executable, "-m", "embedkit", *args], check=True)


def scores(model: str, asked: Sequence[Pair], tables: Sequence[Path]) -> dict[str, float]:
    """Recall@1 of the questions by slice, by meaning alone and as search ranks; by words for comparison."""
    entries: list[Entry] = [entry for path in tables for entry in read_entries(path)]
    index, encoder = EntryIndex(entries), Encoder(resolve_model(model, final=False))
    queries = [pair.anchor for pair in asked]
    near, by_words = meaning(index, encoder, queries), words(index, queries)
    ranked = {
        "meaning": near.nearest,
        "search": combine(near, by_words, shares_of(encoder.source).shares(queries)),
        "words": by_words,
    }
    definitions = [fold(entry.definition) for entry in entries]
    found: dict[str, float] = {}
    for ranker, scored in ranked.items():
        best = np.argmax(scored, axis=1)
        right = [definitions[place] == fold(pair.positive) for place, pair in zip(best, asked, strict=True)]
        by_slice: defaultdict[str, list[bool]] = defaultdict(list)
        for pair, hit in zip(asked, right, strict=True):
            for name in ("all", pair.lang, pair.kind):
                by_slice[name].append(hit)
        found |= {f"{ranker} {name}": statistics.fmean(hits) for name, hits in by_slice.items()}
    return {"questions": len(asked), **found}


def print_scores(results: Sequence[dict[str, Any]]) -> None:
    """A line for each model."""
    names = [name for name in results[0] if name not in ("arm", "seed", "limits", "questions")]
    print(f"recall@1 of {results[0]['questions']} questions")
    print("| arm | seed | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    for result in results:
        cells = (f"{result.get(name, float('nan')):.3f}" for name in names)
        print(f"| {result['arm']} | {result['seed']} | " + " | ".join(cells) + " |")


def print_gain(results: Sequence[dict[str, Any]]) -> None:
    """What the questions are worth: the mean difference over the seeds, and the smallest and largest."""
    for name in ("meaning all", "search all", "meaning described", "search described"):
        gains = list(_gains(results, name))
        if gains:
            low, high = min(gains), max(gains)
            print(f"{name}: {statistics.fmean(gains):+.3f} ({low:+.3f} to {high:+.3f}, {len(gains)} seeds)")


def _gains(results: Sequence[dict[str, Any]], name: str) -> Iterator[float]:
    by_arm = {(result["arm"], result["seed"]): result.get(name) for result in results}
    for (arm, seed), value in by_arm.items():
        if arm == WITH and value is not None and (TEMPLATES, seed) in by_arm:
            yield value - by_arm[TEMPLATES, seed]


if __name__ == "__main__":
    sys.exit(main())
