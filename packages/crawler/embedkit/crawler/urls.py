"""Addresses: what the user typed or listed, checked; and hosts that may be asked."""

from __future__ import annotations

import ipaddress
import socket
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
        raise UserError(f"not an address: {error}", place=place or url) from None
    if parts.scheme not in PORTS or not parts.hostname or not port_ok:
        raise UserError("only http and https addresses are fetched", place=place or url)
    if parts.username or parts.password:
        raise UserError("an address with a user name or password in it is not fetched", place=place or url)
    return parts._replace(fragment="").geturl()


def host_of(url: str) -> str:
    """The lower-case host name of an address."""
    return (urlsplit(url).hostname or "").lower()


def is_wikimedia(url: str) -> bool:
    """Whether an address is one of the Wikimedia Foundation's."""
    return f".{host_of(url)}".endswith(_WIKIMEDIA)


def require_public(url: str, private_hosts: frozenset[str]) -> None:
    """Raise `UserError` unless the host was allowed by name or all its addresses are public."""
    host = host_of(url)
    if host in private_hosts:
        return
    try:
        found = socket.getaddrinfo(
            host, urlsplit(url).port or PORTS[urlsplit(url).scheme], type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise UserError(
            f"no address is known for {host} ({error.strerror})",
            place=url,
            hint="check the name and the network; --offline uses the cache",
        ) from None
    for *_, address in found:
        if not _is_global(str(address[0])):
            raise UserError(
                f"{host} is not on the public internet ({address[0]})",
                place=url,
                hint=f"--allow-private {host} fetches it all the same",
            )


def _is_global(text: str) -> bool:
    """Whether an address, or the IPv4 address wrapped in it (mapped, 6to4, NAT64), is globally routable."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return address.is_global and not address.is_multicast


def with_anchor(url: str, anchor: str) -> str:
    """The address of one entry on its page."""
    return f"{url}#{quote(anchor, safe=_ANCHOR_SAFE)}" if url and anchor else url


_ANCHOR_SAFE = "!$&'()*+,;=:@/?-._~"
