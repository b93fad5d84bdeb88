"""Open the report, a comparison of runs and the concept graph in a real headless Chromium, and print the pages.

Passes when nothing is logged as an error, nothing is fetched, every chart has marks, no page is wider than its window,
and the graph answers a click and a search. On paper every chart is whole, the config is there, and a dark screen
prints as a light one does. Looks at `runs/demo` where it is, else at a run of a few steps. `--save DIR` keeps
screenshots (Pillow makes them small).
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from embedkit.shipped_data import data_path

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    "--virtual-time-budget=20000",
)  # fmt: skip
DARK = "--blink-settings=preferredColorScheme=0"
DEMO = Path("runs/demo")
# The page tells about itself once its charts are drawn.
PROBE = """
<script>
Promise.all(Object.values(views)).then(async (drawn) => {
  const marks = (chart) => chart.querySelectorAll("svg g[class^='mark-'] > path, svg g[class^='mark-'] > line, "
    + "svg g[class^='mark-'] > text").length;
  const told = {
    width: innerWidth,
    content: document.scrollingElement.scrollWidth,
    height: document.scrollingElement.scrollHeight,
    paper: getComputedStyle(document.body).backgroundColor,
    hangul: /[가-힣]/.test(document.body.innerText),
    marks: Object.fromEntries([...document.querySelectorAll(".chart")].map((chart) => [chart.id, marks(chart)])),
  };
  const panel = document.getElementById("panel");
  if (panel) {
    const {view} = drawn[0];
    const node = document.querySelector("g.mark-symbol.role-mark path");
    const at = node.getBoundingClientRect();
    const where = {bubbles: true, clientX: at.x + at.width / 2, clientY: at.y + at.height / 2};
    for (const kind of ["pointerover", "pointerdown", "pointerup", "click"])
      node.dispatchEvent(new (kind === "click" ? MouseEvent : PointerEvent)(kind, where));
    await view.runAsync();
    told.clicked = panel.querySelector("h2") ? panel.querySelectorAll("ol li").length : 0;
    node.dispatchEvent(new PointerEvent("pointerout", where));
    view.signal("find", document.querySelector("#panel h2").textContent.slice(0, 12));
    await view.runAsync();
    const faint = (path) => Number(path.getAttribute("opacity")) < 0.5;
    const nodes = [...document.querySelectorAll("g.mark-symbol.role-mark path")];
    told.found = nodes.filter((path) => !faint(path)).length;
    told.faint = nodes.filter(faint).length;
  }
  const place = document.createElement("script");
  place.type = "application/json";
  place.id = "told";
  place.textContent = JSON.stringify(told).replaceAll("<", "\\\\u003c");
  parent.document.body.append(place);
});
</script>
"""
# Links survive into a PDF, each with its page and its place: two corners of every chart, and the config.
PRINT_PROBE = """
<script>
Promise.all(Object.values(views)).then(() => {
  const link = (space, name) => {
    const made = document.createElementNS(space, "a");
    made.setAttribute("href", "https://print.invalid/" + name);
    return made;
  };
  for (const chart of document.querySelectorAll(".chart")) {
    const svg = chart.querySelector("svg");
    const {width, height} = svg.viewBox.baseVal;
    for (const [corner, x, y] of [["start", 0, 0], ["end", width - 2, height - 2]]) {
      const made = link(svg.namespaceURI, chart.id + "/" + corner);
      made.innerHTML = `<rect x="${x}" y="${y}" width="2" height="2" fill="#fff"/>`;
      svg.append(made);
    }
  }
  for (const part of document.querySelectorAll("details")) {
    const made = link("http://www.w3.org/1999/xhtml", "config/start");
    made.textContent = "config";
    part.append(made);
  }
});
</script>
"""
# A window is never narrower than 500 pixels, a frame is as narrow as a phone.
FRAME = """<!doctype html><style>body {{ margin:0 }} iframe {{ border:0; display:block }}</style>
<iframe src="{page}" width="{width}" height="{height}"></iframe>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One page at one width."""

    page: str
    width: int
    dark: bool = False

    def __str__(self) -> str:
        return f"{self.page}, {self.width} px, {'dark' if self.dark else 'light'}"


PAGES = ("report", "compare", "graph")
LOOKS = tuple(
    Look(page=page, width=width, dark=dark)
    for page in PAGES
    for width, dark in ((1280, False), (390, False), (1280, True))
)


def main() -> int:
    """Check both pages; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", nargs="?", type=Path, help="look at this report instead")
    parser.add_argument("--save", type=Path, help="keep screenshots in this folder")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("chromium is not installed: apt-get install chromium fonts-noto-cjk")
        return 1
    failed, prints = 0, [page for page in PAGES if page != "graph"]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        make_pages(folder, options.report)
        for look in LOOKS:
            told, problems = look_at(chromium, folder, look)
            failed += bool(problems)
            print(f"{look}: {'; '.join(problems) or 'ok'}")
            if options.save and not look.dark and told:
                save(chromium, folder, look, told, options.save)
        for page in prints:
            problems = list(wrong_on_paper(chromium, folder, page))
            failed += bool(problems)
            print(f"{page}, printed: {'; '.join(problems) or 'ok'}")
    print(f"{len(LOOKS) + len(prints) - failed} passed, {failed} failed")
    return 1 if failed else 0


def make_pages(folder: Path, report: Path | None) -> None:
    """report.html, compare.html and graph.html in `folder`, as a user gets them."""
    run = DEMO.resolve() if (DEMO / "metrics.json").is_file() else small_run(folder)
    kept = [DEMO.resolve() / "data" / "glossary.csv", data_path("electronics.ko.csv")]
    corpus = next(path for path in kept if path.is_file())
    embedkit("graph", "--model", run, "--corpus", corpus, "--output", "graph.html", inside=folder)
    embedkit("report", run, "--output", "report.html", "--format", "html", inside=folder)
    if report:
        shutil.copy(report, folder / "report.html")
    for name in ("실행 1", "실행 2"):
        (folder / name).mkdir()
        for file in ("metrics.json", "queries.jsonl"):
            if (run / file).is_file():
                shutil.copy(run / file, folder / name / file)
    compared = ("report", "실행 1", "실행 2", "--format", "html", "--output", "compare.html")
    embedkit(*compared, inside=folder)


def small_run(folder: Path) -> Path:
    """A run of a few steps on what ships with embedkit, evaluated: every part of a report is in it."""
    embedkit("compose", "--input", data_path("electronics.ko.csv"), "--miner", "lexical", inside=folder)
    settings = ("output.save_name=small", "train.epochs=1", "train.steps_per_epoch=4", "train.batch_size=8")
    embedkit("train", *(word for setting in settings for word in ("--set", setting)), inside=folder)
    embedkit("evaluate", "--model", "runs/small", inside=folder)
    return folder / "runs" / "small"


def embedkit(*arguments: str | Path, inside: Path) -> None:
    """Run a command as a user would; its progress is shown, its data is not."""
    command = [sys.executable, "-m", "embedkit", *map(str, arguments)]
    subprocess.run(command, cwd=inside, check=True, stdout=subprocess.DEVNULL)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves one folder and remembers what was asked for."""

    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.path)


def look_at(chromium: str, folder: Path, look: Look) -> tuple[dict[str, Any], list[str]]:
    """What the page told of itself, and what is wrong with it."""
    page, _, end = (folder / f"{look.page}.html").read_text(encoding="utf-8").rpartition("</body>")
    (folder / "probed.html").write_text(f"{page}{PROBE}</body>{end}", encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(page="probed.html", width=look.width, height=900))
    asked: list[str] = []
    handler = partial(type("Handler", (_Handler,), {"asked": asked}), directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = browse(
            chromium, folder, look, "--dump-dom", f"http://127.0.0.1:{server.server_port}/frame.html"
        )
        server.shutdown()
    problems = [line for line in done.stderr.splitlines() if "CONSOLE" in line and "error" in line.lower()]
    problems += [
        f"fetched {path}" for path in asked if path not in ("/frame.html", "/probed.html", "/favicon.ico")
    ]
    found = re.search(r'<script type="application/json" id="told">(.*?)</script>', done.stdout, re.DOTALL)
    if found is None:
        return {}, [*problems, "its charts were not drawn"]
    told = json.loads(found.group(1))
    return told, [*problems, *wrong_with(told, look)]


def browse(
    chromium: str, folder: Path, look: Look, *arguments: str, height: int = 900
) -> subprocess.CompletedProcess[str]:
    """Run Chromium once in a window of the wanted width."""
    flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={look.width},{height}"]
    command = [chromium, *flags, *([DARK] if look.dark else []), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def wrong_with(told: dict[str, Any], look: Look) -> Iterator[str]:
    """What a page tells of itself that it should not."""
    if told["width"] != look.width:
        yield f"the window is {told['width']} px wide"
    if told["content"] > told["width"]:
        yield f"the page is {told['content']} px wide"
    if not told["hangul"]:
        yield "there is no Hangul"
    if (told["paper"] == "rgb(255, 255, 255)") == look.dark:
        yield f"its paper is {told['paper']}"
    if len(told["marks"]) < (4 if look.page == "report" else 1):
        yield f"only {len(told['marks'])} charts"
    for chart, marks in told["marks"].items():
        if not marks:
            yield f"chart {chart} has no marks"
    if look.page == "graph":
        if not told["clicked"]:
            yield "a click shows no neighbours"
        if not told["found"] or not told["faint"]:
            yield f"a search leaves {told['found']} concepts in colour, {told['faint']} faint"


def wrong_on_paper(chromium: str, folder: Path, page: str) -> Iterator[str]:
    """What a page printed to PDF has lost; and whether a dark screen prints anything else than a light one."""
    text, _, end = (folder / f"{page}.html").read_text(encoding="utf-8").rpartition("</body>")
    (folder / "printed.html").write_text(f"{text}{PRINT_PROBE}</body>{end}", encoding="utf-8")
    papers = []
    for dark in (False, True):
        paper = folder / "paper.pdf"
        flags = ("--no-pdf-header-footer", f"--print-to-pdf={paper}", (folder / "printed.html").as_uri())
        browse(chromium, folder, Look(page=page, width=1280, dark=dark), *flags)
        papers.append(paper.read_bytes() if paper.is_file() else b"")
        paper.unlink(missing_ok=True)
    marks = dict(printed_marks(papers[0]))
    charts = re.findall(r'<div class="chart" id="([^"]+)"', text)
    if not charts or not marks:
        yield "nothing was printed"
    for chart in charts:
        pages = {marks.get(f"{chart}/{corner}") for corner in ("start", "end")}
        if None in pages or len(pages) > 1:
            yield f"chart {chart} is cut"
    if "<details" in text and "config/start" not in marks:
        yield "the config is not there"
    if drawn(papers[0]) != drawn(papers[1]):
        yield "a dark screen prints otherwise than a light one"


def printed_marks(paper: bytes) -> Iterator[tuple[str, int]]:
    """Every link of `PRINT_PROBE` that lies on the paper, and the number of its page."""
    objects = dict(re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", paper, re.DOTALL))
    pages = [body for body in objects.values() if re.search(rb"/Type ?/Page\b", body)]
    for number, body in enumerate(pages):
        _, _, width, height = map(float, re.findall(rb"/MediaBox ?\[([^\]]*)\]", body)[0].split())
        for reference in re.findall(rb"(\d+) 0 R", b"".join(re.findall(rb"/Annots ?\[([^\]]*)\]", body))):
            note = objects[reference]
            name = re.search(rb"https://print\.invalid/([^)]*)\)", note)
            left, low, right, high = map(float, re.findall(rb"/Rect ?\[([^\]]*)\]", note)[0].split())
            if name and left >= 0 and right <= width and low >= 0 and high <= height:
                yield name.group(1).decode(), number


def drawn(paper: bytes) -> list[bytes]:
    """What is drawn on the pages: the unpacked streams that set colours."""
    packed = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", paper, re.DOTALL)
    found = []
    for stream in packed:
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompress(stream))
    return [stream for stream in found if re.search(rb"\brg\b", stream)]


def save(chromium: str, folder: Path, look: Look, told: dict[str, Any], into: Path) -> None:
    """A screenshot of the page with two of each list of queries, to keep it short."""
    page = (folder / f"{look.page}.html").read_text(encoding="utf-8")
    short = "<style>.change:nth-of-type(n+2) { display:none } html { overflow:hidden }</style></head>"
    (folder / "short.html").write_text(page.replace("</head>", short, 1), encoding="utf-8")
    height = min(told["height"], 12_000)
    (folder / "frame.html").write_text(FRAME.format(page="short.html", width=look.width, height=height))
    into.mkdir(parents=True, exist_ok=True)
    picture = into / f"{look.page}-{look.width}.png"
    url = (folder / "frame.html").as_uri()
    browse(chromium, folder, look, f"--screenshot={picture.resolve()}", url, height=height)
    shrink(picture, look.width)


def shrink(picture: Path, width: int) -> None:
    """Cut the empty foot and keep 128 colours, with Pillow."""
    from PIL import Image, ImageChops

    image = Image.open(picture).convert("RGB")
    paper = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
    *_, foot = ImageChops.difference(image, paper).getbbox() or (0, 0, 0, image.height)
    cut = image.crop((0, 0, min(image.width, width), min(foot + 24, image.height)))
    cut.quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        picture, optimize=True
    )
    print(f"{picture}: {cut.width} x {cut.height}, {picture.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
