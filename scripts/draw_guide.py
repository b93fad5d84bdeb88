"""Draw the figures of docs/guide, in English and Korean, as SVG whose text stays text.

`--check` writes nothing and exits 1 when a figure on disk differs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import exp
from pathlib import Path
from xml.sax.saxutils import escape

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "guide" / "figures"
WIDTH = 640
INK, GREY, PALE, PLANE = "#1f2933", "#5f6b7a", "#dfe5ec", "#ffffff"
BLUE, ORANGE, GREEN, RED = "#1f5fa8", "#b35900", "#1d7a4c", "#b3261e"
FONT = "system-ui, 'Noto Sans KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"

Words = Callable[[str, str], str]  # (English, Korean) -> the one that is drawn
Shapes = list[str]


def main() -> int:
    """Write or check every figure in both languages."""
    stale = []
    for name, draw in DRAWINGS.items():
        for lang in ("en", "ko"):
            path = FIGURES / f"{name}.{lang}.svg"
            svg = draw(lambda english, korean, lang=lang: english if lang == "en" else korean)
            if path.is_file() and path.read_text(encoding="utf-8") == svg:
                continue
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(svg, encoding="utf-8")
    print("\n".join(stale))
    return int(bool(stale) and "--check" in sys.argv)


def canvas(height: int, shapes: Shapes) -> str:
    """The SVG document, on white so that it can be read on a dark page too."""
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="{FONT}" font-size="14"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return "\n".join([head, rect(0, 0, WIDTH, height, PLANE), *shapes, "</svg>", ""])


def rect(x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "none") -> str:
    """A filled rectangle."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" fill="{fill}" stroke="{stroke}"/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GREY, width: float = 1) -> str:
    """A straight line."""
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="{stroke}" stroke-width="{width:g}" fill="none"/>'


def dot(x: float, y: float, fill: str, radius: float = 5) -> str:
    """A filled circle."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}"/>'


def text(
    x: float, y: float, words: str, *, fill: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    """A line of text; `y` is its baseline."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def draw_map(say: Words) -> str:
    """MiniLM's vectors of eleven names, two of the principal components of thirteen (2026-11-30)."""
    points = {  # name: colour, x, y, which end of the name is at the point
        "carbon film resistor": (BLUE, -0.22, 0.47, "start"),
        "potentiometer": (BLUE, 0.05, 0.12, "start"),
        "ceramic capacitor": (ORANGE, -0.46, 0.17, "start"),
        "supercapacitor": (ORANGE, -0.24, 0.20, "start"),
        "flip-flop": (GREEN, 0.61, 0.02, "start"),
        "shift register": (GREEN, 0.58, -0.08, "start"),
        "counter": (GREEN, 0.46, 0.16, "start"),
        "microcontroller": (GREEN, 0.42, 0.02, "end"),
        "dipole antenna": (RED, -0.27, -0.61, "start"),
        "antenna gain": (RED, -0.21, -0.75, "start"),
        "impedance matching": (RED, -0.06, -0.35, "start"),
    }
    title = say(
        "Each name is a vector; seen in two of its 384 dimensions",
        "이름마다 벡터가 하나씩: 384차원 가운데 두 방향에서 본 모습",
    )
    shapes = [text(16, 24, title, fill=GREY)]
    for name, (colour, x, y, end) in points.items():
        left, top = 262 + x * 440, 190 - y * 300
        aside = 9 if end == "start" else -9
        lift = -7 if name == "supercapacitor" else 5
        shapes += [dot(left, top, colour), text(left + aside, top + lift, name, anchor=end)]
    return canvas(440, shapes)


def draw_batch(say: Words) -> str:
    """The similarities of page 2: the diagonal holds the positives."""
    scores = ((0.21, 0.03, 0.26), (0.19, 0.41, 0.23), (0.14, 0.15, 0.33))
    names = ("PWM", "op-amp", say("capacitor", "커패시터"))
    shapes = [
        text(150, 28, say("answers", "답"), fill=GREY),
        text(16, 62, say("questions", "질문"), fill=GREY),
    ]
    for row, name in enumerate(names):
        shapes += [
            text(210 + row * 140, 50, name, anchor="middle", bold=True),
            text(16, 96 + row * 56, name, bold=True),
        ]
        for column, score in enumerate(scores[row]):
            good = row == column
            shapes += [
                rect(
                    146 + column * 140,
                    66 + row * 56,
                    128,
                    46,
                    "#dff0e6" if good else "#f6f7f9",
                    stroke=GREEN if good else PALE,
                ),
                text(
                    210 + column * 140,
                    94 + row * 56,
                    f"{score:.2f} " + (say("positive", "포지티브") if good else say("negative", "네거티브")),
                    anchor="middle",
                    fill=GREEN if good else GREY,
                ),
            ]
    return canvas(246, shapes)


def draw_negatives(say: Words) -> str:
    """Where the kinds of texts lie on the scale of similarity; a sketch without measured places."""
    places = (
        (0.10, say("easy negative", "쉬운 네거티브"), say("soup", "수프"), GREY),
        (0.55, say("hard negative", "하드 네거티브"), say("metal film resistor", "금속 피막 저항기"), RED),
        (0.72, say("positive", "포지티브"), say("its definition", "정의"), GREEN),
        (0.92, say("false negative", "false negative"), say("another name", "같은 개념의 다른 이름"), ORANGE),
    )
    shapes = [
        line(40, 80, 600, 80, GREY, 2),
        text(40, 128, say("far from the question", "질문에서 멂"), fill=GREY),
        text(600, 128, say("near", "가까움"), fill=GREY, anchor="end"),
    ]
    for number, (place, kind, example, colour) in enumerate(places):
        x = 40 + place * 560
        top = 38 if number % 2 else 58
        anchor = "end" if place > 0.9 else "middle"
        shapes += [
            dot(x, 80, colour, 7),
            text(x + (30 if anchor == "end" else 0), top, kind, fill=colour, anchor=anchor, bold=True),
            text(
                x + (30 if anchor == "end" else 0),
                104 if number % 2 == 0 else 150,
                example,
                fill=INK,
                anchor=anchor,
            ),
        ]
    return canvas(166, shapes)


def draw_temperature(say: Words) -> str:
    """The shares of page 4, as the softmax gives them."""
    scores = (0.62, 0.55, 0.30, 0.10)
    shapes = []
    for group, temperature in enumerate((1, 0.2, 0.05, 0.02)):
        powers = [exp(score / temperature) for score in scores]
        left = 24 + group * 152
        shapes.append(text(left + 62, 218, f"{say('temperature', '온도')} {temperature:g}", anchor="middle"))
        for place, power in enumerate(powers):
            share = power / sum(powers)
            colour = (GREEN, RED, "#a9b4c0", "#a9b4c0")[place]
            shapes += [
                rect(left + place * 32, 196 - share * 150, 26, max(share * 150, 1), colour),
                text(
                    left + place * 32 + 13, 190 - share * 150, f"{share:.2f}", anchor="middle", fill=GREY
                ).replace("<text", '<text font-size="11"'),
            ]
    shapes += [
        *legend(24, 22, ((GREEN, say("positive", "포지티브")), (RED, say("hard negative", "하드 네거티브")))),
        *legend(290, 22, (("#a9b4c0", say("easy negatives", "쉬운 네거티브")),)),
    ]
    return canvas(234, shapes)


def legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> Shapes:
    """Coloured squares with their meaning, side by side."""
    shapes: Shapes = []
    for number, (colour, meaning) in enumerate(entries):
        left = x + number * 120
        shapes += [rect(left, y - 11, 12, 12, colour), text(left + 18, y, meaning)]
    return shapes


def draw_intervals(say: Words) -> str:
    """Four made-up intervals, and what each of them means."""
    rows = (
        (0.012, 0.033, say("gain: SHIP, if nothing else pays", "향상: 다른 손해가 없으면 SHIP"), GREEN),
        (0.002, 0.04, say("gain under the floor: NOT YET", "향상됐지만 기준 미달: NOT YET"), BLUE),
        (-0.014, 0.02, say("contains 0: NO DIFFERENCE", "0을 포함: NO DIFFERENCE"), GREY),
        (-0.036, -0.01, say("loss: DO NOT SHIP", "하락: DO NOT SHIP"), RED),
    )
    shapes = [line(170, 30, 170, 200, INK), text(170, 22, "0", anchor="middle")]
    for row, (low, high, meaning, colour) in enumerate(rows):
        y = 56 + row * 40
        left, right = (170 + value * 3600 for value in (low, high))
        shapes += [
            line(left, y, right, y, colour, 4),
            dot((left + right) / 2, y, colour, 6),
            text(340, y + 5, meaning),
        ]
    shapes.append(
        text(
            170,
            220,
            say("change of recall@1, 95 % interval", "recall@1의 변화와 95% 신뢰 구간"),
            anchor="middle",
            fill=GREY,
        )
    )
    return canvas(234, shapes)


def draw_share(say: Words) -> str:
    """nDCG@10 over train.base_share, from docs/benchmarks.md."""
    curves = (
        (
            say("WordNet: known words", "WordNet: 이미 아는 단어"),
            GREEN,
            {0: 0.419, 0.2: 0.426, 0.33: 0.429, 0.5: 0.428},
        ),
        (
            say("V.E.R.A.: new acronyms", "V.E.R.A.: 처음 보는 약어"),
            RED,
            {0: 0.306, 0.1: 0.299, 0.2: 0.287, 0.33: 0.269},
        ),
    )
    shapes = [line(60, 220, 600, 220), text(60, 20, "nDCG@10", fill=GREY)]
    shapes += [
        text(60 + share * 900, 240, f"{share:g}", anchor="middle") for share in (0, 0.1, 0.2, 0.33, 0.5)
    ]
    shapes.append(
        text(
            330,
            262,
            say("share of the base model's weights", "베이스 모델 가중치의 비율"),
            anchor="middle",
            fill=GREY,
        )
    )
    for name, colour, values in curves:
        points = [(60 + share * 900, 220 - (value - 0.25) * 1000, value) for share, value in values.items()]
        path = " ".join(f"{x:g},{y:g}" for x, y, _ in points)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, value in points:
            shapes += [
                dot(x, y, colour),
                text(x, y - 10, f"{value:.3f}".lstrip("0"), anchor="middle", fill=colour),
            ]
        x, y, _ = points[1]
        shapes.append(text(x + 30, y - 28 if colour == RED else y + 30, name, fill=colour, bold=True))
    return canvas(276, shapes)


def draw_steps(say: Words) -> str:
    """From a text to a vector."""
    steps = (
        (say("text", "텍스트"), "PWM?"),
        (say("+ prompt", "+ 프롬프트"), "query: PWM?"),
        (say("tokens", "토큰"), "query · : · PW · M"),
        (say("model", "모델"), say("a vector each", "토큰마다 벡터")),
        (say("pooling", "풀링"), say("one vector", "벡터 하나")),
    )
    shapes = []
    for number, (name, example) in enumerate(steps):
        left = 12 + number * 126
        shapes += [
            rect(left, 30, 112, 64, "#f1f5fb", stroke=BLUE),
            text(left + 56, 56, name, anchor="middle", bold=True),
            text(left + 56, 80, example, anchor="middle", fill=GREY).replace("<text", '<text font-size="11"'),
        ]
        if number:
            shapes.append(line(left - 14, 62, left, 62, BLUE, 2))
    shapes += [
        line(446, 94, 446, 120, ORANGE, 2),
        rect(390, 120, 112, 34, "#fdf1e3", stroke=ORANGE),
        text(446, 142, "LoRA", anchor="middle", fill=ORANGE, bold=True),
        text(380, 142, say("trained beside it", "옆에 붙여 학습"), anchor="end", fill=GREY),
    ]
    return canvas(168, shapes)


def draw_pieces(say: Words) -> str:
    """What MiniLM's tokenizer makes of 금속 피막 저항기, before and after three tokens were added."""
    before = "ㄱㅡㅁㅅㅗㄱㅍㅣㅁㅏㄱㅈㅓㅎㅏㅇㄱㅣ"
    shapes = [
        text(16, 28, say("before: 18 pieces without a meaning", "추가 전: 뜻이 없는 조각 18개"), fill=RED)
    ]
    for number, piece in enumerate(before):
        shapes += [
            rect(16 + number * 33, 42, 29, 32, "#fbe9e7", stroke=RED),
            text(30.5 + number * 33, 64, piece, anchor="middle"),
        ]
    shapes.append(
        text(
            16,
            112,
            say(
                "after: three pieces, each with a start from its translation",
                "추가 후: 번역어에서 뜻을 물려받은 조각 3개",
            ),
            fill=GREEN,
        )
    )
    for number, (piece, meaning) in enumerate((("금속", "metal"), ("피막", "film"), ("저항기", "resistor"))):
        left = 16 + number * 200
        shapes += [
            rect(left, 126, 184, 40, "#e3f3e9", stroke=GREEN),
            text(left + 92, 151, f"{piece} ← {meaning}", anchor="middle"),
        ]
    return canvas(182, shapes)


DRAWINGS: dict[str, Callable[[Words], str]] = {
    "map": draw_map,
    "batch": draw_batch,
    "negatives": draw_negatives,
    "temperature": draw_temperature,
    "intervals": draw_intervals,
    "share": draw_share,
    "steps": draw_steps,
    "pieces": draw_pieces,
}


if __name__ == "__main__":
    sys.exit(main())
