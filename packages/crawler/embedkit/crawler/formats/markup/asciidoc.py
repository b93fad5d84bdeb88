"""AsciiDoc to HTML: titles, labelled lists, lists, tables and paragraphs, with the marks inside of lines."""

from __future__ import annotations

import re
from html import escape

from embedkit.crawler.formats.content import Content, page_of

_LABEL = re.compile(r"^\s*(?P<term>\S.*?)(?P<mark>:{2,4}|;;)(?:\s+(?P<rest>\S.*))?$")
_TITLE = re.compile(r"^(?P<marks>={1,6})\s+(?P<text>\S.*)$")
_ATTRIBUTE = re.compile(r"^:(?P<name>!?[\w-]+!?):(?:\s+(?P<value>.*))?$")
_ITEM = re.compile(r"^\s*(?:\*{1,5}|-|\.{1,5}|\d+\.)\s+(?P<text>\S.*)$")
_FENCE = re.compile(r"^(?:-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|/{4,}|\+{4,}|--|```.*)$")
_INLINE = (
    (
        re.compile(
            r"\(\(\((?:[^()]|\([^()]*\))*\)\)\)|\[\[[^\]]*\]\]|\bindexterm:\[[^\]]*\]|footnote\w*:[\w-]*\[[^\]]*\]"
        ),
        "",
    ),
    (re.compile(r"\(\(([^()]+)\)\)|\bindexterm2:\[([^\]]*)\]"), r"\1\2"),
    (re.compile(r"&lt;&lt;[^,&]+,\s*(.+?)&gt;&gt;"), r"\1"),
    (re.compile(r"&lt;&lt;#?([^,&]+?)&gt;&gt;"), r"\1"),
    (
        re.compile(
            r"(?:link|xref|mailto):[^\s\[]*\[([^\],^]*)[^\]]*\]|\bhttps?://[^\s\[]+\[([^\],^]+)[^\]]*\]"
        ),
        r"\1\2",
    ),
    (re.compile(r"\b(?:kbd|btn|menu|stem|pass|latexmath|asciimath):\w*\[([^\]]*)\]"), r"\1"),
    (re.compile(r"\[[\w.#%-]+\]#([^#]+)#"), r"\1"),
    (re.compile(r"(?<![\w*])\*{1,2}(\S(?:[^*]*\S)?)\*{1,2}(?![\w*])"), r"<b>\1</b>"),
    (re.compile(r"(?<![\w_])_{1,2}(\S(?:[^_]*\S)?)_{1,2}(?![\w_])"), r"<i>\1</i>"),
    (re.compile(r"(?<![\w`])`{1,2}\+?([^`]+?)\+?`{1,2}(?![\w`])"), r"<code>\1</code>"),
)


def read(text: str) -> Content:
    """The page that an AsciiDoc document makes."""
    page = _Page()
    for line in text.splitlines():
        page.take(line.rstrip())
    page.close()
    return page_of("".join(page.out), page.title)


class _Page:
    """The HTML while it is written; `buffer` is the paragraph, definition or item that is open."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.title = ""
        self.attributes: dict[str, str] = {}
        self.buffer: list[str] = []
        self.kind = ""  # dd, li or p
        self.in_list = self.joined = self.in_table = self.skipping = False
        self.waiting: list[str] = []
        self.marked = ""

    def take(self, line: str) -> None:
        if line.startswith("////") or self.skipping:
            self.skipping ^= line.startswith("////")
        elif line.startswith("|==="):
            self._table()
        elif self.in_table:
            self.waiting.append(line)
        elif match := _ATTRIBUTE.match(line):
            self.attributes[match["name"]] = match["value"] or ""
        elif line.startswith("//") or re.match(r"^\[\[.*\]\]$", line):
            return
        elif re.match(r"^\[[^\]]*\]$", line):
            self.marked = "glossary" if "glossary" in line else ""
        elif _FENCE.match(line):
            return
        elif match := _TITLE.match(line):
            self._head(len(match["marks"]), match["text"])
        elif not line.strip():
            self._blank()
        elif line.strip() == "+":
            if self.in_list and self.kind != "after":
                self._flush()
                self.kind = "after"
            self.joined = True
        elif not (self.kind == "p" and self.buffer) and (match := _LABEL.match(line)):
            self._label(match["term"], match["mark"], match["rest"] or "")
        elif match := _ITEM.match(line):
            self._item(match["text"])
        elif line.startswith(".") and re.match(r"^\.[^\s.]", line):
            self.close()
        else:
            if self.kind == "after" and self.joined:
                self.kind, self.joined = "dd", False
            elif self.kind == "after":
                self.kind = ""
                self.close()
            self.buffer.append(line.strip())
            self.kind = self.kind or "p"

    def _inline(self, text: str) -> str:
        shown = escape(re.sub(r"\{([\w-]+)\}", lambda m: self.attributes.get(m[1], m[0]), text), quote=False)
        for pattern, by in _INLINE:
            shown = pattern.sub(by, shown)
        return shown

    def _flush(self) -> None:
        text = self._inline(" ".join(self.buffer))
        if text and self.kind != "after":
            self.out.append(f"<{self.kind}>{text}</{self.kind}>")
        self.buffer, self.kind = [], ""

    def close(self) -> None:
        self._flush()
        if self.in_list:
            self.out.append("</dl>")
        self.in_list = self.joined = False

    def _head(self, level: int, text: str) -> None:
        self.close()
        shown = self._inline(text)
        if level == 1 and not self.title:
            self.title = re.sub(r"<[^>]+>", "", shown)
        self.out.append(f"<h{level}>{shown}</h{level}>")

    def _blank(self) -> None:
        if self.in_list and self.kind == "dd" and not self.buffer:
            return  # the text may stand below a blank line
        if self.in_list and self.kind in ("dd", "li"):
            self._flush()
            self.kind = "after"
        elif self.kind != "after":
            self._flush()

    def _label(self, term: str, mark: str, rest: str) -> None:
        self._flush()
        if not self.in_list:
            self.out.append(f'<dl class="{self.marked}">')
            self.in_list = True
        if mark == "::":
            self.out.append(f"<dt>{self._inline(term)}</dt>")
            self.kind = "dd"
        else:
            self.kind, rest = "dd", f"{term}: {rest}"
        self.buffer = [rest] if rest else []
        self.joined = False

    def _item(self, text: str) -> None:
        if self.in_list:
            self._flush()
            self.kind, self.buffer = "dd", [text]
            return
        self._flush()
        self.kind, self.buffer = "li", [text]

    def _table(self) -> None:
        if self.in_table:
            rows = _rows(self.waiting)
            cells = ["".join(f"<td>{self._inline(c)}</td>" for c in row) for row in rows]
            self.out.append("<table>" + "".join(f"<tr>{c}</tr>" for c in cells) + "</table>")
        else:
            self.close()
        self.in_table, self.waiting = not self.in_table, []


def _rows(lines: list[str]) -> list[list[str]]:
    """The rows of a table: a line each, or as many cells as the first line has."""
    first = next((line for line in lines if line.strip()), "")
    width = first.count("|")
    cells = [c.strip() for c in re.split(r"(?<!\\)\|", "\n".join(lines))[1:]]
    if width < 1:
        return []
    return [cells[at : at + width] for at in range(0, len(cells), width)]
