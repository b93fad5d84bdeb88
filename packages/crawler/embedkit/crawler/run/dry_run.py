"""The plan of a crawl: requests, pace, licence and sample rows; nothing is fetched or written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
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
from embedkit.messages import Phrase, tr
from embedkit.shipped_data import data_path
from embedkit.text import pad, shorten

SAMPLE_ROWS = 3
SAMPLE_PAGES = {"ko": "pages/circuits.ko.html", "en": "pages/circuits.en.html"}
_TERM_COLUMNS, _LEAST_TEXT_COLUMNS, _LABEL_COLUMNS = 22, 30, 10


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
        minutes = f"{sum(s.minutes for s in steps):g}"
        out(
            tr(
                "together  {requests} requests, {minutes} minutes at most",
                requests=sum(costs),
                minutes=minutes,
            )
        )
    if any(costs):
        out(tr("asks as   {agent}", agent=user_agent(settings.contact)))
    out(tr("would write {path}{note}", path=options.target, note=tr(note)))


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
        license=source.license or Phrase("as the page says"),
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
        return Phrase("one request every {seconds} s, or as slowly as robots.txt asks", seconds=f"{pace_s:g}")
    count = settings.wikimedia_per_minute
    if settings.contact:
        return Phrase("{count} requests a minute, with your contact in the User-Agent", count=count)
    return Phrase(
        "{count} requests a minute without a contact; --contact you@example.org allows 200", count=count
    )


def _robots(source: PageSource) -> str:
    if kind_of(source).local:
        return Phrase("not asked: a file")
    if source.kind != CUSTOM_URLS:
        return Phrase("not asked: the API is made for programs")
    verdict = robots.known(source.request)
    if verdict is None:
        return Phrase("not known yet: robots.txt would be fetched first")
    return Phrase("allows it") if verdict.allowed else Phrase("forbids it")


def _sample(source: PageSource, options: CrawlOptions) -> tuple[str, tuple[Term, ...]]:
    """The origin of the sample, and its terms."""
    document = kind_of(source).sample(source)
    if document is not None:
        found = extract_document(document, options)
        if not found.entries:
            return Phrase("none: {reason}", reason=found.verdict.reason), ()
        if kind_of(source).local:
            return Phrase("this file"), found.entries
        return Phrase("this source as fetched {time}", time=document.retrieved_at), found.entries
    name = SAMPLE_PAGES.get(source.lang, SAMPLE_PAGES["en"])
    page = data_path(name)
    terms = extract(decode(page.read_bytes())).entries if page.is_file() else ()
    return Phrase("sample page, not this source ({name})", name=name), terms


def _output_note(output: Path | str) -> str:
    path = Path(output)
    if str(output) == "-" or not path.exists():
        return ""
    if wrote(path, step="crawl"):
        return Phrase(" (replacing the earlier crawl's)")
    return Phrase(" (exists and would be kept: --force replaces it)")


def _print_source(step: PlannedSource) -> None:
    out(f"{step.source}: {step.title}")
    for label, value in _facts(step):
        out(f"  {pad(tr(label), _LABEL_COLUMNS)}{value}")
    columns = max(shutil.get_terminal_size().columns - _TERM_COLUMNS - 6, _LEAST_TEXT_COLUMNS)
    for row in step.rows:
        term = pad(shorten(row.term, _TERM_COLUMNS), _TERM_COLUMNS)
        text = row.definition if not row.aliases else f"[{', '.join(row.aliases)}] {row.definition}"
        out(f"    {term}  {shorten(text, columns)}")
    out("")


def _facts(step: PlannedSource) -> Iterator[tuple[str, str]]:
    """What is said of a source, each with its label."""
    count: str = str(step.requests)
    if step.source == "wiki_category":
        count = tr("{count}, and one for each page in it", count=count)
    yield Phrase("URL"), step.url
    yield Phrase("requests"), count
    if step.requests:
        yield Phrase("first"), step.request
        yield Phrase("pace"), tr(step.pace)
        yield Phrase("minutes"), f"{step.minutes:g}"
    yield Phrase("licence"), tr(step.license)
    yield Phrase("robots"), tr(step.robots)
    yield Phrase("rows"), tr(step.sample)
