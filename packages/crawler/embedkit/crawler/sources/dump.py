"""Dumps of wikis: Wikimedia Enterprise's NDJSON (one article per line; plain, `.gz` or `.tar.gz`), streamed."""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from embedkit.crawler.extract.structures.headings import names_glossary
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.sources.documents import CC_BY_SA, Document, PageSource, licence_of, sha256
from embedkit.errors import UserError
from embedkit.files import read_bytes

MAX_LINE_BYTES = 64 * 1024 * 1024
_MARKED = ('class="glossary', "class='glossary", '"wt":"glossary', "{{glossary")


def dump_source(path: Path, titles: tuple[str, ...]) -> PageSource:
    """A dump to read; only the pages named by `titles`, where there are any."""
    if path.suffix.lower() == ".zim":
        raise UserError(
            "ZIM files are not read",
            place=str(path),
            hint="Wikimedia Enterprise's NDJSON dumps are: .ndjson, .ndjson.gz, .tar.gz",
        )
    if not path.is_file():
        read_bytes(path)
    return PageSource(
        kind="dump", name=path.name, title=path.name, request=str(path), titles=titles, optional=True
    )


def load(source: PageSource, _: Fetcher | None = None) -> Iterator[Document]:
    """The dump's pages that can be glossaries: named by `--title`, or by their own title or markup.

    Raises:
        UserError: a line that is not an article, or a damaged archive.
    """
    wanted = {t.replace("_", " ") for t in source.titles}
    try:
        for place, line in _numbered_lines(Path(source.request)):
            article = _article(line, place)
            title = str(article.get("name") or "")
            html = _html(article)
            if title in wanted if wanted else _glossary_like(title, html):
                wanted.discard(title)
                yield _document(source, article, title=title, html=html)
                if source.titles and not wanted:
                    return
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise UserError("cannot be read to its end ({error})", place=source.request, error=error) from None
    if wanted:
        raise UserError(
            "has no page {title!r}", place=source.request, hint="check --title", title=sorted(wanted)[0]
        )


def sample(source: PageSource) -> Document | None:
    """The first page of the dump that can be a glossary, for a dry run."""
    return next(load(source), None)


def _numbered_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """`(file:line, line)` of every line; the members of an archive are read one after another, not extracted."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if ".tar" not in "".join(path.suffixes[-2:]) and path.suffix != ".tgz":
            with cast(IO[bytes], gzip.open(raw)) if packed else nullcontext(raw) as plain:
                yield from _numbered(plain, path.name)
            return
        with tarfile.open(fileobj=raw, mode="r|gz" if packed else "r|") as archive:
            for member in archive:
                handle = archive.extractfile(member) if member.isfile() else None
                if handle is not None:
                    yield from _numbered(handle, f"{path.name}/{Path(member.name).name}")


def _numbered(handle: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    number = 0
    while line := handle.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise UserError("a line over {size} MiB", place=f"{name}:{number}", size=MAX_LINE_BYTES >> 20)
        if line.strip():
            yield f"{name}:{number}", line


def _article(line: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError("not JSON: {error}", place=place, error=error) from None
    if not isinstance(value, dict):
        raise UserError("not an article's object", place=place)
    return value


def _html(article: dict[str, Any]) -> str:
    body = article.get("article_body")
    html = body.get("html") if isinstance(body, dict) else None
    return html if isinstance(html, str) else ""


def _glossary_like(title: str, html: str) -> bool:
    return names_glossary(title) or any(mark in html for mark in _MARKED)


def _document(source: PageSource, article: dict[str, Any], *, title: str, html: str) -> Document:
    lang = _inner(article, "in_language", "identifier")
    url = str(article.get("url") or "")
    revision = _inner(article, "version", "identifier")
    licences = article.get("license")
    links = (
        " ".join(str(x.get("url")) for x in licences if isinstance(x, dict))
        if isinstance(licences, list)
        else ""
    )
    page = replace(
        source, name=f"{_inner(article, 'is_part_of', 'identifier') or source.name}:{title}", title=title
    )
    host = url.split("/wiki/")[0]
    return Document(
        source=page,
        html=html,
        sha256=sha256(html.encode("utf-8", errors="surrogatepass")),
        title=title,
        url=url,
        permalink=f"{host}/w/index.php?oldid={revision}" if url and revision else "",
        revision=revision,
        license=licence_of(f'<a rel="license" href="{links}">') or CC_BY_SA,
        lang=lang,
        retrieved_at="",
    )


def _inner(article: dict[str, Any], key: str, inner: str) -> str:
    value = article.get(key)
    return str(value.get(inner) or "") if isinstance(value, dict) else ""
