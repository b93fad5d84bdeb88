"""Build the site of docs/ into build/site/VERSION, and check every link of every page of it.

`build/site/versions.json` lists what was built there, which the pages offer to choose from; `build/site/index.html`
leads to the newest. Put the folder behind any web server, or open it from disk: search works from both, offline.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "site"
LATEST = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>embedkit</title>
<meta http-equiv="refresh" content="0; url={version}/index.html">
<a href="{version}/index.html">embedkit {version}</a></html>
"""
# A page may lead to another site where a person clicks, and fetch nothing from there.
FETCHED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
NOT_FETCHED = {"canonical", "prev", "next", "alternate"}


class Page(HTMLParser):
    """The anchors of a page, and its links with whether the browser fetches them by itself."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.anchors, self.links = path, {""}, set[tuple[str, bool]]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values.get("id") or "", values.get("name") or ""}
        for name in ("href", "src"):
            if values.get(name):
                fetched = (tag, name) in FETCHED and values.get("rel") not in NOT_FETCHED
                self.links.add((str(values[name]), fetched))


def broken_links(folder: Path) -> list[str]:
    """Every link of every page in `folder` that leads nowhere, or that fetches from another site."""
    pages = {path: Page(path) for path in sorted(folder.rglob("*.html")) if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        for link, fetched in sorted(page.links):
            parts = urlsplit(link)
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            if parts.scheme or parts.netloc:
                problem = "fetched from another site" if fetched else ""
            elif not target.is_relative_to(folder) or not target.is_file():
                problem = "no such file"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                problem = "no such anchor"
            else:
                problem = ""
            if problem:
                found.append(f"{path.relative_to(folder)}: {link}: {problem}")
    return found


def main() -> None:
    """Build, check, list the versions."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    folder = SITE / version
    mkdocs = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--quiet",
        "--strict",
        "--config-file",
        ROOT / "mkdocs.yml",
    ]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([*mkdocs, "--site-dir", folder], check=True, env=environment)
    if broken := broken_links(folder):
        sys.exit("\n".join([*broken[:20], f"{len(broken)} links"]))
    built = sorted((path.name for path in SITE.iterdir() if path.is_dir()), reverse=True)
    versions = [{"version": name, "title": name, "aliases": []} for name in built]
    (SITE / "versions.json").write_text(json.dumps(versions), encoding="utf-8")
    (SITE / "index.html").write_text(LATEST.format(version=version), encoding="utf-8")
    print(
        f"{len(list(folder.rglob('*.html')))} pages, links checked: {(SITE / 'index.html').relative_to(ROOT)}"
    )


if __name__ == "__main__":
    main()
