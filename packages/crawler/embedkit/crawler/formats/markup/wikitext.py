"""MediaWiki's wikitext to HTML: headings, `;`/`:` lists, bullets, tables, and the templates of glossaries."""

from __future__ import annotations

import re
from html import escape

from embedkit.crawler.formats.content import Content, page_of

_DROPPED = re.compile(
    r"<!--.*?-->|<ref\b[^>/]*/>|<ref\b[^>]*>.*?</ref>|<(?:gallery|timeline|templatestyles)\b.*?(?:/>|</\w+>)"
    r"|\[\[(?:File|Image|파일|그림|Category|분류)\s*:(?:[^\[\]]|\[\[[^\[\]]*\]\])*\]\]|__[A-Z]+__",
    re.DOTALL | re.IGNORECASE,
)
_INNER = re.compile(r"\{\{((?:[^{}]|\{(?!\{)|\}(?!\}))*)\}\}")
_HEADING = re.compile(r"^(={1,6})\s*(.+?)\s*\1\s*$")
_SPLIT = re.compile(r"\|(?![^\[]*\]\])")
_PARTS = 30
_OPENED = '<dl class="glossary">'
_BARE_ITEMS = re.compile(r"<dt>(?:(?!\n=).)*</dd>", re.DOTALL)


def read(text: str) -> Content:
    """The page that a wikitext makes, without what its templates would show, but for those of glossaries."""
    text = _DROPPED.sub("", text)
    for _ in range(_PARTS):
        shorter = _INNER.sub(lambda m: _template(m[1]), text)
        if shorter == text:
            break
        text = shorter
    if _OPENED not in text:  # a section of a glossary, copied without the templates around it
        text = _BARE_ITEMS.sub(rf"\n{_OPENED}\n\g<0>\n</dl>\n", text)
    return page_of("".join(_blocks(text)))


def _template(inside: str) -> str:
    """What a template shows, as HTML or text."""
    name, *parts = [p.strip() for p in _SPLIT.split(inside)]
    named = {
        k.strip(): v.strip()
        for p in parts
        if "=" in p
        for k, v in [p.split("=", 1)]
        if re.fullmatch(r"\s*\w+\s*", k)
    }
    plain = [p for p in parts if not re.match(r"^\s*\w+\s*=", p)]
    first = named.get("content") or (
        plain[0] if plain else named.get("1") or named.get("term") or named.get("text") or ""
    )
    match name.strip().lower().replace("_", " "):
        case "glossary" | "glossary begin":
            return f"\n{_OPENED}\n"
        case "glossary end" | "end glossary":
            return "\n</dl>\n"
        case "term" | "glossary term":
            return f"\n<dt>{named.get('content') or named.get('2') or named.get('term') or first}</dt>\n"
        case "defn" | "glossary definition":
            text = named.get("defn") or named.get("1") or "|".join(plain)
            return f"\n<dd>{text}</dd>\n"
        case "ghat" | "glossary hatnote":
            return f'\n<dd><div class="hatnote">{first}</div></dd>\n'
        case "lang" | "langx" | "transliteration":
            return plain[-1] if plain else ""
        case (
            "gli"
            | "glossary link internal"
            | "glossary link"
            | "gloss"
            | "nowrap"
            | "em"
            | "strong"
            | "abbr"
            | "val"
            | "var"
            | "code"
        ):
            return (plain[1] if name.lower().startswith("gl") and len(plain) > 1 else first) or ""
        case "llang" | "lang-en" | "llang-en":
            return f"영어: {first}"
        case _ if re.match(r"lang-\w{2,3}$", name.strip().lower()):
            return first
    return ""


def _inline(text: str) -> str:
    shown = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1", text)
    shown = re.sub(r"\[https?://\S+\s+([^\]]+)\]", r"\1", shown)
    shown = re.sub(r"'''(.+?)'''", r"<b>\1</b>", shown)
    return re.sub(r"''(.+?)''", r"<i>\1</i>", shown)


def _blocks(text: str) -> list[str]:
    out: list[str] = []
    items: list[tuple[str, str]] = []
    table: list[str] | None = None

    def flush() -> None:
        if items:
            out.append(_list(items))
            items.clear()

    for line in text.splitlines():
        stripped = line.strip()
        if table is not None:
            table.append(stripped)
            if stripped.startswith("|}"):
                out.append(_table(table))
                table = None
        elif stripped.startswith("{|"):
            flush()
            table = []
        elif match := _HEADING.match(stripped):
            flush()
            level = len(match[1])
            out.append(f"<h{level}>{_inline(match[2])}</h{level}>")
        elif match := re.match(r"^([*#;:]+)\s*(.*)$", stripped):
            items.append((match[1], match[2]))
        else:
            flush()
            is_markup = stripped.startswith("<")
            out.append(_inline(stripped) if is_markup else f"<p>{_inline(stripped)}</p>" if stripped else "")
    flush()
    return out


def _list(items: list[tuple[str, str]]) -> str:
    """Lines that open with list signs, as `dl` or `ul`; deeper ones are text of the one above."""
    out: list[str] = []
    tag = ""
    for marks, text in items:
        wanted = "dl" if marks[0] in ";:" else "ul"
        if wanted != tag:
            out += [f"</{tag}>"] if tag else []
            out.append(f"<{wanted}>")
            tag = wanted
        if marks == ";":
            head, sign, rest = _cut(text)
            out.append(f"<dt>{_inline(head)}</dt>" + (f"<dd>{_inline(rest)}</dd>" if sign else ""))
        elif tag == "dl":
            out.append(f"<dd>{_inline(text)}</dd>")
        else:
            out.append(f"<li>{_inline(text)}</li>")
    out.append(f"</{tag}>")
    return "".join(out)


def _cut(text: str) -> tuple[str, str, str]:
    """A `;` line's term and its definition after a colon that stands in no link or tag."""
    match = re.match(r"^((?:\[\[.*?\]\]|<[^>]*>|https?://\S+|[^:\[<]|\[(?!\[))*?)\s*:\s+(.*)$", text)
    return (match[1], ":", match[2]) if match else (text, "", "")


def _table(lines: list[str]) -> str:
    rows: list[list[str]] = [[]]
    for line in lines:
        if line.startswith(("|-", "|+", "|}")):
            rows += [[]] if rows[-1] else []
        elif line.startswith(("|", "!")):
            tag = "th" if line[0] == "!" else "td"
            for cell in re.split(r"\|\||!!", line[1:]):
                attributes, sign, inner = (
                    cell.partition("|") if "[[" not in cell.split("|")[0] else ("", "", "")
                )
                given = re.findall(r"(?:row|col)span\s*=\s*\"?\d+\"?", attributes) if sign else []
                rows[-1].append(
                    f"<{tag} {' '.join(given)}>{_inline((inner if sign else cell).strip())}</{tag}>"
                )
        elif rows[-1]:
            rows[-1][-1] += escape(f" {line}", quote=False)
    return "<table>" + "".join(f"<tr>{''.join(row)}</tr>" for row in rows if row) + "</table>"
