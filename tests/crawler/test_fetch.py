"""Fetching: retries, limits, robots.txt, redirects and addresses, against a server that misbehaves."""

from __future__ import annotations

import gzip
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from embedkit.crawler.fetch import cache, robots
from embedkit.crawler.fetch.client import Fetcher, retry_after_s, user_agent
from embedkit.crawler.fetch.config import FetchSettings
from embedkit.crawler.fetch.network import Allowed, addresses, allowed
from embedkit.crawler.fetch.urls import checked, with_anchor
from embedkit.crawler.sources import sites
from embedkit.errors import UserError

from .conftest import Reply, Site


def _fetcher(**changes: Any) -> Fetcher:
    given: dict[str, Any] = {"permitted": Allowed(frozenset({"127.0.0.1"})), "backoff_s": 0.01}
    return Fetcher(FetchSettings(**{**given, **changes}))


def _failing(times: int, status: int, **headers: str) -> Any:
    left = [times]

    def reply(*_: object) -> Reply:
        left[0] -= 1
        return (status, headers, b"<html>busy</html>") if left[0] >= 0 else (200, {}, b"fine")

    return reply


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_server_is_asked_again(site: Site, status: int) -> None:
    site.routes["/x"] = _failing(2, status, **{"retry-after": "0"})
    assert _fetcher().get(f"{site.url}/x").body == b"fine"
    assert site.count("/x") == 3


def test_server_that_stays_busy_is_one_message(site: Site) -> None:
    site.routes["/x"] = _failing(99, 503)
    with pytest.raises(UserError, match="answers 503"):
        _fetcher(attempts=3).get(f"{site.url}/x")
    assert site.count("/x") == 3


def test_server_that_asks_for_too_long_a_wait_is_left(site: Site) -> None:
    site.routes["/x"] = _failing(99, 429, **{"retry-after": "3600"})
    with pytest.raises(UserError, match="asks to wait 3600 s"):
        _fetcher().get(f"{site.url}/x")
    assert site.count("/x") == 1


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_s("7") == 7
    assert 25 < (retry_after_s(date) or 0) <= 30
    assert retry_after_s("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after_s("soon") is None
    assert retry_after_s("") is None


def test_endless_body_is_left_at_the_cap(site: Site) -> None:
    site.routes["/x"] = (200, {"x-endless": "1"}, b"a" * 65536)
    with pytest.raises(UserError, match="larger than 1 MiB"):
        _fetcher(max_bytes=1024 * 1024).get(f"{site.url}/x")


def test_exploding_gzip_is_left_at_the_cap(site: Site) -> None:
    site.routes["/x"] = (200, {"content-encoding": "gzip"}, gzip.compress(b"\0" * 5_000_000))
    with pytest.raises(UserError, match="larger than"):
        _fetcher(max_bytes=1024 * 1024).get(f"{site.url}/x")


def test_slow_body_is_left_at_the_deadline(site: Site) -> None:
    site.routes["/x"] = (200, {"x-endless": "1"}, b"a" * 65536)
    with pytest.raises(UserError, match="took more than"):
        _fetcher(max_bytes=10**12, total_timeout_s=0.05).get(f"{site.url}/x")


def test_truncated_body_is_asked_for_again_and_then_an_error(site: Site) -> None:
    site.routes["/x"] = (200, {"content-length": "1000", "connection": "close"}, b"half of it")
    with pytest.raises(UserError, match="was cut off"):
        _fetcher(attempts=2).get(f"{site.url}/x")
    assert site.count("/x") == 2


def test_closed_port_is_one_message() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(UserError, match="no answer"):
        _fetcher(attempts=2).get(f"http://127.0.0.1:{port}/")


def test_host_that_does_not_answer_is_told_in_the_persons_language(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", never)
    with pytest.raises(UserError) as caught:
        _fetcher(attempts=1, connect_timeout_s=2.5).get("http://127.0.0.1:9/x")
    assert caught.value.problem == "no answer (no connection to 127.0.0.1 in 2.5 s)"
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    assert caught.value.problem == "응답이 없습니다(2.5초 안에 127.0.0.1에 연결하지 못했습니다)"


def test_redirects_are_followed_and_counted(site: Site) -> None:
    site.routes["/a"] = (302, {"location": "/b"}, b"")
    site.page("/b", "here")
    assert _fetcher().get(f"{site.url}/a").final_url == f"{site.url}/b"
    site.routes["/loop"] = (302, {"location": "/loop"}, b"")
    with pytest.raises(UserError, match="more than 5 redirects"):
        _fetcher().get(f"{site.url}/loop")


@pytest.mark.parametrize(
    "target",
    ["http://localhost/x", "http://[::1]/x", "http://169.254.169.254/meta", "http://[::ffff:10.0.0.1]/"],
)
def test_redirect_into_a_private_network_is_refused(site: Site, target: str) -> None:
    site.routes["/a"] = (302, {"location": target}, b"")
    with pytest.raises(UserError, match="public internet"):
        _fetcher().get(f"{site.url}/a")


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://example.org/", "http://u:p@example.org/", "http://example.org:22/"],
)
def test_redirect_to_another_kind_of_address_is_refused(site: Site, target: str) -> None:
    site.routes["/a"] = (302, {"location": target}, b"")
    with pytest.raises(UserError):
        _fetcher().get(f"{site.url}/a")


NOT_PUBLIC = (
    "127.0.0.1 10.1.2.3 100.64.0.1 0.0.0.0 224.0.0.1"
    " ::1 fe80::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: 2001:0:4136:e378:8000:63bf:3fff:fdd2"
)


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_address_that_is_not_public_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *a, **k: [(family, socket.SOCK_STREAM, 6, "", (address, 80))]
    )
    with pytest.raises(UserError, match="public internet"):
        addresses("name.example", 80, Allowed())
    assert addresses("name.example", 80, allowed(["name.example"])) == (address,)


def test_unchanged_page_is_not_sent_again(site: Site) -> None:
    def reply(_: dict[str, str], headers: dict[str, str]) -> Reply:
        return (304, {}, b"") if headers.get("if-none-match") == '"v1"' else (200, {"etag": '"v1"'}, b"body")

    site.routes["/x"] = reply
    assert not _fetcher().get(f"{site.url}/x").from_cache
    again = _fetcher().get(f"{site.url}/x")
    assert (again.body, again.from_cache) == (b"body", True)
    assert _fetcher(offline=True).get(f"{site.url}/x").body == b"body"
    assert site.count("/x") == 2


def test_page_that_robots_forbids_is_not_fetched(site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /private/\nCrawl-delay: 2\n")
    site.page("/private/g.html", "x")
    (source,) = sites.url_sources([f"{site.url}/private/g.html"])
    with pytest.raises(UserError, match=r"robots\.txt asks"):
        list(sites.load(source, _fetcher()))
    assert site.count("/private/g.html") == 0
    assert robots.known(f"{site.url}/open.html") == robots.RobotsVerdict(allowed=True, delay_s=2.0)


def test_requests_to_one_host_are_paced(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("embedkit.crawler.fetch.client.time.sleep", slept.append)
    monkeypatch.setattr("embedkit.crawler.fetch.network.is_global", lambda address: True)
    monkeypatch.setattr("embedkit.crawler.fetch.client.WEB_PORTS", (urlsplit(site.url).port,))
    site.page("/x", "x")
    fetcher = _fetcher(permitted=Allowed())
    fetcher.get(f"{site.url}/x", pace_s=6.0)
    fetcher.get(f"{site.url}/x", pace_s=6.0)
    assert len(slept) == 1
    assert 5.5 < slept[0] <= 6.0


def test_agent_names_the_operator() -> None:
    assert user_agent("you@example.org").split()[1] == "(you@example.org)"
    assert "(" not in user_agent("")
    assert (
        FetchSettings(contact="you@example.org").wikimedia_per_minute
        == 20 * FetchSettings().wikimedia_per_minute
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://", "http://[bad", "http://example.org:0/", "example.org/x"]
)
def test_what_is_no_address_is_one_message(url: str) -> None:
    with pytest.raises(UserError):
        checked(url)


def test_anchor_is_quoted() -> None:
    assert with_anchor("https://e.org/g", "가 나") == "https://e.org/g#%EA%B0%80%20%EB%82%98"
    assert with_anchor("", "x") == ""


def test_cache_holds_no_code(site: Site, own_cache: Path) -> None:
    site.page("/x", "x")
    _fetcher().get(f"{site.url}/x")
    assert {p.name.partition("-")[0] for p in (own_cache / "http").iterdir()} == {"http.sqlite"}


def test_threads_that_find_no_cache_make_one_and_lose_no_answer(own_cache: Path) -> None:
    together, names = threading.Barrier(8), [f"http://glossary.test/{n}" for n in range(8)]

    def keep(url: str) -> None:
        together.wait()
        cache.store(
            cache.HttpAnswer(
                url=url, final_url=url, status=200, headers={}, body=b"", fetched_at="", checked_at=""
            )
        )
        cache.close()

    for _ in range(10):
        shutil.rmtree(own_cache / "http", ignore_errors=True)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(keep, names))
        assert all(cache.lookup(url) for url in names)
        cache.close()


def test_damaged_cache_is_one_message(site: Site, own_cache: Path) -> None:
    (own_cache / "http").mkdir(parents=True)
    (own_cache / "http" / "http.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="cache cannot be used") as told:
        cache.lookup(site.url)
    assert told.value.place.endswith("http.sqlite")


@pytest.mark.parametrize(
    "rules",
    [
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /private/\n",
        b"User-agent: embedkit/0.1\nDisallow: /private/\n",
        b"User-Agent: EmbedKit/2.0 (+https://example.org)\r\nDisallow: /private/\r\n\r\nUser-agent: *\r\nDisallow:\r\n",
        b"User-agent: other\nUser-agent: embedkit\nDisallow: /private/\n",
    ],
)
def test_rules_with_a_mark_or_a_version_are_obeyed(rules: bytes, site: Site) -> None:
    site.page("/robots.txt", rules)
    url = site.page("/private/glossary.html", "<p>x</p>")
    with pytest.raises(UserError, match=r"robots\.txt asks"):
        list(sites.load(next(sites.url_sources([url])), _fetcher()))
    assert site.count("/private/glossary.html") == 0


@pytest.mark.parametrize("label", ["gzip", "UTF-8", "utf8", "none", "identity", "gzip, utf-8"])
def test_body_that_is_labelled_compressed_and_is_not_is_read(label: str, site: Site) -> None:
    url = site.page("/x", b"<p>plain</p>", content_encoding=label)
    assert _fetcher().get(url).body == b"<p>plain</p>"


@pytest.mark.parametrize("label", ["br", "zstd"])
def test_brotli_and_zstd_are_asked_for_and_read(label: str, site: Site) -> None:
    names = {"br": ("brotli",), "zstd": ("compression.zstd", "backports.zstd")}[label]
    module = import_module(next(name for name in names if find_spec(name.split(".")[0])))
    data = b"<p>a page</p>" * 999
    packed = module.compress(data)
    url = site.page("/x", packed, content_encoding=label)
    assert _fetcher().get(url).body == data
    assert label in site.seen[-1][1]["accept-encoding"]
    with pytest.raises(UserError, match="larger than"):
        _fetcher(max_bytes=1000).get(site.page("/y", packed, content_encoding=label))


def test_redirect_to_an_address_in_raw_letters_is_followed(site: Site) -> None:
    site.routes["/old"] = (302, {"Location": "/용어집 1".encode().decode("latin-1")}, b"")
    site.page("/%EC%9A%A9%EC%96%B4%EC%A7%91%201", b"fine")
    assert _fetcher().get(f"{site.url}/old").body == b"fine"
