"""The charts of a report as Vega-Lite specifications, by Altair; colours are the page's CSS variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import numpy as np

from embedkit.evaluation.measure.systems import BINS
from embedkit.evaluation.records import Evaluation, Interval, MetricResult, Similarities, Slice
from embedkit.evaluation.report.between import Comparison
from embedkit.evaluation.report.term_charts import label_charts, term_charts
from embedkit.messages import tr
from embedkit.models.run_folder import Series
from embedkit.ranking.metrics import PRIMARY, TITLES

Spec = dict[str, Any]
BEFORE, AFTER, PLAIN = "var(--before)", "var(--after)", "var(--plain)"
_RUN_COLOURS = (AFTER, "var(--warm)", "var(--good)", "var(--bad)", PLAIN)
_AGAINST_COLOURS = {
    "positive": "var(--good)",
    "hard negative": "var(--bad)",
    "random text": "var(--plain)",
}


def charts(evaluation: Evaluation) -> dict[str, Spec]:
    """Every chart that the evaluation has data for, by the id of its place in the page."""
    found = {"metrics": metric_bars(evaluation.metrics)}
    if evaluation.slices:
        found["slices"] = slice_intervals(evaluation.slices)
    share = _most_in_a_bin(evaluation.similarities) if evaluation.similarities else 0
    for system in ("before", "after") if evaluation.similarities else ():
        part = [s for s in evaluation.similarities if s.system == system]
        found[f"cosines-{system}"] = histogram(part, edges=_edges(evaluation.similarities), most=share)
    for name, series in (("loss", losses(evaluation.curves)), ("dev", dev_metrics(evaluation.curves))):
        if series:
            found[name] = curve(series, title=tr(name))
    if evaluation.labels:
        found.update(label_charts(evaluation.labels))
    if evaluation.terms:
        found.update(term_charts(evaluation.terms))
    return {name: chart.to_dict(validate=True) for name, chart in found.items()}


def metric_bars(metrics: Sequence[MetricResult]) -> alt.LayerChart:
    """Before, after and BM25 for every metric; whiskers are 95 % intervals."""
    names = [tr("before"), tr("after"), "BM25"]
    return _system_bars(
        [row for metric in metrics for row in _bars(metric, names)], names, [BEFORE, AFTER, PLAIN]
    )


def run_bars(comparison: Comparison) -> alt.LayerChart:
    """The same for several runs, and the baseline where they share it."""
    rows = [
        _bar(metric, run.name, metric.after, metric.after_interval)
        for run in comparison.runs
        for metric in run.metrics
    ]
    names = [run.name for run in comparison.runs]
    colours = [_RUN_COLOURS[i % len(_RUN_COLOURS)] for i in range(len(names))]
    if comparison.baseline:
        names, colours = [tr("baseline"), *names], [BEFORE, *colours]
        rows += [_bar(m, names[0], m.before, m.before_interval) for m in comparison.baseline.metrics]
    return _system_bars(rows, names, colours)


def _system_bars(rows: Sequence[Spec], names: Sequence[str], colours: Sequence[str]) -> alt.LayerChart:
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("metric:N", sort=None, title=None, axis=alt.Axis(ticks=False, labelPadding=8)),
        yOffset=alt.YOffset("system:N", sort=names),
        tooltip=[
            alt.Tooltip("metric:N", title=tr("metric")),
            alt.Tooltip("system:N", title=tr("model")),
            alt.Tooltip("value:Q", format=".4f", title=tr("value")),
            alt.Tooltip("low:Q", format=".4f", title=tr("from")),
            alt.Tooltip("high:Q", format=".4f", title=tr("to")),
        ],
    )
    bars = base.mark_bar(cornerRadiusEnd=2).encode(
        x=alt.X("value:Q", title=None, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(tickCount=6)),
        color=alt.Color("system:N", sort=names, scale=alt.Scale(domain=names, range=colours)),
    )
    whiskers = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(color="var(--ink)", strokeWidth=1.5)
        .encode(x="low:Q", x2="high:Q")
    )
    height = 16 * len(names) * len({row["metric"] for row in rows})
    return alt.layer(bars, whiskers).properties(width="container", height=height)


def _bars(metric: MetricResult, names: Sequence[str]) -> Iterator[Spec]:
    yield _bar(metric, names[0], metric.before, metric.before_interval)
    yield _bar(metric, names[1], metric.after, metric.after_interval)
    yield _bar(metric, names[2], metric.bm25, None)


def _bar(metric: MetricResult, system: str, value: float | None, interval: Interval | None) -> Spec:
    low, high = _ends(interval)
    return {"metric": tr(TITLES[metric.name]), "system": system, "value": value, "low": low, "high": high}


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def slice_intervals(slices: Sequence[Slice]) -> alt.LayerChart:
    """The difference in nDCG@10 and its interval for every slice, with a line at zero."""
    rows = [_slice_row(part) for part in slices]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("slice:N", sort=None, title=None, axis=alt.Axis(ticks=False, labelPadding=8, grid=True)),
        color=alt.Color("word:N", scale=_word_scale(), legend=None),
        tooltip=[
            alt.Tooltip("slice:N", title=tr("slice")),
            alt.Tooltip("queries:Q", title=tr("queries")),
            alt.Tooltip("difference:Q", format="+.4f", title=tr("difference")),
            alt.Tooltip("low:Q", format="+.4f", title=tr("from")),
            alt.Tooltip("high:Q", format="+.4f", title=tr("to")),
        ],
    )
    title = tr("difference in {metric}", metric=TITLES[PRIMARY])
    ranges = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title=title, axis=alt.Axis(tickCount=6)), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="difference:Q")
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0.0}])).mark_rule(color="var(--ink)").encode(x="zero:Q")
    return alt.layer(zero, ranges, points).properties(width="container", height=30 * len(rows))


def _slice_row(part: Slice) -> Spec:
    primary = part.metrics[0]
    low, high = _ends(primary.difference_interval)
    return {
        "slice": f"{part.value} ({part.queries})",
        "word": part.word,
        "queries": part.queries,
        "difference": primary.difference,
        "low": low,
        "high": high,
    }


def _word_scale() -> alt.Scale:
    return alt.Scale(
        domain=["SHIP", "NO DIFFERENCE", "DO NOT SHIP"], range=["var(--good)", "var(--soft)", "var(--bad)"]
    )


def histogram(parts: Sequence[Similarities], *, edges: tuple[float, float], most: float) -> alt.Chart:
    """Shares of texts by cosine, one translucent layer for each sort of text."""
    rows = [
        {"from": low, "to": high, "share": count / sum(part.counts), "against": tr(part.against)}
        for part in parts
        for low, high, count in zip(BINS[:-1], BINS[1:], part.counts, strict=True)
        if count
    ]
    names = [tr(part.against) for part in parts]
    colours = [_AGAINST_COLOURS[part.against] for part in parts]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(opacity=0.55)
        .encode(
            x=alt.X("from:Q", title=tr("cosine"), scale=alt.Scale(domain=list(edges), nice=False)),
            x2="to:Q",
            y2=alt.datum(0),
            y=alt.Y(
                "share:Q",
                title=tr("share of texts"),
                stack=None,
                axis=alt.Axis(format="%", tickCount=4),
                scale=alt.Scale(domain=[0, most]),
            ),
            color=alt.Color("against:N", sort=names, scale=alt.Scale(domain=names, range=colours)),
            tooltip=[
                alt.Tooltip("against:N", title=tr("text")),
                alt.Tooltip("from:Q", format=".2f", title=tr("from")),
                alt.Tooltip("to:Q", format=".2f", title=tr("to")),
                alt.Tooltip("share:Q", format=".1%", title=tr("share of texts")),
            ],
        )
        .properties(width="container", height=200)
    )


def _edges(parts: Sequence[Similarities]) -> tuple[float, float]:
    filled = np.flatnonzero(np.sum([part.counts for part in parts], axis=0))
    return float(BINS[filled[0]]), float(BINS[filled[-1] + 1])


def _most_in_a_bin(parts: Sequence[Similarities]) -> float:
    return max(max(part.counts) / sum(part.counts) for part in parts)


def losses(curves: Sequence[Series]) -> list[Series]:
    """The training and dev losses."""
    return sorted((series for series in curves if "loss" in series.name), key=lambda s: len(s.name))


def dev_metrics(curves: Sequence[Series]) -> list[Series]:
    """Metrics on the dev rows, those that lie between 0 and 1."""
    marks = ("dev", "eval", "ndcg", "mrr", "recall", "accuracy")
    return [
        series
        for series in curves
        if "loss" not in series.name
        and any(mark in series.name for mark in marks)
        and all(0 <= value <= 1 for value in series.values)
    ]


def _curve_name(series: Series) -> str:
    """`dev_ndcg_at_10` is called nDCG@10 in the chart of the dev rows."""
    name = series.name.replace("_at_", "@").removeprefix("dev_")
    return "dev loss" if series.name == "dev_loss" else TITLES.get(name, name)


def curve(series: Sequence[Series], *, title: str) -> alt.Chart:
    """Lines over training steps."""
    rows = [
        {"step": step, "value": value, "name": _curve_name(one)}
        for one in series
        for step, value in zip(one.steps, one.values, strict=True)
    ]
    names = [_curve_name(one) for one in series]
    colours = [AFTER, BEFORE, "var(--good)", "var(--bad)", PLAIN]
    repeated = [colours[i % len(colours)] for i in range(len(names))]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("step:Q", title=tr("step"), axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6)),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "name:N",
                sort=names,
                scale=alt.Scale(domain=names, range=repeated),
                legend=alt.Legend(columns=2),
            ),
            tooltip=[
                alt.Tooltip("name:N", title=tr("curve")),
                alt.Tooltip("step:Q", title=tr("step")),
                alt.Tooltip("value:Q", format=".4f", title=tr("value")),
            ],
        )
        .properties(width="container", height=220)
    )
