"""Claim: the default recipe serves every way of asking; the table shows what each of its parts is worth.

Every arm is the default recipe with one thing changed, trained for the same minutes on the same glossary. `embedkit
evaluate` asks the known dev questions (`--test` those that no arm was chosen by), the unseen dev rows and the everyday
pairs. Results are kept a line each in WORK/known.jsonl, so that a run that was cut off goes on.

    python benchmarks/recipes.py --fetch WORK        # the other sources: packages of npm and Debian
    python benchmarks/known.py --minutes 4 WORK
    python benchmarks/known.py --minutes 4 --arms default --seeds 3 --test WORK
    python benchmarks/known.py --minutes 10 --arms "default,today's before" --sources jargon,vera WORK
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from recipes import ENTRIES, SOURCES, embedkit

from embedkit.compose.rows.drafts import DEFAULT_KINDS
from embedkit.data.records import write_pairs
from embedkit.data.shapes import read_pairs
from embedkit.models.resolve import DEFAULT_MODEL
from embedkit.shipped_data import data_path

SHIPPED = "electronics"
LANGUAGES = ("en", "ko")
# Of the search over entries, of the model alone over entries, and of the model alone over definitions.
UNSEEN, BM25 = "unseen nDCG@10", "BM25"
SEARCHED, ALONE, OVER_DEFINITIONS = ("named", "described"), ("described",), ("question", "typo")


@dataclass(frozen=True, slots=True)
class Arm:
    """What an arm changes: settings, kinds of rows left out, options of compose, the kinds of rows that it writes."""

    settings: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    compose: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


ARMS = {
    "default": Arm(),
    "today's before": Arm(
        {
            "train.batch_size": "128",
            "train.epochs": "4",
            "optim.lr": "1e-4",
            "train.rows_per_visit": "1",
            "train.extend_vocabulary": "off",
        },
        without=("question-definition", "typo-definition"),
    ),
    "description rows too": Arm(kinds=(*DEFAULT_KINDS, "description-definition")),
    "no question rows": Arm(without=("question-definition",)),
    "no typo rows": Arm(without=("typo-definition",)),
    "a person's questions too": Arm(compose=("--train-questions",)),
    "no new tokens": Arm({"train.extend_vocabulary": "off"}),
    "one row a visit": Arm({"train.rows_per_visit": "1"}),
    "eight rows a visit": Arm({"train.rows_per_visit": "8"}),
    "batches of 128": Arm({"train.batch_size": "128"}),
    "learning rate 2e-4": Arm({"optim.lr": "2e-4"}),
    "learning rate 6e-4": Arm({"optim.lr": "6e-4"}),
    "temperature 0.03": Arm({"loss.temperature": "0.03"}),
    "temperature 0.1": Arm({"loss.temperature": "0.1"}),
    "length 64": Arm({"train.max_length": "64"}),
    "one hard negative": Arm({"data.max_hard_negatives": "1"}),
    "one direction": Arm({"loss.symmetric": "false"}),
    "a fifth of the base": Arm({"train.base_share": "0.2"}),
}


@dataclass(frozen=True, slots=True)
class Result:
    """One trained arm: recall@1 by column and language, of the baseline and of the model; minutes and epochs."""

    source: str
    arm: str
    seed: int
    minutes: float
    test: bool
    epochs: float
    columns: dict[str, tuple[float, float]]


def main() -> int:
    """Train what is not yet measured and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, nargs="?", default=Path("build/known"))
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--sources", default=SHIPPED)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--test", action="store_true", help="ask the test questions, not those for choosing")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    kept = options.work / "known.jsonl"
    found = [read_result(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    for source in options.sources.split(","):
        for name in options.arms.split(","):
            for seed in range(42, 42 + options.seeds):
                key = (source, name, seed, options.minutes, options.test)
                if key in [(r.source, r.arm, r.seed, r.minutes, r.test) for r in found]:
                    continue
                found.append(measure(key, options.work, options.model))
                with kept.open("a") as handle:
                    handle.write(json.dumps(asdict(found[-1])) + "\n")
    print_table([r for r in found if r.minutes == options.minutes and r.test == options.test])
    return 0


def read_result(line: str) -> Result:
    """A kept result."""
    values: dict[str, Any] = json.loads(line)
    return Result(**values)


def measure(key: tuple[str, str, int, float, bool], work: Path, model: str) -> Result:
    """Compose, train and evaluate one arm."""
    source, name, seed, minutes, test = key
    arm, slug = ARMS[name], re.sub(r"[^a-z0-9]+", "-", name)
    folder = compose(work, source, arm, slug)
    chosen = {
        "model_id": model, "seed": str(seed), "train.max_minutes": str(minutes), **arm.settings,
        "output.save_name": f"{minutes:g}-{seed}",
    }  # fmt: skip
    sets = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    embedkit(["train", "--force", "--json", *sets], cwd=folder)
    files = (
        ("pairs.known.jsonl", "pairs.test.jsonl") if test else ("pairs.known.dev.jsonl", "pairs.dev.jsonl")
    )
    run = f"runs/{minutes:g}-{seed}"
    command = ["evaluate", "--model", run, "--known", files[0], "--test", files[1], "--json", "--allow-leak"]
    said = json.loads(embedkit([*command, "--output", f"{run}/measured"], cwd=folder))
    log = (folder / run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return Result(source, name, seed, minutes, test, json.loads(log[-1])["epoch"], dict(columns(said)))


def compose(work: Path, source: str, arm: Arm, slug: str) -> Path:
    """The arm's folder with its rows; those of a source that differ in nothing are composed again all the same."""
    folder = work / source / slug
    folder.mkdir(parents=True, exist_ok=True)
    inputs = [f"electronics.{lang}.csv" for lang in LANGUAGES] if source == SHIPPED else ["glossary.csv"]
    if source != SHIPPED:
        write_glossary(work, source, folder / "glossary.csv")
    asked = [
        part
        for option in ("--questions", *arm.compose)
        for lang in LANGUAGES
        if source == SHIPPED
        for part in (option, str(questions(option, lang)))
    ]
    every = [part for name in inputs for part in ("--input", name)]
    kinds = ["--kinds", ",".join(arm.kinds)] if arm.kinds else []
    command = ["compose", *every, *asked, *kinds, "--hard-k", "3", "--output", "pairs.jsonl", "--force"]
    embedkit(command, cwd=folder)
    if arm.without:
        rows = [row for row in read_pairs(folder / "pairs.jsonl") if row.kind not in arm.without]
        write_pairs(folder / "pairs.jsonl", rows)
    return folder


def questions(option: str, lang: str) -> Path:
    """The questions to ask, or those that may be trained on."""
    name = "questions.train" if option == "--train-questions" else "questions"
    return data_path(f"{name}.{lang}.jsonl")


def write_glossary(work: Path, source: str, path: Path) -> None:
    """A sample of another source's entries."""
    rows = list(dict.fromkeys(SOURCES[source](work)))
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("term", "definition", "aliases"))
        for row in random.Random(0).sample(rows, min(ENTRIES, len(rows))):
            names = [{"text": alias, "kind": "synonym"} for alias in row.aliases]
            writer.writerow((row.term, row.definition, json.dumps(names, ensure_ascii=False)))


def columns(said: Mapping[str, Any]) -> Iterable[tuple[str, tuple[float, float]]]:
    """Before and after in each column of the table."""
    known = said["known"]
    for view, part, kinds in (
        ("search", "fused", SEARCHED),
        ("alone", "meaning", ALONE),
        ("definitions", "meaning", OVER_DEFINITIONS),
    ):
        for cell in known["definitions" if view == "definitions" else "slices"]:
            kind, _, lang = cell["value"].partition(", ")
            if cell["dimension"] == "kind, lang" and kind in kinds:
                metric = cell[part][0]
                yield f"{view} {kind} {lang}", (metric["before"], metric["after"])
    yield from unseen(said)
    if said["forgetting"]["pairs"]:
        everyday = said["forgetting"]["metric"]
        yield "everyday", (everyday["before"], everyday["after"])
        for part in said["forgetting"]["languages"]:
            metric = part["metrics"][0]
            yield f"everyday {part['value']}", (metric["before"], metric["after"])


def unseen(said: Mapping[str, Any]) -> Iterable[tuple[str, tuple[float, float]]]:
    """nDCG@10 of concepts outside the training rows: in all, and in each language, of all queries and of terms that ask
    for their definition, with what plain BM25 reaches.
    """
    whole = ndcg(said["metrics"])
    yield UNSEEN, (whole["before"], whole["after"])
    for part in said["slices"]:
        kind, _, lang = part["value"].rpartition(", ")
        if part["dimension"] == "lang" or (part["dimension"], kind) == ("kind, lang", "term-definition"):
            name, metric = f"{UNSEEN}, {kind}" if kind else UNSEEN, ndcg(part["metrics"])
            yield f"{name} {lang}", (metric["before"], metric["after"])
            yield f"{name}, {BM25} {lang}", (metric["bm25"], metric["bm25"])


def ndcg(metrics: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """nDCG@10 among the metrics of a slice."""
    return next(metric for metric in metrics if metric["name"] == "ndcg@10")


def print_table(results: Sequence[Result]) -> None:
    """The arms of each source in Markdown; the mean over seeds."""
    groups: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        groups.setdefault(result.source, {}).setdefault(result.arm, []).append(result)
    for source, arms in groups.items():
        names = list(next(iter(arms.values()))[0].columns)
        print(f"\n{source}\n| arm | seeds | epochs | {' | '.join(names)} |\n|{'---|' * (len(names) + 3)}")
        first = next(iter(arms.values()))[0]
        before = " | ".join(f"{first.columns[name][0]:.3f}" for name in names)
        print(f"| base model | | | {before} |")
        for arm, rows in arms.items():
            after = " | ".join(f"{mean(row.columns[name][1] for row in rows):.3f}" for name in names)
            print(f"| {arm} | {len(rows)} | {mean(row.epochs for row in rows):.1f} | {after} |")


if __name__ == "__main__":
    raise SystemExit(main())
