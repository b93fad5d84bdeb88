"""`embedkit crawl`: from sources to rows to `glossary.csv`, its manifest and its notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from embedkit.console import track, warn
from embedkit.crawler.extract.records import Extraction
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.output import files as outputs
from embedkit.crawler.output.align import Translation, align, with_translations
from embedkit.crawler.output.completeness import check_completeness
from embedkit.crawler.output.files import CrawlResult
from embedkit.crawler.output.rows import CrawledPage, difference, rows
from embedkit.crawler.run.dry_run import print_plan
from embedkit.crawler.run.extraction import extract_document
from embedkit.crawler.run.messages import print_report
from embedkit.crawler.run.options import CrawlOptions, check_options
from embedkit.crawler.run.plan import fetch_settings, planned_sources
from embedkit.crawler.sources import reading
from embedkit.crawler.sources.documents import Document, PageSource
from embedkit.crawler.sources.further_pages import MAX_PAGES, further_pages
from embedkit.data.reading import read_glossary
from embedkit.errors import AnswerNoError
from embedkit.files import STDIO, refuse_inputs
from embedkit.messages import Phrase, tr

NO_GATE = "--no-gate accepts the page; --select-term and --select-definition name the elements to read"


def crawl(options: CrawlOptions) -> CrawlResult:
    """Crawl the sources into the output, one row per sense.

    Raises:
        UserError: bad options, a page that cannot be read, an output that no crawl wrote (exit 2).
        AnswerNoError: a page is not a glossary or lost a fifth of its terms; nothing is written (exit 1).
    """
    check_options(options)
    planned, settings = planned_sources(options), fetch_settings(options)
    if options.dry_run:
        print_plan(planned, settings, options)
        return CrawlResult()
    result = _crawl(planned, Fetcher(settings), options)
    print_report(result, options.target, as_json=options.as_json)
    return result


def _crawl(planned: Sequence[PageSource], fetcher: Fetcher, options: CrawlOptions) -> CrawlResult:
    if options.target != STDIO:
        refuse_inputs([Path(options.target)], [*options.from_file, *options.from_dump])
    outputs.refuse_foreign(options.target, force=options.force)
    old = tuple(read_glossary(options.diff)) if options.diff is not None else None
    pages = tuple(_limited(_read(planned, fetcher, options), options.limit_per_source))
    if not options.force:
        outputs.refuse_lost(options.target, [page.name for page in pages])
    if options.gate and not options.force:
        outputs.refuse_shrunk(options.target, pages, limit=options.limit_per_source)
    entries = tuple(entry for page in pages for entry in rows(page))
    translations = _translations(pages, fetcher, options.align_to) if options.align else ()
    entries = with_translations(entries, translations)
    checked = options.format == "csv" and not options.spreadsheet_safe
    result = CrawlResult(
        entries=entries,
        pages=pages,
        requests=fetcher.requests_made,
        translations=translations,
        difference=difference(old, entries) if old is not None else None,
        risky_cells=outputs.risky_cells(entries) if checked else 0,
    )
    return _write(result, options)


def _read(planned: Sequence[PageSource], fetcher: Fetcher, options: CrawlOptions) -> list[CrawledPage]:
    """Extract each page as it arrives, and keep its entries without its HTML."""
    read: list[CrawledPage] = []
    waiting, seen = list(planned), {source.request for source in planned}
    while waiting:
        further: list[PageSource] = []
        for document in track(reading.documents(waiting, fetcher), label="crawl"):
            found = extract_document(document, options)
            more = [p for p in further_pages(document) if p.request not in seen]
            if options.follow_pages:
                seen |= {p.request for p in more}
                further += more
            elif more:
                found = _split(document, found, more)
            completeness = check_completeness(document, found) if found.entries else None
            read.append(
                CrawledPage(replace(document, html="", groups=(), inventory=b""), found, completeness)
            )
        waiting = further[: MAX_PAGES - len(seen) + len(further)]
    if options.follow_pages and any(page.extraction.entries for page in read):
        read = [page for page in read if page.extraction.entries or not _is_contents(page, read)]
    return _judged(read, gate=options.gate)


def _split(document: Document, found: Extraction, more: Sequence[PageSource]) -> Extraction:
    """Say that a page is one of several; where it has no terms, that is the reason."""
    if found.entries:
        warn(
            "{name}: links to {count} more pages of this glossary; --follow-pages reads them",
            name=document.source.name,
            count=len(more),
        )
        return found
    reason = Phrase("its terms stand on {count} other pages: --follow-pages reads them", count=len(more))
    return replace(found, verdict=replace(found.verdict, reason=reason, final=True))


def _is_contents(page: CrawledPage, read: Sequence[CrawledPage]) -> bool:
    """Whether a page without terms is the first of a split glossary, which only links to the others."""
    return page is read[0] and len(read) > 1


def _judged(read: Sequence[CrawledPage], *, gate: bool) -> list[CrawledPage]:
    """The pages with entries. A page without entries is an error, unless it is one of a folder or category."""
    kept = [page for page in read if page.extraction.entries]
    failed = [page for page in read if not page.extraction.entries]
    for page in failed:
        if page.document.source.optional and kept:
            warn("{name}: skipped, {reason}", name=page.name, reason=_why_empty(page.extraction))
    fatal = [page for page in failed if not (page.document.source.optional and kept)]
    if kept and not fatal:
        return kept
    lines = [
        tr("{name}: not a glossary: {reason}", name=page.name, reason=_why_empty(page.extraction))
        for page in fatal[:2]
    ]
    final = bool(fatal) and all(page.extraction.verdict.final for page in fatal)
    hint = "" if final or not gate else NO_GATE
    raise AnswerNoError("\n".join(lines) or "found no glossary page", hint=hint)


def _why_empty(extraction: Extraction) -> str:
    if extraction.verdict.is_glossary:
        return tr("{count} terms, none with a definition", count=extraction.terms)
    return tr(extraction.verdict.reason)


def _limited(crawled: Sequence[CrawledPage], limit: int | None) -> Iterator[CrawledPage]:
    for page in crawled:
        full = page.extraction
        left = len(full.entries) - limit if limit is not None else 0
        if left <= 0:
            yield page
            continue
        dropped = {**full.dropped, "over --limit-per-source": left}
        yield replace(page, extraction=replace(full, entries=full.entries[:limit], dropped=dropped))


def _translations(
    pages: Sequence[CrawledPage], fetcher: Fetcher, to: Sequence[str]
) -> tuple[Translation, ...]:
    found = tuple(align(pages, fetcher, to=to))
    if not found:
        raise AnswerNoError(
            "--align found no translations",
            hint="crawl two language versions of one page, or a Wikipedia page whose terms are links",
        )
    return found


def _write(result: CrawlResult, options: CrawlOptions) -> CrawlResult:
    settings = {
        "gate": options.gate,
        "limit_per_source": options.limit_per_source,
        "format": options.format,
        "spreadsheet_safe": options.spreadsheet_safe,
    }
    if options.spreadsheet_safe:
        result = replace(result, entries=tuple(map(outputs.spreadsheet_safe, result.entries)))
    made = outputs.write_output(options.target, result, format=options.format, settings=settings)
    return replace(result, outputs=made)
