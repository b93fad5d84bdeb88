"""No page hangs: pages made to be slow are refused or read within two seconds, and any text gives an answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.crawler.extract.decode import decode
from embedkit.crawler.extract.guard import refusal
from embedkit.crawler.extract.page import extract

SIZE = 10 * 1024 * 1024
LIST = "<title>Glossary</title><dl><dt>a<dd>{}<dt>b<dd>some more words</dl>"


def _full(unit: str) -> str:
    return unit * (SIZE // len(unit))


HOSTILE = {
    "deep": lambda: "<div>" * 30_000,
    "deep and many": lambda: _full("<div>"),
    "formats": lambda: "".join(f"<b id={i}><p>" for i in range(20_000)),
    "formats and blocks": lambda: "".join(f"<b id={i}>" for i in range(1500)) + "<p>x" * 30_000,
    "entries": lambda: "<dl>" + _full("<dt>a b<dd>some words of prose"),
    "spans": lambda: "<table><tr>" + "<td rowspan=1000 colspan=60>a" * 2000 + "<tr>" * 1000,
    "brackets": lambda: LIST.format("x").replace("<dt>a", "<dt>" + "( " * 1_000_000),
    "math": lambda: LIST.format("&lt;math>" * 200_000 + "&lt;/math>"),
    "see": lambda: LIST.format(". see " * 500_000),
    "stray brackets": lambda: "< " * 2_000_000,
    "text": lambda: "a b c " * 1_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_page_made_to_be_slow_is_answered_in_two_seconds(name: str) -> None:
    html = HOSTILE[name]()
    started = time.process_time()
    extract(html)
    assert time.process_time() - started < 2


def test_refusal_says_why() -> None:
    assert extract("<div>" * 30_000).verdict.reason == "its elements are nested too deep"
    assert refusal("<p>" * 260_000) == "over 250,000 elements"
    assert refusal("<p>a paragraph</p>" * 20_000) == ""


def test_large_glossary_is_no_attack() -> None:
    row = "<div><dt id=t{n}><a href=#t{n}><b>Term {n}</b></a></dt><dd><p>A <i>term</i>, <b>{n}</b>.</p></dd></div>"
    html = "<title>Glossary</title><dl>" + "".join(row.replace("{n}", str(n)) for n in range(9000)) + "</dl>"
    assert len(extract(html).entries) == 9000


@given(st.text(max_size=300) | st.binary(max_size=300).map(decode))
def test_any_text_gives_an_answer(text: str) -> None:
    extract(text)


TAGS = st.sampled_from("dl dt dd p li ul b dfn table tr td th h2 h3 br math summary details".split())  # noqa: SIM905
FORMS = st.sampled_from(["<{}>", "</{}>", "<{} class=term id=x>"])


@given(st.lists(st.tuples(FORMS, TAGS, st.text("ab ():;", max_size=6))))
def test_any_markup_gives_an_answer(parts: list[tuple[str, str, str]]) -> None:
    extract(
        "<title>Glossary</title>" + "".join(tag.format(name) + text for tag, name, text in parts), gate=False
    )


def test_manual_that_marks_its_glossaries_has_none_in_other_lists() -> None:
    rows = "".join(f"<dt>Option {i}</dt><dd>What it does to the picture.</dd>" for i in range(9))
    head = '<meta name="generator" content="DocBook XSL Stylesheets V1.79.1"><title>{}</title>'
    assert extract(head.format("Blur") + f"<dl>{rows}</dl>").terms == 0
    assert extract(head.format("Glossary") + f"<dl>{rows}</dl>").terms == 9
    assert extract(head.format("Blur") + f"<h2>Terms used here</h2><dl>{rows}</dl>").terms == 9


def test_list_in_an_article_about_something_else_is_no_glossary() -> None:
    rows = "".join(f"<dt>Part {i}</dt><dd>What it does for the whole.</dd>" for i in range(5))
    assert extract(f"<title>News</title><dl>{rows}</dl>").terms == 5
    assert extract(f"<title>News</title><p>{'Much is new. ' * 200}</p><dl>{rows}</dl>").terms == 0
