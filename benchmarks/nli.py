"""Claim: on inference rows the losses end in their published order, softmax < cosine < mnrl; the table says from how
many rows on.

FOLDER holds SNLI as SentEval keeps it (`s1.dev`, `s2.dev`, `labels.dev`, the same with `.test`: 19,657 rows with a
label) and the STS benchmark (`sts-dev.csv`, `sts-test.csv`); both are public and neither is part of embedkit. A sample
is of whole premises, as mnrl joins a premise's entailments with its contradictions; rows with a sentence of the STS
pairs are left out. Every loss begins from the same bare encoder and sees its rows once (or `--epochs` times), at the
learning rate of `--lrs` that serves it best on the dev pairs (seed 0, `--tuned-on` rows). Results are kept a line each
in FOLDER/nli.jsonl, so that a run that was cut off goes on.

    python benchmarks/nli.py --model BERT_TINY FOLDER
    python benchmarks/nli.py --model BERT_TINY --sizes 300 --seeds 1 --lrs 1e-4 FOLDER    # does it run
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from recipes import embedkit

from embedkit.data.jsonl import write_objects
from embedkit.data.records import ClassedPair, ScoredPair

LOSSES = ("softmax", "cosine", "mnrl")
CLASSES = ("entailment", "neutral", "contradiction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one loss from `rows` rows; correlations of the cosine with the grade, on the pairs of `part`."""

    part: str
    loss: str
    rows: int
    seed: int
    lr: float
    epochs: int
    pearson: float
    spearman: float
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What all runs share."""

    folder: Path
    model: str
    batch_size: int
    epochs: int
    rows: tuple[ClassedPair, ...]

    def measured(
        self, part: str, losses: tuple[str, ...], size: int, *, seed: int, lr: float
    ) -> list[Result]:
        """Train each loss on a sample of the rows and measure it, the base model first; what is kept is read."""
        kept = self.folder / "nli.jsonl"
        wanted = ("base", *losses)
        lines = kept.read_text().splitlines() if kept.is_file() else []
        found = [
            result
            for result in (Result(**json.loads(line)) for line in lines)
            if (result.part, result.rows, result.seed, result.lr, result.epochs)
            == (part, size, seed, lr, self.epochs)
            and result.loss in wanted
        ]
        if {result.loss for result in found} >= set(wanted):
            return found
        made = [
            Result(
                part=part,
                loss=one["loss"],
                rows=size,
                seed=seed,
                lr=lr,
                epochs=self.epochs,
                pearson=one["metrics"]["cosine_pearson"],
                spearman=one["metrics"]["cosine_spearman"],
                steps=one["steps"],
                seconds=one["seconds"],
            )
            for one in self._compared(part, losses, size, seed=seed, lr=lr)
        ]
        with kept.open("a") as file:
            file.writelines(json.dumps(asdict(result)) + "\n" for result in made)
        print(
            *(f"{r.loss} {r.pearson:.3f}/{r.spearman:.3f}" for r in made),
            part,
            size,
            seed,
            lr,
            file=sys.stderr,
        )
        return made

    def _compared(
        self, part: str, losses: tuple[str, ...], size: int, *, seed: int, lr: float
    ) -> list[dict[str, Any]]:
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        write_objects(work / "rows.jsonl", map(asdict, sample(self.rows, size, seed)))
        write_objects(work / f"sts-{part}.jsonl", map(asdict, graded(self.folder / f"sts-{part}.csv")))
        settings = {
            "model_id": self.model,
            "seed": seed,
            "device": "cpu",
            "loss.temperature": 0.05,
            "loss.symmetric": "false",
            "train.batch_size": self.batch_size,
            "train.epochs": self.epochs,
            "train.max_length": 64,
            "train.base_share": 0,
            "train.extend_vocabulary": "off",
            "optim.lr": lr,
            "data.pairs_path": "rows.jsonl",
            "data.max_hard_negatives": "null",
            "output.save_name": "nli",
        }
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        said = embedkit(
            [
                "compare",
                "--losses",
                ",".join(losses),
                "--sts",
                f"sts-{part}.jsonl",
                "--json",
                "--force",
                *sets,
            ],
            cwd=work,
        )
        return list(json.loads(said)["losses"])


def main() -> int:
    """Measure what is not yet kept and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True, help="a bare encoder, no sentence model")
    parser.add_argument("--sizes", default="300,1000,3000,10000,19000")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lrs", default="2e-5,1e-4,5e-4")
    parser.add_argument("--tuned-on", type=int, default=3000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    folder = options.folder.resolve()
    study = Study(
        folder=folder,
        model=str(Path(options.model).resolve()) if Path(options.model).is_dir() else options.model,
        batch_size=options.batch_size,
        epochs=options.epochs,
        rows=tuple(inference_rows(folder)),
    )
    rates = chosen_rates(study, [float(lr) for lr in options.lrs.split(",")], options.tuned_on)
    print("learning rates:", ", ".join(f"{loss} {rate:g}" for loss, rate in rates.items()))
    for size in map(int, options.sizes.split(",")):
        results = [
            result
            for seed in range(1, options.seeds + 1)
            for rate in sorted(set(rates.values()))
            for result in study.measured(
                "test", tuple(loss for loss in LOSSES if rates[loss] == rate), size, seed=seed, lr=rate
            )
        ]
        print_row(size, results)
    return 0


def inference_rows(folder: Path) -> Iterator[ClassedPair]:
    """The rows of SNLI, without those that hold a sentence of the STS pairs."""
    measured = {
        plain(text) for part in ("dev", "test") for row in graded(folder / f"sts-{part}.csv")
        for text in (row.sentence1, row.sentence2)
    }  # fmt: skip
    for part in ("dev", "test"):
        columns = [(folder / f"{name}.{part}").read_text().splitlines() for name in ("s1", "s2", "labels")]
        for left, right, label in zip(*columns, strict=True):
            if label.strip() in CLASSES and not {plain(left), plain(right)} & measured:
                yield ClassedPair(sentence1=left.strip(), sentence2=right.strip(), label=label.strip())


def plain(text: str) -> str:
    """A text as it is compared: letters and digits only."""
    return "".join(filter(str.isalnum, text.lower()))


def graded(path: Path) -> list[ScoredPair]:
    """The pairs of a file of the STS benchmark, whose grades go from 0 to 5."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [ScoredPair(sentence1=row[5], sentence2=row[6], score=float(row[4]) / 5) for row in rows]


def sample(rows: tuple[ClassedPair, ...], size: int, seed: int) -> list[ClassedPair]:
    """Whole premises until there are `size` rows."""
    by_premise: dict[str, list[ClassedPair]] = {}
    for row in rows:
        by_premise.setdefault(row.sentence1, []).append(row)
    premises = sorted(by_premise)
    random.Random(seed).shuffle(premises)
    found = [row for premise in premises for row in by_premise[premise]]
    return found[:size]


def chosen_rates(study: Study, rates: list[float], size: int) -> dict[str, float]:
    """The learning rate that serves each loss best on the dev pairs, by Pearson."""
    if len(rates) == 1:
        return dict.fromkeys(LOSSES, rates[0])
    found = [result for lr in rates for result in study.measured("dev", LOSSES, size, seed=0, lr=lr)]
    best = {loss: max((r for r in found if r.loss == loss), key=lambda r: r.pearson) for loss in LOSSES}
    return {loss: result.lr for loss, result in best.items()}


def print_row(size: int, results: list[Result]) -> None:
    """A line of the table: each loss's means and spread over the seeds, and whether the order shows."""
    cells, means = [], []
    for loss in ("base", *LOSSES):
        of_loss = {result.seed: result for result in results if result.loss == loss}.values()
        pearson = [result.pearson for result in of_loss]
        spread = f" ± {stdev(pearson):.3f}" if len(pearson) > 1 and loss != "base" else ""
        means.append(mean(pearson))
        cells.append(f"{means[-1]:.3f}{spread} / {mean(result.spearman for result in of_loss):.3f}")
    ordered = sum(
        one["softmax"] < one["cosine"] < one["mnrl"]
        for seed in {result.seed for result in results}
        if (one := {result.loss: result.pearson for result in results if result.seed == seed})
    )
    print(f"| {size:,} | {' | '.join(cells)} | {ordered} of {len({r.seed for r in results})} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
