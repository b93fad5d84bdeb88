"""XML without surprises: no entities that expand, no files fetched, names without their name space."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedkit.errors import UserError
from embedkit.extras import require

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAMED = re.compile(rb"&(?!amp;|lt;|gt;|quot;|apos;|#)([A-Za-z][A-Za-z0-9]{1,30};)")
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_ROOT = re.compile(rb"<(?![?!])(?:[\w.-]+:)?(?P<name>[\w.-]+)")


def root_name(body: bytes) -> str:
    """The name of a document's first element, without its prefix; empty where there is none near its start."""
    start = body[:20_000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith(b"<") and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ""
    match = _ROOT.search(re.sub(rb"<!--.*?-->", b"", start.replace(b"\x00", b""), flags=re.DOTALL))
    return match["name"].decode("ascii", errors="replace") if match else ""


def parse(body: bytes, *, place: str) -> Element:
    """The root of a document. Raises `UserError` for broken XML and for entities that expand."""
    etree = require("defusedxml.ElementTree", extra="formats")
    common = require("defusedxml.common", extra="formats")
    known = _NAMED.sub(
        lambda m: html.unescape(f"&{m[1].decode()}").encode("ascii", "xmlcharrefreplace"), body
    )
    try:
        root: Element = etree.fromstring(known)
    except common.DefusedXmlException:
        raise UserError(
            "defines entities, which are not expanded", place=place, hint="xmllint --noent writes it without"
        ) from None
    except (etree.ParseError, ValueError, LookupError) as error:
        raise UserError("not well-formed XML: {error}", place=place, error=error) from None
    return root


def local(node: Element) -> str:
    """An element's name without its name space; empty for a comment."""
    return node.tag.rsplit("}", 1)[-1] if isinstance(node.tag, str) else ""


def find_all(node: Element, *names: str) -> Iterator[Element]:
    """The elements below `node` with one of `names`, in the order of the document."""
    return (n for n in node.iter() if local(n) in names)


def children(node: Element, *names: str) -> list[Element]:
    """The direct children with one of `names`."""
    return [n for n in node if local(n) in names]


def text(node: Element, *, without: tuple[str, ...] = ()) -> str:
    """The text below an element in one line, without elements of the names `without`."""
    return " ".join("".join(_pieces(node, without)).split())


_BLOCKS = frozenset(
    ("para", "simpara", "p", "li", "listitem", "note", "section", "ul", "ol", "itemizedlist", "formalpara")
)


def _pieces(node: Element, without: tuple[str, ...]) -> Iterator[str]:
    yield node.text or ""
    for child in node:
        name = local(child)
        if name and name not in without:
            yield " " if name in _BLOCKS else ""
            yield from _pieces(child, without)
            yield " " if name in _BLOCKS else ""
        yield child.tail or ""
