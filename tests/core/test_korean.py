"""Particles after Hangul, digits, letters, units and Latin words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.korean import PARTICLES, final_consonant, particle, resolve_particles


@pytest.mark.parametrize(
    ("word", "kind", "form"),
    [
        ("저항", "은/는", "은"),
        ("다이오드", "은/는", "는"),
        ("PWM", "은/는", "은"),
        ("ADC", "은/는", "는"),
        ("5V", "을/를", "를"),
        ("10A", "을/를", "를"),
        ("3kHz", "을/를", "를"),
        ("5Ω", "을/를", "을"),
        ("50%", "을/를", "를"),
        ("3dB", "은/는", "은"),
        ("dB", "으로/로", "로"),
        ("100 nF", "을/를", "을"),
        ("10 mm", "을/를", "를"),
        ("70 kg", "이/가", "이"),
        ("120 mg/dL", "을/를", "를"),
        ("300 K", "은/는", "은"),
        ("4K", "은/는", "는"),
        ("3D", "으로/로", "로"),
        ("25℃", "을/를", "를"),
        ("90°", "을/를", "를"),
        ("Wi-Fi", "은/는", "는"),
        ("USB", "을/를", "를"),
        ("Bluetooth", "은/는", "는"),
        ("GaN", "은/는", "은"),
        ("SiC", "은/는", "는"),
        ("MOSFET", "은/는", "은"),
        ("PvP", "은/는", "는"),
        ("mRNA", "이/가", "가"),
        ("NOR", "은/는", "는"),
        ("chip", "을/를", "을"),
        ("amp", "을/를", "를"),
        ("network", "은/는", "는"),
        ("internet", "은/는", "은"),
        ("logic", "을/를", "을"),
        ("filter", "은/는", "는"),
        ("C#", "은/는", "은"),
        ("C++", "은/는", "는"),
        ("MP3", "을/를", "를"),
        ("LED", "이/가", "가"),
        ("USB", "과/와", "와"),
        ("FPGA", "으로/로", "로"),
        ("신호", "으로/로", "로"),
        ("전압", "으로/로", "으로"),
        ("레벨", "으로/로", "로"),
        ("URL", "으로/로", "로"),
        ("3", "이/가", "이"),
        ("1", "으로/로", "로"),
        ("2", "을/를", "를"),
        ("pairs.jsonl", "을/를", "을"),
        ("抵抗", "은/는", "은"),
        ("電流", "은/는", "는"),
        ("物質", "으로/로", "로"),
        ("μF", "은/는", "은"),
        ("μm", "은/는", "는"),
        (".NET", "은/는", "은"),
        ("x²", "은/는", "은"),
        ("5 m²", "은/는", "는"),
        ("저항", "이란/란", "이란"),
        ("다이오드", "이다/다", "다"),
    ],
)
def test_particle(word: str, kind: str, form: str) -> None:
    assert particle(word, kind) == form


@pytest.mark.parametrize(
    ("word", "form"),
    [("펄스 폭 변조(PWM)", "는"), ("NAND(부정 논리곱)", "는"), ("저항 (R)", "은"), ("(PWM)", "은")],
)
def test_a_bracket_at_the_end_is_not_read(word: str, form: str) -> None:
    assert particle(word, "은/는") == form


def test_marks_follow_what_was_filled_in() -> None:
    assert resolve_particles("PWM[은/는] 5V[을/를] 쓴다") == "PWM은 5V를 쓴다"


@given(st.text(), st.sampled_from(PARTICLES))
def test_any_word_has_a_reading(word: str, kind: str) -> None:
    assert final_consonant(word) in ("", "l", "c")
    assert particle(word, kind) in kind.split("/")
