"""Who may use the page: this machine, through the address with the token that `embedkit ui` printed.

Another site that the person's browser has open can send requests here, and can make its own name point at 127.0.0.1
(DNS rebinding). So a request must name this address as its host, carry the cookie that the token was exchanged for,
which no other site's request carries (SameSite=Strict), and, where it changes anything, a second token in a header.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embedkit.messages import language, tr

TOKEN_HEADER = "x-embedkit-token"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


def _random() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class PageSecrets:
    """What is drawn at each start: the token of the address, one that works once, the cookie, the header of changes."""

    port: int
    token: str = field(default_factory=_random)
    once: set[str] = field(default_factory=lambda: {_random()})
    cookie: str = field(default_factory=_random)
    header: str = field(default_factory=_random)

    @property
    def cookie_name(self) -> str:
        """Cookies know no port: two pages at a time need two names."""
        return f"embedkit_ui_{self.port}"

    @property
    def origins(self) -> tuple[str, ...]:
        """The addresses of this page."""
        return tuple(f"http://{host}:{self.port}" for host in ("127.0.0.1", "localhost"))

    def address(self, token: str) -> str:
        """The address to open."""
        return f"{self.origins[0]}/?token={token}"

    def takes(self, token: str) -> bool:
        """Whether a token of an address is right; one that works once is used up."""
        if compare_digest(token.encode(), self.token.encode()):
            return True
        found = next((one for one in self.once if compare_digest(token.encode(), one.encode())), None)
        self.once.discard(found or "")
        return found is not None


class PageGuard:
    """Lets nothing through to the app but what the page's own browser asks; adds the headers that keep others out."""

    def __init__(self, app: ASGIApp, secrets: PageSecrets) -> None:
        self._app, self._secrets = app, secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", _POLICY)
                headers.update(_HEADERS)
            await send(message)

        answer = self._answer(Request(scope)) or self._app
        await answer(scope, receive, send_guarded)

    def _answer(self, request: Request) -> Response | None:
        """The answer to a request that goes no further; None for one that may."""
        if f"http://{request.headers.get('host', '')}" not in self._secrets.origins:
            return PlainTextResponse(tr("This address is not the page's."), 421)
        if request.method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse(tr("This is not allowed."), 405)
        token = request.query_params.get("token")
        if token is not None and request.method == "GET" and self._secrets.takes(token):
            return self._welcome()
        cookie = request.cookies.get(self._secrets.cookie_name, "")
        if not compare_digest(cookie.encode(), self._secrets.cookie.encode()):
            return self._closed()
        if request.method == "POST" and not self._is_own(request):
            return PlainTextResponse(tr("This request did not come from the page."), 403)
        return None

    def _is_own(self, request: Request) -> bool:
        """Whether a change comes from a page of ours: no form and no other origin can send all of this."""
        headers = request.headers
        token = headers.get(TOKEN_HEADER, "")
        return (
            compare_digest(token.encode(), self._secrets.header.encode())
            and headers.get("content-type", "").partition(";")[0] == "application/json"
            and headers.get("origin", self._secrets.origins[0]) in self._secrets.origins
            and headers.get("sec-fetch-site", "same-origin") == "same-origin"
        )

    def _welcome(self) -> Response:
        """Set the cookie, and go on from a page of ours: a browser that came from elsewhere would withhold it else."""
        onward = '<meta http-equiv="refresh" content="0;url=/">'
        answer = _page(tr("Opening …"), f'<a href="/">{_text("Open the page")}</a>', head=onward)
        answer.set_cookie(
            self._secrets.cookie_name, self._secrets.cookie, httponly=True, samesite="strict", path="/"
        )
        return answer

    def _closed(self) -> Response:
        text = "Open the address that `embedkit ui` printed: it holds the token that this page needs."
        return _page(tr("This page is closed"), f"<p>{_text(text)}</p>", status=403)


def _text(template: str) -> str:
    return html.escape(tr(template))


def _page(title: str, body: str, *, status: int = 200, head: str = "") -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="{language()}"><head><meta charset="utf-8"><link rel="icon" href="data:,">{head}'
        f"<title>{html.escape(title)}</title></head>"
        f"<body><main><h1>{html.escape(title)}</h1>{body}</main></body></html>",
        status,
    )
