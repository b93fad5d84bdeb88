# ruff: noqa: E501 (pages are written as one line)
"""Every structure in which a page can pair terms with definitions, and look-alikes that do not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.crawler.extract.page import extract
from embedkit.crawler.extract.records import Extraction
from embedkit.crawler.formats.markup.markdown import markdown_to_html
from embedkit.crawler.sources.markup import to_html
from embedkit.errors import UserError

P = "A rope, a sail or some other thing that does its work on a boat."


def _terms(html: str) -> list[str]:
    return [t.term for t in extract(html).entries]


def _page(body: str, title: str = "Glossary of sailing") -> str:
    return f"<html lang=en><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>"


GLOSSARIES = {
    "asciidoc": f'<div class="dlist"><dl><dt class="hdlist1">Aft</dt><dd><p>{P}</p></dd>'
    f'<dt class="hdlist1">Bow</dt><dd><p>{P}</p></dd></dl></div>',
    "docbook": f'<div class="glossdiv"><h3>A</h3><dl><dt><span class="glossterm">Aft</span></dt><dd class="glossdef">'
    f'<p>{P}</p></dd><dd class="glossseealso"><p>See Also Bow.</p></dd></dl></div><div class="glossdiv"><h3>B</h3>'
    f'<dl><dt><span class="glossterm">Bow</span></dt><dd class="glossdef"><p>{P}</p></dd></dl></div>',
    "docutils": f'<dl class="simple"><dt>Aft<span class="classifier-delimiter">:</span><span class="classifier">noun'
    f"</span></dt><dd>{P}</dd><dt>Bow</dt><dd>{P}</dd></dl>",
    "dl with divs": f"<dl><div><dt>Aft</dt><dd>{P}</dd></div><div><dt>Bow</dt><dd>{P}</dd></div></dl>",
    "unclosed dl": f"<dl><dt>Aft<dd>{P}<dt>Bow<dd>{P}</dl>",
    "bold bullets": f"<ul><li><b>Aft</b> – {P}</li><li><strong>Bow:</strong> {P}</li></ul>",
    "bullets of two blocks": f"<ul><li><div class=term-name><b>Aft</b></div><div>{P}</div></li><li><b>Bow</b><br>{P}</li></ul>",
    "bold paragraphs": f"<p>Welcome.</p><p><strong>Aft</strong> – {P}</p><p><strong>Bow</strong>: {P}</p><p>More of it.</p>"
    f"<p><b>Clew.</b> {P}</p>",
    "br run": f"<p><b>Aft</b> - {P}<br><b>Bow</b> - {P}<br><b>Clew</b> - {P}</p>",
    "bold line, then paragraph": f"<p><b>Aft</b></p><p>{P}</p><hr><p><b>Bow</b></p><p>{P}</p><hr><p><b>Clew</b></p><p>{P}</p>",
    "headings": f"<p>About this page.</p><h2>Aft</h2><p>{P}</p><h2>Bow</h2><p>{P}</p><ul><li>left</li></ul><h2>Clew</h2><p>{P}</p>"
    f"<h2>See also</h2><p>{P}</p>",
    "details": f"<details><summary>Aft</summary><p>{P}</p></details><details><summary>Bow</summary>{P}</details>"
    f"<details><summary>Clew</summary>{P}</details><p>The end.</p>",
    "table": f"<table><tr><th>Term</th><th>Definition</th></tr><tr><td>Aft</td><td>{P}</td></tr><tr><td>Bow</td><td>{P}</td></tr></table>",
    "table without header": f"<table><tr><td>Aft</td><td>{P}</td></tr><tr><td>Bow</td><td>{P}</td></tr><tr><td>Clew</td><td>{P}</td></tr></table>",
    "table in a layout table": f"<table><tr><td>menu</td><td><table><tr><td><b>Term</b></td><td><b>Meaning</b></td></tr>"
    f"<tr><td>Aft</td><td>{P}</td></tr><tr><td>Bow</td><td>{P}</td></tr></table></td></tr></table>",
    "dfn": f"<p><dfn>Aft</dfn>. {P}</p><p><dfn>Bow</dfn> {P}</p><p><dfn>Clew</dfn>. {P}</p>",
    "classes": f'<div><span class="glossary-term">Aft</span><p class="glossary-definition">{P}</p></div>'
    f'<div><span class="glossary-term">Bow</span><p class="glossary-definition">{P}</p></div>',
    "linked bullets": f"<ul><li><a href=/a>Aft</a> – {P}</li><li><a href=/b>Bow</a> – {P}</li><li><a href=/c>Clew</a> – {P}</li></ul>",
}  # fmt: skip


@pytest.mark.parametrize("structure", GLOSSARIES)
def test_structure_gives_its_terms(structure: str) -> None:
    assert _terms(_page(GLOSSARIES[structure])) in (["Aft", "Bow"], ["Aft", "Bow", "Clew"])


NOT_GLOSSARIES = {
    "questions": f"<dl><dt>What is it?</dt><dd>{P}</dd><dt>Why?</dt><dd>{P}</dd></dl>",
    "signatures": f'<dl class="py function"><dt>foo(x)</dt><dd>{P}</dd></dl><dl class="py class"><dt>Bar</dt><dd>{P}</dd></dl>',
    "book data": "<dl><dt>Author</dt><dd>Jo Doe</dd><dt>Published</dt><dd>1999</dd><dt>ISBN</dt><dd>123</dd></dl>",
    "options": f"<dl><dt>-a</dt><dd>{P}</dd><dt>--all</dt><dd>{P}</dd></dl>",
    "code names": f"<dl><dt><code>name</code></dt><dd>{P}</dd><dt><code>value</code></dt><dd>{P}</dd></dl>",
    "indentation": f"<dl><dd>{P}<dl><dd>{P}</dd></dl></dd></dl>",
    "talk": "<dl><dt>Merge</dt><dd>I agree with this. Jo 12:01, 3 May 2020 (UTC)</dd><dt>Keep</dt><dd>Me too, of course.</dd></dl>",
    "navbox": f'<div class="navbox"><dl><dt>Aft</dt><dd>{P}</dd><dt>Bow</dt><dd>{P}</dd></dl></div>',
    "gallery": f'<dl class="gallery-item"><dt class="gallery-icon">Aft</dt><dd>{P}</dd></dl>',
    "article": f"<p><b>Kiel</b> is a city. {P}</p><h2>History</h2><p>{P}</p><h2>Harbour</h2><p>{P}</p><h2>Trade</h2><p>{P}</p>",
    "features": "".join(f"<ul><li><b>Fast {n}</b>: makes it quick and easy</li></ul>" for n in range(8)),
    "numbers": "<table><tr><th>Year</th><th>Boats</th></tr><tr><td>1999</td><td>12</td></tr><tr><td>2000</td><td>14</td></tr></table>",
    "links": "<ul><li><a href=/a>Aft</a></li><li><a href=/b>Bow</a></li></ul>",
    "repeated labels": f"<dl><dt>Description</dt><dd>{P}</dd><dt>Solution</dt><dd>{P}</dd></dl>" * 4,
    "objects of a manual": "<script>DOCUMENTATION_OPTIONS</script><table><tr><th>Object Name</th><th>Description</th></tr>"
    + f"<tr><td>BowThruster</td><td>{P}</td></tr>" * 2 + f"<tr><td>KeelBlock</td><td>{P}</td></tr></table>",
    "parameters": "<table><tr><th>Parameter</th><th>Default</th><th>Description</th></tr>"
    + f"<tr><td>speed</td><td>1</td><td>{P}</td></tr><tr><td>depth</td><td>2</td><td>{P}</td></tr>"
    + f"<tr><td>draught</td><td>3</td><td>{P}</td></tr></table>",
    "nothing": "",
}  # fmt: skip


@pytest.mark.parametrize("lookalike", NOT_GLOSSARIES)
def test_lookalike_gives_nothing_and_a_reason(lookalike: str) -> None:
    found = extract(_page(NOT_GLOSSARIES[lookalike], title="The harbour of Kiel"))
    assert (found.terms, found.entries, found.verdict.is_glossary) == (0, (), False)
    assert found.verdict.reason


def test_index_of_a_book_is_no_glossary_though_it_has_an_alphabet() -> None:
    letters = "".join(
        f"<h2>{c}</h2><dl><dt>{c}ft</dt><dd>page 12, 31</dd><dt>{c}ow</dt><dd>page 3</dd></dl>"
        for c in "ABCD"
    )
    assert not extract(_page(letters, title="Index")).verdict.is_glossary


def test_translations_under_a_term_belong_to_its_definition() -> None:
    section = "<h2>1.{n} {term}</h2><ul><li><b>UK</b>: a</li><li><b>FR</b>: b</li><li><b>DE</b>: c</li></ul><p>{p}</p>"
    page = "".join(section.format(n=n, term=t, p=P) for n, t in enumerate(("Aft", "Bow", "Clew"), start=1))
    found = extract(_page(page))
    assert [e.term for e in found.entries] == ["Aft", "Bow", "Clew"]
    assert found.entries[0].senses[0].endswith(P)


def test_short_list_is_a_glossary_where_it_is_the_whole_file() -> None:
    alone = "".join(f"<dt>{t}</dt><dd>{P}</dd>" for t in ("Aft", "Bow", "Clew"))
    assert _terms(f"<dl>{alone}</dl>") == ["Aft", "Bow", "Clew"]
    assert _terms(f"<p>{P * 3}</p><dl>{alone}</dl>") == []


def _only(html: str) -> Extraction:
    found = extract(_page(html + f"<dl><dt>Other</dt><dd>{P}</dd></dl>"))
    assert found.entries[-1].term == "Other"
    return found


def _names(html: str) -> set[tuple[str, str, str]]:
    return {(a.text, a.kind, a.lang) for a in _only(html).entries[0].aliases}


def test_dt_in_a_row_are_one_entry() -> None:
    html = f"<dl><dt>frequency modulation</dt><dt>FM</dt><dt>freq mod</dt><dd>{P}</dd></dl>"
    assert _names(html) == {("FM", "abbreviation", ""), ("freq mod", "synonym", "")}


def test_dd_in_a_row_are_senses_without_their_numbers() -> None:
    found = _only(
        "<dl><dt>bug</dt><dd>1. A fault in a program.</dd><dd>2. An animal with six legs.</dd></dl>"
    )
    assert found.entries[0].senses == ("A fault in a program.", "An animal with six legs.")


def test_hatnote_dd_gives_names() -> None:
    html = f'<dl><dt>bow</dt><dd><div class="hatnote">Also <b>stem</b> and <b>FRT</b>.</div></dd><dd>{P}</dd></dl>'
    assert _names(html) == {("stem", "synonym", ""), ("FRT", "abbreviation", "")}


@pytest.mark.parametrize(
    "text",
    [
        "See bow.",
        "<i>See</i> <a href='#x'>bow</a>",
        "→ bow",
        "bow 참조",
        "Siehe bow.",
        "bow을 참고",
        "(see bow)",
    ],
)
def test_whole_dd_that_points_is_a_redirect(text: str) -> None:
    found = _only(f"<dl><dt>bow</dt><dd>{P}</dd><dt>front</dt><dd>{text}</dd></dl>")
    assert (found.terms, found.redirects, len(found.entries)) == (3, 1, 2)
    assert [(a.text, a.kind) for a in found.entries[0].aliases] == [("front", "redirect")]


def test_redirect_to_nothing_is_dropped_by_reason() -> None:
    found = _only("<dl><dt>front</dt><dd>See keel.</dd></dl>")
    assert found.dropped == {"points to a term that is not here": 1}


def test_see_also_tail_is_no_part_of_the_definition() -> None:
    assert _only(f"<dl><dt>bow</dt><dd>{P}<br>See also: <a>stern</a></dd></dl>").entries[0].senses == (P,)


def test_nested_list_is_text_and_not_terms() -> None:
    found = _only("<dl><dt>sail</dt><dd>One of: <dl><dt>jib</dt><dd>in front of the mast</dd></dl></dd></dl>")
    assert found.terms == 2
    assert found.entries[0].senses == ("One of: jib in front of the mast",)


@pytest.mark.parametrize(
    ("head", "term", "names"),
    [
        (
            "가설 (假說, 영어: hypothesis)",
            "가설",
            {("假說", "translation", "zh"), ("hypothesis", "translation", "en")},
        ),
        ("pulse-width modulation (PWM)", "pulse-width modulation", {("PWM", "abbreviation", "")}),
        ("PWM (pulse-width modulation)", "PWM", {("pulse-width modulation", "full_form", "")}),
        ("abstract class (추상 클래스)", "abstract class", {("추상 클래스", "translation", "ko")}),
        (
            "객체 (Shared Object) (DSO)",
            "객체",
            {("Shared Object", "translation", "en"), ("DSO", "abbreviation", "")},
        ),
        ("dog (Canis)", "dog (Canis)", set()),
    ],
)
def test_parenthesis_of_a_headword(head: str, term: str, names: set[tuple[str, str, str]]) -> None:
    html = f"<dl><dt>{head}</dt><dd>{P}</dd></dl>"
    assert _only(html).entries[0].term == term
    assert _names(html) == names


def test_dfn_data_lt_gives_names_and_see_lines_redirects() -> None:
    found = extract(
        _page(
            f'<p><dfn data-lt="fore|FWD" data-plurals="bows">bow</dfn>. {P}</p><p><dfn>aft</dfn>. {P}</p>'
            f"<p><dfn>clew</dfn>. {P}</p><p><strong>front</strong>, see <a>bow</a>.</p>"
        )
    )
    assert {(a.text, a.kind) for a in found.entries[0].aliases} == {
        ("fore", "synonym"), ("FWD", "abbreviation"), ("bows", "plural"), ("front", "redirect"),
    }  # fmt: skip
    assert found.terms == 3


def test_table_spans_columns_of_names_and_repeated_groups() -> None:
    rows = (
        "<tr><th>용어</th><th>약어</th><th>영어</th><th>뜻</th></tr>"
        "<tr><td colspan=4>ㄱ</td></tr>"
        "<tr><td rowspan=2>저항기</td><td>R</td><td>resistor</td><td>전류를 방해하는 소자</td></tr>"
        "<tr><td></td><td>resistance</td><td>전류를 방해하는 정도</td></tr>"
        "<tr><td>축전기</td><td>CAP</td><td>capacitor</td><td>전하를 모으는 소자</td></tr>"
        "<tr><td>인덕터</td><td></td><td>inductor</td><td>자속을 만드는 소자</td></tr>"
    )
    found = extract(f"<html lang=ko><body><h1>부품</h1><table>{rows}</table></body></html>")
    assert [(t.term, len(t.senses)) for t in found.entries] == [("저항기", 2), ("축전기", 1), ("인덕터", 1)]
    assert {(a.text, a.kind, a.lang) for a in found.entries[1].aliases} == {
        ("CAP", "abbreviation", ""),
        ("capacitor", "translation", "en"),
    }
    twice = (
        "<table><tr><th>Term</th><th>Meaning</th><th>Term</th><th>Meaning</th></tr>"
        f"<tr><td>a1</td><td>{P}</td><td>b1</td><td>{P}</td></tr><tr><td>a2</td><td>{P}</td><td>b2</td><td>{P}</td></tr></table>"
    )
    assert set(_terms(_page(twice))) == {"a1", "a2", "b1", "b2"}


def test_text_is_clean() -> None:
    html = (
        '<dl><dt id=t>caf\u0065\u0301<a class="headerlink" href="#t">¶</a></dt><dd>A\u00a0place<sup class="reference">[1]</sup>'
        '<style>x</style> for <math><annotation encoding="application/x-tex">{\\displaystyle x^2}</annotation></math>'
        " cups\x00 \u200f.[2]<figure><figcaption>A cup</figcaption></figure></dd></dl>"
    )
    entry = _only(html).entries[0]
    assert (entry.term, entry.anchor) == ("caf\u00e9", "t")
    assert entry.senses == ("A place for $x^2$ cups \u200f.",)


def test_markdown_forms() -> None:
    text = f"# Glossary\n\n- **Aft** - {P}\n- **Bow** (stem): {P}\n\n| Term | Definition |\n|---|---|\n| Clew | {P} |\n| Deck | {P} |\n\nEye\n: {P}\n: Another one of them.\n"
    found = extract(markdown_to_html(text))
    assert sorted(t.term for t in found.entries) == ["Aft", "Bow", "Clew", "Deck", "Eye"]
    assert next(t for t in found.entries if t.term == "Eye").senses == (P, "Another one of them.")


def test_glossary_section_of_a_long_page_is_found_alone() -> None:
    text = f"# Boats\n\nText.\n\n## Use\n\n- **Fork** - {P}\n- **Push** - {P}\n\n## Glossary\n\n- **Aft** - {P}\n- **Bow** - {P}\n- **Clew** - {P}\n"
    assert _terms(markdown_to_html(text)) == ["Aft", "Bow", "Clew"]


def test_page_of_one_term() -> None:
    html = (
        f"<title>Bow | Glossary | Boats</title><main><h1>Bow</h1><p>{P}</p><h2>See also</h2><p>x</p></main>"
    )
    assert [(t.term, t.senses) for t in extract(html).entries] == [("Bow", (P,))]


def test_without_the_gate_everything_that_pairs_is_taken() -> None:
    html = _page(NOT_GLOSSARIES["book data"], title="A book")
    assert [t.term for t in extract(html, gate=False).entries] == ["Author", "Published", "ISBN"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("<p>접근 제어는 네트워크 영역에 대한 접근을 제한하는 것이다. 용어를 정의한다.</p>", "euc-kr"),
        ("<p>これは日本語の用語集です。漢字とかなが混ざった文章を読みます。</p>", "euc_jp"),
        ("<p>これは日本語の用語集です。漢字とかなが混ざった文章を読みます。</p>", "shift_jis"),
        ("<p>접근 제어</p>", "utf-16"),
        ("<p>접근 제어</p>", "utf-8-sig"),
    ],
)
def test_bytes_without_a_declared_encoding_are_read(text: str, encoding: str) -> None:
    assert text in to_html(text.encode(encoding), place="page", suffix=".html")[0]


@pytest.mark.parametrize(
    "body", [b"", b"  \n", b"%PDF-1.7 x", b"PK\x03\x04xx", b'{"error":{"code":"x","info":"No such page"}}']
)
def test_what_is_no_page_is_one_message(body: bytes) -> None:
    with pytest.raises(UserError) as caught:
        to_html(body, place="thing.bin")
    assert str(caught.value).count("\n") <= 2


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_exception(body: bytes) -> None:
    try:
        html, _ = to_html(body, place="page")
    except UserError:
        return
    extract(html, gate=False)


_PIECES = st.sampled_from(
    ["<dl>", "</dl>", "<dt>", "<dd>", "<b>", "</b>", "<ul><li>", "</ul>", "<table><tr><th>Term<th>Definition", "<td>", "<tr>",
     "<td rowspan=3>", "<td colspan=99999>", "<h2>", "</h2>", "<p>", "<br>", "<dfn>", "See x", ": ", "Glossary", "가설 (假說)", "1. ", "\x00", "&nbsp;", "<details><summary>"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_PIECES, max_size=40))
def test_any_markup_is_read_without_an_exception(pieces: list[str]) -> None:
    html = "<h1>Glossary</h1>" + "".join(pieces)
    found = extract(html, gate=False)
    assert all(t.term and t.senses and all(t.senses) for t in found.entries)
    extract(markdown_to_html("\n".join(pieces)))


def test_deep_and_wide_pages_do_not_hang() -> None:
    start = time.process_time()
    extract("<div>" * 20_000 + "x")
    extract("<dl>" * 500 + f"<dt>a<dd>{P}")
    extract(
        _page(
            "<table><tr><th>Term<th>Definition</tr>"
            + "<tr><td rowspan=999 colspan=999>x<td>y" * 200
            + "</table>"
        )
    )
    assert time.process_time() - start < 10
