"""What a format's reader gives: the HTML of a page, or the entries that the file states."""

from __future__ import annotations

from dataclasses import dataclass

from embedkit.crawler.extract.records import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file as it was read. With `groups` its `html` is empty; `lang` is the language of most entries."""

    html: str = ""
    title: str = ""
    groups: tuple[Group, ...] = ()
    lang: str = ""
    url: str = ""  # where a saved page came from


def page_of(body: str, title: str = "") -> Content:
    """The content of a format that became the inside of an HTML body."""
    from html import escape

    head = f"<head><title>{escape(title)}</title></head>" if title else ""
    return Content(html=f"<html>{head}<body>{body}</body></html>", title=title)
