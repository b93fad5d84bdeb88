# ruff: noqa: E501 (documents are written as one line)
"""Every format of `--from-file` gives the terms of a small glossary; every other file is told by its kind."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.crawler.pottery import KOREAN, POTTERY, each, page

from embedkit.crawler import CrawlOptions, crawl
from embedkit.data.entries import Entry
from embedkit.data.reading import read_glossary
from embedkit.errors import UserError

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="http://www.w3.org/2004/02/skos/core#"'
PREFIX = "@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix : <http://example.org/> .\n"
TBX2 = '<?xml version="1.0"?><!DOCTYPE martif SYSTEM "TBXcoreStructV02.dtd"><martif type="TBX" xml:lang="en"><martifHeader><fileDesc><titleStmt><title>Pottery</title></titleStmt></fileDesc></martifHeader><text><body>{}</body></text></martif>'
TBX3 = '<?xml version="1.0"?><tbx style="{style}" type="TBX-Basic" xml:lang="en" xmlns="urn:iso:std:iso:30042:ed-2"{more}><text><body>{rows}</body></text></tbx>'
ASCIIDOC_BLANK = "= Pottery\n:toc:\n\n[glossary]\n== Glossary\n\n" + each("[[{s}]]{t}::\n\n  {d}\n\n")
KRAMDOWN = "# Glossary\n\n" + each("{t}\n{: #{s} .term }\n: {d}\n\n")
FILES = {
    "tbx2.tbx": TBX2.format(each('<termEntry id="c{n}"><langSet xml:lang="en"><descrip type="definition">{d}</descrip><tig><term>{t}</term></tig></langSet></termEntry>')),
    "tbx2-ntig.xml": TBX2.format(each('<termEntry id="c{n}"><descripGrp><descrip type="definition">{d}</descrip></descripGrp><langSet xml:lang="en-GB"><ntig><termGrp><term>{t}</term></termGrp></ntig></langSet></termEntry>')),
    "tbx3-dca.tbx": TBX3.format(style="dca", more="", rows=each('<conceptEntry id="c{n}"><langSec xml:lang="en"><descripGrp><descrip type="definition">{d}</descrip></descripGrp><termSec><term>{t}</term><termNote type="partOfSpeech">noun</termNote></termSec></langSec></conceptEntry>')),
    "tbx3-dct.tbx": TBX3.format(style="dct", more=' xmlns:basic="http://www.tbxinfo.net/ns/basic"', rows=each('<conceptEntry id="c{n}"><langSec xml:lang="en"><basic:definition>{d}</basic:definition><termSec><term>{t}</term></termSec></langSec></conceptEntry>')),
    "skos.rdf": f'<?xml version="1.0"?><rdf:RDF {RDF}>' + each('<skos:Concept rdf:about="#c{n}"><skos:prefLabel xml:lang="en">{t}</skos:prefLabel><skos:definition xml:lang="en">{d}</skos:definition></skos:Concept>') + "</rdf:RDF>",
    "described.xml": f'<?xml version="1.0"?><rdf:RDF {RDF}>' + each('<rdf:Description rdf:about="#c{n}"><rdf:type rdf:resource="http://www.w3.org/2004/02/skos/core#Concept"/><skos:prefLabel>{t}</skos:prefLabel><skos:definition>{d}</skos:definition></rdf:Description>') + "</rdf:RDF>",
    "skos.ttl": PREFIX + each(':c{n} a skos:Concept ; skos:prefLabel "{t}"@en ; skos:definition "{d}"@en .\n'),
    "notes.ttl": PREFIX + each(':c{n} skos:prefLabel "{t}" ; skos:definition [ <http://www.w3.org/1999/02/22-rdf-syntax-ns#value> "{d}" ] .\n'),
    "skos.nt": each('<http://e.org/{n}> <http://www.w3.org/2004/02/skos/core#prefLabel> "{t}"@en .\n<http://e.org/{n}> <http://www.w3.org/2004/02/skos/core#definition> "{d}"@en .\n'),
    "skos.jsonld": json.dumps({"@context": {"skos": "http://www.w3.org/2004/02/skos/core#"}, "@graph": [{"@id": f"#c{n}", "skos:prefLabel": {"@language": "en", "@value": t}, "skos:definition": d} for n, (t, d) in enumerate(POTTERY.items())]}),
    "remote.jsonld": json.dumps({"@context": "https://example.org/skos-context.json", "@graph": [{"id": f"http://e.org/{n}", "prefLabel": t, "definition": d} for n, (t, d) in enumerate(POTTERY.items())]}),
    "docbook5.xml": '<?xml version="1.0"?><glossary xmlns="http://docbook.org/ns/docbook"><title>Pottery</title>' + each('<glossentry xml:id="g{n}"><glossterm>{t}</glossterm><glossdef><para>{d}</para><glossseealso otherterm="x">Clay</glossseealso></glossdef></glossentry>') + "</glossary>",
    "docbook4.xml": '<?xml version="1.0"?><!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "docbookx.dtd"><book><title>Clay</title><glossary><glossdiv><title>A&ndash;Z</title>' + each('<glossentry id="g{n}"><glossterm>{t}</glossterm><glossdef><para>{d}</para></glossdef></glossentry>') + "</glossdiv></glossary></book>",
    "variables.dbk": '<article><title>Glossary of pottery</title><variablelist>' + each("<varlistentry><term>{t}</term><listitem><para>{d}</para></listitem></varlistentry>") + "</variablelist></article>",
    "group.dita": '<?xml version="1.0"?><!DOCTYPE glossgroup PUBLIC "-//OASIS//DTD DITA Glossary Group//EN" "glossgroup.dtd"><glossgroup id="g"><title>Pottery</title>' + each('<glossentry id="x{n}"><glossterm>{t}</glossterm><glossdef>{d}</glossdef></glossentry>') + "</glossgroup>",
    "list.dita": '<topic id="t"><title>Terms</title><body><dl>' + each("<dlentry><dt>{t}</dt><dd>{d}</dd></dlentry>") + "</dl></body></topic>",
    "sphinx.rst": "Glossary\n========\n\n.. glossary::\n   :sorted:\n\n" + each("   {t}\n      {d}\n\n"),
    "plain.rst": "Glossary\n========\n\n.. contents::\n\n" + each("{t}\n   {d}\n\n"),
    "fields.rst": "Glossary\n========\n\n.. _x:\n\n" + each("**{t}**\n  {d}\n\n"),
    "labels.adoc": "= Glossary\n\n[glossary]\n" + each("{t}:: {d}\n"),
    "blank.adoc": ASCIIDOC_BLANK,
    "bold.adoc": "= Glossary\n\n" + each("[#{s}]\n*{t}*:: {d}\n"),
    "table.adoc": '= Glossary\n\n[cols="1,3",options="header"]\n|===\n|Term |Definition\n\n' + each("|{t}\n|{d}\n\n") + "|===\n",
    "titles.adoc": "= Glossary\n\n" + each("== {t}\n\n{d}\n\n"),
    "list.org": "#+TITLE: Glossary\n\n" + each("- {t} :: {d}\n"),
    "wrapped.org": "#+title: Glossary\n#+STARTUP: overview\n\n" + each("- {t} ::\n  {d}\n"),
    "headings.org": "#+TITLE: Glossary\n\n" + each("* {t}\n:PROPERTIES:\n:ID: {n}\n:END:\n{d}\n\n"),
    "list.wikitext": "== Glossary ==\n" + each("; {t} : {d}\n"),
    "two.wiki": "= Glossary =\n" + each("; [[{t}]]\n: {d}<ref>Leach, p. {n}</ref>\n"),
    "templates.wikitext": "{{short description|Terms}}\nThis '''glossary of pottery''' explains terms.\n\n== A ==\n{{glossary}}\n" + each("{{term|{s}|content={t}}}\n{{defn|{d}}}\n") + "{{glossary end}}\n",
    "bold.wikitext": "== Glossary ==\n" + each("* '''{t}''' – {d}\n"),
    "table.wikitext": '== Glossary ==\n{| class="wikitable"\n! Term !! Definition\n' + each("|-\n| {t} || {d}\n") + "|}\n",
    "dash.txt": "Glossary\n\n" + each("{t} - {d}\n\n"),
    "colon.txt": each("{t}: {d}\n"),
    "tab.txt": each("{t}\t{d}\n"),
    "indented.txt": "GLOSSARY\n========\n\n" + each("{t}\n    {d}\n\n"),
    "wrapped.txt": "Glossary of pottery\n\n" + each("{t} -- {d}\n").replace(" of ", " of\n   "),
    "numbered.txt": "Glossary\n\n" + each("{n}. {t} - {d}\n"),
    "list.json": json.dumps([{"term": t, "definition": d} for t, d in POTTERY.items()]),
    "map.json": json.dumps(POTTERY),
    "nested.json": json.dumps({"title": "Pottery", "version": "1.2", "terms": [{"name": t, "description": d} for t, d in POTTERY.items()]}),
    "objects.json": json.dumps({"glossary": {t: {"definition": d, "id": n} for n, (t, d) in enumerate(POTTERY.items())}}),
    "letters.json": json.dumps({t[0]: [{"Term": t, "Meaning": d}] for t, d in POTTERY.items()}),
    "senses.json": json.dumps({t: [d] for t, d in POTTERY.items()}),
    "pairs.json": json.dumps([[t, d] for t, d in POTTERY.items()]),
    "map.yaml": each("{t}: {d}\n"),
    "list.yml": "terms:\n" + each("  - term: {t}\n    definition: >\n      {d}\n"),
    "objects.yaml": "# pottery\n" + each("{t}:\n  description: {d}\n  see: none\n"),
    "ids.mdx": "---\ntitle: Glossary\n---\nimport X from '@site/x';\n\n<X />\n\n" + each("## {t} {#{s}}\n\n{d}\n\n"),
    "kramdown.md": KRAMDOWN,
    "classes.md": "# Glossary\n\n" + each("### {t} {#{s} .term}\n\n{d}\n\n"),
    "links.md": "# Glossary\n\n" + each("- **[[{t}]]**: {d}\n"),
    "anchors.md": "# Glossary\n\n" + each('## <a name="{s}"></a>{t}\n\n{d}\n\n'),
    "bold-lines.md": "# Glossary\n\n" + each("**{t}**: {d}\n"),
    "ones.md": each("# {t}\n\n{d}\n\n"),
    "hugo.md": '---\ntitle: "Glossary"\n---\n\n{{% pageinfo %}}\n\n' + each("{t}\n: {d}\n\n"),
    "abbreviations.md": "# Notes\n\nText with BRK in it.\n\n" + each("*[{t}]: {d}\n"),
    "closed.xhtml": '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Glossary</title><script src="a.js"/></head><body><a id="top"/><div/><dl>' + each("<dt>{t}</dt><dd>{d}</dd>") + "</dl></body></html>",
    "prefixed.xhtml": '<?xml version="1.0"?><h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:head><h:title>Glossary</h:title></h:head><h:body><h:dl>' + each("<h:dt>{t}</h:dt><h:dd>{d}</h:dd>") + "</h:dl></h:body></h:html>",
    "table.csv": "term,definition\n" + each('{t},"{d}"\n'),
    "table.tsv": "Term\tDefinition\n" + each("{t}\t{d}\n"),
    "rows.jsonl": "".join(json.dumps({"term": t, "definition": d}) + "\n" for t, d in POTTERY.items()),
    "pre.html": page("<pre>\n" + each("{t} - {d}\n") + "</pre>"),
}  # fmt: skip


def _crawled(files: Sequence[Path], folder: Path) -> list[Entry]:
    crawl(CrawlOptions(from_file=list(files), output=folder / "glossary.csv"))
    return list(read_glossary(folder / "glossary.csv"))


def _written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", FILES)
def test_format_gives_its_terms_and_their_definitions(name: str, tmp_path: Path) -> None:
    rows = _crawled([_written(tmp_path, name, FILES[name])], tmp_path)
    assert {row.term: row.definition for row in rows} == POTTERY
    assert {row.lang for row in rows} == {"en"}
    assert not any(row.aliases for row in rows)


def _saved(encoding: str) -> bytes:
    html = page("<dl>" + each("<dt>{t}</dt><dd>{d} 도자기 용어이다.</dd>") + "</dl>")
    message = EmailMessage()
    message["From"] = "<Saved by Blink>"
    message["Snapshot-Content-Location"] = "https://example.org/pottery"
    message.set_content(html, subtype="html", cte=encoding)
    message.make_related()
    message.add_related(b"\x89PNG", "image", "png")
    return message.as_bytes()


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
@pytest.mark.parametrize("name", ["page.mhtml", "page.mht", "page.html"])
def test_page_saved_as_a_single_file(encoding: str, name: str, tmp_path: Path) -> None:
    rows = _crawled([_written(tmp_path, name, _saved(encoding))], tmp_path)
    assert [row.term for row in rows] == list(POTTERY)
    assert rows[0].definition == POTTERY["Bisque"] + " 도자기 용어이다."
    assert rows[0].source_url.startswith("https://example.org/pottery")


def test_term_base_in_two_languages_gives_an_entry_for_each_that_defines(tmp_path: Path) -> None:
    entry = (
        '<termEntry id="c1"><langSet xml:lang="en"><descrip type="definition">A coat of glass on a pot.</descrip>'
        '<tig><term>glaze</term><termNote type="administrativeStatus">preferredTerm-admn-sts</termNote></tig>'
        '<tig><term>glazing</term><termNote type="administrativeStatus">admittedTerm-admn-sts</termNote></tig></langSet>'
        f'<langSet xml:lang="ko"><descrip type="definition">{KOREAN["유약"]}</descrip><tig><term>유약</term></tig></langSet>'
        '<langSet xml:lang="de"><tig><term>Glasur</term></tig></langSet></termEntry>'
    )
    rows = _crawled([_written(tmp_path, "glaze.tbx", TBX2.format(entry))], tmp_path)
    assert {(r.lang, r.term, r.definition) for r in rows} == {
        ("en", "glaze", "A coat of glass on a pot."),
        ("ko", "유약", KOREAN["유약"]),
    }
    names = {(a.text, a.kind, a.lang) for r in rows if r.lang == "en" for a in r.aliases}
    assert names == {
        ("glazing", "synonym", ""),
        ("유약", "translation", "ko"),
        ("Glasur", "translation", "de"),
    }


def test_names_of_a_vocabulary_are_synonyms_and_translations(tmp_path: Path) -> None:
    text = (
        PREFIX
        + ':c skos:prefLabel "glaze"@en, "유약"@ko ; skos:altLabel "coating"@en ; skos:definition "A coat of glass."@en .\n'
    )
    (row,) = _crawled([_written(tmp_path, "v.ttl", text)], tmp_path)
    assert (row.term, row.lang) == ("glaze", "en")
    assert {(a.text, a.kind, a.lang) for a in row.aliases} == {
        ("coating", "synonym", ""),
        ("유약", "translation", "ko"),
    }


FRONT = "---\ntitle: {t}\nid: {s}\nshort_description: >\n  Short.\naka:\n- {t} ware\ntags:\n- core\n---\n {d}\n\n<!--more-->\n\nMore about it.\n"


def test_folder_with_a_file_for_each_term(tmp_path: Path) -> None:
    for n, (term, text) in enumerate(POTTERY.items()):
        _written(
            tmp_path,
            f"content/en/glossary/{n}.md",
            FRONT.replace("{t}", term).replace("{d}", text).replace("{s}", str(n)),
        )
    _written(tmp_path, "content/en/glossary/_index.md", "---\ntitle: Glossary\n---\n")
    rows = _crawled([tmp_path / "content"], tmp_path)
    assert {row.term: row.definition for row in rows} == POTTERY
    assert rows[0].names == ("Bisque ware",)


def test_folder_of_titles_alone(tmp_path: Path) -> None:
    for n, (term, text) in enumerate(POTTERY.items()):
        _written(tmp_path, f"glossary/{n}.md", f"---\ntitle: {term}\n---\n{text}\n")
    assert {row.term: row.definition for row in _crawled([tmp_path / "glossary"], tmp_path)} == POTTERY


def test_zipped_export_gives_the_terms_of_its_pages(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("Export/index.html", page("<p>Welcome.</p>", title="Index"))
        archive.writestr("Export/glossary.html", page("<dl>" + each("<dt>{t}</dt><dd>{d}</dd>") + "</dl>"))
        archive.writestr("Export/logo.png", b"\x89PNG")
    rows = _crawled([tmp_path / "export.zip"], tmp_path)
    assert {row.term: row.definition for row in rows} == POTTERY


OTHERS = {
    "a.pdf": (b"%PDF-1.7 x", "a PDF file", "pdftotext"),
    "b.docx": (b"PK\x03\x04word", "word processor", "save it as a web page"),
    "c.xls": (b"\xd0\xcf\x11\xe0\xa1", "old spreadsheet", ".xlsx"),
    "d.po": (b'msgid "clay"\nmsgstr "Ton"\n', "translation file", "compose"),
    "e.tmx": (b'<?xml version="1.0"?><tmx version="1.4"><body/></tmx>', "translation file", "compose"),
    "f.tex": (b"\\newglossaryentry{a}{name=a}", "LaTeX", "pandoc"),
    "g.ipynb": (b'{"cells": []}', "notebook", "nbconvert"),
    "h.tar.gz": (b"\x1f\x8b\x08\x00", "packed", "unpack"),
    "i.png": (b"\x89PNG\r\n", "a picture", "text"),
    "j.py": (b"x = 1\n", "program text", "documentation"),
    "k.bin": (bytes(range(256)) * 4, "weights", "embedkit search"),
    "l": (bytes(range(256)) * 4, "a data file", "export"),
    "m.toml": (b"[x]\na = 1\n", "settings", "--config"),
    "pairs.jsonl": (b'{"anchor": "a", "positive": "b", "hard_negatives": ["c"]}\n', "pairs", "embedkit train"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_file_of_another_kind_is_told_with_the_next_step(name: str, tmp_path: Path) -> None:
    body, kind, step = OTHERS[name]
    with pytest.raises(UserError) as refused:
        _crawled([_written(tmp_path, name, body)], tmp_path)
    assert kind in str(refused.value)
    assert step in str(refused.value)
    assert str(refused.value).count("\n") <= 2


BROKEN = {
    "a.tbx": "<martif><text>",
    "bomb.tbx": '<!DOCTYPE martif [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><martif>&b;</martif>',
    "b.ttl": ":a skos:prefLabel",
    "c.json": '{"a": ',
    "d.yaml": "a: [b\n: c",
    "aliases.yaml": "a: &x [1]\nb: *x\n",
    "e.jsonld": "[",
    "f.zip": "PK\x03\x04 no archive",
    "numbers.json": "[1, 2, 3]",
    "package.json": '{"name": "x", "version": "1.0.0", "scripts": {"build": "make"}}',
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_one_message(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        _crawled([_written(tmp_path, name, BROKEN[name])], tmp_path)
    assert str(refused.value).count("\n") <= 2


def crawled(folder: Path, name: str, body: str | bytes) -> list[Entry]:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    crawl(CrawlOptions(from_file=[path], output=folder / "out.csv", force=True))
    return list(read_glossary(folder / "out.csv"))


TWICE = """<h1>Glossary of law</h1><dl><dt>신장(腎臟)</dt><dt>kidney</dt><dd>피를 걸러 소변을 만드는 장기.</dd>
<dt>신장(身長)</dt><dt>height</dt><dd>발바닥에서 머리끝까지의 길이.</dd>
<dt>draw</dt><dd>To take the top card of a pile.</dd><dt>draw</dt><dt>tie</dt><dd>A result with no winner.</dd></dl>"""


def test_a_headword_of_two_things_has_the_names_of_each(tmp_path: Path) -> None:
    found = [(e.term, set(e.names)) for e in crawled(tmp_path, "law.html", TWICE)]
    assert found == [
        ("신장", {"腎臟", "kidney"}),
        ("신장", {"身長", "height"}),
        ("draw", set()),
        ("draw", {"tie"}),
    ]


def test_entries_of_one_headword_have_ids_of_their_own(tmp_path: Path) -> None:
    entries = crawled(tmp_path, "law.html", TWICE)
    assert len({entry.entry_id for entry in entries}) == len(entries)


@pytest.mark.parametrize(
    "line", ["Also: tie, drawn game", "Also called: tie and drawn game", "동의어: tie, drawn game"]
)
def test_a_last_line_of_other_names_is_no_part_of_the_definition(line: str, tmp_path: Path) -> None:
    items = "".join(
        f"<h3>{t}</h3><p>{d}</p>" for t, d in (("hex", "One cell of a map."), ("chit", "A square of board."))
    )
    page = f"<h1>Glossary of games</h1>{items}<h3>draw</h3><p>A result with no winner.</p><p>{line}</p>"
    entry = crawled(tmp_path, "games.html", page)[-1]
    assert (entry.term, entry.definition, set(entry.names)) == (
        "draw",
        "A result with no winner.",
        {"tie", "drawn game"},
    )


def test_a_column_called_also_called_holds_other_names(tmp_path: Path) -> None:
    rows = "".join(
        f"<tr><td>{t}</td><td>What {t} is, in a game.</td><td>{t}let</td></tr>"
        for t in ("hex", "chit", "die")
    )
    head = "<tr><th>Term</th><th>Meaning</th><th>Also called</th></tr>"
    page = f"<h1>Glossary of games</h1><table>{head}{rows}</table>"
    assert [e.names for e in crawled(tmp_path, "games.html", page)] == [
        ("hexlet",),
        ("chitlet",),
        ("dielet",),
    ]


def test_a_spreadsheet_is_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (
        ("용어", "설명"),
        ("저당권", "부동산을 담보로 잡는 권리."),
        ("유치권", "물건을 잡아 두는 권리."),
    ):
        book.active.append(row)
    book.save(tmp_path / "law.xlsx")
    found = crawled(tmp_path, "law.xlsx", (tmp_path / "law.xlsx").read_bytes())
    assert [entry.term for entry in found] == ["저당권", "유치권"]


def test_templates_of_a_glossary_without_those_around_them(tmp_path: Path) -> None:
    body = "== A ==\n" + "".join(
        f"{{{{term|{t}}}}}\n{{{{defn|What {t} is.}}}}\n" for t in ("hex", "chit", "die")
    )
    assert [entry.term for entry in crawled(tmp_path, "games.wiki", body)] == ["hex", "chit", "die"]


def test_a_crawl_never_replaces_what_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("term,definition\nhex,One cell.\nchit,A square.\n")
    with pytest.raises(UserError, match="is an input"):
        crawl(CrawlOptions(from_file=[path], output=path, force=True))
    assert path.read_text().startswith("term,definition\nhex")
