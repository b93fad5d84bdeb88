"""Chinese characters in several forms: what is one word, what is not, and what happens without the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedkit.compose import ComposeOptions, compose
from embedkit.compose.check.validate import check
from embedkit.compose.concepts import han
from embedkit.compose.concepts.claims import text_key
from embedkit.compose.concepts.graph import build
from embedkit.compose.concepts.han import one_form
from embedkit.data.entries import Alias, Entry, Record

from .conftest import rows_of

needs_opencc = pytest.mark.skipif(not han.installed(), reason="needs the extra han")


def entry(term: str, definition: str, *aliases: str) -> Record:
    names = tuple(Alias(text, "synonym") for text in aliases)
    return Record("t.csv", 2, Entry(term=term, definition=definition, aliases=names))


@needs_opencc
@pytest.mark.parametrize(
    "words",
    [
        "電壓 電圧 电压",
        "變壓器 変圧器 变压器",
        "啟動 啓動 启动",
        "裡面 裏面 里面",
        "製作 制作",
        "增益 増益",
        "說明 説明 说明",
        "辯護士 弁護士 辩护士",
    ],
)
def test_forms_of_a_word_have_one_key(words: str) -> None:
    assert len({text_key(word) for word in words.split()}) == 1


@needs_opencc
@pytest.mark.parametrize(
    "words",
    [
        "干擾 乾燥 幹線",
        "皇后 皇後",
        "發展 髮展",
        "複合 復合 覆合",
        "曲子 麴子",
        "重複 重復",
        "后 後",
        "里 裏",
    ],
)
def test_words_that_simplifying_would_make_one_stay_apart(words: str) -> None:
    assert len({text_key(word) for word in words.split()}) == len(words.split())


@needs_opencc
def test_a_simplified_word_is_read_whole() -> None:
    assert text_key("干扰") == text_key("干擾")
    assert text_key("干燥") == text_key("乾燥")
    assert text_key("干线") == text_key("幹線")
    assert text_key("头发") == text_key("頭髮")


@needs_opencc
def test_one_concept_in_three_scripts_and_with_hangul() -> None:
    records = [entry("電壓", "a"), entry("電圧", "b"), entry("전압(電壓)", "c"), entry("other", "d", "电压")]
    assert list(build(records).of_record) == [0, 0, 0, 0]


@needs_opencc
def test_the_rows_are_written_as_they_stood(tmp_path: Path) -> None:
    table = tmp_path / "g.csv"
    table.write_text("term,definition\n電壓,potential difference\n电压,两点之间的电位差\n", encoding="utf-8")
    result = compose(
        ComposeOptions(inputs=[str(table)], output=str(tmp_path / "p.jsonl"), split="1/0/0", miner="lexical")
    )
    rows = rows_of(tmp_path / "p.jsonl")
    assert [row["anchor"] for row in rows] == ["電壓", "电压"]
    assert rows[0]["group"] == rows[1]["group"]
    assert rows[0]["hard_negatives"] == rows[1]["hard_negatives"] == []
    assert result.concepts == 1


def test_other_scripts_are_left_alone() -> None:
    for text in ("전압", "pulse-width modulation", "ダイオード", "電", ""):
        assert one_form(text) == text


def test_without_the_library_nothing_changes_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(han, "installed", lambda: False)
    assert one_form("抵抗器電圧") == "抵抗器電圧"
    table = tmp_path / "g.csv"
    table.write_text("term,definition\n静電容量,a\n靜電容量,b\n", encoding="utf-8")
    result = compose(
        ComposeOptions(inputs=[str(table)], output=str(tmp_path / "p.jsonl"), split="1/0/0", hard_k=0)
    )
    assert result.concepts == 2
    said = "with pip install 'embedkit-toolkit[han]' 電壓, 電圧 and 电压 are one word"
    assert said in capsys.readouterr().err
    check(table)
    assert said in capsys.readouterr().err


def test_a_table_without_chinese_characters_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(han, "installed", lambda: False)
    table = tmp_path / "g.csv"
    table.write_text("term,definition\n전압,전위의 차\nvoltage,a difference\n", encoding="utf-8")
    compose(ComposeOptions(inputs=[str(table)], output=str(tmp_path / "p.jsonl"), split="1/0/0", hard_k=0))
    assert "Chinese" not in capsys.readouterr().err
