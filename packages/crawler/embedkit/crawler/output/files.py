"""Files of a crawl: rows as CSV, JSON lines or pairs; the notice that licences require; the manifest."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from embedkit.crawler.output.align import Translation, write_translations
from embedkit.crawler.output.rows import CrawledPage, Difference
from embedkit.crawler.sources.documents import Document
from embedkit.data.entries import Entry, write_glossary
from embedkit.data.jsonl import write_objects
from embedkit.data.manifest import (
    Manifest,
    hashes,
    manifest_path,
    read_manifest,
    versions,
    write_manifest,
    wrote,
)
from embedkit.data.records import Pair, write_pairs
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import STDIO, discard, refuse_existing, require_writable, sha256_file, write_text
from embedkit.messages import tr

STEP = "crawl"
NOTICE = "NOTICE.md"
TRANSLATIONS = "translations.csv"
FORMATS = {
    "csv": Path("data/glossary.csv"),
    "jsonl": Path("data/glossary.jsonl"),
    "pairs": Path("data/pairs.jsonl"),
}
SHRUNK = 0.8
_RUN_BY_SPREADSHEETS = re.compile(r"^[=+\-@\t\r]")
_CELLS = tuple(f.name for f in fields(Entry) if f.name != "aliases")


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlResult:
    """The result of a crawl: the rows as written, the pages, and the written files."""

    entries: tuple[Entry, ...] = ()
    pages: tuple[CrawledPage, ...] = ()
    outputs: tuple[Path, ...] = ()
    requests: int = 0
    translations: tuple[Translation, ...] = ()
    difference: Difference | None = None
    risky_cells: int = 0


def refuse_foreign(output: Path | str, *, force: bool) -> None:
    """Raise `UserError` for an output that no crawl wrote, unless `force`."""
    if str(output) == STDIO:
        return
    path = Path(output)
    if path.is_dir():
        raise UserError("is a folder", place=str(path), hint="--output names a file")
    refuse_existing(path, force=force or wrote(path, step=STEP))
    require_writable(path.parent)


def write_rows(output: Path | str, entries: Iterable[Entry], *, format: str) -> None:
    """Write the rows in one of `FORMATS`."""
    if format == "csv":
        write_glossary(output, entries)
    elif format == "jsonl":
        write_objects(output, map(_object, entries))
    else:
        write_pairs(output, map(_pair, entries))


def _object(entry: Entry) -> dict[str, Any]:
    aliases = [
        {"text": a.text, "kind": a.kind, **({"lang": a.lang} if a.lang else {})} for a in entry.aliases
    ]
    row: dict[str, Any] = {f.name: getattr(entry, f.name) for f in fields(Entry)}
    return {**row, "aliases": aliases}


def _pair(entry: Entry) -> Pair:
    return Pair(
        anchor=entry.term,
        positive=entry.definition,
        id=entry.entry_id,
        group=entry.entry_id,
        kind="definition",
        lang=entry.lang,
        source=entry.source,
        license=entry.license,
    )


def risky_cells(entries: Iterable[Entry]) -> int:
    """How many cells a spreadsheet would run as formulas."""
    return sum(bool(_RUN_BY_SPREADSHEETS.match(getattr(e, name))) for e in entries for name in _CELLS)


def spreadsheet_safe(entry: Entry) -> Entry:
    """The entry with an apostrophe before every cell that a spreadsheet would run."""
    risky: dict[str, Any] = {n: f"'{v}" for n in _CELLS if _RUN_BY_SPREADSHEETS.match(v := getattr(entry, n))}
    return replace(entry, **risky) if risky else entry


def refuse_shrunk(output: Path | str, pages: Sequence[CrawledPage], *, limit: int | None) -> None:
    """Raise `AnswerNoError` when a source has lost over a fifth of the terms that it had in the last crawl."""
    if str(output) == STDIO or not wrote(Path(output), step=STEP):
        return
    last = read_manifest(manifest_path(Path(output)))
    if last.settings.get("limit_per_source") != limit:
        return
    before = {s.get("name"): s.get("terms") for s in last.counts.get("sources", []) if isinstance(s, dict)}
    lost = [
        tr(
            "{name}: {terms} terms, {before} in the last crawl",
            name=page.name,
            terms=page.extraction.terms,
            before=before[page.name],
        )
        for page in pages
        if page.extraction.terms < SHRUNK * (before.get(page.name) or 0)
    ]
    if lost:
        raise AnswerNoError("\n".join(lost[:2]), hint="check the page; --force accepts the loss")


def refuse_lost(output: Path | str, names: Iterable[str]) -> None:
    """Raise `UserError` when the last crawl into this output read pages that this one does not."""
    if str(output) == STDIO or not wrote(Path(output), step=STEP):
        return
    last = read_manifest(manifest_path(Path(output)))
    if lost := [name for name in last.inputs if name not in set(names)]:
        raise UserError(
            "holds rows of other pages, which would be lost: {names}",
            place=str(output),
            hint="crawl them all at once, or name another --output; --force replaces it",
            names=", ".join(lost[:3]) + (" …" if len(lost) > 3 else ""),
        )


def write_output(
    output: Path | str, result: CrawlResult, *, format: str, settings: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Write rows, translations, notice and manifest, and return their paths.

    Files of the last crawl into the same output that this one does not write are removed.
    """
    if str(output) == STDIO:
        write_rows(output, result.entries, format=format)
        return ()
    path = Path(output)
    own = _own(path)
    made = [path]
    write_rows(path, result.entries, format=format)
    if result.translations:
        made.append(_beside(path, TRANSLATIONS, own))
        write_translations(made[-1], result.translations)
    if text := notice_text(path.name, [page.document for page in result.pages]):
        made.append(_beside(path, NOTICE, own))
        write_text(made[-1], text)
    manifest = Manifest(
        step=STEP,
        inputs={page.name: page.document.sha256 for page in result.pages},
        outputs=hashes(made),
        settings=settings,
        counts={
            "rows": len(result.entries),
            "translations": len(result.translations),
            "sources": [page.to_object() for page in result.pages],
        },
        versions=versions(),
    )
    stale = own - {file.name for file in made} if path.name in own else ()
    for name in stale:
        discard(path.with_name(name))
    write_manifest(manifest_path(path), manifest)
    return (*made, manifest_path(path))


def _own(output: Path) -> set[str]:
    """The names of files that the last crawl wrote here and nobody changed since."""
    try:
        last = read_manifest(manifest_path(output))
    except UserError:
        return set()
    files = {name: output.with_name(name) for name in last.outputs if last.step == STEP}
    return {
        name for name, file in files.items() if file.is_file() and sha256_file(file) == last.outputs[name]
    }


def _beside(output: Path, name: str, own: Collection[str]) -> Path:
    """`NOTICE.md` beside the output; `NAME.NOTICE.md` if another notice has that name."""
    path = output.with_name(name)
    return path if name in own or not path.exists() else output.with_name(f"{output.stem}.{name}")


def notice_text(name: str, documents: Iterable[Document]) -> str:
    """The attribution that CC licences require: title, authors, source, licence and changes."""
    lines = list(_credits(documents))
    if not lines:
        return ""
    changed = (
        "Changed: terms, definitions and other names were taken from the pages; references, pictures, links"
        " and markup were removed."
    )
    share = "Where a licence says SA, what you make from these rows has to carry that licence too."
    return "\n".join(
        [f"# Notice for {name}", "", "The rows of this file come from:", "", *lines, "", changed, share, ""]
    )


def _credits(documents: Iterable[Document]) -> Iterator[str]:
    for d in documents:
        if d.license.startswith("CC BY"):
            history = (
                f" (list of authors: <{d.url}?action=history>)" if d.revision and "?" not in d.url else ""
            )
            yield (
                f"- “{d.title or d.url}”, by its contributors{history}: <{d.permalink or d.url}>,"
                f" {d.license}{_licence_link(d.license)}"
            )


def _licence_link(licence: str) -> str:
    match = re.fullmatch(r"CC (BY[A-Z-]*) (\d\.\d)", licence)
    return f" (<https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/>)" if match else ""
