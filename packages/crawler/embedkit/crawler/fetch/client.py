"""HTTP with manners: one request at a time for each host, paced, limited, retried, revalidated."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from urllib.parse import quote, urljoin

import requests
from urllib3.exceptions import HTTPError

from embedkit.console import say
from embedkit.crawler.fetch import body, cache, urls
from embedkit.crawler.fetch.cache import HttpAnswer
from embedkit.crawler.fetch.config import WIKIMEDIA_AT_ONCE, FetchSettings
from embedkit.crawler.fetch.network import Wire, session
from embedkit.errors import UserError
from embedkit.extras import DISTRIBUTION
from embedkit.messages import Phrase

REDIRECTS = frozenset((301, 302, 303, 307, 308))
GONE = frozenset((404, 410))
RETRIED = frozenset((429, 500, 502, 503, 504))
WEB_PORTS = (80, 443)
_KEPT_HEADERS = ("content-type", "etag", "last-modified", "content-language", "link", "retry-after")
_MESSAGE_FROM_S = 3.0
_WIKIMEDIA = "wikimedia"


class RetryError(Exception):
    """An answer or a broken connection after which the request is tried again."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(slots=True)
class _Host:
    """A host's connection; its lock is held during a request."""

    wire: Wire
    session: requests.Session
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class Fetcher:
    """Fetches for several threads: one request at a time per host, three at a time for all of Wikimedia.

    `since`: the start of an interrupted crawl; answers checked after it are not requested again.
    """

    settings: FetchSettings
    requests_made: int = 0
    since: str = ""
    stopped: bool = False
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _free_at: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _wikimedia: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(WIKIMEDIA_AT_ONCE))

    def get(
        self,
        url: str,
        *,
        pace_s: float | None = None,
        fresh_s: float = 0.0,
        check: Callable[[HttpAnswer], None] | None = None,
    ) -> HttpAnswer:
        """Fetch `url`, or take it from the cache if younger than `fresh_s` or unchanged on the server.

        `check` may refuse an answer before it is stored: by `UserError`, or by `RetryError` for another try.

        Raises:
            UserError: no answer, a refused answer, or offline and not in the cache.
        """
        known = cache.lookup(url)
        if known is not None and (self.settings.offline or self._fresh(known, fresh_s)):
            return known
        if self.settings.offline:
            raise UserError(
                "not in the cache, and --offline allows no network",
                place=url,
                hint="run once without --offline",
            )
        answer = self._try_repeatedly(url, known, self.settings.pace_s if pace_s is None else pace_s, check)
        if answer.status < 400 or answer.status in GONE:
            cache.store(answer)
        return answer

    def _fresh(self, known: HttpAnswer, fresh_s: float) -> bool:
        return known.age_s < fresh_s or bool(self.since and known.checked_at >= self.since)

    def _try_repeatedly(
        self, url: str, known: HttpAnswer | None, pace_s: float, check: Callable[[HttpAnswer], None] | None
    ) -> HttpAnswer:
        """Try up to `attempts` times, waiting as long as the server asks, or twice as long each time."""
        for attempt in range(1, self.settings.attempts + 1):
            try:
                answer = self._follow(url, known, pace_s)
                if answer.status == 304 and known is not None:
                    return replace(known, checked_at=answer.checked_at)
                if check is not None:
                    check(answer)
                return answer
            except RetryError as error:
                wait_s = self._wait_s(error, attempt)
                if attempt == self.settings.attempts or wait_s > self.settings.max_wait_s:
                    asked = wait_s > self.settings.max_wait_s
                    raise UserError(
                        "{reason}; the server asks to wait {seconds:.0f} s" if asked else "{reason}",
                        place=url,
                        hint="try again later; what was fetched is kept",
                        reason=str(error),
                        seconds=wait_s,
                    ) from None
                if wait_s >= _MESSAGE_FROM_S:
                    say(
                        "{url}: {reason}, waiting {seconds} s",
                        url=url,
                        reason=str(error),
                        seconds=round(wait_s),
                    )
                time.sleep(wait_s)
        raise AssertionError("unreachable")

    def _wait_s(self, error: RetryError, attempt: int) -> float:
        if error.wait_s is not None:
            return error.wait_s
        doubled = self.settings.backoff_s * 2.0 ** (attempt - 1)
        return float(min(doubled * random.uniform(1.0, 1.5), self.settings.max_wait_s))

    def _follow(self, url: str, known: HttpAnswer | None, pace_s: float) -> HttpAnswer:
        """Follow redirects here and not in requests: each hop is checked like the first address."""
        at = url
        for _ in range(self.settings.max_redirects + 1):
            self._require_port(at)
            answer = self._exchange(url, at, known if at == url else None, pace_s)
            if not isinstance(answer, str):
                return answer
            at = urls.checked(urljoin(at, answer), place=at)
        raise UserError("more than {count} redirects", place=url, count=self.settings.max_redirects)

    def _require_port(self, url: str) -> None:
        host, port = urls.host_of(url), urls.port_of(url)
        if port not in WEB_PORTS and (host, port) not in self.settings.permitted:
            raise UserError(
                "port {port} is not allowed",
                place=url,
                hint="--allow-private {host}:{port} allows it",
                port=port,
                host=host,
            )

    def _exchange(self, url: str, at: str, known: HttpAnswer | None, pace_s: float) -> HttpAnswer | str:
        """One request: its answer, or the address that it redirects to."""
        with self._turn(at, pace_s) as host:
            total_s = self.settings.total_timeout_s
            try:
                with host.wire.deadline(total_s), self._ask(host, at, known) as response:
                    answer = self._answer(url, at, response)
            except RetryError:
                if not host.wire.cut:
                    raise
            except UserError as error:
                if error.place.startswith(("http:", "https:")):
                    raise
                raise UserError(error.problem, place=at, hint=error.hint) from None
        if host.wire.cut:  # a body without a length looks complete when it is cut
            raise UserError("the answer took more than {total_s:g} s", place=at, total_s=total_s)
        return answer

    def _ask(self, host: _Host, url: str, known: HttpAnswer | None) -> requests.Response:
        headers = {}
        if known is not None and known.headers.get("etag"):
            headers["If-None-Match"] = known.headers["etag"]
        if known is not None and known.headers.get("last-modified"):
            headers["If-Modified-Since"] = known.headers["last-modified"]
        timeout = (self.settings.connect_timeout_s, self.settings.read_timeout_s)
        try:
            return host.session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise RetryError(Phrase("no answer ({reason})", reason=_reason(error))) from None
        except (requests.RequestException, HTTPError) as error:
            raise UserError("cannot be fetched ({reason})", place=url, reason=_reason(error)) from None

    @contextmanager
    def _turn(self, url: str, pace_s: float) -> Iterator[_Host]:
        """Wait until the next request to the host is due; hosts of --allow-private are not paced."""
        name, wikimedia = urls.host_of(url), urls.is_wikimedia(url)
        with self._lock:
            host = self._hosts.get(name)
            if host is None:
                host = self._hosts[name] = self._new_host()
        with host.lock, self._wikimedia if wikimedia else nullcontext():
            if self.stopped:
                raise UserError("the crawl was stopped", place=url)
            wait_s = self._wait_for(_WIKIMEDIA if wikimedia else name, pace_s)
            if wait_s > 0 and (name, urls.port_of(url)) not in self.settings.permitted:
                time.sleep(wait_s)
            yield host

    def _new_host(self) -> _Host:
        wire = Wire(self.settings.permitted)
        agent = user_agent(self.settings.contact)
        made = session(agent, wire, use_proxy=self.settings.use_proxy)
        made.headers["Accept-Encoding"] = body.accepted()
        return _Host(wire, made)

    def _wait_for(self, key: str, pace_s: float) -> float:
        """Reserve the next free moment of `key` and return the seconds until it."""
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._free_at.get(key, 0.0))
            self._free_at[key] = begin + pace_s
            self.requests_made += 1
            return begin - now

    def _answer(self, url: str, at: str, response: requests.Response) -> HttpAnswer | str:
        status = response.status_code
        if status in REDIRECTS and "location" in response.headers:
            return readable(response.headers["location"])
        wait_s = retry_after_s(response.headers.get("retry-after", ""))
        if status in RETRIED or (status == 403 and wait_s is not None):
            raise RetryError(Phrase("the server answers {status}", status=status), wait_s)
        kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        data = b"" if status in (204, 304) else self._body(response)
        now = cache.now()
        return HttpAnswer(
            url=url, final_url=at, status=status, headers=kept, body=data, fetched_at=now, checked_at=now
        )

    def _body(self, response: requests.Response) -> bytes:
        try:
            header = response.headers.get("content-encoding", "")
            return body.decoded(_blocks(response), header, max_bytes=self.settings.max_bytes)
        except (HTTPError, OSError, body.BrokenBodyError) as error:
            raise RetryError(Phrase("the answer was cut off ({reason})", reason=_reason(error))) from None


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they arrive, still compressed."""
    while block := response.raw.read1(body.BLOCK_BYTES, decode_content=False):
        yield block


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words; requests wraps urllib3, which wraps the system's error."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    text = str(error) or type(error).__name__
    return text if isinstance(text, Phrase) else text.splitlines()[0][:120]


def retry_after_s(header: str) -> float | None:
    """`Retry-After` in seconds, from a number or a date; None when there is none to be read."""
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def readable(location: str) -> str:
    """A `Location` header as an address: raw UTF-8, which HTTP hands over as Latin-1, is percent-encoded."""
    try:
        text = location.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        text = location
    return quote(text.strip(), safe="!#$%&'()*+,/:;=?@[]~")


def user_agent(contact: str) -> str:
    """The User-Agent in the form of Wikimedia's policy: tool, operator's contact, library."""
    version = metadata.version(DISTRIBUTION)
    operator = f" ({contact})" if contact else ""
    return f"embedkit/{version}{operator} python-requests/{requests.__version__}"
