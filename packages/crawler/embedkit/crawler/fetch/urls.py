"""Addresses: reading and checking those that the user gives; their hosts and ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from embedkit.errors import UserError
from embedkit.files import STDIO, read_bytes

PORTS = {"http": 80, "https": 443}
_WIKIMEDIA = (
    ".wikipedia.org", ".wiktionary.org", ".wikimedia.org", ".wikibooks.org", ".wikiversity.org",
    ".wikidata.org",
    ".wikisource.org", ".wikivoyage.org", ".wikiquote.org", ".mediawiki.org",
)  # fmt: skip


def read_urls(values: Iterable[str]) -> tuple[str, ...]:
    """The addresses in `--url` values: each is an address, a file with one a line, or `-` for stdin."""
    return tuple(dict.fromkeys(url for value in values for url in _expanded(value)))


def _expanded(value: str) -> Iterator[str]:
    if value != STDIO and "://" in value:
        yield checked(value)
        return
    if value != STDIO and not Path(value).exists():
        raise UserError(
            "neither an http(s) address nor a file of addresses",
            place=value,
            hint="for example --url https://example.org/glossary",
        )
    lines = read_bytes(value).decode("utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield checked(line.strip(), place=f"{value}:{number}")


def checked(url: str, *, place: str = "") -> str:
    """`url` without its fragment, when it is http or https with a host and no password in it."""
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError as error:
        raise UserError("not an address: {error}", place=place or url, error=error) from None
    if parts.scheme not in PORTS or not parts.hostname or not port_ok:
        raise UserError("only http and https addresses are fetched", place=place or url)
    if parts.username or parts.password:
        raise UserError("an address may not contain a user name or a password", place=place or url)
    return parts._replace(fragment="").geturl()


def host_of(url: str) -> str:
    """The lower-case host name of an address."""
    return (urlsplit(url).hostname or "").lower()


def is_wikimedia(url: str) -> bool:
    """Whether an address is one of the Wikimedia Foundation's."""
    return f".{host_of(url)}".endswith(_WIKIMEDIA)


def port_of(url: str) -> int:
    """The port that an address names or implies."""
    parts = urlsplit(url)
    return parts.port or PORTS[parts.scheme]


def with_anchor(url: str, anchor: str) -> str:
    """The address of one entry on its page."""
    return f"{url}#{quote(anchor, safe=_ANCHOR_SAFE)}" if url and anchor else url


_ANCHOR_SAFE = "!$&'()*+,;=:@/?-._~"
