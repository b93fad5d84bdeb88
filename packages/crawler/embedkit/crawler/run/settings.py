"""What `crawl --config FILE` may hold: who asks, and the limits of asking; strict, like every configuration here."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from embedkit.config import load_config
from embedkit.crawler.fetch.config import MEBIBYTE, FetchSettings
from embedkit.crawler.fetch.network import allowed


class CrawlConfig(BaseModel):
    """The crawler's manners and limits; an option of the same name beats it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    contact: str = Field(default="", description="Your e-mail or web address, for the User-Agent.")
    use_proxy: bool = Field(default=False, description="Go through the proxy that the environment names.")
    allow_private: list[str] = Field(
        default_factory=list,
        description="HOST or HOST:PORT that may be fetched though its address is private.",
    )
    pace_s: float = Field(
        default=1.0, ge=0, description="Seconds between requests to a host that asks for no pace."
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, description="Seconds to wait for a connection.")
    read_timeout_s: float = Field(default=30.0, gt=0, description="Seconds to wait for the next bytes.")
    total_timeout_s: float = Field(default=120.0, gt=0, description="Seconds to wait for a whole answer.")
    max_mib: float = Field(default=10.0, gt=0, le=1024, description="MiB of a page, unpacked, at most.")
    attempts: int = Field(
        default=4, ge=1, le=20, description="Tries of a request that a server is too busy for."
    )


def read_settings(path: Path | str) -> FetchSettings:
    """The settings in a file. Raises `ConfigError` with every problem of it."""
    file = load_config(CrawlConfig, path).config
    return FetchSettings(
        contact=file.contact,
        permitted=allowed(file.allow_private),
        use_proxy=file.use_proxy,
        pace_s=file.pace_s,
        connect_timeout_s=file.connect_timeout_s,
        read_timeout_s=file.read_timeout_s,
        total_timeout_s=file.total_timeout_s,
        max_bytes=int(file.max_mib * MEBIBYTE),
        attempts=file.attempts,
    )
