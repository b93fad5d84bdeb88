"""A wiki's API: fifty titles a request, continuation, busy servers, licences, links between languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from embedkit.crawler import CrawlOptions, crawl
from embedkit.crawler.extract.page import extract
from embedkit.crawler.output.align import by_anchor
from embedkit.crawler.output.rows import CrawledPage
from embedkit.crawler.sources.documents import Document, PageSource
from embedkit.errors import AnswerNoError, UserError

from .conftest import Reply, Site

LOOPBACK = ("127.0.0.1",)
ROWS = (
    '<dl><dt><a href="/wiki/Keel">Keel</a></dt><dd>The lowest part of a boat.</dd>'
    "<dt>Bow</dt><dd>The front of a boat.</dd></dl>"
)


class Wiki:
    """A MediaWiki in memory: titles and revisions, one category of two pages an answer, links to Korean."""

    def __init__(self, site: Site, titles: list[str]) -> None:
        self.revisions = dict.fromkeys(titles, 1)
        self.busy = 0
        self.asked: list[str] = []
        self.api = f"{site.url}/w/api.php"
        site.routes["/w/api.php"] = self.answer

    def answer(self, query: dict[str, str], _: dict[str, str]) -> Reply:
        name = query.get("prop") or query.get("list") or query.get("meta") or ""
        self.asked.append("parse" if query["action"] == "parse" else name)
        if self.busy:
            self.busy -= 1
            error = {"code": "maxlag", "info": "Waiting for a server: 6 seconds lagged."}
            return 200, {"retry-after": "0"}, json.dumps({"error": error}).encode()
        made = self.parse(query) if query["action"] == "parse" else getattr(self, name)(query)
        return 200, {"content-type": "application/json"}, json.dumps(made).encode()

    def parse(self, query: dict[str, str]) -> dict[str, Any]:
        title = query["page"]
        return {"parse": {"title": f"Glossary of {title}", "revid": self.revisions[title], "text": ROWS}}

    def revisions_of(self, title: str) -> dict[str, Any]:
        return {"title": f"Glossary of {title}", "revisions": [{"revid": self.revisions[title]}]}

    def __getattr__(self, name: str) -> Any:
        return {"siteinfo": self.siteinfo, "langlinks": self.langlinks, "categorymembers": self.members}[name]

    def siteinfo(self, _: dict[str, str]) -> dict[str, Any]:
        return {
            "query": {"rightsinfo": {"url": "https://creativecommons.org/licenses/by-sa/3.0/", "text": "x"}}
        }

    def langlinks(self, query: dict[str, str]) -> dict[str, Any]:
        assert (query["titles"], query["lllang"]) == ("Keel", "ko")
        return {"query": {"pages": [{"title": "Keel", "langlinks": [{"lang": "ko", "title": "용골 (배)"}]}]}}

    def members(self, query: dict[str, str]) -> dict[str, Any]:
        start = int(query.get("cmcontinue", "0"))
        titles = list(self.revisions)
        found = [{"ns": 0, "title": t} for t in titles[start : start + 2]]
        more = {"continue": {"cmcontinue": str(start + 2)}} if start + 2 < len(titles) else {}
        return {"query": {"categorymembers": found}, **more}


def _with_revisions(wiki: Wiki) -> Wiki:
    def revisions(query: dict[str, str]) -> dict[str, Any]:
        titles = query["titles"].split("|")
        moved = [{"from": t, "to": f"Glossary of {t}"} for t in titles]
        return {"query": {"redirects": moved, "pages": [wiki.revisions_of(t) for t in titles]}}

    answer = wiki.answer

    def route(query: dict[str, str], headers: dict[str, str]) -> Reply:
        if query.get("prop") == "revisions":
            wiki.asked.append("revisions")
            return 200, {}, json.dumps(revisions(query)).encode()
        return answer(query, headers)

    wiki.answer = route  # type: ignore[method-assign]
    return wiki


@pytest.fixture
def wiki(site: Site) -> Wiki:
    made = _with_revisions(Wiki(site, [f"Subject {n}" for n in range(50)]))
    site.routes["/w/api.php"] = made.answer
    return made


def _crawl(wiki: Wiki, **options: Any) -> Any:
    return crawl(CrawlOptions(api=wiki.api, allow_private=LOOPBACK, **options))


def test_unchanged_crawl_of_fifty_titles_costs_one_request(wiki: Wiki, here: Path) -> None:
    titles = list(wiki.revisions)
    first = _crawl(wiki, titles=titles)
    before = first.outputs[0].read_bytes()
    wiki.asked.clear()
    again = _crawl(wiki, titles=titles)
    assert (again.requests, wiki.asked) == (1, ["revisions"])
    assert again.outputs[0].read_bytes() == before


def test_page_with_a_new_revision_is_fetched_again(wiki: Wiki, here: Path) -> None:
    titles = list(wiki.revisions)[:3]
    _crawl(wiki, titles=titles)
    wiki.revisions[titles[1]] = 2
    wiki.asked.clear()
    assert _crawl(wiki, titles=titles).pages[1].document.revision == "2"
    assert wiki.asked == ["revisions", "parse"]


def test_category_goes_on_to_its_last_page(wiki: Wiki, here: Path) -> None:
    for title in list(wiki.revisions)[5:]:
        del wiki.revisions[title]
    result = _crawl(wiki, categories=["Category:Glossaries of things"])
    assert [s.name for s in result.pages] == [f"127.0.0.1:Subject {n}" for n in range(5)]
    assert wiki.asked.count("categorymembers") == 3


def test_lagging_wiki_is_asked_again(wiki: Wiki, here: Path) -> None:
    wiki.busy = 2
    assert len(_crawl(wiki, titles=["Subject 1"]).entries) == 2
    assert wiki.asked.count("parse") == 3


def test_licence_of_another_wiki_comes_from_its_siteinfo(wiki: Wiki, here: Path) -> None:
    assert {e.license for e in _crawl(wiki, titles=["Subject 1"]).entries} == {"CC BY-SA 3.0"}
    notice = (here / "data/NOTICE.md").read_text(encoding="utf-8")
    assert "licenses/by-sa/3.0/" in notice
    assert "Changed:" in notice


def test_links_between_languages_give_translations(wiki: Wiki, here: Path) -> None:
    result = _crawl(wiki, titles=["Subject 1"], align=True)
    assert [(t.term, t.translation, t.evidence) for t in result.translations] == [
        ("Keel", "용골", "langlink")
    ]
    assert [(a.text, a.kind, a.lang) for a in result.entries[0].aliases] == [("용골", "translation", "ko")]
    assert "Keel,en,용골,ko,langlink" in (here / "data/translations.csv").read_text(encoding="utf-8")


def test_nothing_to_align_is_said_and_nothing_written(here: Path) -> None:
    (here / "g.html").write_text(f"<title>Glossary</title>{ROWS}")
    with pytest.raises(AnswerNoError, match="found no translations"):
        crawl(CrawlOptions(from_file=["g.html"], align=True))
    assert not list(here.glob("data/*"))


def _page(name: str, lang: str, html: str) -> CrawledPage:
    source = PageSource(kind="file", name=name, title=name, request=name)
    return CrawledPage(Document(source=source, html=html, sha256=""), extract(html, lang=lang))


def test_same_anchors_pair_two_languages(shared: Path) -> None:
    folder = shared / "samples/glossaries"
    english = _page("en", "en", (folder / "apache24_en_dl.html").read_text("utf-8", errors="replace"))
    korean = _page("ko", "ko", (folder / "apache24_ko_dl.html").read_text("euc-kr", errors="replace"))
    pairs = {t.term: t.translation for t in by_anchor(english, korean)}
    assert len(pairs) >= 50
    assert pairs["Algorithm"] == "알고리즘"


def test_category_without_pages_is_one_message(wiki: Wiki, here: Path) -> None:
    wiki.revisions.clear()
    with pytest.raises(UserError, match="no pages"):
        _crawl(wiki, categories=["Empty"])
