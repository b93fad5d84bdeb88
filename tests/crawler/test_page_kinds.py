# ruff: noqa: E501 (pages are written as one line)
"""The kinds of pages that people have: each gives the terms of a small glossary with their definitions, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crawler.pottery import HANJA, KOREAN, POTTERY, each, korean, page

from embedkit.crawler import CrawlOptions, crawl
from embedkit.crawler.extract.page import extract
from embedkit.data.reading import read_glossary
from embedkit.errors import AnswerNoError

ACCORDIONS = {
    "button in a heading, hidden panel": each('<h3><button aria-expanded="false" aria-controls="p{n}">{t}</button></h3><div id="p{n}" hidden><p>{d}</p></div>'),
    "bootstrap 5": each('<div class="accordion-item"><h2 class="accordion-header" id="h{n}"><button class="accordion-button collapsed" type="button" data-bs-toggle="collapse" data-bs-target="#c{n}">{t}</button></h2><div id="c{n}" class="accordion-collapse collapse" aria-labelledby="h{n}"><div class="accordion-body">{d}</div></div></div>'),
    "bootstrap 3": each('<div class="panel panel-default"><div class="panel-heading"><h4 class="panel-title"><a data-toggle="collapse" href="#c{n}">{t}</a></h4></div><div id="c{n}" class="panel-collapse collapse"><div class="panel-body">{d}</div></div></div>'),
    "bare buttons": each('<button class="accordion">{t}</button><div class="panel"><p>{d}</p></div>'),
    "button and a panel in an item": each('<li><button type="button" aria-expanded="false">{t}<span class="icon" aria-hidden="true">+</span></button><div class="content" aria-hidden="true">{d}</div></li>'),
    "aria-hidden panels": each('<div class="item"><h3>{t}</h3><div class="panel" aria-hidden="true"><p>{d}</p></div></div>'),
    "details": each("<details><summary>{t}</summary><p>{d}</p></details>"),
    "details with a heading": each("<details><summary><h3>{t}</h3></summary><div>{d}</div></details>"),
    "confluence": each('<div class="expand-container"><div class="expand-control"><span class="expand-control-icon"></span><span class="expand-control-text">{t}</span></div><div class="expand-content"><p>{d}</p></div></div>'),
    "foundation": '<ul class="accordion" data-accordion>' + each('<li class="accordion-item" data-accordion-item><a href="#" class="accordion-title">{t}</a><div class="accordion-content" data-tab-content><p>{d}</p></div></li>') + "</ul>",
    "jquery ui": each('<h3 class="ui-accordion-header" role="tab" aria-expanded="false">{t}</h3><div class="ui-accordion-content" role="tabpanel" aria-hidden="true" style="display: none"><p>{d}</p></div>'),
    "div titles": each('<div class="acc-title" role="button" aria-expanded="false" tabindex="0">{t}</div><div class="acc-body" hidden>{d}</div>'),
    "dt and dd with buttons": "<dl>" + each('<dt><button aria-expanded="false">{t}</button></dt><dd hidden>{d}</dd>') + "</dl>",
}  # fmt: skip
CARDS = {
    "headings and a button": each('<div class="col"><div class="card"><div class="card-body"><h5 class="card-title">{t}</h5><p class="card-text">{d}</p><a href="#" class="btn">Learn more</a></div></div></div>'),
    "divs": each('<div class="card"><div class="card-front">{t}</div><div class="card-back">{d}</div></div>'),
    "figures of spans": each('<div class="flip"><span class="word">{t}</span><span class="sense">{d}</span></div>'),
    "a list with links": "<ul>" + each('<li><a href="/t/{s}"><span>{t}</span></a><div class="desc">{d}</div></li>') + "</ul>",
    "numbered sections": each('<div class="sec"><div class="label">3.{n}</div><div class="t"><b>{t}</b></div><div class="d">{d}</div></div>'),
    "term and text classes": each('<p class="term">{t}</p><p class="def">{d}</p>'),
    "bem": each('<div class="glossary-item"><div class="glossary-item__title">{t}</div><div class="glossary-item__text">{d}</div></div>'),
    "paragraph and blockquote": each('<p id="t{n}">{t}</p><blockquote><p>{d}</p></blockquote>'),
    "strong and br": each("<p><strong>{t}</strong><br>{d}</p>"),
    "span and div in divs": each('<div><span>{t}</span><div>{d}</div></div>'),
}  # fmt: skip
MARKED = {
    "role term": each('<div><span role="term">{t}</span> <span role="definition">{d}</span></div>'),
    "rdfa skos": each('<div typeof="skos:Concept" resource="#c{n}"><span property="skos:prefLabel">{t}</span><p property="skos:definition">{d}</p></div>'),
    "rdfa schema": each('<div vocab="https://schema.org/" typeof="DefinedTerm"><b property="name">{t}</b><span property="description">{d}</span></div>'),
    "microdata": '<div itemscope itemtype="https://schema.org/DefinedTermSet"><h2 itemprop="name">Pottery</h2>' + each('<div itemprop="hasDefinedTerm" itemscope itemtype="https://schema.org/DefinedTerm"><span itemprop="name">{t}</span><div itemprop="description">{d}</div></div>') + "</div>",
    "stray dt and dd": '<div class="mw-parser-output"><h2>A</h2>' + each("<dt>{t}</dt><dd>{d}</dd>") + "</div>",
    "dt and dd in sections": each("<section><dt>{t}</dt><dd>{d}</dd></section>"),
    "template": "<template><dl>" + each("<dt>{t}</dt><dd>{d}</dd>") + "</dl></template>",
    "noscript": "<div id=app></div><noscript><dl>" + each("<dt>{t}</dt><dd>{d}</dd>") + "</dl></noscript>",
    "noscript table": "<noscript><table><tr><th>Term</th><th>Meaning</th></tr>" + each("<tr><td>{t}</td><td>{d}</td></tr>") + "</table></noscript>",
    "lists in a list of letters": "<dl><dt>B</dt><dd><dl>" + each("<dt>{t}</dt><dd>{d}</dd>") + "</dl></dd><dt>Z</dt><dd><dl></dl></dd></dl>",
}  # fmt: skip
LINES = {
    "quoted means": "<ul>" + each('<li>"{t}" means {d}</li>') + "</ul>",
    "curly quoted strong means": "<p>In this agreement:</p>" + each("<p>&ldquo;<strong>{t}</strong>&rdquo; means {d}</p>"),
    "numbered, shall mean": each("<p>1.{n} “{t}” shall mean {d}</p>"),
    "refers to": each("<p>({n}) ‘{t}’ refers to {d}</p>"),
    "colon": each("<p>{t}: {d}</p>"),
    "en dash": each("<p>{t} – {d}</p>"),
    "em dash without spaces": each("<p>{t}—{d}</p>"),
    "hyphen and br": "<p>" + each("{t} - {d}<br>") + "</p>",
    "equals": "<ul>" + each("<li>{t} = {d}</li>") + "</ul>",
    "bold by style sheet": each('<p class="c3"><span class="c1">{t}</span><span class="c0">: {d}</span></p>'),
    "bold by style": each('<p><span style="font-weight: 700">{t}</span> – {d}</p>'),
}  # fmt: skip
STYLE = "<style>.c1{color:#222;font-weight:700}.c0{font-weight:400}</style>"
CLEAN = {
    "part of speech": "<dl>" + each("<dt>{t} <i>n.</i></dt><dd>{d}</dd>") + "</dl>",
    "part of speech in brackets": "<dl>" + each("<dt>{t} (noun)</dt><dd>{d}</dd>") + "</dl>",
    "part of speech in a span": "<dl>" + each('<dt>{t} <span class="pos">noun</span></dt><dd>{d}</dd>') + "</dl>",
    "sound": "<dl>" + each("<dt>{t} /ˈtɛst.ə/</dt><dd>{d}</dd>") + "</dl>",
    "sound in brackets": "<dl>" + each("<dt>{t} [ˈtɛstə]</dt><dd>{d}</dd>") + "</dl>",
    "soft hyphens": "<dl>" + each("<dt>{t}</dt><dd>{d}</dd>").replace("zing<", "&shy;zing<").replace("wing<", "\u00adwing<") + "</dl>",
    "quotes": "<dl>" + each("<dt>“{t}”</dt><dd>{d}</dd>") + "</dl>",
    "screen reader's label": "<dl>" + each('<dt><a href="#"><span>{t}</span><em class="blind">Open</em></a></dt><dd>{d}</dd>') + "</dl>",
    "a control's label": "<dl>" + each('<dt>{t} <span class="t">Expand</span></dt><dd>{d}</dd>') + "</dl>",
    "pilcrow": "<dl>" + each('<dt>{t}<a href="#t{n}">¶</a></dt><dd>{d} ¶</dd>') + "</dl>",
    "back to top": "<dl>" + each('<dt>{t}</dt><dd><p>{d}</p><p><a href="#top">Back to top</a></p></dd>') + "</dl>",
    "back to top in the line": "<dl>" + each("<dt>{t}</dt><dd>{d} [Back to top]</dd>") + "</dl>",
    "read more": "<dl>" + each('<dt>{t}</dt><dd>{d} <a href="/t/{n}">Read more »</a></dd>') + "</dl>",
    "leading colon": "<dl>" + each("<dt>{t}</dt><dd>: {d}</dd>") + "</dl>",
    "shortcode": "<dl>" + each('<dt>{t}</dt><dd>[tooltip id="{n}"]{d}[/tooltip]</dd>') + "</dl>",
}  # fmt: skip


@pytest.mark.parametrize("kind", ACCORDIONS | CARDS | MARKED | LINES | CLEAN)
def test_page_gives_its_terms_and_their_definitions(kind: str) -> None:
    body = (ACCORDIONS | CARDS | MARKED | LINES | CLEAN)[kind]
    found = extract(page(body, head=STYLE if "style sheet" in kind else ""))
    assert {t.term: t.senses[0] for t in found.entries} == POTTERY
    assert all(len(t.senses) == 1 and not t.aliases for t in found.entries)


HEADERS = [
    ("Business term", "Business definition"), ("Term name", "Term description"), ("Title", "Body"), ("Jargon", "Plain English"),
    ("용어명", "용어정의"), ("용어", "용어 설명"), ("단어", "뜻 풀이"), ("Term Open Menu", "Definition Open Menu"), ("Word or phrase", "What it means"),
    ("Acronym / Term", "Explanation of the term"), ("Name", "Plain language definition"), ("Expression", "In simple terms"),
]  # fmt: skip


@pytest.mark.parametrize(("term", "definition"), HEADERS)
@pytest.mark.parametrize("numbered", [False, True])
def test_header_is_known_by_its_words_and_by_what_its_columns_hold(
    term: str, definition: str, numbered: bool
) -> None:
    count = ("<th>No.</th>", "<td>{n}</td>") if numbered else ("", "")
    rows = f"<tr>{count[0]}<th>{term}</th><th>{definition}</th></tr>" + each(
        f"<tr>{count[1]}<td>{{t}}</td><td>{{d}}</td></tr>"
    )
    assert {t.term: t.senses[0] for t in extract(page(f"<table>{rows}</table>")).entries} == POTTERY


KOREAN_KINDS = {
    "bank accordion": '<ul class="acc_list">' + each('<li><div class="q"><button type="button">{t}</button></div><div class="a" style="display:none">{d}</div></li>', KOREAN) + "</ul>",
    "anchor accordion": '<ul class="faq">' + each('<li><a href="#none" class="tit">{t}<span class="blind">내용 열기</span></a><div class="cont">{d}</div></li>', KOREAN) + "</ul>",
    "label in a dt": '<dl class="acc">' + each('<dt><a href="#none"><span>{t}</span><em>열기</em></a></dt><dd>{d}<a href="#" class="top">맨 위로</a></dd>', KOREAN) + "</dl>",
    "english in a span": "<ul>" + each('<li><a href="#"><strong>{t}</strong> <span class="eng">clay word</span></a><p>{d}</p></li>', KOREAN) + "</ul>",
    "english after the term": "<dl>" + each("<dt>{t} clay word</dt><dd>{d}</dd>", KOREAN) + "</dl>",
    "law": "<h2>제2조(정의)</h2><p>이 법에서 사용하는 용어의 뜻은 다음과 같다.</p>" + each('<p>{n}. "{t}"란 {d}</p>', KOREAN),
    "law with corners": each("<p>{n}. 「{t}」이란 {d}</p>", KOREAN),
    "terms in contracts": "<ul>" + each("<li>① ‘{t}’라 함은 {d}</li>", KOREAN) + "</ul>",
    "colon": each("<p>{t} : {d}</p>", KOREAN),
    "square dot": each("<p>▪ {t}: {d}</p>", KOREAN),
}  # fmt: skip


@pytest.mark.parametrize("kind", KOREAN_KINDS)
def test_korean_page_gives_its_terms(kind: str) -> None:
    found = extract(korean(KOREAN_KINDS[kind]))
    assert {t.term: t.senses[0] for t in found.entries} == KOREAN
    if "english" in kind:
        assert {(a.text, a.kind, a.lang) for t in found.entries for a in t.aliases} == {
            ("clay word", "translation", "en")
        }


def test_hanja_after_a_term_is_its_other_name() -> None:
    words = {t: d for t, d in KOREAN.items() if t in HANJA and len(t) == len(HANJA[t])}
    rows = "".join(f"<dt>{t} {HANJA[t]}</dt><dd>{d}</dd>" for t, d in words.items())
    found = extract(korean(f"<dl>{rows}</dl>"))
    assert {t.term: t.aliases[0].text for t in found.entries} == {t: HANJA[t] for t in words}


def test_two_names_at_a_break_are_a_term_and_another_name() -> None:
    found = extract(
        page("<dl>" + each("<dt>{t}<br>{t} ware</dt><dd>{d}</dd>").replace("bisque", "Bisque") + "</dl>")
    )
    assert [t.term for t in found.entries] == list(POTTERY)
    assert all(t.aliases[0].text == f"{t.term} ware" for t in found.entries)


def test_sub_headings_that_repeat_are_no_terms() -> None:
    body = each(
        "<h2>{t}</h2><p>{d}</p><h3>Example</h3><p>A pot from Kiel.</p><h3>Why it matters</h3><p>It may break.</p><h3>See also</h3><p><a>Clay</a></p>"
    )
    found = extract(page(body))
    assert {t.term: t.senses[0] for t in found.entries} == POTTERY


def test_definition_below_a_sub_heading_that_says_so_is_kept() -> None:
    body = each("<h2>{t}</h2><h3>Definition</h3><p>{d}</p><h3>Usage</h3><p>Potters say it.</p>")
    assert {t.term: t.senses[0] for t in extract(page(body)).entries} == POTTERY


def test_term_with_a_see_also_section_alone_is_another_name() -> None:
    body = (
        each("<h2>{t}</h2><p>{d}</p><h3>See also</h3><p><a>Slip</a></p>")
        + "<h2>Chamotte</h2><h3>See also</h3><p><a>Grog</a>.</p>"
    )
    found = extract(page(body))
    assert {t.term: t.senses[0] for t in found.entries} == POTTERY
    assert [a.text for t in found.entries if t.term == "Grog" for a in t.aliases] == ["Chamotte"]


def test_list_in_a_see_also_section_is_dropped_by_reason() -> None:
    body = (
        "<h2>A</h2><dl>"
        + each("<dt>{t}</dt><dd>{d}</dd>")
        + "</dl><h2>See also</h2><dl><dt>Outline</dt><dd>A list of the pages about clay.</dd></dl>"
    )
    found = extract(page(body))
    assert [t.term for t in found.entries] == list(POTTERY)
    assert found.dropped == {"in a section like See also": 1}


@pytest.mark.parametrize("hide", ["hidden", 'aria-hidden="true"', 'style="display:none"'])
def test_tabs_of_letters_give_all_their_panels(hide: str) -> None:
    tabs = "".join(f'<button role="tab" aria-controls="p{n}">{c}</button>' for n, c in enumerate("BCEGST"))
    panels = "".join(
        f'<div role="tabpanel" id="p{n}" {hide if n else ""}><dl><dt>{t}</dt><dd>{d}</dd></dl></div>'
        for n, (t, d) in enumerate(POTTERY.items())
    )
    assert {
        t.term: t.senses[0] for t in extract(page(f'<div role="tablist">{tabs}</div>{panels}')).entries
    } == POTTERY


def test_what_is_hidden_and_no_part_of_the_text_is_left_out() -> None:
    body = (
        "<dl>"
        + each(
            '<dt>{t}</dt><dd>{d}<span hidden>x</span><div class="tooltip" aria-hidden="true">tip</div></dd>'
        )
        + "</dl>"
    )
    assert {t.term: t.senses[0] for t in extract(page(body)).entries} == POTTERY


@pytest.mark.parametrize(
    ("tag", "lang"),
    [("en_US", "en"), ("ko-KR", "ko"), ("de_DE.UTF-8", "de"), ("english", ""), ('3d"en"', "")],
)
def test_language_of_a_page_is_a_code(tag: str, lang: str) -> None:
    html = page("<dl>" + each("<dt>{t}</dt><dd>{d}</dd>") + "</dl>", lang=tag)
    assert extract(html).lang == (lang or "en")


def test_abbreviations_with_a_dash_are_terms() -> None:
    names = {
        "ABR": "Available Bit Rate",
        "BER": "Bit Error Rate",
        "CRC": "Cyclic Redundancy Check",
        "DMA": "Direct Memory Access",
    }
    found = extract(page(each("<p>{t}—{d}</p>", names), title="List of abbreviations"))
    assert {t.term: t.senses[0] for t in found.entries} == names


def test_json_ld_is_read_where_the_page_shows_nothing() -> None:
    import json

    terms = [
        {"@type": "DefinedTerm", "name": t, "description": d, "alternateName": f"{t} ware"}
        for t, d in POTTERY.items()
    ]
    data = json.dumps({"@context": "https://schema.org", "@type": "DefinedTermSet", "hasDefinedTerm": terms})
    found = extract(page("<div id=app></div>", head=f'<script type="application/ld+json">{data}</script>'))
    assert {t.term: t.senses[0] for t in found.entries} == POTTERY
    assert found.entries[0].aliases[0].text == "Bisque ware"


@pytest.mark.parametrize(
    "markup",
    [
        '<dl class="simple glossary"><dt id="x">Grog</dt><dd><p>Crushed clay of an old pot.</p></dd></dl>',
        '<dl><dt><span class="glossterm">Grog</span></dt><dd class="glossdef"><p>Crushed clay of an old pot.</p></dd></dl>',
    ],
)
def test_one_term_is_enough_where_the_markup_says_glossary(markup: str) -> None:
    assert [t.term for t in extract(page(markup, title="Glossary")).entries] == ["Grog"]


SECTIONS = (
    "Format specifications",
    "Conformance",
    "Issues",
    "Installation",
    "Adding a term",
    "Configuration",
)


def test_page_about_glossaries_is_none() -> None:
    body = "".join(
        f"<h2>{s}</h2><p>The tool reads the files of a glossary and shows them.</p>" for s in SECTIONS
    )
    for count in (3, 6):
        part = "<h2>".join(body.split("<h2>")[: count + 1])
        found = extract(page(part, title="OmegaT glossary — Toolkit"))
        assert not found.verdict.is_glossary
        assert "about glossaries" in found.verdict.reason


REASONS = {
    "frameset": ('<html><head><title>Glossary</title></head><frameset><frame src="az.html"><frame src="terms.html"></frameset></html>', "terms.html"),
    "refresh": ('<html><head><meta http-equiv="refresh" content="0; url=/new/glossary.html"></head><body>Moved.</body></html>', "/new/glossary.html"),
    "script": ('<html><head><title>Glossary</title></head><body><div id="root"></div><script src="/static/main.js"></script></body></html>', "script"),
    "iframe": ('<html><body><h1>Glossary</h1><iframe src="https://example.org/terms"></iframe></body></html>', "https://example.org/terms"),
    "login": ('<html><body><h1>Sign in</h1><form><input name=u><input type="password" name=p></form></body></html>', "login"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REASONS)
def test_page_without_terms_says_why(kind: str) -> None:
    html, said = REASONS[kind]
    verdict = extract(html).verdict
    assert not verdict.is_glossary
    assert said in verdict.reason


@pytest.mark.parametrize(
    "names",
    [("terms-a-l.html", "terms-m-z.html"), ("glossary.html", "glossary2.html"), ("index.html", "b.html")],
)
@pytest.mark.parametrize("labels", [("A – L", "M – Z"), ("1", "2"), ("A", "S")])
def test_glossary_split_over_pages_is_read_whole(
    names: tuple[str, str], labels: tuple[str, str], tmp_path: Path
) -> None:
    entries = list(POTTERY.items())
    links = "".join(f'<a href="{n}">{label}</a> ' for n, label in zip(names, labels, strict=True))
    for name, part in zip(names, (entries[:4], entries[4:]), strict=True):
        rows = "".join(f"<dt>{t}</dt><dd>{d}</dd>" for t, d in part)
        (tmp_path / name).write_text(page(f'<p>{links}<a href="other.html">Home</a></p><dl>{rows}</dl>'))
    (tmp_path / "other.html").write_text(
        page("<dl><dt>Kiln</dt><dd>An oven for pots.</dd><dt>Clay</dt><dd>Soft earth.</dd></dl>")
    )
    output = tmp_path / "glossary.csv"
    crawl(CrawlOptions(from_file=[tmp_path / names[0]], output=output, follow_pages=True))
    assert {row.term: row.definition for row in read_glossary(output)} == POTTERY


def test_split_glossary_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    links = '<p><a href="a.html">A</a> <a href="b.html">B</a></p>'
    for name in ("a.html", "b.html"):
        (tmp_path / name).write_text(page(links + "<dl>" + each("<dt>{t}</dt><dd>{d}</dd>") + "</dl>"))
    (tmp_path / "index.html").write_text(page(links))
    crawl(CrawlOptions(from_file=[tmp_path / "a.html"], output=tmp_path / "one.csv"))
    assert "1 more pages of this glossary; --follow-pages" in capsys.readouterr().err
    with pytest.raises(AnswerNoError, match="2 other pages: --follow-pages"):
        crawl(CrawlOptions(from_file=[tmp_path / "index.html"], output=tmp_path / "two.csv"))
    crawl(CrawlOptions(from_file=[tmp_path / "index.html"], output=tmp_path / "all.csv", follow_pages=True))
    assert {row.term for row in read_glossary(tmp_path / "all.csv")} == set(POTTERY)


ROWS = "".join(
    f"<dt>{h}</dt><dd>{{}}</dd>" for h in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta")
)
SAYS = "It does what the name says and takes the value that was given to it before."
MANUALS = {
    "manual page of a command": "<h1>BASH</h1><h2>NAME</h2><p>bash</p><h2>SYNOPSIS</h2><p>bash [options]</p><h2>DEFINITIONS</h2><dl><dt>blank</dt><dd>A space or a tab.</dd></dl><h2>OPTIONS</h2><dl>" + ROWS.format(*[SAYS] * 7) + "</dl><h2>FILES</h2><p>x</p>",
    "package list": "<h1>Packages</h1><table><tr><th>package</th><th>popcon</th><th>size</th><th>description</th></tr>" + each(f"<tr><td>lib{{s}}</td><td>{{n}}</td><td>12</td><td>{SAYS}</td></tr>") + "</table>",
    "keywords of packages": "<h1>Tools</h1><table><tr><th>Keyword</th><th>Description</th></tr>" + each(f"<tr><td>xml/{{s}}</td><td>{SAYS}</td></tr>") + "</table>",
    "licence names": "<h1>Copyright format</h1><table><tr><th>Keyword</th><th>Meaning</th></tr>" + each(f"<tr><td>GPL-{{n}}</td><td>{SAYS}</td></tr>") + "</table>",
    "menu items": "<h1>The File menu</h1><ul>" + each(f"<li><b>{{t}} all</b>: {SAYS}</li>") + "<li><b>Aft</b>: it moves to the left</li></ul>" + f"<p>{SAYS * 9}</p>",
    "form fields": "<h1>New account</h1><p>" + SAYS * 5 + "</p><dl>" + ROWS.format(*[SAYS] * 7) + "</dl><p>" + SAYS * 9 + "</p>",
    "download links": "<h1>Download the glossary</h1><ul><li><a href=a.html>Glossary (HTML)</a>: the whole glossary on one page</li><li><a href=b.pdf>Glossary (PDF)</a>: the same for printing it</li><li><a href=c>Glossary (source)</a>: as it was written</li></ul>",
    "signatures": "<h1>Strings</h1><dl>" + each("<dt>string_{s}(+X, -Y)</dt><dd>{d}</dd>") + "</dl>",
    "operators": "<h1>Expansions</h1><dl>" + each("<dt>${{s}:{string{n}}}</dt><dd>{d}</dd>") + "</dl>",
    "index": "<h1>63. Concept index</h1><dl>" + each("<dt>{t}, of clay</dt><dd>in the chapter on pots, 12.{n}</dd>") + "</dl>",
    "chapters": "<h1>FAQ</h1><dl>" + each("<dt>Chapter {n}: {t}</dt><dd>{d}</dd>") + "</dl>",
    "what a page says about itself": "<h1>Graphs</h1><dl><dt>author</dt><dd>Jo Doe of the university of Kiel</dd><dt>license</dt><dd>LGPL version 2 or later, as you like</dd></dl>",
    "dictionary of a program": '<meta name="generator" content="DocBook XSL"><h1>dict: string dictionary</h1><h2>Functions</h2><p>x</p><pre>int - the number of strings\nsize - the size of it\nvoid - nothing at all</pre>',
    "quotes that are no definitions": "<h1>Errors</h1>" + each("<p>'code{n}' is {d}</p>"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MANUALS)
def test_page_of_a_manual_is_no_glossary(kind: str) -> None:
    found = extract(f"<html><head><title>The pottery tool</title></head><body>{MANUALS[kind]}</body></html>")
    assert (found.terms, found.verdict.is_glossary) == (0, False)


ABOUT = {
    "Glossary plugin — Docs": ("Adding entries", "Exporting entries", "Options", "Troubleshooting"),
    "Glossary manager": ("Overview", "The main window", "Searching", "Keyboard shortcuts"),
    "How to write a glossary": ("Choose your audience", "Collect the words", "Write short sentences", "Ask an expert"),
    "Terminology management in Acme 4": ("Creating a termbase", "Term status", "Import", "Permissions"),
    "용어집 관리": ("용어 추가", "가져오기", "내보내기", "권한"),
}  # fmt: skip


@pytest.mark.parametrize("title", ABOUT)
@pytest.mark.parametrize(
    "row",
    ["<h2>{h}</h2><p>{s}</p>", "<p>{h}: {s}</p>", '<div class="card"><div>{h}</div><div>{s}</div></div>'],
)
def test_page_that_is_about_glossaries_by_its_title_is_none(title: str, row: str) -> None:
    body = "".join(row.replace("{h}", h).replace("{s}", SAYS) for h in ABOUT[title])
    assert not extract(page(body, title=title)).verdict.is_glossary


VARIANTS = {
    "elementor": each('<div class="elementor-toggle-item"><div class="elementor-tab-title" role="button" aria-controls="e{n}" aria-expanded="false"><a class="elementor-toggle-title" tabindex="0">{t}</a></div><div id="e{n}" class="elementor-tab-content" role="region"><p>{d}</p></div></div>'),
    "rows of a grid": each('<div class="row"><div class="col-3">{t}</div><div class="col-9">{d}</div></div>'),
    "role table": "<div role=table><div role=row><span role=columnheader>Term</span><span role=columnheader>Definition</span></div>" + each("<div role=row><span role=cell>{t}</span><span role=cell>{d}</span></div>") + "</div>",
    "questions": each("<h2>What is {t}?</h2><p>{d}</p>"),
    "definition of": each("<h2>Definition of {t}</h2><p>{d}</p>"),
    "means in a table": "<table>" + each("<tr><td>“{t}”</td><td>means {d}</td></tr>") + "</table>",
    "bold, then a new sentence": "<ol>" + each("<li><strong>{t}</strong> {d}</li>") + "</ol>",
    "a table a letter": each("<h2>{n}</h2><table><tr><td>{t}</td><td>{d}</td></tr></table>"),
    "numbers before bold": each("<p>{n}. <b>{t}</b>: {d}</p>"),
    "speakers": "<dl>" + each("<dt>{t} 🔊</dt><dd>{d}</dd>") + "</dl>",
}  # fmt: skip


@pytest.mark.parametrize("kind", VARIANTS)
def test_variant_gives_its_terms(kind: str) -> None:
    assert {t.term: t.senses[0] for t in extract(page(VARIANTS[kind])).entries} == POTTERY


@pytest.mark.parametrize(
    "row",
    [
        "○ {t} : {d}",
        "[{t}] {d}",
        "■ <strong>{t}</strong> {d}",
        "{t}(흙): {d}",
        "{n}) {t}: {d}",
        '"{t}"은(는) {d}',
    ],
)
def test_korean_lines_with_a_sign_give_their_terms(row: str) -> None:
    found = extract(korean(each(f"<p>{row}</p>", KOREAN)))
    assert {t.term.removesuffix("(흙)"): t.senses[0] for t in found.entries} == KOREAN


def test_title_of_an_abbreviation_is_its_full_form() -> None:
    body = '<dl><dt><abbr title="Wood ash glaze">WAG</abbr></dt><dd>A glaze made of what a fire leaves.</dd><dt>Slip</dt><dd>Clay and water.</dd></dl>'
    (alias,) = extract(page(body)).entries[0].aliases
    assert (alias.text, alias.kind) == ("Wood ash glaze", "full_form")
