"""Every kind of table that people have, by small ones of our own: columns, cells, concepts, training rows of others."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from embedkit.compose import ConvertOptions, convert
from embedkit.compose.check.stubs import see_target
from embedkit.compose.concepts.graph import build
from embedkit.compose.mine.suspects import in_contrast
from embedkit.compose.run.compose import compose
from embedkit.compose.run.options import ComposeOptions
from embedkit.compose.templates.concepts import _stopped
from embedkit.data.entries import Alias, Entry, Record, Reject
from embedkit.data.reading import read_entries, read_records
from embedkit.data.table.cells import cleaned_text, is_placeholder, problem_of
from embedkit.data.table.headers import role_of, roles_of_header
from embedkit.errors import UserError
from embedkit.files import sole_use

from .conftest import rows_of


def read(tmp_path: Path, text: str, name: str = "t.csv", **mapping: str) -> list[Record | Reject]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return list(read_records(path, mapping=mapping, quiet=True))


def entries(tmp_path: Path, text: str, name: str = "t.csv", **mapping: str) -> list[Entry]:
    return [r.entry for r in read(tmp_path, text, name, **mapping) if isinstance(r, Record)]


def reasons(tmp_path: Path, text: str, name: str = "t.csv") -> list[str]:
    return [r.reason.partition(" (")[0] for r in read(tmp_path, text, name) if isinstance(r, Reject)]


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("Begriff;Erklärung", "term definition"),
        ("Terme;Définition;Synonymes", "term definition aliases"),
        ("Término;Significado", "term definition"),
        ("用語;説明;英語", "term definition translation"),
        ("术语;定义;缩写", "term definition abbreviation"),
        ("Term (EN);Term (KO);Definition", "term translation definition"),
        ("1. Term;2. Description", "term definition"),
        ("공통표준용어명;공통표준용어설명;공통표준용어영문약어명", "term definition abbreviation"),
        ("Source Term;Translation;Definition", "term translation definition"),
        ("English;English;Deutsch", "term aliases positive"),
        ("Synonym 1;Synonym 2;Term;Meaning", "aliases aliases term definition"),
        ("E_ID;L_CODE;T_TERM", "group lang term"),
        ("CUI;LAT;STR", "group lang term"),
        ("question;answer;term", "anchor positive group"),
        ("Term;Group;Definition", "term definition"),
        ("Wort;eine Sache", ""),
    ],
)
def test_headers_say_what_their_columns_are(header: str, roles: str) -> None:
    assert " ".join(column.role for column in roles_of_header(header.split(";"))) == roles


def test_one_name_a_row_makes_pairs_within_a_concept(tmp_path: Path) -> None:
    rows = "C1|ENG|resistor\nC1|GER|Widerstand\nC2|ENG|capacitor\nC1|ENG|resister\n"
    found = read(tmp_path, rows, "t.txt", group="1", lang="2", term="3")
    records = [r for r in found if isinstance(r, Record)]
    assert [(r.entry.term, r.entry.definition) for r in records] == [
        ("resistor", "Widerstand"),
        ("resistor", "resister"),
    ]
    assert records[0].entry.lang == "en"
    assert [r.reason for r in found if isinstance(r, Reject)] == ["the only name of its concept"]


def test_the_key_of_a_concept_outweighs_a_shared_name() -> None:
    def keyed(term: str, definition: str, group: str) -> Record:
        return Record("t.csv", 1, Entry(term=term, definition=definition, lang="en"), group=group)

    records = [
        keyed("bank", "keeps money", "1"),
        keyed("bank", "edge of a river", "2"),
        keyed("shore", "x", "2"),
    ]
    assert list(build(records).of_record) == [0, 1, 1]


def test_synonyms_stand_in_columns_and_lists_of_their_own(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path, 'term,synonyms\ncar,"auto, motorcar"\n')
    assert (entry.term, entry.definition, entry.names) == ("car", "auto", ("motorcar",))
    (entry,) = entries(tmp_path, '{"term": "car", "definition": "x y", "synonyms": ["auto"]}\n', "t.jsonl")
    assert entry.names == ("auto",)
    (entry,) = entries(tmp_path, 'term,definition,synonyms\nxylenol,a phenol,"2,4-xylenol; DMP"\n')
    assert entry.names == ("2,4-xylenol", "DMP")


def test_a_spreadsheet_is_read_with_its_title_and_errors(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra excel")
    book = openpyxl.Workbook()
    book.active.append(["hello"])
    sheet = book.create_sheet("Terms")
    for row in (
        ["My glossary"],
        ["Term", "Definition"],
        ["cap", "stores charge"],
        [datetime(2026, 3, 2), "gene"],
    ):
        sheet.append(row)
    sheet.append(["coil", "#REF!"])
    book.save(tmp_path / "g.xlsx")
    found = list(read_records(tmp_path / "g.xlsx", quiet=True))
    assert [r.entry.term for r in found if isinstance(r, Record)] == ["cap"]
    assert [r.reason for r in found if isinstance(r, Reject)] == [
        "spreadsheet date (term)",
        "spreadsheet error (definition)",
    ]


@pytest.mark.parametrize(
    "cell", ["TBD", "n/a", "-", "...", "(추후 작성)", "추후작성", "해당 없음", "未定", "none", "keine Angabe"]
)
def test_placeholders(cell: str) -> None:
    assert is_placeholder(cell)


@pytest.mark.parametrize("cell", ["&", ";", "no current flows", "a dash", "없음을 뜻하는 값", "😀"])
def test_what_is_short_is_no_placeholder(cell: str) -> None:
    assert not is_placeholder(cell)


def test_a_name_may_be_any_word_that_a_definition_may_not_be(tmp_path: Path) -> None:
    rows = "term,definition\nnull,the value that is none\nN/A,not applicable\n-,a minus sign\n2-Mar,a gene\n"
    assert [e.term for e in entries(tmp_path, rows)] == ["null", "N/A", "-"]
    assert reasons(tmp_path, rows) == ["spreadsheet date"]
    assert [problem_of(t) for t in ("=VLOOKUP(A1,B:C,2)", "#N/A", "=resistor")] == [
        "spreadsheet error"
    ] * 2 + [""]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<p>opposes <i>current</i></p>", "opposes current"),
        ("10<sup>6</sup> of&nbsp;them", "10⁶ of\u00a0them"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("use <b> to make text bold", "use <b> to make text bold"),
        ("a<b and c>d", "a<b and c>d"),
        ("rÃ©sistance", "résistance"),
        ("MENÜ“", "MENÜ“"),
    ],
)
def test_markup_and_mojibake_are_taken_out_where_that_is_certain(cell: str, text: str) -> None:
    assert cleaned_text(cell)[0].strip() == text


def test_a_comma_that_nobody_quoted_cuts_nothing(tmp_path: Path) -> None:
    rows = "term,definition,source\nr,opposes current, measured in ohms\ncap,stores charge,Wikipedia\n"
    assert reasons(tmp_path, rows) == ["an unquoted comma may cut the text"]
    assert (
        entries(tmp_path, "term, definition, source\nr, opposes current, seen\n")[0].definition
        == "opposes current"
    )


def test_a_cell_of_300_lines_is_one_reject(tmp_path: Path) -> None:
    rows = 'term,definition\na,"' + "line\n" * 300 + '"\nb,two words\n'
    assert reasons(tmp_path, rows) == ["over-long"]
    assert [e.term for e in entries(tmp_path, rows)] == ["b"]


def test_what_is_mostly_bad_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no table: 3 of 4 rows"):
        read(tmp_path, "It is prose, and it, has some.\nAnother\nThird, is, here, long\nand four, five\n")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.txt", "@prefix skos: <http://x/> .\n<a> <b> <c> .\n", "is RDF"),
        ("t.txt", '<?xml version="1.0"?>\n<tmx version="1.4">\n', "translation memory"),
        ("t.txt", "<root>\n<a/>\n</root>\n", "is XML"),
        ("t.txt", "\\documentclass{article}\n\\begin{document}\n", "is LaTeX"),
        ("t.txt", "- term: resistor\n  definition: opposes current\n", "is YAML"),
        ("t.txt", '#, fuzzy\nmsgid "a"\nmsgstr "b"\n', "gettext"),
        ("t.csv", "a,b,c\n1,2,3\n", "its columns: a, b, c"),
        ("t.csv", "premise,hypothesis,label\na,b,0\n", "holds NLI rows"),
        ("t.tsv", "sentence_A\tsentence_B\trelatedness_score\na\tb\t1\n", "holds STS rows"),
        ("t.csv", "document,label\na,1\n", "holds labelled texts"),
        ("t.tsv", "good film\t1\nbad film\t0\n", "holds labels"),
        ("t.csv", "query,passage,relevance\na,b,0\n", "pairs with a grade"),
    ],
)
def test_what_is_no_glossary_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, text, name)


def test_columns_by_the_thousand_are_not_all_listed(tmp_path: Path) -> None:
    names = ",".join(f"column{n}" for n in range(5000))
    with pytest.raises(UserError, match="and 4980 more") as refused:
        read(tmp_path, f"{names}\n{names}\n")
    assert len(str(refused.value)) < 600


ROWS = {
    "nli": (
        "premise\thypothesis\tgold_label\n비가 온다\t젖는다\tentailment\na\tb\t-\n",
        [("sentence1", "비가 온다")],
    ),
    "sts": ("sentence1\tsentence2\tscore\na\tb\t5.0\nc\td\t2.5\n", [("score", 1.0), ("score", 0.5)]),
    "labelled": ("id\tdocument\tlabel\n1\t좋다\t1\n", [("label", 1)]),
    "triplets": (
        "query\tpositive\tnegative\nq\tpump\tn\nq\tp2\tPump\n",
        [("hard_negatives", ["n"]), ("hard_negatives", [])],
    ),
}


@pytest.mark.parametrize("form", ROWS)
def test_training_rows_of_others_become_ours(tmp_path: Path, form: str) -> None:
    text, expected = ROWS[form]
    (tmp_path / "t.tsv").write_text(text, encoding="utf-8")
    convert(ConvertOptions(inputs=[str(tmp_path / "t.tsv")], from_=form, output=str(tmp_path / "o.jsonl")))
    found = rows_of(tmp_path / "o.jsonl")
    assert [(key, row[key]) for row, (key, _) in zip(found, expected, strict=True)] == expected


def test_scores_beyond_five_want_a_scale(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("sentence1,sentence2,score\na,b,100\nc,d,50\n", encoding="utf-8")
    options = {"inputs": [str(tmp_path / "t.csv")], "from_": "sts", "output": str(tmp_path / "o.jsonl")}
    with pytest.raises(UserError, match="go up to 100"):
        convert(ConvertOptions(**options))  # type: ignore[arg-type]
    convert(ConvertOptions(**options, scale=100))  # type: ignore[arg-type]
    assert [row["score"] for row in rows_of(tmp_path / "o.jsonl")] == [1.0, 0.5]


def groups(*rows: tuple[str, str], **aliases: str) -> list[int]:
    records = [
        Record(
            "t.csv",
            n,
            Entry(
                term=term,
                definition=definition,
                lang="en",
                aliases=(Alias(aliases[term], "synonym"),) if term in aliases else (),
            ),
        )
        for n, (term, definition) in enumerate(rows)
    ]
    return list(build(records).of_record)


@pytest.mark.parametrize(
    "names", ["kHz KHZ", "x² x2", "10⁶ 106", "US us", ".NET net", "3.3V 33V", "Pa pA", "802.11 80211"]
)
def test_case_and_signs_tell_names_apart(names: str) -> None:
    left, right = names.split()
    assert groups((left, "one thing of some kind"), (right, "another matter")) == [0, 1]


@pytest.mark.parametrize(
    "names", ["Fuse fuse", "JavaScript JAVASCRIPT", "op-amp op_amp", "Resistors resistor"]
)
def test_styles_of_one_name_are_one(names: str) -> None:
    left, right = names.split()
    assert groups((left, "melts when current is high"), (right, "a part that melts at high current")) == [
        0,
        0,
    ]


def test_generic_definitions_and_everyday_words_join_nothing() -> None:
    assert groups(("gate", "a part"), ("knob", "a part"), ("valve", "a part")) == [0, 1, 2]
    assert groups(("gate", "input of a FET"), ("valve", "lets gas pass"), valve="gate") == [0, 1]
    meant = ("automobile", "a road vehicle with wheels"), ("car", "a motor vehicle with four wheels")
    assert groups(*meant, car="auto", automobile="auto") == [0, 0]


@pytest.mark.parametrize(
    "text",
    [
        "Syn. diode",
        "Another name for diode.",
        "Abbreviation for diode",
        "n. See {diode}",
        "=diode",
        "Abk. für diode",
    ],
)
def test_stubs_in_all_their_forms(text: str) -> None:
    assert see_target(text) == "diode"


@pytest.mark.parametrize(
    "text", ["다이오드의 준말", "다이오드의 다른 이름이다.", "‘다이오드’의 약어", "다이오드와 같음"]
)
def test_korean_stubs(text: str) -> None:
    assert see_target(text) == "다이오드"


@pytest.mark.parametrize(
    "text",
    [
        "A symbol of peace",
        "Informal name for any of several plants",
        "서울을 흐르는 강의 이름",
        "contraction of the heart",
    ],
)
def test_what_explains_is_no_stub(text: str) -> None:
    assert see_target(text) == ""


def test_a_contrast_of_names_is_no_synonym() -> None:
    assert in_contrast("low-pass filter", "high-pass filter")
    assert not in_contrast("resistor", "capacitor")
    assert not in_contrast("step-down converter", "buck converter")


@pytest.mark.parametrize(
    ("rows", "lang"),
    [
        ("Begriff;Definition\nWiderstand;begrenzt den Strom\n", "de"),
        ("Terme;Définition\ndiode;composant qui laisse passer le courant\n", "fr"),
        ("term;definition\nresistor;opposes current\n", "en"),
    ],
)
def test_rows_know_their_language(tmp_path: Path, rows: str, lang: str) -> None:
    assert [e.lang for e in entries(tmp_path, rows)] == [lang]


def test_a_language_without_words_in_the_header_is_detected(tmp_path: Path) -> None:
    pytest.importorskip("py3langid", reason="needs the extra langid")
    rows = (
        "term,definition\nWiderstand,ein Bauteil das den elektrischen Strom begrenzt und nicht mehr\n"
        "Kondensator,ein Bauteil das elektrische Ladung in einem Feld speichert\n"
    )
    assert [e.lang for e in entries(tmp_path, rows)] == ["de", "de"]


def test_definitions_of_a_list_are_sentences() -> None:
    assert _stopped("opposes current") == "Opposes current."
    assert _stopped("pH of water") == "pH of water."


def test_the_second_run_on_one_output_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "g.csv").write_text("term,definition\na b,c d e\nf g,h i j\n", encoding="utf-8")
    options = ComposeOptions(
        inputs=[str(tmp_path / "g.csv")],
        output=str(tmp_path / "p.jsonl"),
        miner="lexical",
        split="1/0/0",
        force=True,
    )
    compose(options)
    (lock,) = tmp_path.glob("embedkit-compose-*.lock")
    with sole_use(lock), pytest.raises(UserError, match="another embedkit compose is writing it"):
        compose(options)


def test_what_joined_is_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text(
        "term,definition,synonyms\ncar,a motor vehicle with wheels,auto\nautomobile,a road vehicle with wheels,auto\n",
        encoding="utf-8",
    )
    compose(
        ComposeOptions(
            inputs=[str(tmp_path / "g.csv")], output=str(tmp_path / "p.jsonl"), miner="lexical", split="1/0/0"
        )
    )
    concepts = json.loads((tmp_path / "p.manifest.json").read_text(encoding="utf-8"))["counts"]["concepts"]
    assert concepts["joined"] == {"another name": 1}
    assert concepts["joins"] == [["car", "automobile", "words of the definitions"]]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("이명", "aliases"),
        ("약어/동의어", "aliases"),
        ("Also called", "aliases"),
        ("한자", "translation"),
        ("설명/비고", ""),
    ],
)
def test_more_words_for_other_names(name: str, role: str) -> None:
    assert role_of(name) == role


def test_a_header_of_two_rows_is_one_header(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text(
        "용어,,정의,\n한글,영문,한글,영문\n혈압,blood pressure,피가 동맥의 벽을 미는 힘.,The force of the blood.\n"
        "빈혈,anaemia,적혈구가 모자란 상태.,A lack of red cells.\n",
        encoding="utf-8",
    )
    entries = list(read_entries(tmp_path / "g.csv"))
    assert [(e.term, e.definition, e.names) for e in entries] == [
        ("혈압", "피가 동맥의 벽을 미는 힘.", ("blood pressure",)),
        ("빈혈", "적혈구가 모자란 상태.", ("anaemia",)),
    ]


def test_sheets_with_one_header_are_one_table(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(("이 파일은 용어집입니다",))
    for title, term in (("A-K", "hex"), ("L-Z", "meld")):
        sheet = book.create_sheet(title)
        sheet.append(("Term", "Meaning"))
        sheet.append((term, f"What a {term} is in a game."))
    book.save(tmp_path / "g.xlsx")
    assert [entry.term for entry in read_entries(tmp_path / "g.xlsx")] == ["hex", "meld"]
