"""Open a report in a real headless Chromium: no console error, every chart has marks, nothing fetched.

Uses the report named on the command line, else `runs/demo/report.html`, else one it makes by evaluating the shipped
model against itself.
"""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    "--virtual-time-budget=15000",
)  # fmt: skip
WIDTHS = (1280, 390)


def main() -> int:
    """Check one report at two widths."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("chromium is not installed: apt-get install chromium")
        return 1
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        shutil.copy(_report(folder), folder / "report.html")
        problems = [problem for width in WIDTHS for problem in _look(chromium, folder, width)]
    for problem in problems:
        print(problem)
    print(f"{len(WIDTHS) - len({p.split(':')[0] for p in problems})} passed, {len(problems)} failed")
    return 1 if problems else 0


def _report(folder: Path) -> Path:
    for path in (*map(Path, sys.argv[1:]), Path("runs/demo/report.html")):
        if path.is_file():
            return path
    run = partial(subprocess.run, cwd=folder, check=True)
    embedkit = [sys.executable, "-m", "embedkit"]
    model = "sentence-transformers/all-MiniLM-L6-v2"
    run([*embedkit, "compose", "--input", "electronics.ko.csv", "--miner", "lexical"])
    run([*embedkit, "evaluate", "--model", model, "--baseline", model, "--output", "evaluation"])
    return folder / "evaluation" / "report.html"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves one folder and remembers what was asked for."""

    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.path)


def _look(chromium: str, folder: Path, width: int) -> list[str]:
    asked: list[str] = []
    handler = partial(type("Handler", (_Handler,), {"asked": asked}), directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/report.html"
        profile = folder / f"profile-{width}"
        command = [
            chromium,
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={width},900",
            "--dump-dom",
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        server.shutdown()
    dom = done.stdout
    problems = [line for line in done.stderr.splitlines() if "CONSOLE" in line and "error" in line.lower()]
    problems += [f"fetched {path}" for path in asked if path not in ("/report.html", "/favicon.ico")]
    charts = re.findall(r"<(?:svg|canvas)\b[^>]*class=\"marks\".*?</(?:svg|canvas)>", dom, flags=re.DOTALL)
    if len(charts) < 2:
        problems.append(f"only {len(charts)} charts were drawn")
    problems += [
        "a chart has no marks" for chart in charts if "<path" not in chart and "<canvas" not in chart
    ]
    if not re.search(r"[가-힣]", dom):
        problems.append("no Hangul on the page")
    return [f"{width} px: {problem}" for problem in problems]


if __name__ == "__main__":
    sys.exit(main())
