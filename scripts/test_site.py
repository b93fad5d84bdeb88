"""Search the built site in a headless Chromium, opened from disk: Korean with and without its particle, and English."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

SITE = Path(__file__).resolve().parents[1] / "build" / "site"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom")
# What a person types, and the page that must be among the first three.
WANTED = {
    "저항기를": "guide/ko/8-languages.html",
    "하드 네거티브": "guide/ko/3-negatives.html",
    "손실 함수": "guide/ko/2-losses.html",
    "hard negatives": "guide/3-negatives.html",
}


def found(page: Path, question: str) -> list[str]:
    """The pages that the site's search lists, the best first."""
    address = f"{page.as_uri()}?q={quote(question)}"
    done = subprocess.run(
        ["chromium", *FLAGS, address], capture_output=True, text=True, check=True, timeout=120
    )
    items = re.findall(r'<a href="([^"]+)" class="md-search-result__link"', done.stdout)
    names = [re.sub(r"[?#].*", "", item).removeprefix(f"{page.parent.as_uri()}/") for item in items]
    return list(dict.fromkeys(names))


def main() -> None:
    page = next(SITE.glob("*/index.html"))
    failed = 0
    for question, wanted in WANTED.items():
        pages = found(page, question)
        failed += wanted not in pages[:3]
        print(f"{question}: {pages[:3]}{'' if wanted in pages[:3] else f', not {wanted}'}")
    sys.exit(failed and "the site's search does not find what it should")


if __name__ == "__main__":
    main()
