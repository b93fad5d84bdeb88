"""A small glossary of pottery, in English and Korean, from which the tests make pages of every kind."""

from __future__ import annotations

from collections.abc import Callable

POTTERY = {
    "Bisque": "Clay that was fired once and still takes up glaze.",
    "Crazing": "Fine cracks in a glaze that shrank more than its pot.",
    "Engobe": "A coat of coloured clay that is brushed on before the firing.",
    "Grog": "Fired and crushed clay that is mixed into a body to open it.",
    "Slip": "Clay and water, stirred to the thickness of cream.",
    "Throwing": "Forming a pot by hand on a turning wheel.",
}
KOREAN = {
    "초벌구이": "유약을 바르기 전에 한 번 굽는 일이다.",
    "유약": "그릇 겉에 발라 유리처럼 만드는 물질이다.",
    "물레": "흙을 올려 돌리면서 그릇을 빚는 틀이다.",
    "가마": "그릇을 높은 온도로 굽는 시설이다.",
    "태토": "그릇의 몸을 이루는 바탕흙이다.",
}
HANJA = {"유약": "釉藥", "태토": "胎土", "가마": "窯"}


def each(row: str, words: dict[str, str] | None = None) -> str:
    """A line of markup for every entry: {t} is its term, {d} its definition, {n} its number, {s} a slug."""
    chosen = POTTERY if words is None else words
    return "".join(
        row.replace("{t}", t)
        .replace("{d}", d)
        .replace("{n}", str(n))
        .replace("{s}", t.lower().replace(" ", "-"))
        for n, (t, d) in enumerate(chosen.items(), start=1)
    )


def page(body: str, *, title: str = "Glossary of pottery", lang: str = "en", head: str = "") -> str:
    """A whole page."""
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset=utf-8><title>{title}</title>{head}</head>'
        f"<body><h1>{title}</h1>{body}</body></html>"
    )


def korean(body: str, title: str = "도자기 용어사전") -> str:
    """A whole Korean page."""
    return page(body, title=title, lang="ko")


Row = Callable[[str, str], str]
