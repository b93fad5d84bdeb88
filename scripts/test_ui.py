"""Use `embedkit ui` in a real headless Chromium as a person would, and let axe look at every view.

By clicks and by keys: accept, reject, skip, undo, what somebody else decided, hard negatives, a question asked and
added, the report of a run. Then axe, light and dark, 1280 and 390 pixels wide, on every view in both languages, on
report.html and on graph.html. Passes when every step holds, axe finds nothing, nothing is logged as an error and no
view is wider than its window. `--save DIR` keeps the pictures of the documentation (Pillow makes them small).
https://github.com/dequelabs/axe-core
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from browser import Tab, chromium, find_chromium
from test_browser import DEMO, embedkit, shrink, small_run

from embedkit.shipped_data import data_path

AXE = Path("build/axe/axe_playwright_python/axe.min.js")
LOOKS = ((1280, False), (390, False), (1280, True), (390, True))
QUESTION = "which part keeps the supply at a steady 5 V?"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = f"""
axe.run(document, {{resultTypes: ["violations"], runOnly: {json.dumps(RULES)}}}).then((found) =>
  found.violations.map((one) => {{
    const places = one.nodes.slice(0, 3).map((node) =>
      node.target.join(" ") + " " + node.any.map((any) => any.message).join("; "));
    return one.id + ": " + places.join(" | ");
  }}))
"""


class Walk:
    """What a person does with the page, each step told, problems counted."""

    def __init__(self, tab: Tab, address: str, folder: Path) -> None:
        self.tab, self.folder, self.failed, self.passed = tab, folder, 0, 0
        self.base = address.partition("/?")[0]
        self.candidates = folder / "data" / "synonym_candidates.csv"
        tab.look(1280)
        tab.open(address)

    def say(self, step: str, problems: list[str]) -> None:
        """One line a step."""
        self.failed += bool(problems)
        self.passed += not problems
        print(f"{step}: {'; '.join(problems) or 'ok'}", flush=True)

    def check(self, step: str, good: object) -> None:
        """A step that holds or not."""
        self.say(step, [*([] if good else [f"no; the page says {self.told()!r}"]), *self.tab.problems])

    def told(self) -> str:
        """What the page told last."""
        return str(self.tab.run("document.getElementById('said')?.textContent || document.title"))

    def open(self, path: str) -> None:
        """A view."""
        self.tab.open(self.base + path)

    def decisions(self) -> list[str]:
        """What the file says."""
        with self.candidates.open(encoding="utf-8-sig", newline="") as handle:
            return [row["decision"] for row in csv.DictReader(handle)]

    def card(self) -> str:
        """The pair that is shown."""
        return str(self.tab.run("document.getElementById('card')?.dataset.key"))


def main() -> int:
    """Walk through the page; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", type=Path, help="keep pictures in this folder")
    options = parser.parse_args()
    program = find_chromium()
    if program is None or not AXE.is_file():
        print("chromium or axe is not here: apt-get install chromium fonts-noto-cjk; make test-browser")
        return 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        folder = Path(work)
        prepare(folder)
        failed = 0
        for lang in ("en", "ko"):
            with page(folder, lang) as address, chromium(program, folder / f"profile-{lang}") as tab:
                walk = Walk(tab, address, folder)
                if lang == "en":
                    use(walk)
                    if options.save:
                        save(walk, options.save)
                views(walk, lang)
                failed += walk.failed
                print(f"{lang}: {walk.passed} passed, {walk.failed} failed")
    return 1 if failed else 0


def prepare(folder: Path) -> None:
    """A folder as a person has it: rows of both shipped glossaries, and a run with its report and graph."""
    tables = [word for name in ("en", "ko") for word in ("--input", data_path(f"electronics.{name}.csv"))]
    embedkit("compose", *tables, "--miner", "lexical", inside=folder)
    if (DEMO / "metrics.json").is_file():
        (folder / "runs").mkdir()
        (folder / "runs" / "demo").symlink_to(DEMO.resolve())
        name = "demo"
    else:
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            run = small_run(Path(beside))
            run.parent.rename(folder / "runs")
            name = run.name
    corpus = data_path("electronics.ko.csv")
    embedkit("graph", "--model", f"runs/{name}", "--corpus", corpus, "--output", "graph.html", inside=folder)
    embedkit("report", f"runs/{name}", "--output", "report.html", "--format", "html", inside=folder)


@contextmanager
def page(folder: Path, lang: str) -> Iterator[str]:
    """`embedkit ui` over a folder, and its address."""
    command = [sys.executable, "-m", "embedkit", "ui", "--folder", str(folder), "--no-browser"]
    environment = os.environ | {"EMBEDKIT_LANG": lang}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield (process.stdout.readline() if process.stdout else "").strip()
        finally:
            process.terminate()


def use(walk: Walk) -> None:
    """Review, ask, runs."""
    review(walk)
    somebody_else(walk)
    negatives(walk)
    ask(walk)
    runs(walk)


def review(walk: Walk) -> None:
    tab, first = walk.tab, walk.card()
    walk.check("opens on the first undecided pair", first not in ("None", ""))
    tab.click("[data-act=accept]")
    walk.check("a click accepts", walk.decisions()[0] == "accept" and walk.card() != first)
    walk.check("it is told", "Accepted" in walk.told())
    focused = tab.run("document.activeElement.dataset.act")
    walk.check("the focus stays on the button", focused == "accept")
    tab.press("r")
    walk.check("r rejects", walk.decisions()[:2] == ["accept", "reject"])
    second = walk.card()
    tab.press("s")
    walk.check("s skips and writes nothing", walk.decisions()[2] == "" and walk.card() != second)
    tab.press("u")
    walk.check("u goes back to what was skipped", walk.card() == second)
    tab.press("u")
    walk.check("u takes a rejection back", walk.decisions()[:2] == ["accept", ""])
    tab.press("Process", code="KeyA")
    walk.check("a Hangul keyboard decides too", walk.decisions()[:2] == ["accept", "accept"])
    tab.press("ㄱ", code="KeyR")
    walk.check("by the place of its keys", walk.decisions()[2] == "reject")
    tab.click("#keys")
    tab.press("a")
    walk.check("single keys can be turned off", walk.decisions()[3] == "")
    tab.click("#keys")
    tab.click("summary")
    tab.click(".decided a")
    tab.click("[data-act=clear]")
    walk.check("a decision is taken back from the list", walk.decisions()[0] == "")
    tab.open(f"{walk.base}/review/synonyms")
    counts = tab.run("document.getElementById('counts').textContent")
    walk.check("progress is counted", counts.startswith(f"2 of {len(walk.decisions())} decided"))
    tab.press("Tab", code="Tab")
    walk.check("the first Tab leads to the content", tab.run("document.activeElement.className") == "skip")


def somebody_else(walk: Walk) -> None:
    """The same pair decided in another window, and the file saved by another program."""
    tab, key = walk.tab, walk.card()
    place = walk.decisions().index("")
    text = walk.candidates.read_text(encoding="utf-8-sig")
    with walk.candidates.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    rows[place]["decision"] = "reject"
    with walk.candidates.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    tab.click("[data-act=accept]")
    walk.say(
        "another person's decision stays",
        [] if walk.decisions()[place] == "reject" and "meanwhile" in walk.told() else [walk.told()],
    )
    tab.problems  # noqa: B018 (the refused request is logged by the browser)
    walk.check(
        "the pair is shown with it",
        walk.card() == key and tab.run("!!document.querySelector('.why .reject')"),
    )
    walk.candidates.write_text(text, encoding="utf-8-sig", newline="")
    walk.open("/review/synonyms")


def negatives(walk: Walk) -> None:
    tab, before = walk.tab, len(walk.decisions())
    walk.open("/review/negatives")
    tab.press("a")
    walk.check("a false negative becomes a row", walk.decisions()[before:] == ["accept"])
    tab.press("u")
    walk.check("and goes again", len(walk.decisions()) == before)
    tab.press("r")
    walk.check("a right negative becomes a row", walk.decisions()[before:] == ["reject"])


def ask(walk: Walk) -> None:
    tab = walk.tab
    walk.open("/ask")
    tab.click("#q")
    tab.type(QUESTION)
    tab.click("#ask button")
    tab.until("document.getElementById('found')")
    walk.check("both models answer", tab.run("document.querySelectorAll('.answer li').length") == 10)
    tab.click(".answer:last-child [data-add]")
    tab.until("document.getElementById('said').textContent.startsWith('Added')")
    rows = [json.loads(line) for line in (walk.folder / "data/questions.jsonl").read_text().splitlines()]
    walk.check("a question is added", [row["question"] for row in rows] == [QUESTION])
    tab.click(".answer:first-child [data-add]")
    tab.until("document.getElementById('said').textContent.includes('already')")
    walk.say("once", [] if len(rows) == 1 else ["twice"])
    tab.problems  # noqa: B018 (the refused request is logged by the browser)
    tab.click("#q")
    tab.run("document.getElementById('q').select()")
    tab.type("5V를 일정하게 유지하는 부품은?")
    tab.press("Enter", code="Enter", text="\r")
    tab.until("document.getElementById('found')?.dataset.question.includes('유지')")
    tab.click("#term")
    tab.type("linear regulator")
    tab.click("#other button")
    tab.until("document.getElementById('said').textContent")
    walk.check("an entry that no model found is chosen", "2 questions" in walk.told())
    options = ("--input", data_path("electronics.en.csv"), "--questions", "data/questions.jsonl")
    embedkit("compose", *options, "--output", "asked/pairs.jsonl", inside=walk.folder)
    # A question for a concept outside the training rows is asked among the dev or test rows.
    measured = "".join(path.read_text() for path in (walk.folder / "asked").glob("pairs.*.jsonl"))
    walk.check("compose --questions reads them", QUESTION in measured)


def runs(walk: Walk) -> None:
    tab = walk.tab
    walk.open("/runs")
    walk.check("a run has its numbers", tab.run("document.querySelectorAll('td b').length") >= 3)
    tab.click("td a")
    tab.until("location.pathname.endsWith('/report.html') && document.querySelector('.chart svg')")
    walk.check("its report is drawn", True)
    own = tab.run("(() => { try { return document.cookie + 'x'; } catch { return 'refused'; } })()")
    walk.check("as somebody else's page", own == "refused")


def views(walk: Walk, lang: str) -> None:
    """axe on every view, at every look."""
    asked = f"/ask?q={quote(QUESTION)}"
    paths = {
        "review": "/review/synonyms",
        "negatives": "/review/negatives",
        "ask": asked,
        "runs": "/runs",
        "missing": "/nowhere",
    }
    for name, path in paths.items():
        for width, dark in LOOKS:
            walk.tab.look(width, dark=dark)
            walk.open(path)
            if name == "missing":
                walk.tab.problems  # noqa: B018 (404, as it should be)
            walk.say(f"{name}, {lang}, {width} px, {'dark' if dark else 'light'}", wrong(walk.tab, width))
    if lang == "en":
        for file in (walk.folder / "report.html", walk.folder / "graph.html"):
            for width, dark in LOOKS:
                walk.tab.look(width, dark=dark)
                walk.tab.open(file.resolve().as_uri())
                walk.tab.until("document.querySelector('.chart svg')")
                walk.say(f"{file.name}, {width} px, {'dark' if dark else 'light'}", wrong(walk.tab, width))
        walk.tab.run("document.querySelector('[data-show]').focus()")
        walk.tab.press("Enter", code="Enter", text="\r")
        walk.check(
            "graph.html is used by keyboard", walk.tab.run("!!document.querySelector('#panel:focus h2')")
        )


def wrong(tab: Tab, width: int) -> list[str]:
    """What axe and the browser find, and whether the view is wider than its window."""
    tab.run(AXE.read_text(encoding="utf-8"))
    found = [*tab.run(RUN_AXE), *tab.problems]
    content = tab.run("document.scrollingElement.scrollWidth")
    return [*found, *([f"{content} px wide"] if content > width else [])]


def save(walk: Walk, into: Path) -> None:
    """The pictures of docs/ui.md."""
    into.mkdir(parents=True, exist_ok=True)
    walk.tab.look(1280, height=760)
    for name, path in (
        ("review", "/review/synonyms"),
        ("ask", f"/ask?q={quote(QUESTION)}&ranker=dense"),
        ("runs", "/runs"),
    ):
        walk.open(path)
        picture = into / f"ui-{name}.png"
        walk.tab.picture(picture)
        shrink(picture, 1280)


if __name__ == "__main__":
    sys.exit(main())
