"""One polite request at a time: identified, paced, capped while streaming, backed off, revalidated."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from urllib.parse import urljoin, urlsplit

import requests

from embedkit.console import say
from embedkit.crawler import cache, urls
from embedkit.crawler.cache import Answer
from embedkit.crawler.config import MEBIBYTE, FetchSettings
from embedkit.errors import UserError
from embedkit.extras import DISTRIBUTION

REDIRECTS = frozenset((301, 302, 303, 307, 308))
GONE = frozenset((404, 410))
RETRIED = frozenset((429, 500, 502, 503, 504))
BLOCK_BYTES = 64 * 1024
_KEPT_HEADERS = ("content-type", "etag", "last-modified", "content-language", "link")
_SAID_FROM_S = 3.0


class _RetryError(Exception):
    """An answer or a broken connection after which the same request is worth another try."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(slots=True)
class Fetcher:
    """A session that remembers when each host was last asked."""

    settings: FetchSettings
    requests_made: int = 0
    _session: requests.Session = field(default_factory=requests.Session)
    _free_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session.trust_env = self.settings.use_proxy
        self._session.headers["User-Agent"] = user_agent(self.settings.contact)

    def get(self, url: str, *, pace_s: float | None = None, fresh_s: float = 0.0) -> Answer:
        """Fetch `url`, or take it from the cache when younger than `fresh_s` or, the server says, unchanged.

        Raises:
            UserError: the network, the server or the answer is at fault; offline and not in the cache.
        """
        known = cache.lookup(url)
        if known is not None and (self.settings.offline or known.age_s < fresh_s):
            return known
        if self.settings.offline:
            raise UserError(
                "not in the cache, and --offline fetches nothing",
                place=url,
                hint="run once without --offline",
            )
        answer = self._persist(url, known, self.settings.pace_s if pace_s is None else pace_s)
        if answer.status == 304 and known is not None:
            answer = replace(known, fetched_at=answer.fetched_at)
        if answer.status < 400 or answer.status in GONE:
            cache.store(answer)
        return answer

    def _persist(self, url: str, known: Answer | None, pace_s: float) -> Answer:
        """Try until `attempts` are used up, waiting as long as the server asks or twice as long each time."""
        for attempt in range(1, self.settings.attempts + 1):
            try:
                return self._follow(url, known, pace_s)
            except _RetryError as error:
                wait_s = self._wait_s(error, attempt)
                if attempt == self.settings.attempts or wait_s > self.settings.max_wait_s:
                    asked = f"; it asks to wait {wait_s:.0f} s" if wait_s > self.settings.max_wait_s else ""
                    raise UserError(
                        f"{error}{asked}", place=url, hint="try again later; what was fetched is kept"
                    ) from None
                if wait_s >= _SAID_FROM_S:
                    say("{url}: {reason}, waiting {seconds} s", url=url, reason=error, seconds=round(wait_s))
                time.sleep(wait_s)
        raise AssertionError("unreachable")

    def _wait_s(self, error: _RetryError, attempt: int) -> float:
        if error.wait_s is not None:
            return error.wait_s
        doubled = self.settings.backoff_s * 2.0 ** (attempt - 1)
        return float(min(doubled * random.uniform(1.0, 1.5), self.settings.max_wait_s))

    def _follow(self, url: str, known: Answer | None, pace_s: float) -> Answer:
        """Follow redirects by hand: each hop is checked like the first address."""
        at = url
        for _ in range(self.settings.max_redirects + 1):
            if not self.settings.use_proxy:
                urls.require_public(at, self.settings.private_hosts)
            response = self._ask(at, known if at == url else None, pace_s)
            with response:
                if response.status_code not in REDIRECTS or "location" not in response.headers:
                    return self._answer(url, at, response)
                at = self._next(at, response.headers["location"])
        raise UserError(f"more than {self.settings.max_redirects} redirects", place=url)

    def _next(self, at: str, location: str) -> str:
        target = urls.checked(urljoin(at, location), place=at)
        port = urlsplit(target).port
        if (
            port not in (None, 80, 443, urlsplit(at).port)
            and urls.host_of(target) not in self.settings.private_hosts
        ):
            raise UserError(
                f"redirects to port {port}", place=at, hint="give that address itself if you trust it"
            )
        return target

    def _ask(self, url: str, known: Answer | None, pace_s: float) -> requests.Response:
        headers = {}
        if known is not None and known.headers.get("etag"):
            headers["If-None-Match"] = known.headers["etag"]
        if known is not None and known.headers.get("last-modified"):
            headers["If-Modified-Since"] = known.headers["last-modified"]
        self._take_turn(urls.host_of(url), pace_s)
        self.requests_made += 1
        timeout = (self.settings.connect_timeout_s, self.settings.read_timeout_s)
        try:
            return self._session.get(
                url, headers=headers, timeout=timeout, stream=True, allow_redirects=False
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _RetryError(f"no answer ({_reason(error)})") from None
        except requests.RequestException as error:
            raise UserError(f"cannot be fetched ({_reason(error)})", place=url) from None

    def _take_turn(self, host: str, pace_s: float) -> None:
        """Wait until the host may be asked again; hosts that were allowed by name are not paced."""
        wait_s = self._free_at.get(host, 0.0) - time.monotonic()
        if wait_s > 0 and host not in self.settings.private_hosts:
            time.sleep(wait_s)
        self._free_at[host] = time.monotonic() + pace_s

    def _answer(self, url: str, at: str, response: requests.Response) -> Answer:
        status = response.status_code
        if status in RETRIED:
            raise _RetryError(
                f"the server answers {status}", retry_after_s(response.headers.get("retry-after", ""))
            )
        kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        body = b"" if status == 304 else self._body(at, response)
        return Answer(url=url, final_url=at, status=status, headers=kept, body=body, fetched_at=cache.now())

    def _body(self, url: str, response: requests.Response) -> bytes:
        """The decoded body, counted while it streams: an endless or exploding one is left at the cap."""
        parts: list[bytes] = []
        size, until = 0, time.monotonic() + self.settings.total_timeout_s
        try:
            for part in response.iter_content(BLOCK_BYTES):
                size += len(part)
                if size > self.settings.max_bytes:
                    raise UserError(
                        f"larger than {self.settings.max_bytes // MEBIBYTE} MiB",
                        place=url,
                        hint="save the part you need and use --from-file",
                    )
                if time.monotonic() > until:
                    raise UserError(f"not finished after {self.settings.total_timeout_s:.0f} s", place=url)
                parts.append(part)
        except requests.RequestException as error:
            raise _RetryError(f"the answer broke off ({_reason(error)})") from None
        return b"".join(parts)


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words; requests wraps urllib3, which wraps the system's error."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


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


def user_agent(contact: str) -> str:
    """Who asks, in the form that Wikimedia's User-Agent policy wants: tool, operator's contact, library."""
    version = metadata.version(DISTRIBUTION)
    operator = f" ({contact})" if contact else ""
    return f"embedkit/{version}{operator} python-requests/{requests.__version__}"
