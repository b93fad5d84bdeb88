"""Saved pages: files, and folders of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.sources.documents import Document, PageSource, licence_of, sha256
from embedkit.crawler.sources.inventory import INVENTORY, inventory_root
from embedkit.crawler.sources.markup import PAGE_SUFFIXES, to_html
from embedkit.errors import UserError
from embedkit.files import read_bytes


def file_sources(paths: Sequence[Path]) -> Iterator[PageSource]:
    """Files, and the pages of folders in the order of their names."""
    for path in paths:
        if path.is_dir():
            inner = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in PAGE_SUFFIXES)
            if not inner:
                raise UserError("no .html, .md or .json file in this folder", place=str(path))
            for file in inner:
                name = file.relative_to(path).as_posix()
                yield PageSource(kind="file", name=name, title=name, request=str(file), optional=True)
        else:
            yield PageSource(kind="file", name=path.name, title=path.name, request=str(path))


def load(source: PageSource, _: Fetcher) -> Iterator[Document]:
    """Read a saved page."""
    yield sample(source)


def sample(source: PageSource) -> Document:
    """Read a saved page: a dry run shows its rows."""
    body = read_bytes(source.request)
    html, title = to_html(body, place=source.request, suffix=Path(source.request).suffix.lower())
    root = inventory_root(html)
    inventory = Path(source.request).parent / (root or "") / INVENTORY
    return Document(
        source=source,
        html=html,
        title=title,
        sha256=sha256(body),
        license=licence_of(html),
        inventory=inventory.read_bytes() if root is not None and inventory.is_file() else b"",
    )
