"""Cleaning, folding and the language of a text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.text import clean, fold, is_acronym, language_of, pad, printable, shorten, width


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pulse-Width Modulation", "pulse width modulation"),
        ("펄스 폭 변조", "펄스폭변조"),
        (unicodedata.normalize("NFD", "유사도"), "유사도"),
        ("ＰＷＭ", "pwm"),
        ("SAR-ADC (fast)", "SAR ADC fast"),
    ],
)
def test_fold_makes_spellings_of_one_text_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("C", "C++"), ("NPN", "PNP"), ("+", "-")])
def test_fold_keeps_different_texts_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_clean_is_idempotent_and_leaves_nothing_a_terminal_obeys(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not [c for c in once if ord(c) < 32 or ord(c) == 127]


@given(st.text())
def test_fold_is_idempotent_under_nfc_and_nfd(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("펄스 폭을 바꾸는 PWM 방식", "ko"),
        ("PWM and ADC with 한글 in a long English sentence about modulation of pulses", "en"),
        ("パルス幅変調", "ja"),
        ("12.5", "fr"),
        ("un mot français", "fr"),
        ("plain Latin on a Korean page", "en"),
    ],
)
def test_language_is_told_by_script(text: str, lang: str) -> None:
    fallback = "ko" if text.startswith("plain") else "fr" if lang == "fr" else "en"
    assert language_of(text, fallback=fallback) == lang


@pytest.mark.parametrize("text", ["PWM", "I2C", "MOSFET", "dB", "SAR ADC", "UARTs"])
def test_acronyms(text: str) -> None:
    assert is_acronym(text)


@pytest.mark.parametrize("text", ["Wien", "op-amp", "ECC memory", "A", "저항", "pulse width", "Li-ion"])
def test_words_that_are_no_acronyms(text: str) -> None:
    assert not is_acronym(text)


def test_width_counts_hangul_twice() -> None:
    assert width("유사도 ok") == 9
    assert pad("유사도", 8) == "유사도  "
    assert shorten("유사도와 거리", 6) == "유사…"


def test_printable_disarms_escape_sequences() -> None:
    assert "\x1b" not in printable("\x1b[31mred")
