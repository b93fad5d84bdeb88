"""Terms in lines of plain text, of a file or of a page's `pre`: `Term - text`, a tab, or an indented text below."""

from __future__ import annotations

import re
from collections.abc import Sequence

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.structures.sentences import SIGN
from embedkit.crawler.extract.tree import Page

UNDERLINE = re.compile(r"^\s*([=\-~*#_])\1{2,}\s*$")
_TAB = re.compile(r"^(?P<term>[^\t]{1,80})\t+(?P<rest>\S.*)$")
_SHARE = 0.7
_MIN = 3


def preformatted(page: Page) -> Group | None:
    """The entries in the `pre` elements of a page; None where they hold none."""
    found: list[RawEntry] = []
    for node in page.body.css("pre"):
        lines = node.text().splitlines()
        found += [RawEntry(heads=(term,), senses=(text,)) for term, text in paired_lines(lines)]
    codes = sum(labels.is_code(f.heads[0]) for f in found)
    return Group(structure="line of text", found=tuple(found)) if found and codes * 3 <= len(found) else None


def paired_lines(lines: Sequence[str]) -> list[tuple[str, str]]:
    """`(term, definition)` where most of the lines pair one; else none."""
    return _signed(lines) or _indented(lines) or _blocks(lines)


def _signed(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Entries of a line each; a line without a sign continues the one above, a blank line ends it."""
    entries: list[list[str]] = []
    stray = 0
    is_open = False
    for line in lines:
        if not line.strip() or UNDERLINE.match(line):
            is_open = False
            continue
        match = _TAB.match(line) or (
            SIGN.match(line.strip()) if not line[:1].isspace() or not is_open else None
        )
        if match and _is_term(match["term"]):
            entries.append([match["term"], match["rest"]])
            is_open = True
        elif is_open:
            entries[-1][1] += f" {line.strip()}"
        elif len(line.strip()) > 2:
            stray += 1
    if len(entries) < _MIN or len(entries) < _SHARE * (len(entries) + stray):
        return []
    return [(labels.label(term), text) for term, text in entries]


def _is_term(text: str) -> bool:
    name = text.strip(" \t*•-")
    return labels.is_label(name) and len(name.split()) <= 7 and bool(re.search(r"[^\W\d_]", name))


def _indented(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Entries of a line and the indented lines below it."""
    entries: list[list[str]] = []
    stray = 0
    for line in lines:
        if not line.strip():
            continue
        if line[:1].isspace():
            if entries:
                entries[-1].append(line.strip())
        elif labels.is_label(line) and _is_term(line):
            entries.append([line])
        else:
            stray += 1
    full = [(e[0], " ".join(e[1:])) for e in entries if len(e) > 1]
    return full if len(full) >= _MIN and len(full) >= _SHARE * (len(entries) + stray) else []


def _blocks(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Entries of two lines or more between blank ones: a term, and its text."""
    blocks = [b.strip().split("\n") for b in re.split(r"\n\s*\n", "\n".join(lines)) if b.strip()]
    entries = [
        (labels.label(first), " ".join(" ".join(rest).split()))
        for first, *rest in blocks
        if rest and _is_term(first) and first.strip()[-1] not in ".,;?!" and len(" ".join(rest)) > len(first)
    ]
    return entries if len(entries) >= _MIN and len(entries) >= _SHARE * len(blocks) else []
