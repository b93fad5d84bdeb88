"""What MkDocs is told about this repository: pages that stand outside docs/, and pages in Korean."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# Files outside docs/ that are pages of the site, and their addresses in it.
OUTSIDE = {
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "data/README.md": "data.md",
}
SOURCES = {address: name for name, address in OUTSIDE.items()}
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s]+)\)")


def on_config(config: Any) -> None:
    """A page of docs/ that the navigation does not name stands at the end of How to."""
    named = set(re.findall(r"[\w./-]+\.md", str(config.nav)))
    how_to = next(section["How to"] for section in config.nav if "How to" in section)
    how_to += [page.name for page in sorted(DOCS.glob("*.md")) if page.name not in named]


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/."""
    for name, address in OUTSIDE.items():
        files.append(File.generated(config, address, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links lead to the pages of the site; of a link to what is no page the words stay."""
    address = page.file.src_uri
    source = ROOT / SOURCES[address] if address in SOURCES else DOCS / address

    def on_site(link: re.Match[str]) -> str:
        picture, text, target = link.groups()
        path, sign, anchor = target.partition("#")
        file = Path(os.path.normpath(source.parent / path))
        name = str(file.relative_to(ROOT))
        if name in OUTSIDE:
            place = OUTSIDE[name]
        elif file.is_relative_to(DOCS):
            place = str(file.relative_to(DOCS))
        else:
            return text
        return f"{picture}[{text}]({os.path.relpath(place, Path(address).parent)}{sign}{anchor})"

    title, sign, text = LINK.sub(on_site, markdown).partition("\n")
    return title + sign + translation_link(address) + text


def translation_link(address: str) -> str:
    """A link to the same page in the other language, or nothing where there is none."""
    if is_korean(address):
        other, name = address.replace("/ko/", "/").replace(".ko.md", ".md"), "English"
    else:
        folder, file = os.path.split(address)
        other, name = (
            (f"{folder}/ko/{file}" if folder else address.replace("index.md", "index.ko.md")),
            "한국어",
        )
    if other == address or not ((DOCS / other).is_file() or other in SOURCES):
        return ""
    return f"\n[{name}]({os.path.relpath(other, Path(address).parent)}){{ .translation }}\n"


def on_page_context(context: dict[str, Any], page: Any, config: Any, nav: Any) -> dict[str, Any]:
    """A Korean page has Korean labels, and the logo leads to the first page of its language."""
    korean = is_korean(page.file.src_uri)
    config.theme["language"] = "ko" if korean else "en"
    config.extra["homepage"] = "index.ko.html" if korean else "index.html"
    return context


def is_korean(address: str) -> bool:
    """Whether a page is in Korean, by its address."""
    return "/ko/" in address or address.endswith(".ko.md")
