"""The words of the lexical miner: what stands between spaces, or morphemes where kiwipiepy is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from embedkit.compose.mine.candidates.lexical import features
from embedkit.compose.mine.candidates.tokens import plain_words, words_of
from embedkit.errors import UserError

from .conftest import Run


def test_words_are_the_default() -> None:
    assert words_of("words") is plain_words
    assert plain_words("다이오드를 PWM-2") == ["다이오드를", "pwm", "2"]


def test_an_unknown_tokenizer_is_refused() -> None:
    with pytest.raises(UserError, match="not one of words, kiwi"):
        words_of("mecab")


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    with pytest.raises(UserError) as caught:
        words_of("kiwi")
    assert "[ko]" in caught.value.hint


def test_kiwi_sees_through_particles_and_endings_and_is_named(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("kiwipiepy", reason="needs the extra ko")
    words = words_of("kiwi")
    assert words("다이오드를 조절하는") == ["다이오드", "조절"]
    assert words("Plain text") == ["plain", "text"]
    assert "다이오드" in features("다이오드는", spelled=False, words=words)
    rows = "".join(f"이름 {n},전압을 {n}배로 바꾸는 장치\n" for n in range(6))
    (tmp_path / "g.csv").write_text("term,definition\n" + rows, encoding="utf-8")
    done = run("compose", "--input", "g.csv", "--miner", "lexical", "--tokenizer", "kiwi", "--split", "1/0/0")
    assert done.returncode == 0, done.stderr
    assert "Korean words: kiwi " in done.stderr
    manifest = json.loads((tmp_path / "data" / "pairs.manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["tokenizer"].startswith("kiwi ")
