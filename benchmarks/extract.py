"""Claims: every sample page gives exactly its terms; entries/s against a BeautifulSoup+lxml walk (wanted: ten times).

All are timed alternating in one run over the same decoded pages. The bare walk reads `dt`/`dd` pairs only: no cleaning,
no aliases, no gate, no other structure, which favours it. The clean walk first takes out what ours takes out of a page
(navigation, edit links, references, hidden text), still without aliases, gate or other structures.
Exits 1 when a page is off. Needs lxml, which embedkit itself does not: pip install lxml.

`--manuals FOLDER [--pages 300 --seed 1]` counts instead what passes on random pages of unpacked documentation packages
(`apt-get download bash-doc …`, `dpkg -x`), the packages with equal weight: wanted at most 0.6 % that are no glossaries.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup

from embedkit.crawler.extract.noise import NOISE
from embedkit.crawler.extract.page import extract
from embedkit.crawler.sources.markup import to_html
from embedkit.errors import UserError
from embedkit.shipped_data import data_path

SAMPLES = Path(__file__).resolve().parents[2] / "shared/samples/glossaries"
SHIPPED_TERMS = {"components": 200, "circuits": 220, "digital": 221}
ROUNDS = 5
BAR = 10.0
FALSE_BAR = 0.006


@dataclass(frozen=True, slots=True)
class Case:
    """A page and the number of terms that were counted on it."""

    name: str
    html: str
    title: str
    expected: int


def cases() -> list[Case]:
    """The shared sample pages and the pages that ship."""
    found = [(p, SHIPPED_TERMS[p.name.split(".")[0]]) for p in sorted(data_path("pages").glob("*.html"))]
    if (SAMPLES / "INDEX.tsv").is_file():
        with (SAMPLES / "INDEX.tsv").open(encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t"))
        found += [(SAMPLES / r["file"], int(r["expected_terms"])) for r in rows if r["expected_terms"] != "-"]
    else:
        print("samples: not beside the checkout, only the shipped pages are read\n")
    return [Case(p.name, *to_html(p.read_bytes(), place=p.name, suffix=p.suffix), n) for p, n in found]


def exact(all_cases: list[Case]) -> bool:
    """Print the table of exactness."""
    print(f"{'page':<52}{'expected':>9}{'found':>7}{'ms':>7}")
    good = 0
    for case in all_cases:
        started = time.perf_counter()
        page = extract(case.html, title=case.title)
        found = len(page.entries) if case.name.split(".")[0] in SHIPPED_TERMS else page.terms
        good += found == case.expected
        mark = "" if found == case.expected else "  <-- off"
        print(
            f"{case.name:<52}{case.expected:>9}{found:>7}{(time.perf_counter() - started) * 1e3:>7.1f}{mark}"
        )
    print(f"{good} of {len(all_cases)} pages exact\n")
    return good == len(all_cases)


def ours(case: Case) -> int:
    """Entries of a page."""
    return len(extract(case.html, title=case.title).entries)


def walk(case: Case) -> int:
    """Entries by a walk over `dt` and `dd`, as the usual script does it."""
    return _pairs(BeautifulSoup(case.html, "lxml"))


def clean_walk(case: Case) -> int:
    """The same walk after the page's noise was taken out."""
    soup = BeautifulSoup(case.html, "lxml")
    for node in soup.select(NOISE):
        if not node.decomposed:
            node.decompose()
    return _pairs(soup)


def _pairs(soup: BeautifulSoup) -> int:
    pairs = [
        (dt.get_text(" ", strip=True), dd.get_text(" ", strip=True))
        for dt in soup.find_all("dt")
        if (dd := dt.find_next_sibling("dd")) is not None
    ]
    return len(pairs)


def rate(run: Callable[[Case], int], pages: list[Case]) -> float:
    """Entries a second over all pages."""
    started = time.perf_counter()
    return sum(map(run, pages)) / (time.perf_counter() - started)


def manuals(folder: Path, *, pages: int, seed: int) -> int:
    """Print the random pages of manuals that pass as glossaries; their names show which of them are one."""
    packages = sorted(p for p in folder.iterdir() if p.is_dir())
    by_package = [sorted(f for s in ("html", "htm") for f in p.rglob(f"*.{s}")) for p in packages]
    rng, seen = random.Random(seed), set[Path]()
    passed: list[tuple[Path, int, str]] = []
    filled = [files for files in by_package if files]
    while len(seen) < min(pages, sum(map(len, filled))):
        file = rng.choice(rng.choice(filled))
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        try:
            html, title = to_html(file.read_bytes(), place=file.name, suffix=file.suffix)
        except UserError:
            continue
        found = extract(html, title=title)
        if found.verdict.is_glossary:
            passed.append((file, found.terms, ", ".join(t.term for t in found.entries[:4])))
    for file, terms, shown in passed:
        print(f"{file.relative_to(folder)}\n    {terms} terms: {shown}")
    named = sum("gloss" in str(file.relative_to(folder)).lower() for file, *_ in passed)
    false = (len(passed) - named) / len(seen)
    print(
        f"{len(passed)} of {len(seen)} pages of {len(filled)} packages pass, {named} of them named glossary"
    )
    print(
        f"{false:.2%} others, wanted at most {FALSE_BAR:.1%}: {'reached' if false <= FALSE_BAR else 'not reached'}"
    )
    return 0 if false <= FALSE_BAR else 1


def main() -> int:
    """Print both tables, or what passes on manuals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--manuals", type=Path)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.manuals is not None:
        return manuals(given.manuals, pages=given.pages, seed=given.seed)
    all_cases = cases()
    good = exact(all_cases)
    lists = [c for c in all_cases if c.expected and c.html.count("<dt") >= c.expected]
    runs = {"embedkit": ours, "bs4+lxml, bare walk": walk, "bs4+lxml, clean walk": clean_walk}
    rounds = [[rate(run, lists) for run in runs.values()] for _ in range(ROUNDS)]
    rates = [statistics.median(column) for column in zip(*rounds, strict=True)]
    print(f"entries/s over the definition lists of {len(lists)} pages, median of {ROUNDS} alternating rounds")
    for name, per_second in zip(runs, rates, strict=True):
        print(f"{name:<24}{per_second:>8,.0f}   embedkit is {rates[0] / per_second:.1f} times as fast")
    print(f"wanted {BAR:g} times the bare walk: {'reached' if rates[0] >= BAR * rates[1] else 'not reached'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
