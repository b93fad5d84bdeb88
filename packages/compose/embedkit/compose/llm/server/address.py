"""Which host an endpoint is, and whether texts may go there: in plain text to this machine and its own network only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from embedkit.compose.llm.records import KEY_VARIABLE
from embedkit.errors import UserError
from embedkit.messages import Phrase

Reach = Literal["loopback", "private", "public"]
REACHES: dict[Reach, Phrase] = {
    "loopback": Phrase("this machine"),
    "private": Phrase("a private network"),
    "public": Phrase("the internet"),
}
_PRIVATE_ENDINGS = (".local", ".lan", ".internal", ".intranet", ".home.arpa")
EXAMPLE = "--endpoint http://127.0.0.1:11434/v1 (Ollama; llama.cpp :8080, vLLM :8000, LM Studio :1234), or https://…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An endpoint: its address, its host with the port, and how far away that is."""

    url: str
    host: str
    reach: Reach


def parse_endpoint(text: str, *, allow_plain: bool) -> Address:
    """Check an endpoint's address without calling it.

    Raises:
        UserError: there is none, it is no http address, it holds a password, or it would carry texts in plain text to
            a public host and `allow_plain` is not given.
    """
    if not text.strip():
        raise UserError("no endpoint", hint=EXAMPLE)
    url = text.strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UserError("--endpoint {text!r} is no http address", hint=EXAMPLE, text=_shown(text))
    if "@" in parts.netloc:
        raise UserError(
            "--endpoint holds a name or a password",
            place=host,
            hint="put the key into {variable}",
            variable=KEY_VARIABLE,
        )
    reach = reach_of(host)
    if reach == "public" and parts.scheme == "http" and not allow_plain:
        raise UserError(
            "is a public host, and http would carry the texts and the key in plain text",
            place=host,
            hint="use https://; or --allow-plain where nothing of it is secret",
        )
    shown = f"[{host}]" if ":" in host else host
    return Address(url=url, host=f"{shown}:{port}" if port else shown, reach=reach)


def reach_of(host: str) -> Reach:
    """How far away a host is, by its name alone: no name is looked up. What may be public is public."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith(".localhost"):
            return "loopback"
        is_name = "." not in host and not host.isdigit() and not host.startswith("0x")
        return "private" if is_name or host.endswith(_PRIVATE_ENDINGS) else "public"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback or ip.is_unspecified:
        return "loopback"
    return "public" if ip.is_global else "private"


def _shown(text: str) -> str:
    """An address without what may be a password in it."""
    return text.rpartition("@")[2] if "@" in text else text
