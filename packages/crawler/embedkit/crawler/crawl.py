"""The work of `embedkit crawl`: sources to entries to `glossary.csv`, its manifest and notice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.console import out_json, say, warn
from embedkit.crawler import dryrun
from embedkit.crawler.config import CUSTOM_URLS, DEFAULT_TITLE, SOURCES, WIKIPEDIA, FetchSettings
from embedkit.crawler.extract.page import extract
from embedkit.crawler.extract.records import Extraction, Term
from embedkit.crawler.extract.selectors import extract_selected
from embedkit.crawler.fetch import Fetcher
from embedkit.crawler.sources import Document, Source, file_sources, load, mediawiki_sources, url_sources
from embedkit.crawler.urls import read_urls, with_anchor
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import STDIO, refuse_existing, require_writable, sha256_file, write_text
from embedkit.glossary import Entry, entry_id, write_glossary
from embedkit.manifest import Manifest, hashes, manifest_path, read_manifest, versions, write_manifest, wrote
from embedkit.progress import track
from embedkit.text import clean, fold, language_of

STEP = "crawl"
DEFAULT_OUTPUT = Path("data/glossary.csv")
NOTICE = "NOTICE.md"
_DOMAIN = (
    re.compile(
        r"^(?:a )?(?:glossary|list|dictionary|lexicon) of (?:common |basic |key )?(?P<domain>.+?)"
        r"(?: (?:terms?|terminology|topics|jargon|concepts|abbreviations|acronyms))*$",
        re.IGNORECASE,
    ),
    re.compile(r"^(?P<domain>.+?)(?: terms?)? (?:glossary|terminology|dictionary)$", re.IGNORECASE),
    re.compile(r"^(?P<domain>.+?)\s*(?:분야\s*)?(?:용어|약어)(?:\s*(?:목록|사전|집|정리|해설))*$"),
    re.compile(r"^(?P<domain>.+?)(?:に関する)?用語(?:集|一覧|辞典)?$"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What one source gave. `senses` are its rows in the CSV."""

    name: str
    title: str
    url: str
    terms: int
    entries: int
    redirects: int
    aliases: int
    senses: int
    dropped: Mapping[str, int]
    reason: str
    revision: str = ""
    license: str = ""
    retrieved_at: str = ""
    from_cache: bool = False

    def to_object(self) -> dict[str, Any]:
        """The JSON form that `--json` prints and the manifest carries."""
        return {
            "name": self.name, "title": self.title, "url": self.url, "terms": self.terms,
            "entries": self.entries, "redirects": self.redirects, "aliases": self.aliases,
            "senses": self.senses, "dropped": dict(self.dropped), "reason": self.reason,
            "revision": self.revision, "license": self.license,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlResult:
    """The crawl's outcome: the rows as written, a report a source, and the files made."""

    entries: tuple[Entry, ...]
    sources: tuple[SourceReport, ...]
    outputs: tuple[Path, ...]
    requests: int = 0


@dataclass(frozen=True, slots=True)
class _Crawled:
    document: Document
    extraction: Extraction


def crawl(
    *,
    sources: Sequence[str] = (),
    titles: Sequence[str] = (),
    urls: Sequence[str] = (),
    from_file: Sequence[Path | str] = (),
    lang: str = "",
    api: str = "",
    output: Path | str = DEFAULT_OUTPUT,
    limit_per_source: int | None = None,
    contact: str = "",
    select_term: str = "",
    select_definition: str = "",
    gate: bool = True,
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
        AnswerNoError: a page is no glossary; nothing is written (exit 1).
    """
    if bool(select_term) != bool(select_definition):
        raise UserError("--select-term and --select-definition go together")
    if limit_per_source is not None and limit_per_source < 1:
        raise UserError("has to be at least 1", place="--limit-per-source")
    planned = plan(sources, titles=titles, addresses=urls, from_file=from_file, lang=lang, api=api)
    private = frozenset(h.strip().lower().strip("[]") for h in allow_private)
    settings = FetchSettings(
        contact=_contact(contact), private_hosts=private, offline=offline, use_proxy=use_proxy
    )
    if dry_run:
        dryrun.show(planned, settings, output=output, limit=limit_per_source, as_json=as_json)
        return CrawlResult(entries=(), sources=(), outputs=())
    _refuse_foreign(output, force=force)
    fetcher = Fetcher(settings)
    read = [
        _Crawled(document, _extract(document, select_term, select_definition, gate=gate))
        for document in _documents(planned, fetcher)
    ]
    kept = _judged(read, gate=gate)
    crawled = [c if limit_per_source is None else _limited(c, limit_per_source) for c in kept]
    entries = tuple(e for c in crawled for e in rows(c.document, c.extraction))
    reports = tuple(_report(c) for c in crawled)
    outputs = _write(output, entries, crawled, reports, gate=gate, limit=limit_per_source)
    result = CrawlResult(entries=entries, sources=reports, outputs=outputs, requests=fetcher.requests_made)
    _tell(result, output, as_json=as_json)
    return result


def plan(
    names: Sequence[str],
    *,
    titles: Sequence[str],
    addresses: Sequence[str],
    from_file: Sequence[Path | str],
    lang: str,
    api: str,
) -> tuple[Source, ...]:
    """The pages to read, in the order they were asked for. `--title` and `--url` imply their sources."""
    chosen = [n.strip() for name in names for n in name.split(",") if n.strip()]
    for name in chosen:
        if name not in SOURCES:
            raise UserError(
                f"{name!r} is no source",
                place="--sources",
                hint=f"there are {' and '.join(SOURCES)}; files go to --from-file",
            )
    if lang and not re.fullmatch(r"[a-z]{2,3}(?:-[a-z]+)*", lang):
        raise UserError(f"{lang!r} is no language code", place="--lang", hint="for example en, ko or ja")
    found: list[Source] = []
    if WIKIPEDIA in chosen or titles or api:
        found += mediawiki_sources(titles or (DEFAULT_TITLE,), lang=lang or "en", api=api)
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


def _contact(contact: str) -> str:
    text = clean(contact)
    if any(c in text for c in "()\r\n") or not text.isprintable() or not text.isascii():
        raise UserError("has to be an e-mail address or a web address", place="--contact")
    return text


def _documents(planned: Sequence[Source], fetcher: Fetcher) -> Iterator[Document]:
    for source in track(planned, label="crawl", total=len(planned)):
        try:
            yield load(source, fetcher)
        except UserError as error:
            if not source.optional:
                raise
            warn("{error}", error=error)


def _extract(document: Document, term: str, definition: str, *, gate: bool) -> Extraction:
    if term:
        return extract_selected(document.html, term=term, definition=definition, lang=document.lang)
    return extract(document.html, lang=document.lang, url=document.url, title=document.title, gate=gate)


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
        lines = [f"{p.document.source.name}: not a glossary: {_why_empty(p.extraction)}" for p in fatal]
        hint = (
            "--no-gate takes what it can find; --select-term and --select-definition say where to look"
            if gate
            else ""
        )
        raise AnswerNoError("\n".join(lines[:3]) or "no page was read", hint=hint)
    return kept


def _why_empty(extraction: Extraction) -> str:
    if extraction.verdict.is_glossary:
        return f"{extraction.terms} terms, none with a definition"
    return extraction.verdict.reason


def _limited(crawled: _Crawled, limit: int) -> _Crawled:
    full = crawled.extraction
    left = len(full.entries) - limit
    if left <= 0:
        return crawled
    dropped = {**full.dropped, "over --limit-per-source": left}
    limited = Extraction(
        terms=full.terms, entries=full.entries[:limit], redirects=full.redirects, dropped=dropped,
        verdict=full.verdict, lang=full.lang, title=full.title,
    )  # fmt: skip
    return _Crawled(crawled.document, limited)


def rows(document: Document, extraction: Extraction) -> Iterator[Entry]:
    """The CSV rows of a page: a row a sense, with ids that stay the same when the page is crawled again."""
    domain = domain_of(document.title or extraction.title)
    senses: Counter[str] = Counter()
    for term in extraction.entries:
        for definition in term.senses:
            key = fold(term.term)
            yield _row(document, extraction, term, definition, domain=domain, sense=senses[key])
            senses[key] += 1


def _row(
    document: Document, extraction: Extraction, term: Term, definition: str, *, domain: str, sense: int
) -> Entry:
    return Entry(
        term=term.term,
        definition=definition,
        aliases=term.aliases,
        lang=language_of(definition, fallback=extraction.lang or document.lang or "en"),
        domain=domain,
        source=document.source.name,
        source_url=with_anchor(document.url, term.anchor),
        permalink=document.permalink,
        revision=document.revision,
        license=document.license,
        retrieved_at=document.retrieved_at,
        entry_id=entry_id(document.source.name, term.term, sense),
    )


def domain_of(title: str) -> str:
    """The domain that a title names: "video game" of "Glossary of video game terms"; else empty."""
    text = clean(re.sub(r"<[^>]+>", "", title))
    for pattern in _DOMAIN:
        match = pattern.match(text)
        if match and len(match["domain"].split()) <= 5:
            return match["domain"]
    return ""


def _report(crawled: _Crawled) -> SourceReport:
    document, found = crawled.document, crawled.extraction
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
        reason=found.verdict.reason,
        revision=document.revision,
        license=document.license,
        retrieved_at=document.retrieved_at,
        from_cache=document.from_cache,
    )


def _refuse_foreign(output: Path | str, *, force: bool) -> None:
    """Keep what is not an earlier crawl's own output, before anything is fetched."""
    if str(output) == STDIO:
        return
    path = Path(output)
    if path.is_dir():
        raise UserError("is a folder", place=str(path), hint="--output names a .csv file")
    refuse_existing(path, force=force or wrote(path, step=STEP))
    require_writable(path.parent)


def _write(
    output: Path | str,
    entries: Sequence[Entry],
    crawled: Sequence[_Crawled],
    reports: Sequence[SourceReport],
    *,
    gate: bool,
    limit: int | None,
) -> tuple[Path, ...]:
    if str(output) == STDIO:
        write_glossary(output, entries)
        return ()
    path = Path(output)
    notice = _notice_path(path)
    write_glossary(path, entries)
    made = [path]
    text = notice_text(path.name, crawled)
    if text:
        write_text(notice, text)
        made.append(notice)
    manifest = Manifest(
        step=STEP,
        inputs={c.document.source.name: c.document.sha256 for c in crawled},
        outputs=hashes(made),
        settings={"gate": gate, "limit_per_source": limit},
        counts={"rows": len(entries), "sources": [r.to_object() for r in reports]},
        versions=versions(),
    )
    write_manifest(manifest_path(path), manifest)
    return (*made, manifest_path(path))


def _notice_path(output: Path) -> Path:
    """`NOTICE.md` beside the output; `NAME.NOTICE.md` where another's notice has that place."""
    path = output.with_name(NOTICE)
    if not path.exists():
        return path
    manifest = manifest_path(output)
    try:
        ours = manifest.is_file() and read_manifest(manifest).outputs.get(NOTICE) == sha256_file(path)
    except UserError:
        ours = False
    return path if ours else output.with_name(f"{output.stem}.{NOTICE}")


def notice_text(name: str, crawled: Iterable[_Crawled]) -> str:
    """The attribution that CC licences ask for: title, authors, source, licence, and what was changed."""
    lines = [
        f"- “{c.document.title or c.document.url}”, by its contributors:"
        f" <{c.document.permalink or c.document.url}>,"
        f" {c.document.license}{_licence_link(c.document.license)}"
        for c in crawled
        if c.document.license.startswith("CC BY")
    ]
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


def _licence_link(licence: str) -> str:
    match = re.fullmatch(r"CC (BY[A-Z-]*) (\d\.\d)", licence)
    return f" (<https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/>)" if match else ""


def _tell(result: CrawlResult, output: Path | str, *, as_json: bool) -> None:
    if as_json and str(output) != STDIO:
        out_json(
            {
                "sources": [
                    {**r.to_object(), "retrieved_at": r.retrieved_at, "from_cache": r.from_cache}
                    for r in result.sources
                ],
                "rows": len(result.entries),
                "requests": result.requests,
                "outputs": [str(p) for p in result.outputs],
            }
        )
    for report in result.sources:
        say(
            "{name}: {terms} terms → {entries} entries, {senses} definitions, {aliases} other names,"
            " {redirects} redirects folded",
            name=report.title or report.name,
            terms=report.terms,
            entries=report.entries,
            senses=report.senses,
            aliases=report.aliases,
            redirects=report.redirects,
        )
        for reason, count in report.dropped.items():
            say("  {count} dropped: {reason}", count=count, reason=reason)
    for path in result.outputs[:1]:
        say("wrote {path}: {rows} rows", path=path, rows=len(result.entries))
