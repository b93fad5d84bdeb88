"""Pages of Wikipedia and other MediaWikis: `action=parse` per page, all other requests for fifty titles at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from embedkit.console import warn
from embedkit.crawler.fetch import cache, urls
from embedkit.crawler.fetch.cache import HttpAnswer
from embedkit.crawler.fetch.client import Fetcher, RetryError, retry_after_s
from embedkit.crawler.fetch.config import DEFAULT_TITLE, WIKIPEDIA
from embedkit.crawler.sources.documents import CC_BY_SA, Document, PageSource, licence_of, sha256
from embedkit.errors import UserError
from embedkit.messages import Phrase

MAX_TITLE_CHARS = 255
BATCH_TITLES = 50
MAX_LAG_S = 5
_BATCH_CHARS = 6000  # servers refuse addresses over 8 KB
_MAX_PAGES = 1000  # limit of continued answers, against an API that loops
_SITE_FRESH_S = 7 * 24 * 3600.0
_BUSY = frozenset(("maxlag", "ratelimited", "readonly"))
_NOT_IN_TITLES = re.compile(r"[\[\]{}|<>\n]")


def endpoint_of(lang: str, api: str) -> str:
    """The `api.php` of Wikipedia in `lang`, or the one that was given."""
    return urls.checked(api, place="--api") if api else f"https://{lang}.wikipedia.org/w/api.php"


def page_sources(titles: Sequence[str], *, lang: str, api: str) -> Iterator[PageSource]:
    """Pages by title; without any, English Wikipedia's glossary of video games."""
    if not titles and (api or lang != "en"):
        raise UserError(
            "the default page is in the English Wikipedia",
            place="--api" if api else f"--lang {lang}",
            hint="--title names a page of this wiki, --category a category of pages",
        )
    endpoint = endpoint_of(lang, api)
    for title in dict.fromkeys(t.strip().replace("_", " ") for t in titles or (DEFAULT_TITLE,)):
        yield _source(endpoint, title, lang=lang, api=api, option="--title")


def category_sources(names: Sequence[str], *, lang: str, api: str) -> Iterator[PageSource]:
    """Categories; their pages are listed when the crawl starts."""
    endpoint = endpoint_of(lang, api)
    for name in dict.fromkeys(n.strip().replace("_", " ") for n in names):
        title = name if ":" in name else f"Category:{name}"
        page = _source(endpoint, title, lang=lang, api=api, option="--category")
        yield replace(page, kind="wiki_category", request=_category_request(endpoint, title))


def _source(endpoint: str, title: str, *, lang: str, api: str, option: str) -> PageSource:
    if not title or len(title.encode()) > MAX_TITLE_CHARS or _NOT_IN_TITLES.search(title):
        raise UserError("not a title that a wiki page can have", place=f"{option} {title!r}")
    return PageSource(
        kind="wikipedia_glossary",
        name=f"{urls.host_of(endpoint)}:{title}" if api else f"{lang}.wikipedia.org:{title}",
        title=title,
        request=parse_request(endpoint, title),
        page_url=page_url(endpoint, title),
        lang=lang,
        license=CC_BY_SA if urls.is_wikimedia(endpoint) else "",
        optional=False,
    )


def parse_request(endpoint: str, title: str) -> str:
    """The address of `action=parse` for one page, redirects followed."""
    return _address(
        endpoint,
        {
            "action": "parse", "redirects": "1", "disableeditsection": "1", "disablelimitreport": "1",
            "prop": "text|revid", "page": title,
        },
    )  # fmt: skip


def _category_request(endpoint: str, title: str, **more: str) -> str:
    return _address(endpoint, {"action": "query", **_members(title), **more})


def _members(title: str) -> dict[str, str]:
    return {"list": "categorymembers", "cmtitle": title, "cmtype": "page", "cmlimit": "500"}


def _address(endpoint: str, query: Mapping[str, str]) -> str:
    common = {"format": "json", "formatversion": "2", "maxlag": str(MAX_LAG_S)}
    return f"{endpoint}?{urlencode({**query, **common})}"


def page_url(endpoint: str, title: str) -> str:
    """The address of the page for readers."""
    path = quote(title.replace(" ", "_"), safe="/:()',!*@;~-._")
    if urls.is_wikimedia(endpoint):
        return f"https://{urls.host_of(endpoint)}/wiki/{path}"
    return f"{_index(endpoint)}?title={path}"


def _index(endpoint: str) -> str:
    return re.sub(r"api\.php$", "index.php", endpoint)


def _endpoint(source: PageSource) -> str:
    return source.request.partition("?")[0]


def pace_s(url: str, fetcher: Fetcher) -> float:
    """Seconds between requests to a host: Wikimedia's limit with or without a contact, else the setting."""
    if urls.is_wikimedia(url):
        return 60.0 / fetcher.settings.wikimedia_per_minute
    return fetcher.settings.pace_s


def expand(source: PageSource, fetcher: Fetcher) -> Iterator[PageSource]:
    """The pages of a category; the default page's version in the wiki's language; another source unchanged."""
    endpoint = _endpoint(source)
    if source.kind == "wiki_category":
        for title in _category_titles(endpoint, source, fetcher):
            page = _source(endpoint, title, lang=source.lang, api="", option="--category")
            name = source.name.partition(":")[0] + f":{title}"
            yield replace(page, name=name, license=source.license, optional=True)
    elif source.kind == WIKIPEDIA and source.title == DEFAULT_TITLE and source.lang != "en":
        english = endpoint_of("en", "")
        if urls.is_wikimedia(endpoint):
            found = dict(translations(english, [source.title], source.lang, fetcher)).get(source.title)
            if found is None:
                raise UserError(
                    "{lang}.wikipedia.org has no version of {title!r}",
                    hint="name a page with --title",
                    lang=source.lang,
                    title=DEFAULT_TITLE,
                )
            yield _source(endpoint, found, lang=source.lang, api="", option="--title")
        else:
            yield source
    else:
        yield source


def _category_titles(endpoint: str, source: PageSource, fetcher: Fetcher) -> list[str]:
    pages = list(_query(endpoint, _members(source.title), fetcher))
    titles = [m["title"] for page in pages for m in _dicts(page.get("categorymembers")) if m.get("ns") == 0]
    if not titles:
        raise UserError(
            "this category has no pages", place=source.page_url, hint="check --category, --lang and --api"
        )
    return titles


def with_latest(sources: Sequence[PageSource], fetcher: Fetcher) -> list[PageSource]:
    """Add the newest revisions of cached pages, so that unchanged pages are not fetched."""
    known = [s for s in sources if s.kind == WIKIPEDIA and cache.lookup(s.request) is not None]
    if not known or fetcher.settings.offline:
        return list(sources)
    latest: dict[tuple[str, str], str] = {}
    for endpoint in dict.fromkeys(map(_endpoint, known)):
        titles = [s.title for s in known if _endpoint(s) == endpoint]
        for title, revision in revisions(endpoint, titles, fetcher):
            latest[endpoint, title] = revision
    return [replace(s, revision=latest.get((_endpoint(s), s.title), "")) for s in sources]


def revisions(endpoint: str, titles: Sequence[str], fetcher: Fetcher) -> Iterator[tuple[str, str]]:
    """`(title, newest revision)` of each page that exists, fifty a request, redirects followed."""
    params = {"prop": "revisions", "rvprop": "ids|timestamp", "redirects": "1"}
    for title, page in _pages(endpoint, titles, params, fetcher):
        for revision in _dicts(page.get("revisions"))[:1]:
            yield title, str(revision.get("revid") or "")


def translations(
    endpoint: str, titles: Sequence[str], lang: str, fetcher: Fetcher
) -> Iterator[tuple[str, str]]:
    """`(title, its title in the Wikipedia of lang)` of each page that has one, fifty a request."""
    params = {"prop": "langlinks", "lllang": lang, "lllimit": "500", "redirects": "1"}
    for title, page in _pages(endpoint, titles, params, fetcher):
        for link in _dicts(page.get("langlinks")):
            yield title, str(link.get("title") or "")


def _pages(
    endpoint: str, titles: Sequence[str], params: Mapping[str, str], fetcher: Fetcher
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each asked title with its page, through the normalised titles and redirects that the answer names."""
    for batch in _batches(titles):
        for answer in _query(endpoint, {**params, "titles": "|".join(batch)}, fetcher):
            moved = {
                m["from"]: m["to"]
                for key in ("normalized", "redirects")
                for m in _dicts(answer.get(key))
                if "from" in m and "to" in m
            }
            pages = {p.get("title"): p for p in _dicts(answer.get("pages")) if not p.get("missing")}
            for title in batch:
                page = pages.get(_moved(title, moved))
                if page is not None:
                    yield title, page


def _moved(title: str, moved: Mapping[str, str]) -> str:
    for _ in range(4):
        title = moved.get(title, title)
    return title


def _batches(titles: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    chars = 0
    for title in dict.fromkeys(titles):
        size = len(quote(title)) + 3
        if batch and (len(batch) == BATCH_TITLES or chars + size > _BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(title)
        chars += size
    if batch:
        yield batch


def _query(endpoint: str, params: Mapping[str, str], fetcher: Fetcher) -> Iterator[dict[str, Any]]:
    """The `query` objects of an answer and its continuations."""
    more: dict[str, str] = {}
    for _ in range(_MAX_PAGES):
        address = _address(endpoint, {"action": "query", **params, **more})
        answer = fetcher.get(address, pace_s=pace_s(endpoint, fetcher), check=_refuse_error)
        value = _json(answer)
        query = value.get("query")
        yield query if isinstance(query, dict) else {}
        after = value.get("continue")
        if not isinstance(after, dict):
            return
        more = {str(k): str(v) for k, v in after.items()}
    raise UserError("the API's answer does not end", place=endpoint)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _json(answer: HttpAnswer) -> dict[str, Any]:
    return _json_object(answer.body, place=answer.url.partition("?")[0], status=answer.status)


def _json_object(body: bytes, *, place: str, status: int) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UserError(
            "the API answers {status} with something that is not a JSON object",
            place=place,
            hint="--api has to be the address of an api.php",
            status=status,
        )
    return value


def _refuse_error(answer: HttpAnswer) -> None:
    """Raise an API error, which comes with HTTP 200: `RetryError` for busy servers, else `UserError`."""
    error = _json(answer).get("error")
    if not isinstance(error, dict):
        return
    if error.get("code") in _BUSY:
        wait_s = retry_after_s(answer.headers.get("retry-after", ""))
        raise RetryError(Phrase("the API is busy ({code})", code=error["code"]), wait_s)
    raise _api_error(error, answer.url.partition("?")[0])


def _api_error(error: Mapping[str, Any], place: str) -> UserError:
    return UserError(
        str(error.get("info") or error.get("code")), place=place, hint="check --title, --lang and --api"
    )


def rights(endpoint: str, fetcher: Fetcher) -> str:
    """The licence of a wiki's texts; fetched once a week."""
    if fetcher.settings.offline and cache.lookup(_rights_request(endpoint)) is None:
        return ""
    try:
        answer = fetcher.get(
            _rights_request(endpoint),
            pace_s=pace_s(endpoint, fetcher),
            fresh_s=_SITE_FRESH_S,
            check=_refuse_error,
        )
    except UserError as error:
        warn("{endpoint}: licence unknown ({problem})", endpoint=endpoint, problem=error.problem)
        return ""
    query = _json(answer).get("query")
    info = query.get("rightsinfo") if isinstance(query, dict) else None
    if not isinstance(info, dict):
        return ""
    return licence_of(f'<a rel="license" href="{info.get("url")}">') or str(info.get("text") or "")


def _rights_request(endpoint: str) -> str:
    return _address(endpoint, {"action": "query", "meta": "siteinfo", "siprop": "rightsinfo"})


def load(source: PageSource, fetcher: Fetcher) -> Iterator[Document]:
    """Yield the page: from the cache if that has the newest revision, else fetched."""
    known = cache.lookup(source.request)
    if known is None or not source.revision or revision_of(known) != source.revision:
        known = _fetch(source, fetcher)
    if not source.license:
        source = replace(source, license=rights(_endpoint(source), fetcher))
    yield document(source, known)


def sample(source: PageSource) -> Document | None:
    """The page as it was last fetched, for a dry run; None where it never was."""
    answer = cache.lookup(source.request)
    return document(source, answer) if answer is not None and answer.status < 400 else None


def _fetch(source: PageSource, fetcher: Fetcher) -> HttpAnswer:
    try:
        pace = pace_s(source.request, fetcher)
        return fetcher.get(source.request, pace_s=pace, check=lambda a: _refuse_page(a, source.page_url))
    except UserError as error:
        raise UserError(error.problem, place=source.page_url, hint=error.hint) from None


def _refuse_page(answer: HttpAnswer, place: str) -> None:
    _refuse_error(answer)
    parse_answer(answer.body, place=place, status=answer.status)


def revision_of(answer: HttpAnswer) -> str:
    """The revision that a stored `action=parse` answer shows."""
    try:
        return str(parse_answer(answer.body, place=answer.url).get("revid") or "")
    except UserError:
        return ""


def document(source: PageSource, answer: HttpAnswer) -> Document:
    """The document in an `action=parse` answer."""
    parsed = parse_answer(answer.body, place=source.page_url, status=answer.status)
    title = str(parsed.get("title") or source.title)
    revision = str(parsed.get("revid") or "")
    endpoint = _endpoint(source)
    return Document(
        source=source,
        html=parsed["text"],
        title=title,
        sha256=sha256(answer.body),
        url=page_url(endpoint, title),
        permalink=f"{_index(endpoint)}?oldid={revision}" if revision else "",
        revision=revision,
        license=source.license,
        lang=source.lang,
        retrieved_at=answer.fetched_at,
        from_cache=answer.from_cache,
    )


def parse_answer(body: bytes, *, place: str, status: int = 200) -> dict[str, Any]:
    """The `parse` object of an `action=parse` answer with `text` a string, in either format version.

    Raises:
        UserError: an error of the API (a missing page is HTTP 200 with one), or another kind of answer.
    """
    value = _json_object(body, place=place, status=status)
    error = value.get("error")
    if isinstance(error, dict):
        raise _api_error(error, place)
    parsed = value.get("parse")
    text = parsed.get("text") if isinstance(parsed, dict) else None
    if isinstance(text, dict):
        text = text.get("*")
    if not isinstance(parsed, dict) or not isinstance(text, str):
        raise UserError(
            "JSON without a parsed page (parse.text)", place=place, hint="save an answer of action=parse"
        )
    return {**parsed, "text": text}
