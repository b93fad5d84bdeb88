"""robots.txt (RFC 9309): fetched once per host, cached for a day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from protego import Protego

from embedkit.crawler.fetch import cache
from embedkit.crawler.fetch.client import Fetcher
from embedkit.errors import UserError

AGENT = "embedkit"
FRESH_S = 24 * 3600.0
_MAX_DELAY_S = 60.0
_AGENT_LINE = re.compile(r"^(?P<field>\s*user-?agent\s*:\s*)(?P<name>[A-Za-z_*-]+)[/ ][^#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RobotsVerdict:
    """Whether a page may be fetched, and the pause the site asks for between requests."""

    allowed: bool
    delay_s: float = 0.0


def robots_url(url: str) -> str:
    """Where the rules for `url` lie."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/robots.txt"


def ask(url: str, fetcher: Fetcher) -> RobotsVerdict:
    """The verdict for `url`; its rules are fetched unless cached. Without rules everything is allowed."""
    try:
        answer = fetcher.get(robots_url(url), fresh_s=FRESH_S)
    except UserError as error:
        raise UserError(
            "cannot fetch robots.txt: {reason}",
            place=url,
            hint="{then}",
            then=error.hint,
            reason=error.problem,
        ) from None
    return _verdict(url, answer.status, answer.body)


def known(url: str) -> RobotsVerdict | None:
    """The verdict by cached rules; None when they were never fetched."""
    answer = cache.lookup(robots_url(url))
    return _verdict(url, answer.status, answer.body) if answer is not None else None


def _verdict(url: str, status: int, body: bytes) -> RobotsVerdict:
    if status >= 400:
        return RobotsVerdict(allowed=True)
    rules = Protego.parse(_groups_by_name(body.decode("utf-8-sig", errors="replace")))
    delay = rules.crawl_delay(AGENT) or 0.0
    return RobotsVerdict(allowed=bool(rules.can_fetch(url, AGENT)), delay_s=min(float(delay), _MAX_DELAY_S))


def _groups_by_name(text: str) -> str:
    """The rules with the names of programs alone: a group for `embedkit/1.0` is one for embedkit (RFC 9309, 2.2.1)."""
    lines = text.replace("\ufeff", "").splitlines()
    return "\n".join(_AGENT_LINE.sub(r"\g<field>\g<name>", line) for line in lines)
