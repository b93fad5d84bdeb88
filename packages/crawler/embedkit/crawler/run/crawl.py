"""The work of `embedkit crawl`: sources to entries to `glossary.csv`, its manifest and notice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedkit.console import warn
from embedkit.crawler.extract.page import extract
from embedkit.crawler.extract.records import Extraction
from embedkit.crawler.extract.selectors import extract_selected
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.fetch.config import CUSTOM_URLS, SOURCES, WIKIPEDIA, FetchSettings
from embedkit.crawler.fetch.network import allowed
from embedkit.crawler.fetch.urls import read_urls
from embedkit.crawler.output import files as outputs
from embedkit.crawler.output.align import Translation, align, with_translations
from embedkit.crawler.output.difference import Difference, difference
from embedkit.crawler.output.proof import Proof, prove
from embedkit.crawler.output.rows import rows
from embedkit.crawler.run import dry_run as dryrun
from embedkit.crawler.run.messages import SourceReport, tell
from embedkit.crawler.sources import reading
from embedkit.crawler.sources.documents import Document, Source
from embedkit.crawler.sources.dump import dump_source
from embedkit.crawler.sources.mediawiki import category_sources, page_sources
from embedkit.crawler.sources.sources import file_sources, url_sources
from embedkit.data.entries import Entry
from embedkit.data.reading import read_glossary
from embedkit.errors import AnswerNoError, UserError
from embedkit.messages import tr
from embedkit.progress import track
from embedkit.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlResult:
    """The crawl's outcome: the rows as written, a report a source, and the files made."""

    entries: tuple[Entry, ...]
    sources: tuple[SourceReport, ...]
    outputs: tuple[Path, ...]
    requests: int = 0
    translations: tuple[Translation, ...] = ()
    difference: Difference | None = None
    risky_cells: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be made of the pages."""

    output: Path | str
    form: str
    limit: int | None
    term: str
    definition: str
    gate: bool
    align: bool
    align_to: tuple[str, ...]
    diff: Path | str | None
    safe: bool
    force: bool


@dataclass(frozen=True, slots=True)
class _Crawled:
    document: Document
    extraction: Extraction
    proof: Proof | None = None


def crawl(
    *,
    sources: Sequence[str] = (),
    titles: Sequence[str] = (),
    categories: Sequence[str] = (),
    urls: Sequence[str] = (),
    from_file: Sequence[Path | str] = (),
    from_dump: Sequence[Path | str] = (),
    lang: str = "",
    api: str = "",
    output: Path | str | None = None,
    form: str = "csv",
    limit_per_source: int | None = None,
    config: Path | str | None = None,
    contact: str = "",
    select_term: str = "",
    select_definition: str = "",
    gate: bool = True,
    align_pages: bool = False,
    align_to: Sequence[str] = (),
    diff: Path | str | None = None,
    spreadsheet_safe: bool = False,
    offline: bool = False,
    allow_private: Sequence[str] = (),
    use_proxy: bool = False,
    force: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
) -> CrawlResult:
    """Crawl the sources into `output`; one row a sense.

    Raises:
        UserError: bad arguments, a page that cannot be had, an output that exists and is another's (exit 2).
        AnswerNoError: a page is no glossary, or lost a fifth of its terms; nothing is written (exit 1).
    """
    wanted = _Wanted(
        output=output or _default_output(form), form=form, limit=limit_per_source, term=select_term,
        definition=select_definition, gate=gate, align=align_pages, align_to=tuple(align_to), diff=diff,
        safe=spreadsheet_safe, force=force,
    )  # fmt: skip
    _check(wanted, lang)
    planned = plan(
        sources, titles=titles, categories=categories, addresses=urls, from_file=from_file,
        from_dump=from_dump, lang=lang, api=api,
    )  # fmt: skip
    settings = _settings(config)
    settings = replace(
        settings,
        contact=_contact(contact or settings.contact),
        permitted=settings.permitted | allowed(allow_private),
        offline=offline,
        use_proxy=use_proxy or settings.use_proxy,
    )
    if dry_run:
        dryrun.show(planned, settings, output=wanted.output, limit=limit_per_source, as_json=as_json)
        return CrawlResult(entries=(), sources=(), outputs=())
    result = _crawl(planned, Fetcher(settings), wanted)
    tell(result, wanted.output, as_json=as_json)
    return result


def _crawl(planned: Sequence[Source], fetcher: Fetcher, wanted: _Wanted) -> CrawlResult:
    outputs.refuse_foreign(wanted.output, force=wanted.force)
    old = tuple(read_glossary(wanted.diff)) if wanted.diff is not None else None
    kept = list(_limited(_read(planned, fetcher, wanted), wanted.limit))
    if not wanted.force:
        outputs.refuse_lost(wanted.output, [c.document.source.name for c in kept])
    reports = tuple(_report(c) for c in kept)
    if wanted.gate and not wanted.force:
        outputs.refuse_shrunk(wanted.output, [r.to_object() for r in reports], limit=wanted.limit)
    entries = tuple(e for c in kept for e in rows(c.document, c.extraction))
    translations = _aligned(kept, fetcher, wanted.align_to) if wanted.align else ()
    entries = with_translations(entries, translations)
    result = CrawlResult(
        entries=entries,
        sources=reports,
        outputs=(),
        requests=fetcher.requests_made,
        translations=translations,
        difference=difference(old, entries) if old is not None else None,
        risky_cells=outputs.risky_cells(entries) if wanted.form == "csv" and not wanted.safe else 0,
    )
    return _write(result, [c.document for c in kept], wanted)


def _default_output(form: str) -> Path:
    if form not in outputs.FORMATS:
        raise UserError(
            "{form!r} is no format",
            place="--format",
            hint="there are {formats}",
            form=form,
            formats=", ".join(outputs.FORMATS),
        )
    return outputs.FORMATS[form]


def _check(wanted: _Wanted, lang: str) -> None:
    _default_output(wanted.form)
    if bool(wanted.term) != bool(wanted.definition):
        raise UserError("--select-term and --select-definition go together")
    if wanted.limit is not None and wanted.limit < 1:
        raise UserError("has to be at least 1", place="--limit-per-source")
    if wanted.safe and wanted.form != "csv":
        raise UserError("is for --format csv", place="--spreadsheet-safe")
    for option, code in (("--lang", lang), *(("--align-to", code) for code in wanted.align_to)):
        if code and not re.fullmatch(r"[a-z]{2,3}(?:-[a-z]+)*", code):
            raise UserError(
                "{code!r} is no language code", place=option, hint="for example en, ko or ja", code=code
            )


def plan(
    names: Sequence[str],
    *,
    titles: Sequence[str],
    categories: Sequence[str],
    addresses: Sequence[str],
    from_file: Sequence[Path | str],
    from_dump: Sequence[Path | str],
    lang: str,
    api: str,
) -> tuple[Source, ...]:
    """The pages to read, in the order they were asked for. `--title` and `--url` imply their sources."""
    chosen = [n.strip() for name in names for n in name.split(",") if n.strip()]
    for name in chosen:
        if name not in SOURCES:
            raise UserError(
                "{name!r} is no source",
                place="--sources",
                hint="there are {sources}; files go to --from-file",
                name=name,
                sources=tr(" and ").join(SOURCES),
            )
    found: list[Source] = [dump_source(Path(p), tuple(titles)) for p in from_dump]
    wiki = WIKIPEDIA in chosen or bool(api) or bool(titles and not found)
    if wiki and (titles or not categories):
        found += page_sources(titles, lang=lang or "en", api=api)
    found += category_sources(categories, lang=lang or "en", api=api)
    if CUSTOM_URLS in chosen and not addresses:
        raise UserError(
            "custom_urls needs an address",
            hint="--url https://example.org/glossary, a file of addresses, or -",
        )
    found += url_sources(read_urls(addresses))
    found += file_sources([Path(p) for p in from_file])
    if not found:
        raise UserError(
            "nothing to crawl", hint="--sources wikipedia_glossary, --url ADDRESS or --from-file PATH"
        )
    return tuple({source.request: source for source in found}.values())


def _settings(path: Path | str | None) -> FetchSettings:
    """The file's limits and manners, or the defaults."""
    if path is None:
        return FetchSettings()
    from embedkit.crawler.run.settings import (
        read_settings,  # pydantic takes 100 ms, and most crawls have no file
    )

    return read_settings(path)


def _contact(contact: str) -> str:
    text = clean(contact)
    if any(c in text for c in "()\r\n") or not text.isprintable() or not text.isascii():
        raise UserError("has to be an e-mail address or a web address", place="contact")
    return text


def _read(planned: Sequence[Source], fetcher: Fetcher, wanted: _Wanted) -> list[_Crawled]:
    """Extract each page as it comes and keep its entries, not its HTML; then judge them together."""
    read: list[_Crawled] = []
    for document in track(reading.documents(planned, fetcher), label="crawl"):
        found = _extract(document, wanted)
        proof = prove(document, found) if found.entries else None
        read.append(_Crawled(replace(document, html="", inventory=b""), found, proof))
    return _judged(read, gate=wanted.gate)


def _extract(document: Document, wanted: _Wanted) -> Extraction:
    if wanted.term:
        return extract_selected(
            document.html, term=wanted.term, definition=wanted.definition, lang=document.lang
        )
    return extract(
        document.html, lang=document.lang, url=document.url, title=document.title, gate=wanted.gate
    )


def _judged(read: Sequence[_Crawled], *, gate: bool) -> list[_Crawled]:
    """The pages that gave entries; a page that gave none is an error unless it is one of a folder's."""
    kept = [c for c in read if c.extraction.entries]
    failed = [c for c in read if not c.extraction.entries]
    for page in failed:
        if page.document.source.optional and kept:
            warn(
                "{name}: passed over, {reason}",
                name=page.document.source.name,
                reason=_why_empty(page.extraction),
            )
    fatal = [p for p in failed if not p.document.source.optional] if kept else failed
    if fatal or not kept:
        lines = [
            tr(
                "{name}: not a glossary: {reason}",
                name=p.document.source.name,
                reason=_why_empty(p.extraction),
            )
            for p in fatal
        ]
        hint = (
            "--no-gate takes what it can find; --select-term and --select-definition say where to look"
            if gate
            else ""
        )
        raise AnswerNoError("\n".join(lines[:2]) or "no page of a glossary was found", hint=hint)
    return kept


def _why_empty(extraction: Extraction) -> str:
    if extraction.verdict.is_glossary:
        return tr("{count} terms, none with a definition", count=extraction.terms)
    return tr(extraction.verdict.reason)


def _limited(crawled: Sequence[_Crawled], limit: int | None) -> Iterator[_Crawled]:
    for page in crawled:
        full = page.extraction
        left = len(full.entries) - limit if limit is not None else 0
        if left <= 0:
            yield page
            continue
        dropped = {**full.dropped, "over --limit-per-source": left}
        yield replace(page, extraction=replace(full, entries=full.entries[:limit], dropped=dropped))


def _aligned(kept: Sequence[_Crawled], fetcher: Fetcher, to: Sequence[str]) -> tuple[Translation, ...]:
    found = tuple(align([(c.document, c.extraction) for c in kept], fetcher, to=to))
    if not found:
        raise AnswerNoError(
            "--align found nothing to align",
            hint="crawl two language versions of one page, or a Wikipedia page whose terms are links",
        )
    return found


def _report(crawled: _Crawled) -> SourceReport:
    document, found, proof = crawled.document, crawled.extraction, crawled.proof
    return SourceReport(
        name=document.source.name,
        title=document.title or found.title,
        url=document.url,
        terms=found.terms,
        entries=len(found.entries),
        redirects=found.redirects,
        aliases=found.aliases,
        senses=found.senses,
        dropped=found.dropped,
        evidence=found.evidence,
        reason=found.verdict.reason,
        revision=document.revision,
        license=document.license,
        retrieved_at=document.retrieved_at,
        from_cache=document.from_cache,
        proof=proof,
    )


def _write(result: CrawlResult, documents: Sequence[Document], wanted: _Wanted) -> CrawlResult:
    entries = tuple(map(outputs.spreadsheet_safe, result.entries)) if wanted.safe else result.entries
    settings = {
        "gate": wanted.gate, "limit_per_source": wanted.limit, "format": wanted.form,
        "spreadsheet_safe": wanted.safe,
    }  # fmt: skip
    counts = {
        "rows": len(entries),
        "translations": len(result.translations),
        "sources": [r.to_object() for r in result.sources],
    }
    made = outputs.write_all(
        wanted.output,
        entries,
        documents,
        result.translations,
        form=wanted.form,
        settings=settings,
        counts=counts,
    )
    return replace(result, entries=entries, outputs=made)
