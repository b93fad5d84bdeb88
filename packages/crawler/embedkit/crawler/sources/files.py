"""Saved pages: files, and folders of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from embedkit.console import warn
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.formats.archives import is_archive, members
from embedkit.crawler.sources.documents import Document, PageSource, licence_of, sha256
from embedkit.crawler.sources.inventory import INVENTORY, inventory_root
from embedkit.crawler.sources.markup import PAGE_SUFFIXES, read_content
from embedkit.errors import UserError
from embedkit.files import read_bytes


def file_sources(paths: Sequence[Path]) -> Iterator[PageSource]:
    """Files, and the pages of folders in the order of their names."""
    for path in paths:
        if path.is_dir():
            inner = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in PAGE_SUFFIXES)
            if not inner:
                raise UserError(
                    "no page in this folder",
                    place=str(path),
                    hint="it has to hold .html, .md or another format",
                )
            for file in inner:
                name = file.relative_to(path).as_posix()
                yield PageSource(kind="file", name=name, title=name, request=str(file), optional=True)
        else:
            yield PageSource(kind="file", name=path.name, title=path.name, request=str(path))


def load(source: PageSource, _: Fetcher | None = None) -> Iterator[Document]:
    """Read a saved page, or the pages of an archive."""
    body = read_bytes(source.request)
    if not is_archive(body, Path(source.request).suffix.lower()):
        yield _document(source, source.request, body)
        return
    pages = 0
    for name, inner in members(source.request):
        page = replace(source, name=f"{source.name}/{name}", title=name, optional=True)
        try:
            yield _document(page, f"{source.request}/{name}", inner)
            pages += 1
        except UserError as error:
            warn("{error}", error=error)
    if not pages:
        raise UserError("no page in this archive can be read", place=source.request)


def sample(source: PageSource) -> Document:
    """Read a saved page: a dry run shows its rows."""
    return next(load(source))


def _document(source: PageSource, place: str, body: bytes) -> Document:
    content = read_content(body, place=place, suffix=Path(place).suffix.lower())
    root = inventory_root(content.html)
    inventory = Path(place).parent / (root or "") / INVENTORY
    return Document(
        source=source,
        html=content.html,
        groups=content.groups,
        title=content.title,
        lang=content.lang,
        url=content.url,
        sha256=sha256(body),
        license=licence_of(content.html),
        inventory=inventory.read_bytes() if root is not None and inventory.is_file() else b"",
    )
