"""Org mode to HTML: headings, description lists, lists, tables and paragraphs."""

from __future__ import annotations

import re
from html import escape

from embedkit.crawler.formats.content import Content, page_of

_HEADING = re.compile(
    r"^(?P<stars>\*{1,6})\s+(?:(?:TODO|DONE|NEXT)\s+)?(?:\[#.\]\s+)?(?P<text>.*?)(?:\s+:[\w@:]+:)?$"
)
_ITEM = re.compile(r"^(?P<indent>\s*)(?:[-+]|\s\*|\d+[.)])\s+(?:\[[ X-]\]\s+)?(?P<text>\S.*)$")
_TITLE = re.compile(r"^#\+title:\s*(?P<text>.+)$", re.IGNORECASE)
_INLINE = (
    (re.compile(r"\[\[[^\]]*\]\[([^\]]*)\]\]"), r"\1"),
    (re.compile(r"\[\[(?:[a-z]+:|#|\*)?([^\]]*)\]\]"), r"\1"),
    (re.compile(r"\[fn:[^\]]*\]|&lt;&lt;&lt;?[^&]*&gt;&gt;(?:&gt;)?"), ""),
    (re.compile(r"(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])"), r"<b>\1</b>"),
    (re.compile(r"(?<![\w/<:])/(\S(?:[^/\n]*[^\s<])?)/(?![\w/])"), r"<i>\1</i>"),
    (re.compile(r"(?<![\w=])=(\S(?:[^=\n]*\S)?)=(?![\w=])"), r"<code>\1</code>"),
    (re.compile(r"(?<![\w~])~(\S(?:[^~\n]*\S)?)~(?![\w~])"), r"<code>\1</code>"),
)


def read(text: str) -> Content:
    """The page that an Org file makes."""
    out: list[str] = []
    title, drawer = "", False
    lines = iter([*text.splitlines(), ""])
    buffer: list[str] = []
    open_tag = ""

    def flush() -> None:
        nonlocal open_tag
        shown = _inline(" ".join(buffer))
        if shown:
            head, sign, rest = shown.partition(" :: ") if open_tag == "li" else ("", "", "")
            if sign or shown.endswith(" ::"):
                out.append(f"<dl><dt>{head or shown[:-3]}</dt><dd>{rest}</dd></dl>")
            else:
                out.append(f"<ul><li>{shown}</li></ul>" if open_tag == "li" else f"<p>{shown}</p>")
        buffer.clear()
        open_tag = ""

    for line in lines:
        if re.match(r"^\s*:(?:PROPERTIES|LOGBOOK):\s*$", line):
            drawer = True
        elif drawer:
            drawer = not re.match(r"^\s*:END:\s*$", line)
        elif match := _TITLE.match(line):
            title = match["text"].strip()
        elif re.match(r"^\s*#(?:\+|\s|$)", line):
            continue
        elif match := _HEADING.match(line):
            flush()
            level = len(match["stars"])
            out.append(f"<h{level}>{_inline(match['text'])}</h{level}>")
        elif not line.strip():
            flush()
        elif line.lstrip().startswith("|"):
            flush()
            out.append(line.strip())
        elif match := _ITEM.match(line):
            if open_tag == "li" and len(match["indent"]) >= 2 and " :: " not in match["text"]:
                buffer.append(match["text"])
                continue
            flush()
            open_tag = "li"
            buffer.append(match["text"])
        else:
            buffer.append(line.strip())
    flush()
    shown = f"<h1>{escape(title)}</h1>" if title else ""
    return page_of(shown + _joined(out), title)


def _inline(text: str) -> str:
    shown = escape(text, quote=False)
    for pattern, by in _INLINE:
        shown = pattern.sub(by, shown)
    return shown


def _joined(out: list[str]) -> str:
    """The parts, with table lines made rows and neighbouring lists one list."""
    parts: list[str] = []
    for part in out:
        if part.startswith("|"):
            if re.fullmatch(r"[|+\-\s:]+", part):
                continue
            cells = "".join(f"<td>{_inline(c.strip())}</td>" for c in part.strip("|").split("|"))
            parts.append(f"<table><tr>{cells}</tr></table>")
        else:
            parts.append(part)
    joined = "".join(parts)
    return joined.replace("</dl><dl>", "").replace("</ul><ul>", "").replace("</table><table>", "")
