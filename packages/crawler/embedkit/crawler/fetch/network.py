"""Connections to checked addresses only: a name is resolved once, and that address is connected to."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from embedkit.errors import UserError
from embedkit.messages import Phrase

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_global(text: str) -> bool:
    """Whether an address, and every IPv4 address embedded in it, is public."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(a.is_global and not a.is_multicast for a in _embedded(address))


def _embedded(address: Address) -> Iterator[Address]:
    """The addresses that a packet may reach: mapped, NAT64, 6to4 and Teredo addresses embed IPv4 ones."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    else:
        yield address


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hosts and ports of `--allow-private HOST[:PORT]`: allowed although private or unusual."""

    hosts: frozenset[str] = frozenset()
    ports: frozenset[tuple[str, int]] = frozenset()

    def __contains__(self, place: tuple[str, int]) -> bool:
        return place[0] in self.hosts or place in self.ports

    def __or__(self, other: Allowed) -> Allowed:
        return Allowed(self.hosts | other.hosts, self.ports | other.ports)


def allowed(values: Iterable[str]) -> Allowed:
    """Read `--allow-private` values: a host with every port of it, or `HOST:PORT`."""
    hosts: set[str] = set()
    ports: set[tuple[str, int]] = set()
    for value in values:
        text = value.strip().lower()
        try:
            parts = urlsplit(f"//[{text}]" if text.count(":") > 1 and "[" not in text else f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.path or parts.username:
            raise UserError("not a HOST or HOST:PORT", place=f"--allow-private {value}")
        if port is None:
            hosts.add(host)
        else:
            ports.add((host, port))
    return Allowed(frozenset(hosts), frozenset(ports))


def addresses(host: str, port: int, permitted: Allowed) -> tuple[str, ...]:
    """Resolve `host`. Raises `UserError` unless all its addresses are public or `permitted` has the host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", "") or error
        raise UserError(
            "cannot resolve {host} ({reason})",
            place=host,
            hint="check the name and the network; --offline uses the cache",
            host=host,
            reason=reason,
        ) from None
    numbers = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
    inner = [n for n in numbers if not is_global(n)]
    if inner and (host, port) not in permitted:
        raise UserError(
            "{host} is not on the public internet ({address})",
            place=host,
            hint="--allow-private {host} allows it",
            host=host,
            address=inner[0],
        )
    return numbers


@dataclass(slots=True)
class Wire:
    """The connection of one host, which can be cut at a deadline."""

    permitted: Allowed
    sock: socket.socket | None = None
    cut: bool = False

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Cut the connection when the block takes longer, however slowly the bytes drip."""
        self.cut = False
        alarm = threading.Timer(seconds, self._cut)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()

    def _cut(self) -> None:
        self.cut = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def _connect(connection: HTTPConnection, wire: Wire) -> socket.socket:
    """Connect to an address that was just checked, without resolving the name again."""
    failure: OSError | None = None
    timeout = connection.timeout if isinstance(connection.timeout, int | float) else None
    for number in addresses(connection.host.strip("[]").lower(), connection.port or 80, wire.permitted):
        try:
            wire.sock = socket.create_connection((number, connection.port), timeout)
        except OSError as error:
            failure = error
            continue
        wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire.sock
    if isinstance(failure, TimeoutError):
        reason = Phrase("no connection to {host} in {seconds} s", host=connection.host, seconds=timeout)
        raise ConnectTimeoutError(reason)
    raise NewConnectionError(connection, str(failure)) from failure


class PinnedAdapter(HTTPAdapter):
    """Sends requests through a `Wire`; Host header, SNI and certificate check keep the name."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """Make the pools open their connections by `_connect`."""
        wire = self.wire

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _connect(self, wire)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _connect(self, wire)

            def connect(self) -> None:
                super().connect()
                wire.sock = self.sock

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def session(agent: str, wire: Wire, *, use_proxy: bool) -> requests.Session:
    """A session with pinned connections; a proxy resolves names itself and is trusted."""
    made = requests.Session()
    made.trust_env = use_proxy
    made.headers["User-Agent"] = agent
    if not use_proxy:
        adapter = PinnedAdapter(wire)
        made.mount("http://", adapter)
        made.mount("https://", adapter)
    return made
