"""Reading tables: encodings, dialects, headers, bad rows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.compose import ComposeOptions, compose
from embedkit.data.entries import Record, Reject
from embedkit.data.reading import locate, parse_mapping, read_records
from embedkit.errors import UserError

KOREAN = "용어,뜻\n저항,전류의 흐름을 방해하는 소자\n다이오드,한 방향으로만 전류를 흘리는 소자\n"
JAPANESE = "用語,意味\n抵抗,電流の流れを妨げる素子です\nダイオード,一方向にだけ電流を流す素子\n"


def table(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_all(path: Path, **mapping: str) -> tuple[list[Record], list[Reject]]:
    items = list(read_records(path, mapping=mapping))
    return [i for i in items if isinstance(i, Record)], [i for i in items if isinstance(i, Reject)]


def pairs(path: Path, **mapping: str) -> list[tuple[str, str]]:
    return [(r.entry.term, r.entry.definition) for r in read_all(path, **mapping)[0]]


@pytest.mark.parametrize(
    ("codec", "label"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with BOM"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16 without BOM"),
        ("cp949", "CP949 (EUC-KR)"),
        ("euc_kr", "CP949 (EUC-KR)"),
    ],
)
def test_a_korean_table_is_read_in_its_encoding_and_that_is_said(
    tmp_path: Path, codec: str, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pairs(table(tmp_path, KOREAN.encode(codec)))
    assert rows[1] == ("다이오드", "한 방향으로만 전류를 흘리는 소자")
    assert f"{label}, comma-separated" in capsys.readouterr().err


def test_shift_jis_is_not_taken_for_korean(tmp_path: Path) -> None:
    assert pairs(table(tmp_path, JAPANESE.encode("shift_jis")))[0] == ("抵抗", "電流の流れを妨げる素子です")


def test_accents_of_a_western_code_page_are_kept(tmp_path: Path) -> None:
    assert pairs(table(tmp_path, "café,lieu où l'on boit\n".encode("cp1252"))) == [
        ("café", "lieu où l'on boit")
    ]


@pytest.mark.parametrize(
    ("header", "row", "term", "definition", "names"),
    [
        ("번호,용어,영어,설명", "1,저항,resistor,막는 소자", "저항", "막는 소자", ["resistor"]),
        ("약어,영문,설명", "ADC,converter,바꾸는 회로", "converter", "바꾸는 회로", ["ADC"]),
        ("영어,한국어,뜻", "resistor,저항,막는 소자", "resistor", "막는 소자", ["저항"]),
        ("용어명,용어설명,영문약어명", "저항,막는 소자,RES", "저항", "막는 소자", ["RES"]),
        ("acronym,full,definition", "ADC,converter,a circuit", "converter", "a circuit", ["ADC"]),
        ("용어,영어,분야", "저항,resistor,전자", "저항", "resistor", []),
    ],
)
def test_names_of_columns_say_what_is_in_them(
    tmp_path: Path, header: str, row: str, term: str, definition: str, names: list[str]
) -> None:
    (record,), _ = read_all(table(tmp_path, f"{header}\n{row}\n"))
    entry = record.entry
    assert (entry.term, entry.definition, [alias.text for alias in entry.aliases]) == (
        term,
        definition,
        names,
    )


def test_a_title_above_the_header_is_left_out_and_a_pair_of_such_words_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    titled = table(tmp_path, "전자 용어집,,\n,,\n용어,영어,정의\n저항,resistor,막는 소자\n")
    assert pairs(titled) == [("저항", "막는 소자")]
    assert "the header stands on line 3" in capsys.readouterr().err
    assert len(pairs(table(tmp_path, "집,건물\n뜻,의미\n"))) == 2


def test_the_rule_of_a_markdown_table_is_no_row(tmp_path: Path) -> None:
    rows = "| term | definition |\n|:-----|-----------:|\n| PWM | pulse width |\n"
    assert pairs(table(tmp_path, rows, "t.txt")) == [("PWM", "pulse width")]


def test_keys_that_are_not_used_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs(table(tmp_path, '{"anchor": "a", "positive": "b", "negative": "c"}\n', "t.jsonl"))
    assert "columns that are not used: negative" in capsys.readouterr().err


RUSSIAN = "термин,определение\nток,движение зарядов\n"


@pytest.mark.parametrize("codec", ["cp1251", "koi8-r"])
def test_russian_is_not_taken_for_western_and_the_guess_is_told(
    tmp_path: Path, codec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pairs(table(tmp_path, RUSSIAN.encode(codec)))[-1] == ("ток", "движение зарядов")
    assert "(a guess; where it is wrong, save the file as UTF-8)" in capsys.readouterr().err


def test_a_few_words_of_an_unknown_code_page_are_damage_and_no_other_words(tmp_path: Path) -> None:
    rows, rejects = read_all(table(tmp_path, "term,definition\nток,движение\n".encode("cp1251")))
    assert not rows
    assert [reject.reason for reject in rejects] == ["undecodable"]


def test_polish_is_not_taken_for_chinese(tmp_path: Path) -> None:
    polish = "pojęcie,definicja\nprąd,uporządkowany ruch ładunków\n".encode("cp1250")
    assert not any(
        "\u4e00" <= c <= "\u9fff" for row in read_records(table(tmp_path, polish)) for c in str(row)
    )


SHORT = {
    "utf-16-le": ("저항\t가장 흔한 소자\n", "t.tsv"),
    "utf-16-be": ("가,가전\n각,모서리\n", "t.csv"),
    "utf-32": ("저항,소자\n", "t.csv"),
    "cp949": ("PWM,변조\n", "t.csv"),
    "cp932": ("抵抗,電流を妨げる\n", "t.csv"),
    "gb18030": ("术语,定义\n电阻,阻碍电流的元件\n", "t.csv"),
    "euc_jp": ("用語,意味\n抵抗,電流阻止素子\n", "t.csv"),
}


@pytest.mark.parametrize("codec", SHORT)
def test_a_table_of_two_lines_is_read_in_its_encoding(tmp_path: Path, codec: str) -> None:
    text, name = SHORT[codec]
    last = tuple(text.splitlines()[-1].replace("\t", ",").split(","))
    assert pairs(table(tmp_path, text.encode(codec), name))[-1] == last


def test_a_nul_does_not_make_a_short_table_utf_16(tmp_path: Path) -> None:
    assert pairs(table(tmp_path, b"term,definition\na,one\x00 thing\n")) == [("a", "one thing")]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_excels_own_line_is_no_row(tmp_path: Path, first: str) -> None:
    assert pairs(table(tmp_path, f"{first}\nterm;definition\na, b;one\n")) == [("a, b", "one")]


def test_columns_that_are_not_used_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read_all(table(tmp_path, "번호,용어,뜻,비고\n1,저항,방해하는 소자,x\n"))
    assert "columns that are not used: 번호, 비고" in capsys.readouterr().err


def test_abbreviation_and_translation_may_be_columns(tmp_path: Path) -> None:
    text = "Term,Abbreviation,Korean,Definition\npulse width,PW,펄스 폭,how long\n"
    aliases = read_all(table(tmp_path, text))[0][0].entry.aliases
    assert [(a.text, a.kind) for a in aliases] == [("PW", "abbreviation"), ("펄스 폭", "translation")]


def test_two_known_columns_are_a_header(tmp_path: Path) -> None:
    assert pairs(table(tmp_path, "영어,한국어\nresistor,저항\n")) == [("resistor", "저항")]


def test_numbers_alone_say_that_there_is_no_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, "PWM,pulse width,1\nADC,converter,2\n")
    assert pairs(path, term="1", definition="2") == [("PWM", "pulse width"), ("ADC", "converter")]
    assert "no header: term=1, definition=2" in capsys.readouterr().err
    known = table(tmp_path, "term,note,definition\na,b,c\n")
    assert pairs(known, term="1", definition="3") == [("a", "c")]


def test_map_names_the_keys_of_json_lines(tmp_path: Path) -> None:
    path = table(tmp_path, '{"term": "x", "이름": "PWM", "definition": "a way"}\n', "t.jsonl")
    assert pairs(path, term="이름") == [("PWM", "a way")]
    with pytest.raises(UserError, match="no column '이룸'") as caught:
        read_all(path, term="이룸")
    assert "term, 이름, definition" in caught.value.hint


def test_a_file_name_in_another_encoding_can_be_written_down(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode("용어.csv".encode("cp949"))
    try:
        path.write_text("term,definition\na,b\nc\n", encoding="utf-8")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    output = tmp_path / "p.jsonl"
    compose(ComposeOptions(inputs=[str(path)], output=str(output), hard_k=0))
    assert "�" in (tmp_path / "p.rejected.jsonl").read_text(encoding="utf-8")
    assert "�" in (tmp_path / "p.manifest.json").read_text(encoding="utf-8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe or a device"):
        locate(str(tmp_path / "pipe"))


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = f"a{delimiter}one thing\nb{delimiter}another thing\n"
    assert pairs(table(tmp_path, text)) == [("a", "one thing"), ("b", "another thing")]


def test_tabs_beat_commas_inside_definitions(tmp_path: Path) -> None:
    assert pairs(table(tmp_path, "a\tone, two\nb\tthree, four\n"))[0] == ("a", "one, two")


@pytest.mark.parametrize(
    "header", ["term,definition", "anchor,positive", "용어,뜻", "Term,Definition", "query,answer"]
)
def test_a_header_is_no_row(tmp_path: Path, header: str) -> None:
    assert pairs(table(tmp_path, f"{header}\na,b\n")) == [("a", "b")]


def test_without_a_header_the_first_row_counts(tmp_path: Path) -> None:
    assert len(pairs(table(tmp_path, "diode,valve\na,b\n"))) == 2


@pytest.mark.parametrize("word", ["NA", "null", "None", "nan", "N/A", "true", "007"])
def test_words_that_other_readers_swallow_stay_text(tmp_path: Path, word: str) -> None:
    assert pairs(table(tmp_path, f"term,definition\n{word},{word} is a text\n"))[0][0] == word


def test_a_column_can_be_named_or_numbered(tmp_path: Path) -> None:
    path = table(tmp_path, "번호,명칭,내용\n1,저항,방해하는 소자\n")
    assert pairs(path, term="명칭", definition="3") == [("저항", "방해하는 소자")]


def test_mapping_a_missing_column_names_the_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'x'") as caught:
        read_all(table(tmp_path, "a,b\n1,2\n"), term="x")
    assert "a, b" in caught.value.hint


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(UserError, match="not ROLE=COLUMN"):
        parse_mapping(["trem=용어"])


def test_many_columns_without_a_known_header_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 columns and no header"):
        read_all(table(tmp_path, "a,b,c\n1,2,3\n"))


BAD = (
    b'term,definition\ngood,fine\n"abc,def\n,no term\nx,y,z\nbroken,\xff\xfe bytes\n'
    b'last,"one, ""two"""\nbig,' + b"q" * 10_001 + b"\n"
)


def test_each_bad_row_is_set_aside_with_its_line_and_reason(tmp_path: Path) -> None:
    records, rejects = read_all(table(tmp_path, BAD))
    assert [(r.line, r.reason) for r in rejects] == [
        (3, "broken quote"),
        (4, "missing cell (term)"),
        (5, "wrong column count (3 ≠ 2)"),
        (6, "undecodable"),
        (8, "over-long"),
    ]
    assert [r.entry.definition for r in records] == ["fine", 'one, "two"']


def test_a_quoted_cell_may_span_lines(tmp_path: Path) -> None:
    assert pairs(table(tmp_path, 'a,"one\ntwo"\nb,three\n')) == [("a", "one two"), ("b", "three")]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    rows = "".join(f"t{n},d{n}\n" for n in range(500))
    records, rejects = read_all(table(tmp_path, 'x,"never\n' + rows))
    assert (len(records), [r.line for r in rejects]) == (500, [1])


def test_a_line_of_megabytes_is_one_reject(tmp_path: Path) -> None:
    records, rejects = read_all(table(tmp_path, "a,b\n" + "x" * 2_500_000 + "\nc,d\n"))
    assert (len(records), [(r.line, r.reason) for r in rejects]) == (2, [(2, "over-long")])


def test_a_broken_line_17_of_jsonl_is_set_aside(tmp_path: Path) -> None:
    lines = [json.dumps({"anchor": f"a{n}", "positive": f"p{n}"}) for n in range(20)]
    lines[16] = '{"anchor": '
    records, rejects = read_all(table(tmp_path, "\n".join(lines), "t.jsonl"))
    assert (len(records), rejects[0].line) == (19, 17)


@pytest.mark.parametrize(
    "line", ['{"anchor": 1, "positive": "x"}', "[1]", '{"anchor": "a"}', '{"anchor": "\\ud800"}']
)
def test_json_of_the_wrong_shape_is_set_aside(tmp_path: Path, line: str) -> None:
    records, rejects = read_all(table(tmp_path, f'{{"anchor": "a", "positive": "b"}}\n{line}\n', "t.jsonl"))
    assert (len(records), len(rejects)) == (1, 1)


def test_aliases_are_read_as_json_or_as_a_list(tmp_path: Path) -> None:
    cell = '"[{""text"": ""PWM"", ""kind"": ""abbreviation""}]"'
    text = f"term,definition,aliases\na,b,{cell}\nc,d,PDM; e\nf,g,[1]\n"
    records, rejects = read_all(table(tmp_path, text))
    assert [a.kind for r in records for a in r.entry.aliases] == ["abbreviation", "abbreviation", "synonym"]
    assert rejects[0].reason.startswith("bad aliases")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\x0b", "is empty"),
        (b"term\na\nb\n", "one column"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\x1f\x8b\x08rest", "binary file"),
        (b"%PDF-1.7\na,b\n", "binary file"),
        (b'[{"term": "a", "definition": "b"}]', "one JSON document"),
        (b'{\n  "a": "b"\n}\n', "one JSON document"),
        (b"<!DOCTYPE html>\n<p>a,b\n", "a web page"),
        (b"sep=;\n", "is empty"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read_all(table(tmp_path, content))


def test_a_missing_input_is_looked_for_under_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    table(tmp_path / "data", "a,b\n", "here.csv")
    assert locate("here.csv") == Path("data/here.csv")
    assert locate("electronics.en.csv") != Path("electronics.en.csv")
    with pytest.raises(UserError, match="no such file"):
        locate("nowhere.csv")


_PIECES = st.sampled_from(
    [
        b'"',
        b",",
        b"\t",
        b";",
        b"\n",
        b"\r",
        b"\r\n",
        b"a",
        b"term,definition\n",
        "뜻".encode(),
        b"\xff",
        b"\x00",
        b"{}",
    ]
)
_BYTES = st.one_of(st.binary(max_size=300), st.lists(_PIECES, max_size=60).map(b"".join))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_BYTES, name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl"]))
def test_any_bytes_give_rows_and_rejects_or_one_message(tmp_path: Path, content: bytes, name: str) -> None:
    try:
        records, rejects = read_all(table(tmp_path, content, name))
    except UserError:
        return
    for record in records:
        assert record.entry.term
        assert record.entry.definition
    assert all(reject.reason and reject.line >= 1 for reject in rejects)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(
        st.tuples(*[st.text("abc ,;\"'\n|가é", min_size=1, max_size=12)] * 2), min_size=1, max_size=12
    )
)
def test_what_a_csv_writer_wrote_is_read_back(tmp_path: Path, cells: list[tuple[str, str]]) -> None:
    import csv

    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, quoting=csv.QUOTE_ALL).writerows([("term", "definition"), *cells])
    records, rejects = read_all(path)
    assert len(records) + len(rejects) == len(cells)
    expected = [tuple(" ".join(cell.split()) for cell in row) for row in cells]
    assert [(r.entry.term, r.entry.definition) for r in records] == [row for row in expected if all(row)]
