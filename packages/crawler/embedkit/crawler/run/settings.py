"""The file of `crawl --config`: contact, proxy and limits of fetching; unknown keys are errors."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from embedkit.config import load_config
from embedkit.crawler.fetch.config import MEBIBYTE, FetchSettings
from embedkit.crawler.fetch.network import allowed


class CrawlConfig(BaseModel):
    """Contact and limits of fetching; a command-line option beats the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    contact: str = Field(default="", description="Your e-mail or web address, for the User-Agent.")
    use_proxy: bool = Field(default=False, description="Use the proxy that HTTP_PROXY and HTTPS_PROXY name.")
    allow_private: list[str] = Field(
        default_factory=list, description="HOST or HOST:PORT to allow although its address is private."
    )
    pace_s: float = Field(
        default=1.0,
        ge=0,
        description="Seconds between requests to a host, unless its robots.txt asks for more.",
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, description="Seconds to wait for a connection.")
    read_timeout_s: float = Field(default=30.0, gt=0, description="Seconds to wait for the next bytes.")
    total_timeout_s: float = Field(default=120.0, gt=0, description="Seconds to wait for a whole answer.")
    max_mib: float = Field(default=10.0, gt=0, le=1024, description="MiB of a decompressed page at most.")
    attempts: int = Field(default=4, ge=1, le=20, description="Tries of a request while the server is busy.")


def read_settings(path: Path | str) -> FetchSettings:
    """The settings in a file. Raises `ConfigError` with every problem of it."""
    file = load_config(CrawlConfig, path).config
    same = file.model_dump(exclude={"allow_private", "max_mib"})
    return FetchSettings(
        **same, permitted=allowed(file.allow_private), max_bytes=int(file.max_mib * MEBIBYTE)
    )
