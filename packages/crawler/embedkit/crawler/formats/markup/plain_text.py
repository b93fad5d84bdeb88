"""Plain text: `Term - text` a line, a term with its text indented below it, or a term and a tab."""

from __future__ import annotations

import re
from html import escape

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.structures.sentences import SIGN
from embedkit.crawler.formats.content import Content, page_of

_UNDERLINE = re.compile(r"^\s*([=\-~*#_])\1{2,}\s*$")
_TAB = re.compile(r"^(?P<term>[^\t]{1,80})\t+(?P<rest>\S.*)$")
_SHARE = 0.7
_MIN = 3


def read(text: str) -> Content:
    """The page that a text is: a list of terms where most of its lines pair a term with a text."""
    lines = [line.rstrip() for line in text.splitlines()]
    title, lines = _title(lines)
    entries = _signed(lines) or _indented(lines)
    if entries:
        items = "".join(f"<dt>{escape(t)}</dt><dd>{escape(d)}</dd>" for t, d in entries)
        return page_of(f"<dl>{items}</dl>", title)
    blocks = re.split(r"\n\s*\n", "\n".join(lines))
    shown = f"<h1>{escape(title)}</h1>" if title else ""
    return page_of(shown + "".join(f"<p>{escape(b.strip())}</p>" for b in blocks if b.strip()), title)


def _title(lines: list[str]) -> tuple[str, list[str]]:
    """The first line, where a line of signs or a blank one follows it, and the lines after it."""
    filled = [n for n, line in enumerate(lines) if line.strip()]
    if len(filled) < 2:
        return "", lines
    first, second = filled[:2]
    underlined = bool(_UNDERLINE.match(lines[second]))
    alone = second > first + 1 and not SIGN.match(lines[first]) and "\t" not in lines[first]
    if (underlined or alone) and labels.is_label(lines[first].strip()) and not lines[second][:1].isspace():
        return lines[first].strip(" #=*"), lines[second + 1 if underlined else first + 1 :]
    return "", lines


def _signed(lines: list[str]) -> list[tuple[str, str]]:
    """Entries of a line each; a line without a sign continues the one above, a blank line ends it."""
    entries: list[list[str]] = []
    stray = 0
    is_open = False
    for line in lines:
        if not line.strip() or _UNDERLINE.match(line):
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


def _indented(lines: list[str]) -> list[tuple[str, str]]:
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
