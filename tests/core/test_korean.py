"""Particles after Hangul, digits, letters and Latin words."""

import pytest

from embedkit.korean import particle, resolve_particles


@pytest.mark.parametrize(
    ("word", "kind", "form"),
    [
        ("저항", "은/는", "은"),
        ("다이오드", "은/는", "는"),
        ("PWM", "은/는", "은"),
        ("ADC", "은/는", "는"),
        ("5V", "을/를", "를"),
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
        ("NAND(부정 논리곱)", "은/는", "은"),
    ],
)
def test_particle(word: str, kind: str, form: str) -> None:
    assert particle(word, kind) == form


def test_marks_follow_what_was_filled_in() -> None:
    assert resolve_particles("PWM[은/는] 5V[을/를] 쓴다") == "PWM은 5V를 쓴다"
