"""Markdown to HTML by markdown-it, with tables and Markdown Extra's definition lists."""

from __future__ import annotations

import html
import re
from typing import Any

from markdown_it import MarkdownIt

from embedkit.crawler.formats.content import Content

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\n(?P<matter>.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TOML_MATTER = re.compile(r"\A\ufeff?\+\+\+[ \t]*\n(?P<matter>.*?)\n\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title\s*[:=]\s*['\"]?(?P<title>.+?)['\"]?\s*$", re.MULTILINE)
_DEFINITION = re.compile(r"^ {0,3}[:~]\s+(?P<text>\S.*)$")
_NOT_TERM = re.compile(r"^(?:\s|[#>|`~*+-]\s?|\d+[.)]\s|$|[:~]\s|<)")
_BOLD_START = re.compile(r"^\*\*|^__|^\*\S|^`")
_BOLD_LINE = re.compile(r"^\s{0,3}(?:\*\*|__)\S.*?(?:\*\*|__)")
_ABBREVIATION = re.compile(r"^\*\[(?P<term>[^\]]{1,80})\]:\s*(?P<text>\S.*)$", re.MULTILINE)
_MARKS = (
    (re.compile(r"^\s{0,3}\{:?\s*[^{}\n]*\}\s*\n", re.MULTILINE), ""),  # kramdown's attributes of a block
    (re.compile(r"[ \t]*\{:?\s*[#.][^{}\n]*\}(?=[ \t]*$)", re.MULTILINE), ""),  # {#id} after a heading
    (re.compile(r"\{:\s*[^{}\n]*\}"), ""),
    (re.compile(r"^(?:import\s.+?\sfrom\s+['\"].*|import\s+['\"].*|export\s.*)$", re.MULTILINE), ""),  # MDX
    (re.compile(r"\{\{[<%][^}]*?\btext=\"([^\"]+)\"[^}]*?[>%]\}\}"), r"\1"),  # Hugo's link with a text
    (re.compile(r"\{\{[<%].*?[>%]\}\}|\{%.*?%\}|\{/\*.*?\*/\}", re.DOTALL), ""),
    (re.compile(r"!?\[\[(?:[^\]|\n]*\|)?([^\]|\n]+?)(?:#[^\]|\n]*)?\]\]"), r"\1"),  # a wiki's link
)
# Keys of a file that holds one term: Kubernetes' glossary, static site generators, notes.
_TERM_KEYS = frozenset(
    ("short_description", "aka", "full_link", "definition", "term", "term_id", "glossary", "acronym")
)


def read(text: str) -> Content:
    """The page of Markdown text; a front matter's title becomes the page's, or its term."""
    return Content(html=markdown_to_html(text))


def markdown_to_html(text: str) -> str:
    """An HTML page of Markdown text."""
    text = text.replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text) or _TOML_MATTER.match(text)
    matter = _matter(front["matter"]) if front else {}
    body = text[front.end() :] if front else text
    abbreviations = _ABBREVIATION.findall(body)
    body = _ABBREVIATION.sub("", body)
    for pattern, by in _MARKS:
        body = pattern.sub(by, body)
    engine = MarkdownIt("commonmark", {"html": True}).enable("table")
    if matter.keys() & _TERM_KEYS and (term := _text(matter.get("term")) or _text(matter.get("title"))):
        return _one_term(term, matter, body, engine)
    title = _text(matter.get("title"))
    head = f"<head><title>{html.escape(title)}</title></head>" if title else ""
    shown = engine.render(_definition_lists(_broken(body), engine))
    first = f"<h1>{html.escape(title)}</h1>" if title and "<h1" not in shown else ""
    return f"<html>{head}<body>{first}{shown}{_list(abbreviations)}</body></html>"


def _matter(text: str) -> dict[str, Any]:
    """The keys of a front matter; only the title where it is no YAML."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        value = None
    if isinstance(value, dict):
        return {str(key): inner for key, inner in value.items()}
    title = _TITLE.search(text)
    return {"title": title["title"]} if title else {}


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _one_term(term: str, matter: dict[str, Any], body: str, engine: MarkdownIt) -> str:
    """A glossary of the one term that a file is about; its definition is the text above `<!--more-->`."""
    above = body.partition("<!--more-->")[0] if "<!--more-->" in body else body
    above = re.sub(r"^\s*#\s.*$", "", above, count=1, flags=re.MULTILINE)
    first = above.strip().partition("\n#")[0]
    shown = engine.render(first).strip()
    if not re.sub(r"<[^>]+>|\s", "", shown):
        given = _text(matter.get("definition")) or _text(matter.get("short_description"))
        shown = engine.renderInline(given or _text(matter.get("description")))
    others = [matter.get(key) for key in ("aka", "aliases", "synonyms", "acronym", "abbreviation")]
    flat = [name for other in others for name in (other if isinstance(other, list) else [other])]
    names = [n for n in map(_text, flat) if n and not n.startswith("/")]
    heads = "".join(f"<dt>{html.escape(name)}</dt>" for name in (term, *names))
    title = f"<title>{html.escape(term)} | Glossary</title>"
    return f'<html><head>{title}</head><body><dl class="glossary">{heads}<dd>{shown}</dd></dl></body></html>'


def _list(pairs: list[tuple[str, str]]) -> str:
    """The definitions of abbreviations (`*[HTML]: …`) as a list of terms."""
    items = "".join(f"<dt>{html.escape(t)}</dt><dd>{html.escape(d)}</dd>" for t, d in pairs)
    return f'<dl class="glossary">{items}</dl>' if len(pairs) > 1 else ""


def _broken(text: str) -> str:
    """Lines that each open with a bold word, made lines of their own: Markdown joins them to a paragraph."""
    lines = text.split("\n")
    for at, line in enumerate(lines[:-1]):
        if _BOLD_LINE.match(line) and _BOLD_LINE.match(lines[at + 1]):
            lines[at] = line.rstrip() + "  "
    return "\n".join(lines)


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
