"""Where connections go: resolvers that lie or change their answer; ports; bodies that are not whole."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from embedkit.crawler.fetch.body import BrokenBodyError, decoded
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.fetch.config import FetchSettings
from embedkit.crawler.fetch.network import Allowed, allowed, is_global, session
from embedkit.errors import UserError

from .conftest import Reply, Site

PUBLIC = "93.184.215.14"
CERTIFICATE = Path(__file__).parent / "tls/glossary.example.pem"  # for tests alone: it vouches for nothing


def _resolver(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> list[str]:
    """A resolver that gives each look-up the next answer and the last one for ever; the names it was asked."""
    asked: list[str] = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        numbers = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (n, port)) for n in numbers]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def _dialled(monkeypatch: pytest.MonkeyPatch, site: Site) -> list[str]:
    """Lead every connection to the test server; the addresses that were dialled."""
    numbers: list[str] = []
    server = ("127.0.0.1", urlsplit(site.url).port)

    def connect(address: tuple[str, int], timeout: float | None = None) -> socket.socket:
        numbers.append(address[0])
        made = socket.socket()
        made.settimeout(timeout)
        made.connect(server)
        return made

    monkeypatch.setattr(socket, "create_connection", connect)
    return numbers


def _fetcher(**changes: Any) -> Fetcher:
    return Fetcher(FetchSettings(**{"backoff_s": 0.01, "pace_s": 0.0, "attempts": 2, **changes}))


def test_name_is_looked_up_once_and_that_address_dialled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, dialled = _resolver(monkeypatch, (PUBLIC,), ("127.0.0.1",)), _dialled(monkeypatch, site)
    site.page("/g", "here")
    assert _fetcher().get("http://name.example/g").body == b"here"
    assert (asked, dialled) == (["name.example"], [PUBLIC])
    assert site.seen[0][1]["host"] == "name.example"


def test_name_that_turns_private_after_a_redirect_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolver(monkeypatch, (PUBLIC,), ("10.0.0.7",))
    dialled = _dialled(monkeypatch, site)
    site.routes["/a"] = (302, {"location": "http://other.example/b"}, b"")
    with pytest.raises(UserError, match=r"not on the public internet \(10\.0\.0\.7\)"):
        _fetcher().get("http://name.example/a")
    assert dialled == [PUBLIC]


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolver(monkeypatch, (PUBLIC, "192.168.0.1"))
    with pytest.raises(UserError, match="public internet"):
        _fetcher().get("http://name.example/")


@pytest.mark.parametrize(
    "number", [PUBLIC, "2606:2800:220:1::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
)
def test_public_address_is_public_however_it_is_wrapped(number: str) -> None:
    assert is_global(number)


def test_allowing_a_host_allows_its_ports_and_allowing_a_port_only_that() -> None:
    host, port = allowed(["Intranet"]), allowed(["[::1]:8080", "10.0.0.1:81"])
    assert ("intranet", 8080) in host
    assert ("::1", 8080) in port
    assert ("10.0.0.1", 81) in port
    assert ("10.0.0.1", 80) not in port
    with pytest.raises(UserError, match="HOST:PORT"):
        allowed(["http://x/"])


def test_port_that_was_not_asked_for_is_not_dialled() -> None:
    with pytest.raises(UserError, match=r"--allow-private example\.org:8080"):
        _fetcher().get("http://example.org:8080/")


@contextmanager
def _dripping(parts: Iterator[bytes]) -> Iterator[str]:
    """A server that sends one part each 20 ms, for as long as it is listened to."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                for part in parts:
                    connection.sendall(part)
                    time.sleep(0.02)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    listener.close()
    thread.join(5)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_slow_drip_is_cut_at_the_deadline_in_header_and_body(head: bytes) -> None:
    drip = (b"a" if n else head for n in range(400))
    local = Allowed(frozenset({"127.0.0.1"}))
    with _dripping(drip) as url, pytest.raises(UserError, match="the answer took more than"):
        _fetcher(permitted=local, total_timeout_s=0.3, read_timeout_s=5.0).get(url)


def test_packed_twice_is_unpacked_twice() -> None:
    packed = gzip.compress(zlib.compress(b"text" * 1000))
    assert decoded([packed[:20], packed[20:]], "deflate, gzip", max_bytes=9999) == b"text" * 1000


def test_bomb_is_counted_before_it_is_whole() -> None:
    with pytest.raises(UserError, match="larger than"):
        decoded([gzip.compress(b"\0" * 50_000_000)], "gzip", max_bytes=1000)


def test_six_encodings_are_too_many() -> None:
    with pytest.raises(UserError, match="compressed 6 times"):
        decoded([b"x"], ", ".join(["gzip"] * 6), max_bytes=10)


@given(st.binary(min_size=1, max_size=2000), st.integers(1, 2000))
def test_gzip_without_its_end_is_broken(data: bytes, cut: int) -> None:
    packed = gzip.compress(data)
    assert decoded([packed], "gzip", max_bytes=9999) == data
    with pytest.raises(BrokenBodyError):
        decoded([packed[: max(1, len(packed) - cut)]], "gzip", max_bytes=9999)


@given(st.binary(max_size=500), st.sampled_from(["gzip", "deflate", "gzip, deflate"]))
def test_any_bytes_are_a_body_or_an_error(data: bytes, header: str) -> None:
    with suppress(BrokenBodyError, UserError):
        decoded([data], header, max_bytes=9999)


def test_truncated_gzip_is_asked_for_again_and_then_an_error(site: Site) -> None:
    site.routes["/x"] = (200, {"content-encoding": "gzip"}, gzip.compress(b"words " * 500)[:-9])
    with pytest.raises(UserError, match="was cut off"):
        _fetcher(permitted=Allowed(frozenset({"127.0.0.1"}))).get(f"{site.url}/x")
    assert site.count("/x") == 2


@contextmanager
def _secure(site: Site) -> Iterator[tuple[int, list[str | None]]]:
    """A TLS server for glossary.example that answers one request; its port and the names that clients asked for."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.sni_callback = lambda _, name, __: names.append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with (
            suppress(OSError),
            listener.accept()[0] as plain,
            context.wrap_socket(plain, server_side=True) as made,
        ):
            made.recv(65536)
            made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], names
    listener.close()
    thread.join(5)


def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that trust the test's certificate as they do the system's."""

    def trusting(*args: Any, **kwargs: Any) -> requests.Session:
        made = session(*args, **kwargs)
        made.verify = str(CERTIFICATE)
        return made

    monkeypatch.setattr("embedkit.crawler.fetch.client.session", trusting)


@pytest.mark.parametrize("host", ["glossary.example", "other.example"])
def test_certificate_is_checked_against_the_name_and_not_the_address(
    host: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _trusting(monkeypatch)
    _resolver(monkeypatch, ("127.0.0.1",))
    with _secure(site) as (port, names):
        fetcher = _fetcher(permitted=Allowed(frozenset([host])), attempts=1)
        if host == "glossary.example":
            assert fetcher.get(f"https://{host}:{port}/").body == b"secret"
        else:
            with pytest.raises(UserError, match=r"doesn't match|certificate"):
                fetcher.get(f"https://{host}:{port}/")
    assert names == [host]


def test_certificate_that_nobody_vouches_for_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolver(monkeypatch, ("127.0.0.1",))
    with _secure(site) as (port, _), pytest.raises(UserError, match="certificate"):
        _fetcher(permitted=Allowed(frozenset(["glossary.example"])), attempts=1).get(
            f"https://glossary.example:{port}/"
        )


def test_wikimedia_is_asked_three_requests_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    languages = ("en", "ko", "ja", "de", "fr", "es")
    _resolver(monkeypatch, (PUBLIC,))
    _dialled(monkeypatch, site)
    running: list[int] = []
    most = [0]

    def slow(_: dict[str, str], __: dict[str, str]) -> Reply:
        running.append(1)
        most[0] = max(most[0], len(running))
        time.sleep(0.1)
        running.pop()
        return 200, {}, b"page"

    site.routes["/x"] = slow
    fetcher = _fetcher()
    with ThreadPoolExecutor(len(languages)) as pool:
        done = list(pool.map(lambda lang: fetcher.get(f"http://{lang}.wikipedia.org/x").body, languages))
    assert done == [b"page"] * len(languages)
    assert most[0] == 3
