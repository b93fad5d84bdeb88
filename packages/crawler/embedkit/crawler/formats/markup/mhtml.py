"""MHTML, a browser's "Webpage, single file": the page is the first HTML part, decoded as its headers say."""

from __future__ import annotations

from email import message_from_bytes, policy

from embedkit.crawler.extract.decode import decode
from embedkit.crawler.formats.content import Content
from embedkit.errors import UserError


def is_mhtml(body: bytes) -> bool:
    """Whether bytes open with the headers of a saved page or a mail."""
    head = body[:4000].lstrip().lower()
    return head.startswith(
        (b"from:", b"mime-version:", b"snapshot-content-location:", b"subject:", b"date:")
    ) and (b"multipart/related" in head or b"text/html" in head or b"multipart/alternative" in head)


def read(body: bytes, *, place: str) -> Content:
    """The HTML of a saved page. Raises `UserError` where it holds none."""
    message = message_from_bytes(body, policy=policy.default)
    for part in message.walk():
        if part.get_content_type() in ("text/html", "application/xhtml+xml"):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and payload.strip():
                html = decode(payload, charset=part.get_content_charset() or "")
                url = str(message.get("Snapshot-Content-Location") or part.get("Content-Location") or "")
                return Content(html=html, url=url if url.startswith(("http:", "https:")) else "")
    raise UserError("a saved page without an HTML part", place=place, hint="save it again as HTML")
