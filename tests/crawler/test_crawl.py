# ruff: noqa: E501 (pages are written as one line)
"""The command crawl, from the command line to the files it leaves, against a server on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.crawler import CrawlOptions, crawl
from embedkit.crawler.output.rows import domain_of
from embedkit.data.manifest import read_manifest
from embedkit.data.reading import read_glossary
from embedkit.errors import AnswerNoError, UserError

from .conftest import Site

P = "A rope, a sail or some other thing that does its work on a boat."
PAGE = f"<html lang=en><title>Glossary of sailing terms</title><dl><dt id=aft>Aft</dt><dd>{P}</dd><dt>Bow</dt><dd>{P}</dd><dd>2. A knot.</dd></dl>"
ARTICLE = "<html><title>Kiel</title><h1>Kiel</h1><p>A city at the sea.</p></html>"
LOOPBACK = ("127.0.0.1",)


def _run(*args: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embedkit", "crawl", *args],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def _wiki(site: Site, answers: dict[str, bytes]) -> str:
    """An `api.php` whose `action=parse` gives a stored body a title."""

    def answer(query: dict[str, str], _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        assert (query["formatversion"], query["format"], query["maxlag"]) == ("2", "json", "5")
        if query["action"] == "query":
            return 200, {}, b'{"query":{}}'
        return 200, {"content-type": "application/json"}, answers[query["page"]]

    site.routes["/w/api.php"] = answer
    return f"{site.url}/w/api.php"


@pytest.fixture
def page(here: Path) -> Path:
    path = here / "sailing.html"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_file_becomes_rows_manifest_and_report(page: Path) -> None:
    done = _run("--from-file", page.name, "--json", cwd=page.parent)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["sources"][0]
    assert {k: report[k] for k in ("terms", "entries", "redirects", "aliases", "senses", "dropped")} == {
        "terms": 2, "entries": 2, "redirects": 0, "aliases": 0, "senses": 3, "dropped": {},
    }  # fmt: skip
    rows = list(read_glossary(page.parent / "data/glossary.csv"))
    assert [(r.term, r.definition) for r in rows] == [("Aft", P), ("Bow", P), ("Bow", "A knot.")]
    assert {(r.lang, r.domain, r.source, r.retrieved_at) for r in rows} == {
        ("en", "sailing", "sailing.html", "")
    }
    assert len({r.entry_id for r in rows}) == 3
    assert read_manifest(page.parent / "data/glossary.manifest.json").step == "crawl"


def test_recrawl_replaces_its_own_output_byte_for_byte(page: Path) -> None:
    first = crawl(CrawlOptions(from_file=[page.name])).outputs
    before = [p.read_bytes() for p in first]
    assert [p.read_bytes() for p in crawl(CrawlOptions(from_file=[page.name])).outputs] == before


def test_anothers_output_is_kept_until_force(page: Path) -> None:
    output = page.parent / "mine.csv"
    output.write_text("precious\n")
    with pytest.raises(UserError, match="kept"):
        crawl(CrawlOptions(from_file=[page], output=output))
    assert output.read_text() == "precious\n"
    assert len(crawl(CrawlOptions(from_file=[page], output=output, force=True)).entries) == 3


def test_output_changed_by_hand_is_kept(page: Path) -> None:
    output = crawl(CrawlOptions(from_file=[page])).outputs[0]
    output.write_text("term,definition\nx,y\n")
    with pytest.raises(UserError, match="kept"):
        crawl(CrawlOptions(from_file=[page]))


def test_stdout_takes_the_csv(page: Path) -> None:
    done = _run("--from-file", page.name, "--output", "-", cwd=page.parent)
    assert done.stdout.startswith("term,definition,aliases,")
    assert not (page.parent / "data").exists()


def test_limit_counts_entries(page: Path) -> None:
    result = crawl(CrawlOptions(from_file=[page], limit_per_source=1))
    assert [e.term for e in result.entries] == ["Aft"]
    assert result.pages[0].extraction.dropped == {"over --limit-per-source": 1}


def test_folder_passes_over_pages_that_are_no_glossary(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = page.parent / "pages"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.html").write_text(PAGE)
    (folder / "deep/b.md").write_text(f"# Glossary\n\n- **Clew** - {P}\n- **Deck** - {P}\n")
    (folder / "c.html").write_text(ARTICLE)
    (folder / "d.png").write_bytes(b"\x89PNG")
    result = crawl(CrawlOptions(from_file=[folder]))
    assert [s.name for s in result.pages] == ["a.html", "deep/b.md"]
    assert "c.html: skipped" in capsys.readouterr().err


def test_page_that_is_no_glossary_exits_1_and_writes_nothing(here: Path) -> None:
    (here / "kiel.html").write_text(ARTICLE)
    done = _run("--from-file", "kiel.html", cwd=here)
    assert done.returncode == 1
    assert "kiel.html: not a glossary: found no terms with definitions" in done.stderr
    assert not list(here.glob("data/*"))


def test_no_gate_overrides(here: Path) -> None:
    (here / "book.html").write_text("<dl><dt>Author</dt><dd>Jo</dd><dt>Year</dt><dd>1999</dd></dl>")
    with pytest.raises(AnswerNoError):
        crawl(CrawlOptions(from_file=["book.html"]))
    assert [e.term for e in crawl(CrawlOptions(from_file=["book.html"], gate=False)).entries] == [
        "Author",
        "Year",
    ]


def test_own_selectors(here: Path) -> None:
    (here / "odd.html").write_text("<div><u>Aft</u><q>at the back</q><u>Bow</u><q>in front</q></div>")
    result = crawl(CrawlOptions(from_file=["odd.html"], select_term="u", select_definition="u + q"))
    assert [(e.term, e.definition) for e in result.entries] == [("Aft", "at the back"), ("Bow", "in front")]
    with pytest.raises(UserError, match="not a CSS selector"):
        crawl(CrawlOptions(from_file=["odd.html"], select_term="u[", select_definition="q", force=True))


def test_a_selector_that_a_browser_shows_matches(here: Path) -> None:
    """A browser closes cells and adds `tbody`; so does what the selectors are matched against."""
    Path("open.html").write_text(f"<table><tr><td>Aft<td>{P}<tr><td>Bow<td>{P}</table>", encoding="utf-8")
    cell = "table > tbody > tr > td:nth-child({})"
    options = CrawlOptions(
        from_file=["open.html"], select_term=cell.format(1), select_definition=cell.format(2)
    )
    assert [(e.term, e.definition) for e in crawl(options).entries] == [("Aft", P), ("Bow", P)]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ([], "nothing to crawl"),
        (["--sources", "wikipedia"], "is no source"),
        (["--sources", "custom_urls"], "needs an address"),
        (["--url", "ftp://example.org/x"], "only http and https"),
        (["--url", "no-such-list.txt"], "neither an http(s) address nor a file"),
        (["--from-file", "missing.html"], "no such file"),
        (["--from-file", "empty.html"], "empty"),
        (["--from-file", "folder"], "no page in this folder"),
        (["--from-file", "ok.html", "--output", "folder"], "is a folder"),
        (["--from-file", "ok.html", "--output", "ok.html/x.csv"], "cannot write here"),
        (["--from-file", "ok.html", "--limit-per-source", "0"], "at least 1"),
        (["--from-file", "ok.html", "--select-term", "u"], "go together"),
        (["--title", "a|b"], "not a title"),
        (["--sources", "wikipedia_glossary", "--lang", "English!"], "no language code"),
        (["--sources", "wikipedia_glossary", "--offline"], "not in the cache"),
        (["--url", "http://127.0.0.1:9/x"], "--allow-private 127.0.0.1"),
    ],
)  # fmt: skip
def test_mistake_is_three_lines_at_most(args: list[str], problem: str, here: Path) -> None:
    (here / "empty.html").write_bytes(b"")
    (here / "ok.html").write_text(PAGE)
    (here / "folder").mkdir()
    done = _run(*args, cwd=here)
    assert done.returncode == 2
    assert problem in done.stderr
    assert 1 <= done.stderr.count("\n") <= 3
    assert "Traceback" not in done.stderr
    assert not list(here.glob("data/*.csv"))


def test_dry_run_needs_no_network_and_writes_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    done = CliRunner().invoke(app, ["crawl", "--sources", "wikipedia_glossary", "--dry-run"])
    assert done.exit_code == 0, done.output
    for part in ("Glossary of video game terms", "https://en.wikipedia.org/wiki/Glossary_of_video_game_terms", "requests  1",
                 "10 requests a minute", "minutes   0.1", "CC BY-SA 4.0", "sample page, not this source"):  # fmt: skip
        assert part in done.stdout
    assert list(here.iterdir()) == []


def test_dry_run_shows_rows_of_the_source_itself_once_it_was_fetched(
    site: Site, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = site.page("/g.html", PAGE, content_type="text/html")
    crawl(CrawlOptions(urls=[url], allow_private=LOOPBACK))
    asked = len(site.seen)
    crawl(CrawlOptions(urls=[url], allow_private=LOOPBACK, dry_run=True, as_json=True))
    step = json.loads(capsys.readouterr().out)["sources"][0]
    assert step["sample"].startswith("this source as fetched")
    assert (step["robots"], step["rows"][0]["term"]) == ("allows it", "Aft")
    assert len(site.seen) == asked


@pytest.mark.parametrize(("name", "terms"), [("synth_en", 17), ("synth_ko", 7), ("enwiki_plurality", 12)])
def test_wiki_page_through_the_api(name: str, terms: int, site: Site, shared: Path, here: Path) -> None:
    body = (shared / f"samples/glossaries/mediawiki/{name}.parse.json").read_bytes()
    api = _wiki(site, {"A page": body})
    result = crawl(
        CrawlOptions(
            titles=["A_page"],
            api=api,
            lang="ko" if name == "synth_ko" else "en",
            allow_private=LOOPBACK,
            contact="me@example.org",
        )
    )
    assert result.pages[0].extraction.terms == terms
    row = result.entries[0]
    assert row.revision == str(json.loads(body)["parse"]["revid"])
    assert row.permalink == f"{site.url}/w/index.php?oldid={row.revision}"
    assert row.retrieved_at.endswith("Z")
    assert row.lang == ("ko" if name == "synth_ko" else "en")
    assert site.seen[-1][1]["user-agent"].startswith("embedkit/")
    assert "(me@example.org)" in site.seen[-1][1]["user-agent"]


def test_config_file_names_the_operator_and_an_option_beats_it(site: Site, here: Path) -> None:
    url = site.page("/g.html", PAGE, content_type="text/html")
    file = here / "crawl.json"
    file.write_text('{"contact": "file@example.org", "allow_private": ["127.0.0.1"], "pace_s": 0}')
    crawl(CrawlOptions(urls=[url], config=file))
    assert "(file@example.org)" in site.seen[-1][1]["user-agent"]
    crawl(CrawlOptions(urls=[site.page("/h.html", PAGE)], config=file, contact="me@example.org", force=True))
    assert "(me@example.org)" in site.seen[-1][1]["user-agent"]


def test_config_file_with_mistakes_names_each_with_its_place(here: Path) -> None:
    (here / "crawl.json").write_text('{"contct": "x",\n "pace_s": -1}')
    done = _run("--sources", "wikipedia_glossary", "--config", "crawl.json", cwd=here)
    assert done.returncode == 2
    assert "crawl.json:1:2: unknown key 'contct'; did you mean 'contact'?" in done.stderr
    assert "crawl.json:2:2: pace_s" in done.stderr


@pytest.mark.parametrize("options", [{"lang": "ko"}, {"api": "https://wiki.example.org/api.php"}])
def test_another_wiki_needs_a_title(options: dict[str, str]) -> None:
    with pytest.raises(UserError, match="English Wikipedia"):
        crawl(CrawlOptions(sources=["wikipedia_glossary"], dry_run=True, **options))


@pytest.mark.parametrize(
    ("contact", "hint"), [("", "--contact you@example.org"), ("me@example.org", "in a browser")]
)
def test_forbidden_page_says_what_may_help(contact: str, hint: str, site: Site) -> None:
    site.routes["/g.html"] = (403, {}, b"<h1>Forbidden</h1>")
    with pytest.raises(UserError) as error:
        crawl(CrawlOptions(urls=[f"{site.url}/g.html"], allow_private=LOOPBACK, contact=contact))
    assert "answers 403" in str(error.value)
    assert hint in str(error.value)
    assert site.count("/g.html") == 1


def test_forbidden_until_later_is_asked_again_later(site: Site, here: Path) -> None:
    answers = [(403, {"retry-after": "0"}, b"slow down"), (200, {"content-type": "text/html"}, PAGE.encode())]
    site.routes["/g.html"] = lambda _, __: answers.pop(0)
    assert crawl(CrawlOptions(urls=[f"{site.url}/g.html"], allow_private=LOOPBACK)).entries


def test_missing_wiki_page_is_one_message(site: Site, shared: Path, here: Path) -> None:
    api = _wiki(site, {"Nope": (shared / "samples/glossaries/mediawiki/missing.json").read_bytes()})
    done = _run("--title", "Nope", "--api", api, "--allow-private", "127.0.0.1", cwd=here)
    assert done.returncode == 2
    assert "The page you specified doesn't exist." in done.stderr
    assert done.stderr.count("\n") <= 3
    assert not list(here.glob("data/*"))


def test_recrawl_of_a_wiki_gives_the_same_bytes_from_the_cache(site: Site, here: Path) -> None:
    body = json.dumps({"parse": {"title": "Glossary of sailing terms", "revid": 7, "text": PAGE}}).encode()
    api = _wiki(site, {"A": body})
    first = crawl(CrawlOptions(titles=["A"], api=api, allow_private=LOOPBACK)).outputs[0].read_bytes()
    again = crawl(CrawlOptions(titles=["A"], api=api, allow_private=LOOPBACK, offline=True))
    assert again.outputs[0].read_bytes() == first
    assert (again.requests, again.pages[0].document.from_cache) == (0, True)


def test_notice_where_the_licence_asks_for_it(site: Site, here: Path) -> None:
    url = site.page(
        "/g.html", PAGE + '<a rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">CC</a>'
    )
    result = crawl(CrawlOptions(urls=[url], allow_private=LOOPBACK))
    assert {e.license for e in result.entries} == {"CC BY-SA 4.0"}
    notice = (here / "data/NOTICE.md").read_text(encoding="utf-8")
    assert url in notice
    assert "https://creativecommons.org/licenses/by-sa/4.0/" in notice
    assert Path("data/NOTICE.md") in crawl(CrawlOptions(urls=[url], allow_private=LOOPBACK)).outputs


def test_anothers_notice_is_kept(site: Site, here: Path) -> None:
    (here / "data").mkdir()
    (here / "data/NOTICE.md").write_text("mine")
    url = site.page(
        "/g.html", PAGE + '<link rel=license href="https://creativecommons.org/licenses/by/4.0/">'
    )
    outputs = crawl(CrawlOptions(urls=[url], allow_private=LOOPBACK)).outputs
    assert (here / "data/NOTICE.md").read_text() == "mine"
    assert Path("data/glossary.NOTICE.md") in outputs


def test_addresses_from_a_file_and_from_stdin(site: Site, here: Path) -> None:
    one, two = site.page("/1.html", PAGE), site.page("/2.html", PAGE.replace("Aft", "Clew"))
    (here / "list.txt").write_text(f"# pages\n{one}\n")
    done = _run(
        "--url",
        "list.txt",
        "--url",
        "-",
        "--allow-private",
        "127.0.0.1",
        "--json",
        cwd=here,
        stdin=f"{two}\n{one}\n",
    )
    assert done.returncode == 0, done.stderr
    assert [s["name"] for s in json.loads(done.stdout)["sources"]] == [one, two]
    assert site.count("/robots.txt") == 1


def test_page_in_euc_kr_without_a_header(site: Site, here: Path) -> None:
    html = "<title>용어집</title><h1>용어집</h1><dl><dt>접근 제어</dt><dd>네트워크 영역에 대한 접근을 제한하는 일이다.</dd><dt>알고리즘</dt><dd>문제를 푸는 명확한 규칙들의 모음이다.</dd></dl>"
    url = site.page("/ko.html", html.encode("euc-kr"))
    result = crawl(CrawlOptions(urls=[url], allow_private=LOOPBACK))
    assert [(e.term, e.lang) for e in result.entries] == [("접근 제어", "ko"), ("알고리즘", "ko")]


def test_interrupt_leaves_no_output_and_exits_130(site: Site, here: Path) -> None:
    url = site.page("/slow.html", PAGE)

    def slow(*_: object) -> tuple[int, dict[str, str], bytes]:
        time.sleep(20)
        return 200, {}, b""

    site.routes["/slow2.html"] = slow
    command = [
        sys.executable,
        "-m",
        "embedkit",
        "crawl",
        "--url",
        url,
        "--url",
        f"{site.url}/slow2.html",
        "--allow-private",
        "127.0.0.1",
    ]
    process = subprocess.Popen(command, cwd=here, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 20
    while not site.count("/slow2.html") and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert [p for p in here.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(
    ("title", "domain"),
    [
        ("Glossary of video game terms", "video game"),
        ("Glossary of sailing", "sailing"),
        ("통계학 용어 목록", "통계학"),
        ("Python", ""),
        ("Glossary", ""),
    ],
)
def test_domain_is_read_off_the_title(title: str, domain: str) -> None:
    assert domain_of(title) == domain
