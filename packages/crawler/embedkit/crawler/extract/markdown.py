"""Markdown to HTML by markdown-it, with tables and Markdown Extra's definition lists."""

from __future__ import annotations

import html
import re

from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"\A---\s*\n(?P<matter>.*?)\n(?:---|\.\.\.)\s*\n", re.DOTALL)
_TITLE = re.compile(r"^title:\s*['\"]?(?P<title>.+?)['\"]?\s*$", re.MULTILINE)
_DEFINITION = re.compile(r"^ {0,3}[:~]\s+(?P<text>\S.*)$")
_NOT_TERM = re.compile(r"^(?:\s|[#>|`~*+-]\s?|\d+[.)]\s|$|[:~]\s|<)")
_BOLD_START = re.compile(r"^\*\*|^__|^\*\S|^`")


def markdown_to_html(text: str) -> str:
    """An HTML page of Markdown text; a front matter's title becomes the page's."""
    front = _FRONT_MATTER.match(text)
    title = _TITLE.search(front["matter"]) if front else None
    body = text[front.end() :] if front else text
    engine = MarkdownIt("commonmark", {"html": True}).enable("table")
    head = f"<head><title>{html.escape(title['title'])}</title></head>" if title else ""
    return f"<html>{head}<body>{engine.render(_definition_lists(body, engine))}</body></html>"


def _definition_lists(text: str, engine: MarkdownIt) -> str:
    """Replace Markdown Extra's definition lists, which CommonMark does not know, by `dl` elements."""
    out: list[str] = []
    lines = text.splitlines()
    fenced = False
    at = 0
    while at < len(lines):
        fenced ^= lines[at].lstrip().startswith(("```", "~~~"))
        length = 0 if fenced else _entry_length(lines, at)
        if length:
            out += ["", *_entry(lines[at : at + length], engine), ""]
            at += length
        else:
            out.append(lines[at])
            at += 1
    return "\n".join(out).replace("\n</dl>\n\n\n<dl>\n", "\n")


def _entry_length(lines: list[str], at: int) -> int:
    """How many lines from `at` are one entry: a term, a blank line or none, definitions and their rest."""
    if (_NOT_TERM.match(lines[at]) and not _BOLD_START.match(lines[at])) or not lines[at].strip():
        return 0
    first = at + 1
    while first < len(lines) and not lines[first].strip() and first - at < 2:
        first += 1
    if first >= len(lines) or not _DEFINITION.match(lines[first]):
        return 0
    end = first + 1
    while end < len(lines) and _continues(lines, end):
        end += 1
    return end - at


def _continues(lines: list[str], at: int) -> bool:
    if _DEFINITION.match(lines[at]) or lines[at].startswith(("    ", "\t", "   ")):
        return True
    after = lines[at + 1] if at + 1 < len(lines) else ""
    if not lines[at].strip():
        return bool(_DEFINITION.match(after)) or after.startswith(("    ", "\t"))
    return bool(lines[at - 1].strip()) and not _DEFINITION.match(after)


def _entry(lines: list[str], engine: MarkdownIt) -> list[str]:
    senses: list[list[str]] = []
    for line in lines[1:]:
        match = _DEFINITION.match(line)
        if match:
            senses.append([match["text"]])
        elif senses and line.strip():
            senses[-1].append(line.strip())
    shown = [f"<dd>{engine.renderInline(' '.join(s))}</dd>" for s in senses]
    return ["<dl>", f"<dt>{engine.renderInline(lines[0].strip())}</dt>", *shown, "</dl>"]
