"""Plain text: `Term - text` a line, a term with its text indented below it, or a term and a tab."""

from __future__ import annotations

import re
from html import escape

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.structures.sentences import SIGN
from embedkit.crawler.extract.structures.text_lines import UNDERLINE, paired_lines
from embedkit.crawler.formats.content import Content, page_of


def read(text: str) -> Content:
    """The page that a text is: a list of terms where most of its lines pair a term with a text."""
    lines = [line.rstrip() for line in text.splitlines()]
    title, lines = _title(lines)
    entries = paired_lines(lines)
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
    underlined = bool(UNDERLINE.match(lines[second]))
    alone = second > first + 1 and not SIGN.match(lines[first]) and "\t" not in lines[first]
    if (underlined or alone) and labels.is_label(lines[first].strip()) and not lines[second][:1].isspace():
        return lines[first].strip(" #=*"), lines[second + 1 if underlined else first + 1 :]
    return "", lines
