"""The charts that show how two models see the terms: heat maps of cosines, and maps of their texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import numpy as np

from embedkit.evaluation.records import LabelSimilarity, MapPoint, TermView
from embedkit.messages import tr
from embedkit.text import shorten

Rows = Sequence[Sequence[float]]
_NAME_COLUMNS = 24
_TEXT_COLUMNS = 160
_MAP_COLOURS = ("var(--after)", "var(--warm)", "var(--good)", "var(--bad)", "var(--plain)")


def term_charts(view: TermView) -> Iterator[tuple[str, alt.LayerChart]]:
    """A heat map of each model, and a map of each where there are enough texts."""
    yield from heat_maps("heat", view.names, view.before, view.after)
    if view.points:
        domain = _square(view.points)
        yield "map-before", term_map(view, [point.before for point in view.points], domain)
        yield "map-after", term_map(view, [point.after for point in view.points], domain)


def label_charts(labels: LabelSimilarity) -> Iterator[tuple[str, alt.LayerChart]]:
    """A heat map of the labels for each model."""
    yield from heat_maps("labels", labels.labels, labels.before, labels.after)


def heat_maps(
    stem: str, names: Sequence[str], before: Rows, after: Rows
) -> Iterator[tuple[str, alt.LayerChart]]:
    """Two heat maps under one scale."""
    values = np.concatenate([np.ravel(before), np.ravel(after)])
    domain = (float(values.min()), float(values.max()))
    for system, rows in (("before", before), ("after", after)):
        yield f"{stem}-{system}", heat_map(names, rows, domain)


def heat_map(names: Sequence[str], rows: Rows, domain: tuple[float, float]) -> alt.LayerChart:
    """A square for every two names; the darker, the nearer. Numbers stand in front where two share a short form.

    The cosines stand in the squares too, where the page is printed (style.css).
    """
    short = [shorten(name, _NAME_COLUMNS) for name in names]
    short = [f"{n} {name}" if short.count(name) > 1 else name for n, name in enumerate(short, start=1)]
    cells = [
        {"row": short[i], "column": short[j], "cosine": value, "one": names[i], "other": names[j]}
        for i, row in enumerate(rows)
        for j, value in enumerate(row)
    ]
    base = alt.Chart(alt.InlineData(values=cells)).encode(
        x=alt.X("column:N", sort=short, title=None, axis=_name_axis(labelAngle=-90)),
        y=alt.Y("row:N", sort=short, title=None, axis=_name_axis()),
    )
    squares = base.mark_rect(color="var(--after)", stroke="var(--paper)", strokeWidth=1).encode(
        opacity=alt.Opacity("cosine:Q", scale=alt.Scale(domain=list(domain), range=[0.03, 1]), legend=None),
        tooltip=[
            alt.Tooltip("one:N", title=tr("term")),
            alt.Tooltip("other:N", title=tr("term")),
            alt.Tooltip("cosine:Q", format=".3f", title=tr("cosine")),
        ],
    )
    dark = f"datum.cosine > {(domain[0] + domain[1]) / 2}"
    numbers = base.mark_text(fontSize=7).encode(
        text=alt.Text("cosine:Q", format=".2f"),
        color=alt.condition(dark, alt.value("var(--paper)"), alt.value("var(--ink)")),
    )
    return alt.layer(squares, numbers).properties(width="container", height=19 * len(names))


def _name_axis(**options: Any) -> alt.Axis:
    return alt.Axis(
        ticks=False,
        domain=False,
        labelLimit=alt.ExprRef("width < 300 ? 90 : 140"),
        labelFontSize=11,
        **options,
    )


def term_map(
    view: TermView, places: Sequence[tuple[float, float]], domain: tuple[float, float]
) -> alt.LayerChart:
    """Names and definitions on a plane, those of one concept tied to their middle; hovering shows a concept alone.

    Printed, the first name of each concept stands beside its point.
    """
    rows = list(_map_rows(view, places))
    langs = sorted({row["lang"] for row in rows})
    hover = alt.selection_point(
        name="hover", fields=["concept"], on="pointerover", clear="pointerout", empty=True
    )
    scale = alt.Scale(domain=list(domain), nice=False)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("x:Q", axis=None, scale=scale),
        y=alt.Y("y:Q", axis=None, scale=scale),
        color=alt.Color(
            "lang:N", sort=langs, scale=alt.Scale(domain=langs, range=list(_MAP_COLOURS[: len(langs)]))
        ),
    )
    ties = base.mark_rule(strokeWidth=1, color="var(--soft)").encode(
        x2="x2:Q",
        y2="y2:Q",
        color=alt.value("var(--soft)"),
        opacity=alt.condition(hover, alt.value(0.5), alt.value(0.05)),
    )
    points = (
        base.mark_point(filled=True, size=46)
        .encode(
            shape=alt.Shape(
                "role:N",
                scale=alt.Scale(domain=[tr("name"), tr("definition")], range=["circle", "diamond"]),
                legend=alt.Legend(symbolFillColor="var(--soft)", symbolStrokeColor="var(--soft)"),
            ),
            opacity=alt.condition(hover, alt.value(0.9), alt.value(0.1)),
            tooltip=[
                alt.Tooltip("text:N", title=tr("text")),
                alt.Tooltip("concept:N", title=tr("concept")),
                alt.Tooltip("lang:N", title=tr("language")),
            ],
        )
        .add_params(hover)
    )
    labels = (
        base.transform_filter("isValid(datum.label)")
        .mark_text(fontSize=8, dy=-7)
        .encode(text="label:N", color=alt.value("var(--ink)"))
    )
    return alt.layer(ties, points, labels).properties(width="container", height=360)


def _map_rows(view: TermView, places: Sequence[tuple[float, float]]) -> Iterator[dict[str, Any]]:
    names: dict[int, str] = {}
    for point in view.points:
        if point.is_name:
            names.setdefault(point.concept, shorten(point.text, _NAME_COLUMNS))
    concepts = np.array([point.concept for point in view.points])
    middles = {
        concept: np.asarray(places)[concepts == concept].mean(axis=0) for concept in set(concepts.tolist())
    }
    unnamed = dict(names)
    for point, (x, y) in zip(view.points, places, strict=True):
        x2, y2 = middles[point.concept].round(3).tolist()
        yield {
            "x": x, "y": y, "x2": x2, "y2": y2, "text": shorten(point.text, _TEXT_COLUMNS), "lang": point.lang,
            "role": tr("name") if point.is_name else tr("definition"),
            "concept": f"{point.concept + 1} {names.get(point.concept, '')}",
            "label": unnamed.pop(point.concept, None),
        }  # fmt: skip


def _square(points: Sequence[MapPoint]) -> tuple[float, float]:
    """One range for both axes of both maps: distances compare."""
    most = max(abs(value) for point in points for value in (*point.before, *point.after))
    return -1.08 * most, 1.08 * most


def mean_cosines(rows: Rows, concepts: Sequence[int]) -> tuple[float | None, float]:
    """The mean cosine of names of one concept (None where none has two) and of names of different concepts."""
    values = np.asarray(rows)
    numbers = np.asarray(concepts)
    same = numbers[:, None] == numbers[None, :]
    other = ~np.eye(len(numbers), dtype=bool)
    within = values[same & other]
    between = values[~same]
    return (float(within.mean()) if len(within) else None), float(between.mean()) if len(between) else 0.0
