"""Why a page without terms has none: what a browser would show stands in another file, or is made by a script."""

from __future__ import annotations

import re

from embedkit.crawler.extract.tree import parse, text_of
from embedkit.messages import Phrase
from embedkit.text import clean

_FRAMES = re.compile(r"<frame\b[^>]*?\bsrc\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_REFRESH = re.compile(
    r"<meta\b[^>]*http-equiv\s*=\s*[\"']?refresh[^>]*?url\s*=\s*[\"']?([^\"'\s>;]+)", re.IGNORECASE
)
_IFRAME = re.compile(r"<iframe\b[^>]*?\bsrc\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_PASSWORD = re.compile(r"<input\b[^>]*type\s*=\s*[\"']?password", re.IGNORECASE)
_CHALLENGE = re.compile(
    r"captcha|cf-challenge|checking your browser|are you (?:a )?(?:human|robot)", re.IGNORECASE
)
_FEW_WORDS = 60


def cause(html: str) -> str:
    """The cause in a few words, with the next step in it; empty where the page holds its text itself."""
    frames = _FRAMES.findall(html)
    if frames:
        return Phrase("a frameset: its pages are other files; crawl {page}", page=", ".join(frames[:4]))
    page = parse(html)
    text = clean(text_of(page.body)) if page is not None else ""
    few = len(text.split()) < _FEW_WORDS
    refresh = _REFRESH.search(html)
    if refresh and few:
        return Phrase("sends the browser on to {page}: crawl that", page=refresh[1])
    if few and _PASSWORD.search(html):
        return Phrase("a login page: log in with a browser, save the page, and use --from-file")
    if few and _CHALLENGE.search(html):
        return Phrase("a page that asks whether you are human: save it in a browser and use --from-file")
    iframe = _IFRAME.search(html)
    if few and iframe:
        return Phrase("its text stands in a frame: crawl {page}", page=iframe[1])
    if few and "<script" in html.lower() and len(text) * 3 < len(html):
        return Phrase("a script writes its text: save it in a browser once it shows, and use --from-file")
    return ""
