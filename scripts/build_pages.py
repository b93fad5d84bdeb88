"""Render `data/pages`, `data/terms.*.txt` and `data/acronyms.jsonl` from the two shipped glossaries.

One third of each glossary becomes a page in each of three styles, so that crawling all six pages gives the glossaries
back: components as a definition list, circuits as Wikipedia's glossary templates, digital as a table.
`--check` writes nothing and exits 1 when a file on disk differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from embedkit.data.entries import Alias, Entry
from embedkit.data.reading import read_glossary

DATA = Path(__file__).resolve().parents[1] / "data"
TITLES = {
    "components.en": "Glossary of electronic components",
    "components.ko": "전자 부품 용어집",
    "circuits.en": "Glossary of electronic circuits",
    "circuits.ko": "전자 회로 용어집",
    "digital.en": "Glossary of digital electronics",
    "digital.ko": "디지털 전자공학 용어집",
}
LANGUAGE_NAMES = {("en", "ko"): "Korean", ("ko", "en"): "영어"}
HEADERS = {
    "en": ("Term", "Abbreviation", "Synonyms", "Korean", "Definition"),
    "ko": ("용어", "약어", "동의어", "영어", "뜻"),
}
PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def main() -> int:
    """Write or check every generated file."""
    stale = []
    for path, text in generated():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(path.relative_to(DATA))
    return 1 if stale and "--check" in sys.argv else 0


def generated() -> Iterator[tuple[Path, str]]:
    """Each generated file and its text."""
    acronyms: list[str] = []
    for lang in ("en", "ko"):
        entries = list(read_glossary(DATA / f"electronics.{lang}.csv"))
        for name, style in (("components", _list), ("circuits", _wiki), ("digital", _table)):
            chosen = [entry for entry in entries if entry.source == f"electronics/{name}"]
            title = TITLES[f"{name}.{lang}"]
            body = style(chosen, lang)
            yield DATA / "pages" / f"{name}.{lang}.html", PAGE.format(lang=lang, title=title, body=body)
        yield DATA / f"terms.{lang}.txt", "".join(f"{entry.term}\n" for entry in entries)
        acronyms += [line for entry in entries for line in _acronyms(entry)]
    yield DATA / "acronyms.jsonl", "".join(acronyms)


def _acronyms(entry: Entry) -> Iterator[str]:
    for text in _texts(entry, "abbreviation"):
        row = {"acronym": text, "full": entry.term, "definition": entry.definition, "lang": entry.lang}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _texts(entry: Entry, kind: str) -> list[str]:
    return [alias.text for alias in entry.aliases if alias.kind == kind]


def _head(entry: Entry, lang: str) -> str:
    translations = ", ".join(escape(a.text) for a in entry.aliases if a.kind == "translation")
    label = LANGUAGE_NAMES[lang, "ko" if lang == "en" else "en"]
    return escape(entry.term) + (f" ({label}: {translations})" if translations else "")


def _others(entry: Entry) -> list[Alias]:
    return [alias for alias in entry.aliases if alias.kind != "translation"]


def _list(entries: list[Entry], lang: str) -> str:
    lines = ["<dl>"]
    for entry in entries:
        lines.append(f'<dt id="{_slug(entry, lang)}">{_head(entry, lang)}</dt>')
        lines += [f"<dt>{escape(alias.text)}</dt>" for alias in _others(entry)]
        lines.append(f"<dd>{escape(entry.definition)}</dd>")
    return "\n".join([*lines, "</dl>"])


def _wiki(entries: list[Entry], lang: str) -> str:
    also, joiner = ("Also", " and ") if lang == "en" else ("다른 이름:", ", ")
    lines = ['<div class="mw-parser-output">', '<dl class="glossary">']
    for entry in entries:
        dfn = f'<dfn class="glossary">{_head(entry, lang)}</dfn>'
        lines.append(f'<dt class="glossary" id="{_slug(entry, lang)}">{dfn}</dt>')
        names = joiner.join(f"<b>{escape(alias.text)}</b>" for alias in _others(entry))
        if names:
            note = f'<div role="note" class="hatnote navigation-not-searchable">{also} {names}.</div>'
            lines.append(f'<dd class="glossary">{note}</dd>')
        lines.append(f'<dd class="glossary">{escape(entry.definition)}</dd>')
    return "\n".join([*lines, "</dl>", "</div>"])


def _table(entries: list[Entry], lang: str) -> str:
    lines = ['<table class="wikitable">', _row("th", HEADERS[lang])]
    for entry in entries:
        kinds = ("abbreviation", "synonym", "translation")
        names = [", ".join(_texts(entry, kind)) for kind in kinds]
        lines.append(_row("td", (entry.term, *names, entry.definition)))
    return "\n".join([*lines, "</table>"])


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _slug(entry: Entry, lang: str) -> str:
    """The same anchor on both language versions: the English term."""
    english = entry.term if lang == "en" else next(iter(_texts(entry, "translation")), entry.term)
    return escape(english.replace(" ", "_"))


if __name__ == "__main__":
    sys.exit(main())
