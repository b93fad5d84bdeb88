"""Settings of fetching."""

from __future__ import annotations

from dataclasses import dataclass, field

from embedkit.crawler.fetch.network import Allowed

MEBIBYTE = 1024 * 1024
WIKIMEDIA_PER_MINUTE = 10
WIKIMEDIA_PER_MINUTE_IDENTIFIED = 200
WIKIMEDIA_AT_ONCE = 3
DEFAULT_TITLE = "Glossary of video game terms"
WIKIPEDIA = "wikipedia_glossary"
CUSTOM_URLS = "custom_urls"
SOURCES = (WIKIPEDIA, CUSTOM_URLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Contact, limits and pace of one crawl. `_s` is in seconds; `fresh_s` is how old a cached page may be."""

    contact: str = ""
    permitted: Allowed = field(default_factory=Allowed)
    offline: bool = False
    use_proxy: bool = False
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    total_timeout_s: float = 120.0
    max_bytes: int = 10 * MEBIBYTE
    max_redirects: int = 5
    attempts: int = 4
    backoff_s: float = 1.0
    max_wait_s: float = 60.0
    pace_s: float = 1.0
    fresh_s: float = 600.0

    @property
    def wikimedia_per_minute(self) -> int:
        """Requests a minute that Wikimedia's robot policy allows, with or without a contact."""
        return WIKIMEDIA_PER_MINUTE_IDENTIFIED if self.contact else WIKIMEDIA_PER_MINUTE
