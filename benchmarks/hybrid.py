"""Claim: words and meaning in the learnt share are never worse than the better of both, and a large glossary is fast.

For each source the share is learnt on half of the concepts of the known dev questions and measured on the other half,
and the other way round; with `--test` it is learnt on all of them and measured on `pairs.known.jsonl`. Every language
is a slice. Seconds are CPU seconds of one process.

    python benchmarks/hybrid.py --fetch WORK          # Jargon File and V.E.R.A.: packages of Debian
    python benchmarks/hybrid.py WORK                  # the three sources, with the base model
    python benchmarks/hybrid.py --run runs/demo WORK  # one run: its model over its own questions
    python benchmarks/hybrid.py --speed 100000
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import recipes

from embedkit.data.entries import Entry
from embedkit.data.records import split_path
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.models.run_folder import run_of
from embedkit.models.vectors import Encoder
from embedkit.ranking.entries import EntryIndex, scored, words
from embedkit.ranking.hybrid.learning import learn
from embedkit.ranking.hybrid.questions import KnownQuestion, KnownSet, read_known_set
from embedkit.ranking.hybrid.shares import LearntShares, Ranker
from embedkit.shipped_data import data_path
from embedkit.text import hash64, language_of

RANKERS: tuple[Ranker, ...] = ("auto", "hybrid", "dense", "lexical")
BAR = 0.005
ASKED = 40


def composed(work: Path, source: str, entries: int) -> Path:
    """The training file of a source; composed once."""
    folder = work / f"hybrid-{source}-{entries}"
    pairs = folder / "pairs.jsonl"
    if pairs.is_file():
        return pairs
    folder.mkdir(parents=True, exist_ok=True)
    if source == "electronics":
        inputs = [str(data_path(f"electronics.{lang}.csv")) for lang in ("en", "ko")]
        questions = [str(data_path(f"questions.{lang}.jsonl")) for lang in ("en", "ko")]
    else:
        inputs, questions = [str(folder / "glossary.csv")], []
        rows = list(dict.fromkeys(recipes.SOURCES[source](work)))
        with (folder / "glossary.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("term", "definition", "aliases"))
            for row in random.Random(0).sample(rows, min(entries, len(rows))):
                names = [{"text": alias, "kind": "synonym"} for alias in row.aliases]
                writer.writerow((row.term, row.definition, json.dumps(names, ensure_ascii=False)))
    given = [part for path in inputs for part in ("--input", path)]
    asked = [part for path in questions for part in ("--questions", path)]
    command = ["compose", *given, *asked, "--output", str(pairs), "--hard-k", "0", "--miner", "lexical"]
    subprocess.run([sys.executable, "-m", "embedkit", *command], check=True)
    return pairs


def halves(known: KnownSet) -> Iterator[tuple[KnownSet, KnownSet]]:
    """Two parts without a concept in common, each in turn to learn on."""
    parts = [
        replace(known, questions=tuple(q for q in known.questions if hash64(q.concept) % 2 == side))
        for side in (0, 1)
    ]
    yield parts[0], parts[1]
    yield parts[1], parts[0]


def hits(known: KnownSet, learnt: LearntShares, encoder: Encoder, ranker: Ranker) -> list[bool]:
    """Whether each question's first entry is right."""
    texts = [question.text for question in known.questions]
    found = scored(EntryIndex(known.entries), encoder, texts, ranker=ranker, learnt=learnt)
    return [
        bool(np.isin(scores.argmax(), question.right))
        for scores, question in zip(found, known.questions, strict=True)
    ]


def measure(name: str, folds: Sequence[tuple[KnownSet, KnownSet]], encoder: Encoder) -> bool:
    """Print a line for each language; whether all are within the bar."""
    asked: list[KnownQuestion] = []
    right: dict[Ranker, list[bool]] = {ranker: [] for ranker in RANKERS}
    shares: dict[str, list[str]] = {}
    for known, held_out in folds:
        learnt = learn(known, encoder)
        asked += held_out.questions
        for ranker in RANKERS:
            right[ranker] += hits(held_out, learnt, encoder, ranker)
        for lang in sorted({language_of(question.text) for question in held_out.questions}):
            shares.setdefault(lang, []).append(f"{learnt.share(lang):.2f}")
    within = True
    for lang, learnt_shares in shares.items():
        places = [place for place, question in enumerate(asked) if language_of(question.text) == lang]
        recall = {ranker: float(np.mean([right[ranker][place] for place in places])) for ranker in RANKERS}
        short = max(recall["dense"], recall["lexical"]) - recall["auto"]
        within = within and short <= BAR
        cells = " | ".join(f"{recall[ranker]:.3f}" for ranker in RANKERS)
        verdict = "yes" if short <= BAR else f"NO, {short:.3f} short"
        print(
            f"| {name} | {lang} | {len(places)} | {', '.join(learnt_shares)} | {cells} | {verdict} |",
            flush=True,
        )
    return within


def made_up(count: int) -> Iterator[Entry]:
    """Entries of a name and a definition of a dozen words, common words often."""
    draw = random.Random(0)
    syllables = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
    vocabulary = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(30_000)]
    weights = [1 / (place + 1) for place in range(len(vocabulary))]
    drawn = draw.choices(vocabulary, weights, k=count * 12)
    for number in range(count):
        definition = " ".join(drawn[number * 12 : (number + 1) * 12])
        yield Entry(term=" ".join(draw.choices(vocabulary, k=2)), definition=definition)


def speed(count: int) -> None:
    """CPU seconds of making the word index, of loading it, and of a query by words."""
    entries = list(made_up(count))
    for name in ("the first time", "again, from the cache"):
        began = time.process_time()
        index = EntryIndex(entries)
        words(index, ["warm"])
        print(f"{count} entries, {name}: {time.process_time() - began:.2f} s")
    taken = []
    for entry in entries[:: max(1, count // ASKED)]:
        began = time.process_time()
        words(index, [f"what is {entry.term}?"])
        taken.append(1e3 * (time.process_time() - began))
    print(f"a query by words: median {np.median(taken):.1f} ms, longest {max(taken):.1f} ms")


def main() -> None:
    """Fetch, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--run", default="")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--sources", default="electronics,jargon,vera")
    parser.add_argument("--entries", type=int, default=recipes.ENTRIES)
    parser.add_argument("--speed", type=int, default=0)
    args = parser.parse_args()
    if args.speed:
        speed(args.speed)
        return
    if args.fetch:
        recipes.fetch(args.work)
        return
    source = resolve_model(args.run or DEFAULT_MODEL, final=False)
    run = run_of(source)
    given = {args.run: run.trained_on[0]} if run else {}
    files = given or {name: composed(args.work, name, args.entries) for name in args.sources.split(",")}
    print(
        f"recall@1, {source}\n| source | language | questions | share of meaning | {' | '.join(RANKERS)} | bar |"
    )
    print("|---|---|---|---|" + "---|" * (len(RANKERS) + 1))
    within = []
    for name, pairs in files.items():
        known = read_known_set([split_path(pairs, "known.dev")], corpus=None, run=run)
        test = [split_path(pairs, "known")]
        folds = [(known, read_known_set(test, corpus=None, run=run))] if args.test else list(halves(known))
        within.append(measure(name, folds, Encoder(source)))
    sys.exit(0 if all(within) else 1)


if __name__ == "__main__":
    main()
