"""What a crawl would do: requests, pace, licence and rows to look at; no byte is fetched or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.console import out, out_json
from embedkit.crawler.extract.decode import decode
from embedkit.crawler.extract.page import extract
from embedkit.crawler.extract.records import Term
from embedkit.crawler.fetch import cache, robots, urls
from embedkit.crawler.fetch.client import Fetcher, user_agent
from embedkit.crawler.fetch.config import CUSTOM_URLS, WIKIPEDIA, FetchSettings
from embedkit.crawler.sources import mediawiki, sources
from embedkit.crawler.sources.documents import Source
from embedkit.crawler.sources.reading import LOCAL
from embedkit.data.manifest import wrote
from embedkit.data.shipped import data_path
from embedkit.text import pad, shorten

SAMPLE_ROWS = 3
SAMPLE_PAGES = {"ko": "pages/circuits.ko.html", "en": "pages/circuits.en.html"}
_TERM_COLUMNS, _TEXT_COLUMNS = 26, 76


@dataclass(frozen=True, slots=True)
class Sample:
    """A few rows to look at, and where they come from."""

    origin: str
    terms: tuple[Term, ...]


def show(
    planned: Sequence[Source],
    settings: FetchSettings,
    *,
    output: Path | str,
    limit: int | None,
    as_json: bool,
) -> None:
    """Print the plan on stdout."""
    fetcher = Fetcher(settings)
    costs = requests_of(planned)
    steps = [_step(source, fetcher, count) for source, count in zip(planned, costs, strict=True)]
    note = _output_note(output)
    if as_json:
        out_json(
            {
                "dry_run": True,
                "sources": steps,
                "user_agent": user_agent(settings.contact),
                "output": str(output),
                "output_note": note,
                "limit_per_source": limit,
            }
        )
        return
    for step in steps:
        _print(step)
    if len(steps) > 1:
        minutes = sum(s["minutes"] for s in steps)
        out(f"together  {sum(costs)} requests, {minutes:g} minutes at most")
    if any(costs):
        out(f"asks as   {user_agent(settings.contact)}")
    out(f"would write {output}{note}")


def _step(source: Source, fetcher: Fetcher, requests: int) -> dict[str, Any]:
    pace = mediawiki.pace_s(source.request, fetcher)
    sample = _sample(source)
    return {
        "source": source.kind,
        "title": source.title,
        "url": source.page_url or source.request,
        "requests": requests,
        "request": source.request,
        "pace": _pace(source, pace, fetcher.settings) if requests else "",
        "minutes": round(requests * pace / 60, 2),
        "license": source.license or "as the page says",
        "robots": _robots(source),
        "sample": sample.origin,
        "rows": [
            {"term": t.term, "definition": t.senses[0], "aliases": [a.text for a in t.aliases]}
            for t in sample.terms
        ],
    }


def requests_of(planned: Sequence[Source]) -> list[int]:
    """The requests that each source costs: fifty wiki pages that the cache has are asked about in one."""
    counts: list[int] = []
    known = 0
    for source in planned:
        if source.kind in LOCAL:
            counts.append(0)
        elif source.kind == WIKIPEDIA and cache.lookup(source.request) is not None:
            counts.append(int(known % mediawiki.BATCH_TITLES == 0))
            known += 1
        else:
            counts.append(1 + (source.kind == CUSTOM_URLS and robots.known(source.request) is None))
    return counts


def _pace(source: Source, pace_s: float, settings: FetchSettings) -> str:
    if not urls.is_wikimedia(source.request):
        return f"one request every {pace_s:g} s, or as slowly as robots.txt asks"
    if settings.contact:
        return f"{settings.wikimedia_per_minute} requests a minute, with your contact in the User-Agent"
    per_minute = settings.wikimedia_per_minute
    return f"{per_minute} requests a minute without a contact; --contact you@example.org allows 200"


def _robots(source: Source) -> str:
    if source.kind in LOCAL:
        return "not asked: a file"
    if source.kind != CUSTOM_URLS:
        return "not asked: the API is made for programs"
    verdict = robots.known(source.request)
    if verdict is None:
        return "not known yet: robots.txt would be fetched first"
    return "allows it" if verdict.allowed else "forbids it"


def _sample(source: Source) -> Sample:
    document = sources.cached(source)
    if document is not None:
        found = extract(document.html, lang=document.lang, url=document.url, title=document.title)
        if found.entries:
            origin = (
                "this file" if source.kind in LOCAL else f"this source as fetched {document.retrieved_at}"
            )
            return Sample(origin, found.entries[:SAMPLE_ROWS])
        return Sample(f"none: {found.verdict.reason}", ())
    name = SAMPLE_PAGES.get(source.lang, SAMPLE_PAGES["en"])
    page = data_path(name)
    terms = extract(decode(page.read_bytes())).entries[:SAMPLE_ROWS] if page.is_file() else ()
    return Sample(f"sample page, not this source ({name})", terms)


def _output_note(output: Path | str) -> str:
    path = Path(output)
    if str(output) == "-" or not path.exists():
        return ""
    if wrote(path, step="crawl"):
        return " (replacing the earlier crawl's)"
    return " (exists and would be kept: --force replaces it)"


def _print(step: dict[str, Any]) -> None:
    out(f"{step['source']}: {step['title']}")
    out(f"  URL       {step['url']}")
    more = ", and one for each page in it" if step["source"] == "wiki_category" else ""
    out(
        f"  requests  {step['requests']}{more}"
        + (f" (first of all {step['request']})" if step["requests"] else "")
    )
    if step["requests"]:
        out(f"  pace      {step['pace']}")
        out(f"  minutes   {step['minutes']:g}")
    out(f"  licence   {step['license']}")
    out(f"  robots    {step['robots']}")
    out(f"  rows      {step['sample']}")
    for row in step["rows"]:
        names = f"  [{', '.join(row['aliases'])}]" if row["aliases"] else ""
        term = pad(shorten(row["term"], _TERM_COLUMNS), _TERM_COLUMNS)
        out(f"    {term}  {shorten(row['definition'], _TEXT_COLUMNS)}{names}")
    out("")
