"""What a crawl leaves and refuses: formats, differences, proofs, dumps, shrunk sources, a killed run that goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from embedkit.crawler import CrawlOptions, crawl
from embedkit.crawler.output.rows import Difference
from embedkit.data.reading import read_glossary
from embedkit.data.shapes import read_pairs
from embedkit.errors import AnswerNoError, UserError

from .conftest import Reply, Site

LOOPBACK = ("127.0.0.1",)


def _page(*terms: str, title: str = "Glossary of boats") -> str:
    rows = "".join(f"<dt id='term-{t}'>{t}</dt><dd>What {t} means on a boat.</dd>" for t in terms)
    return f"<html lang=en><title>{title}</title><dl class='glossary'>{rows}</dl>"


@pytest.fixture
def page(here: Path) -> Path:
    path = here / "glossary.html"
    path.write_text(_page("Aft", "Bow", "Clew", "Deck", "Ebb"))
    return path


def test_pairs_straight_from_the_crawl(page: Path, here: Path) -> None:
    crawl(CrawlOptions(from_file=[page], format="pairs"))
    assert next((p.anchor, p.kind) for p in read_pairs(here / "data/pairs.jsonl")) == ("Aft", "definition")


def test_json_lines_carry_the_columns(page: Path, here: Path) -> None:
    crawl(CrawlOptions(from_file=[page], format="jsonl"))
    row = json.loads((here / "data/glossary.jsonl").read_text().splitlines()[0])
    assert (row["term"], row["aliases"], row["lang"]) == ("Aft", [], "en")


def test_unknown_format_is_one_message(page: Path) -> None:
    with pytest.raises(UserError, match="no format"):
        crawl(CrawlOptions(from_file=[page], format="xml"))


def test_difference_names_terms(page: Path, here: Path) -> None:
    crawl(CrawlOptions(from_file=[page], output="old.csv"))
    page.write_text(_page("Aft", "Bow", "Clew", "Deck", "Fin").replace("What Bow means", "Where Bow is"))
    found = crawl(CrawlOptions(from_file=[page], output="new.csv", diff="old.csv")).difference
    assert found == Difference(added=("Fin",), changed=("Bow",), removed=("Ebb",))


def test_source_that_lost_a_fifth_is_refused_until_force(page: Path, here: Path) -> None:
    before = crawl(CrawlOptions(from_file=[page])).outputs[0].read_bytes()
    page.write_text(_page("Aft", "Bow", "Clew"))
    with pytest.raises(AnswerNoError, match="3 terms, 5 in the last crawl"):
        crawl(CrawlOptions(from_file=[page]))
    assert (here / "data/glossary.csv").read_bytes() == before
    assert len(crawl(CrawlOptions(from_file=[page], force=True)).entries) == 3


def test_rows_of_other_pages_are_not_lost_until_force(page: Path, here: Path) -> None:
    other = page.with_name("other.html")
    other.write_text(_page("Gaff", "Helm", "Jib", "Keel", "Luff"))
    before = crawl(CrawlOptions(from_file=[page])).outputs[0].read_bytes()
    with pytest.raises(UserError, match=f"rows of other pages, which would be lost: {page.name}"):
        crawl(CrawlOptions(from_file=[other]))
    assert (here / "data/glossary.csv").read_bytes() == before
    assert len(crawl(CrawlOptions(from_file=[page, other])).entries) == 10
    assert len(crawl(CrawlOptions(from_file=[other], force=True)).entries) == 5


def test_another_format_leaves_the_first_one_where_it_is(page: Path, here: Path) -> None:
    crawl(CrawlOptions(from_file=[page]))
    crawl(CrawlOptions(from_file=[page], format="jsonl"))
    assert {path.name for path in (here / "data").iterdir()} >= {"glossary.csv", "glossary.jsonl"}


def test_translations_of_others_are_kept_and_stale_ones_removed(shared: Path, here: Path) -> None:
    english, korean = (shared / f"samples/glossaries/apache24_{lang}_dl.html" for lang in ("en", "ko"))
    (here / "data").mkdir()
    (here / "data/translations.csv").write_text("mine")
    crawl(CrawlOptions(from_file=[english, korean], align=True))
    assert (here / "data/translations.csv").read_text() == "mine"
    assert (here / "data/glossary.translations.csv").is_file()
    crawl(CrawlOptions(from_file=[english, korean]))
    assert not (here / "data/glossary.translations.csv").exists()
    assert (here / "data/translations.csv").read_text() == "mine"


def test_cells_that_a_spreadsheet_would_run(
    page: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text(_page("Aft", "=HYPERLINK(1)", "@media"))
    assert crawl(CrawlOptions(from_file=[page])).risky_cells == 2
    assert "a spreadsheet would run 2 cells" in capsys.readouterr().err
    assert [e.term for e in crawl(CrawlOptions(from_file=[page], spreadsheet_safe=True)).entries][
        1
    ] == "'=HYPERLINK(1)"


def test_inventory_beside_the_page_proves_completeness(
    page: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "".join(
        f"{t} std:term -1 glossary.html#term-$ -\n" for t in ("Aft", "Bow", "Clew", "Deck", "Ebb")
    )
    other = "Elsewhere std:term -1 other.html#term-$ -\nmod py:module 0 glossary.html#x -\n"
    head = b"# Sphinx inventory version 2\n# Project: x\n# Version: 1\n# The rest is compressed using zlib.\n"
    (here / "objects.inv").write_bytes(head + zlib.compress((lines + other).encode()))
    proof = crawl(CrawlOptions(from_file=[page])).pages[0].completeness
    assert proof is not None
    assert (proof.found, proof.expected) == (5, 5)
    assert "5 of 5 terms, 0 redirects folded" in capsys.readouterr().err
    page.write_text(_page("Aft", "Bow", "Clew", "Deck"))
    short = crawl(CrawlOptions(from_file=[page])).pages[0].completeness
    assert short is not None
    assert short.missing == ("Ebb",)


def test_template_calls_prove_completeness(shared: Path, here: Path) -> None:
    proof = (
        crawl(CrawlOptions(from_file=[shared / "samples/glossaries/mediawiki/enwiki_plurality.parsoid.html"]))
        .pages[0]
        .completeness
    )
    assert proof is not None
    assert (proof.kind, proof.missing) == ("data-mw", ())
    assert proof.expected == 12


def _article(name: str, html: str) -> bytes:
    value = {
        "name": name, "url": f"https://en.wikipedia.org/wiki/{name.replace(' ', '_')}", "version": {"identifier": 77},
        "in_language": {"identifier": "en"}, "is_part_of": {"identifier": "enwiki"}, "article_body": {"html": html},
        "license": [{"url": "https://creativecommons.org/licenses/by-sa/4.0/"}],
    }  # fmt: skip
    return json.dumps(value).encode() + b"\n"


DUMP = _article("Kiel", "<p>A city.") + _article("Glossary of boats", _page("Aft", "Bow"))


def test_dump_gives_its_glossaries(here: Path) -> None:
    (here / "dump.ndjson").write_bytes(DUMP)
    result = crawl(CrawlOptions(from_dump=["dump.ndjson"]))
    assert [s.name for s in result.pages] == ["enwiki:Glossary of boats"]
    row = result.entries[0]
    assert (row.revision, row.license, row.permalink) == (
        "77", "CC BY-SA 4.0", "https://en.wikipedia.org/w/index.php?oldid=77",
    )  # fmt: skip


def test_archive_is_streamed_and_nothing_leaves_the_folder(here: Path) -> None:
    with tarfile.open(here / "dump.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("../../evil_0.ndjson")
        member.size = len(DUMP)
        archive.addfile(member, BytesIO(DUMP))
    assert len(crawl(CrawlOptions(from_dump=["dump.tar.gz"], titles=["Glossary_of_boats"])).entries) == 2
    assert sorted(p.name for p in here.iterdir()) == ["data", "dump.tar.gz"]
    assert not list(here.parent.parent.glob("evil*"))


def test_dump_that_is_cut_off_or_broken_is_an_error(here: Path) -> None:
    (here / "bad.ndjson").write_bytes(DUMP + b"{not json\n")
    with pytest.raises(UserError, match=r"not JSON"):
        crawl(CrawlOptions(from_dump=["bad.ndjson"]))
    with tarfile.open(here / "cut.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a.ndjson")
        member.size = len(DUMP)
        archive.addfile(member, BytesIO(DUMP))
    (here / "cut.tar.gz").write_bytes((here / "cut.tar.gz").read_bytes()[:-60])
    with pytest.raises(UserError, match="cannot be read to its end"):
        crawl(CrawlOptions(from_dump=["cut.tar.gz"]))
    with pytest.raises(UserError, match="ZIM"):
        crawl(CrawlOptions(from_dump=["wiki.zim"]))
    (here / "dump.ndjson").write_bytes(DUMP)
    with pytest.raises(UserError, match="has no page 'Nope'"):
        crawl(CrawlOptions(from_dump=["dump.ndjson"], titles=["Nope"]))


def _slow_site(site: Site) -> list[str]:
    def answer(number: int) -> Reply:
        time.sleep(0.15)
        return 200, {"content-type": "text/html"}, _page(f"Aft {number}", f"Bow {number}").encode()

    for number in range(6):
        site.routes[f"/{number}.html"] = lambda *_, n=number: answer(n)
    return [f"{site.url}/{n}.html" for n in range(6)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_run_that_was_killed_goes_on(site: Site, here: Path, number: signal.Signals) -> None:
    addresses = _slow_site(site)
    (here / "list.txt").write_text("\n".join(addresses))
    command = [sys.executable, "-m", "embedkit", "crawl", "--url", "list.txt", "--allow-private", "127.0.0.1"]
    process = subprocess.Popen(command, cwd=here, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while not site.count("/3.html") and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(20) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert not list(here.glob("data/*"))
    subprocess.run(command, cwd=here, stderr=subprocess.DEVNULL, check=True, timeout=60)
    assert [site.count(f"/{n}.html") for n in range(6)] == [1, 1, 1, 2, 1, 1]
    assert len(list(read_glossary(here / "data/glossary.csv"))) == 12


def test_time_of_the_bytes_stays_when_the_server_says_unchanged(site: Site, here: Path) -> None:
    def answer(_: dict[str, str], headers: dict[str, str]) -> Reply:
        return (
            (304, {}, b"")
            if "if-none-match" in headers
            else (200, {"etag": '"1"'}, _page("Aft", "Bow").encode())
        )

    site.routes["/g.html"] = answer
    first = crawl(CrawlOptions(urls=[f"{site.url}/g.html"], allow_private=LOOPBACK)).outputs[0].read_bytes()
    time.sleep(1.1)
    again = crawl(CrawlOptions(urls=[f"{site.url}/g.html"], allow_private=LOOPBACK))
    assert again.outputs[0].read_bytes() == first
    assert again.pages[0].document.from_cache


def test_hosts_are_asked_side_by_side(here: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = _slow_site(site)[:4]
    addresses += [a.replace("127.0.0.1", "localhost") for a in addresses]
    started = time.monotonic()
    crawl(CrawlOptions(urls=addresses, allow_private=["127.0.0.1", "localhost"]))
    assert time.monotonic() - started < 8 * 0.15
