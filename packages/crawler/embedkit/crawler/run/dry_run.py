"""The plan of a crawl: requests, pace, licence and sample rows; nothing is fetched or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from embedkit.console import out, out_json
from embedkit.crawler.extract.decode import decode
from embedkit.crawler.extract.page import extract
from embedkit.crawler.extract.records import Term
from embedkit.crawler.fetch import cache, robots, urls
from embedkit.crawler.fetch.client import Fetcher, user_agent
from embedkit.crawler.fetch.config import CUSTOM_URLS, WIKIPEDIA, FetchSettings
from embedkit.crawler.run.extraction import extract_document
from embedkit.crawler.run.options import CrawlOptions
from embedkit.crawler.sources import mediawiki
from embedkit.crawler.sources.documents import PageSource
from embedkit.crawler.sources.kinds import kind_of
from embedkit.data.manifest import wrote
from embedkit.shipped_data import data_path
from embedkit.text import pad, shorten

SAMPLE_ROWS = 3
SAMPLE_PAGES = {"ko": "pages/circuits.ko.html", "en": "pages/circuits.en.html"}
_TERM_COLUMNS, _TEXT_COLUMNS = 26, 76


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A sample row."""

    term: str
    definition: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSource:
    """The plan of one source: requests, pace, minutes at most, licence and sample rows."""

    source: str
    title: str
    url: str
    requests: int
    request: str
    pace: str
    minutes: float
    license: str
    robots: str
    sample: str
    rows: tuple[SampleRow, ...]


def print_plan(planned: Sequence[PageSource], settings: FetchSettings, options: CrawlOptions) -> None:
    """Print the plan on stdout."""
    fetcher = Fetcher(settings)
    costs = requests_of(planned)
    steps = [_plan(source, fetcher, count, options) for source, count in zip(planned, costs, strict=True)]
    note = _output_note(options.target)
    if options.as_json:
        out_json(
            {
                "dry_run": True,
                "sources": [asdict(step) for step in steps],
                "user_agent": user_agent(settings.contact),
                "output": str(options.target),
                "output_note": note,
                "limit_per_source": options.limit_per_source,
            }
        )
        return
    for step in steps:
        _print_source(step)
    if len(steps) > 1:
        out(f"together  {sum(costs)} requests, {sum(s.minutes for s in steps):g} minutes at most")
    if any(costs):
        out(f"asks as   {user_agent(settings.contact)}")
    out(f"would write {options.target}{note}")


def _plan(source: PageSource, fetcher: Fetcher, requests: int, options: CrawlOptions) -> PlannedSource:
    pace = mediawiki.pace_s(source.request, fetcher)
    origin, terms = _sample(source, options)
    return PlannedSource(
        source=source.kind,
        title=source.title,
        url=source.page_url or source.request,
        requests=requests,
        request=source.request,
        pace=_pace(source, pace, fetcher.settings) if requests else "",
        minutes=round(requests * pace / 60, 2),
        license=source.license or "as the page says",
        robots=_robots(source),
        sample=origin,
        rows=tuple(
            SampleRow(term=t.term, definition=t.senses[0], aliases=tuple(a.text for a in t.aliases))
            for t in terms[:SAMPLE_ROWS]
        ),
    )


def requests_of(planned: Sequence[PageSource]) -> list[int]:
    """The number of requests of each source; fifty cached wiki pages are checked in one."""
    counts: list[int] = []
    known = 0
    for source in planned:
        if kind_of(source).local:
            counts.append(0)
        elif source.kind == WIKIPEDIA and cache.lookup(source.request) is not None:
            counts.append(int(known % mediawiki.BATCH_TITLES == 0))
            known += 1
        else:
            counts.append(1 + (source.kind == CUSTOM_URLS and robots.known(source.request) is None))
    return counts


def _pace(source: PageSource, pace_s: float, settings: FetchSettings) -> str:
    if not urls.is_wikimedia(source.request):
        return f"one request every {pace_s:g} s, or as slowly as robots.txt asks"
    if settings.contact:
        return f"{settings.wikimedia_per_minute} requests a minute, with your contact in the User-Agent"
    per_minute = settings.wikimedia_per_minute
    return f"{per_minute} requests a minute without a contact; --contact you@example.org allows 200"


def _robots(source: PageSource) -> str:
    if kind_of(source).local:
        return "not asked: a file"
    if source.kind != CUSTOM_URLS:
        return "not asked: the API is made for programs"
    verdict = robots.known(source.request)
    if verdict is None:
        return "not known yet: robots.txt would be fetched first"
    return "allows it" if verdict.allowed else "forbids it"


def _sample(source: PageSource, options: CrawlOptions) -> tuple[str, tuple[Term, ...]]:
    """The origin of the sample, and its terms."""
    document = kind_of(source).sample(source)
    if document is not None:
        found = extract_document(document, options)
        if not found.entries:
            return f"none: {found.verdict.reason}", ()
        local = kind_of(source).local
        return "this file" if local else f"this source as fetched {document.retrieved_at}", found.entries
    name = SAMPLE_PAGES.get(source.lang, SAMPLE_PAGES["en"])
    page = data_path(name)
    terms = extract(decode(page.read_bytes())).entries if page.is_file() else ()
    return f"sample page, not this source ({name})", terms


def _output_note(output: Path | str) -> str:
    path = Path(output)
    if str(output) == "-" or not path.exists():
        return ""
    if wrote(path, step="crawl"):
        return " (replacing the earlier crawl's)"
    return " (exists and would be kept: --force replaces it)"


def _print_source(step: PlannedSource) -> None:
    more = ", and one for each page in it" if step.source == "wiki_category" else ""
    first = f" (first of all {step.request})" if step.requests else ""
    out(f"{step.source}: {step.title}")
    out(f"  URL       {step.url}")
    out(f"  requests  {step.requests}{more}{first}")
    if step.requests:
        out(f"  pace      {step.pace}")
        out(f"  minutes   {step.minutes:g}")
    out(f"  licence   {step.license}")
    out(f"  robots    {step.robots}")
    out(f"  rows      {step.sample}")
    for row in step.rows:
        names = f"  [{', '.join(row.aliases)}]" if row.aliases else ""
        term = pad(shorten(row.term, _TERM_COLUMNS), _TERM_COLUMNS)
        out(f"    {term}  {shorten(row.definition, _TEXT_COLUMNS)}{names}")
    out("")
