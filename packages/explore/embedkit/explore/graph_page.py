"""The concept graph as one HTML page: zoom, hover, search, and a panel with a concept's definition and its nearest.

Layout costs about a second for the `MOST_DRAWN` concepts that are drawn at most, the best linked ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from embedkit.html.render import inline_json, render
from embedkit.messages import tr
from embedkit.text import shorten, width

if TYPE_CHECKING:
    from networkx import Graph

    from embedkit.explore.graph import GraphResult

MOST_DRAWN = 600
STRONGEST = 20
_LINE_PIXELS = 22
_HEIGHT_PIXELS = 600
_LABEL_COLUMNS = 28
_TEXT_COLUMNS = 300
_COLOURS = [f"var(--c{number})" for number in range(8)]
Row = dict[str, Any]
Positions = dict[int, tuple[float, float]]


def render_graph(network: Graph, result: GraphResult) -> str:
    """The page; concepts without a link are counted and not drawn.

    Raises:
        UserError: the extra `report` is not installed.
    """
    drawn = _drawn(network)
    positions = _layout(drawn)
    nodes, links = list(_node_rows(drawn, positions)), list(_link_rows(drawn, positions))
    return render(
        Path(__file__).with_name("graph.html.jinja"),
        charts={"graph": _chart(nodes, links).to_dict(validate=True)},
        r=result,
        drawn=len(nodes),
        concepts_json=inline_json(_details(drawn)),
        strongest=sorted(links, key=lambda row: -row["similarity"])[:STRONGEST],
    )


def _drawn(network: Graph) -> Graph:
    linked = sorted((-degree, node) for node, degree in network.degree() if degree)
    return network.subgraph([node for _, node in linked[:MOST_DRAWN]]).copy()


def _layout(network: Graph) -> Positions:
    """Each connected part by springs, the parts side by side in rows, the largest above."""
    from networkx import connected_components

    parts = sorted(connected_components(network), key=lambda part: (-len(part), min(part)))
    sides = [float(np.sqrt(len(part))) for part in parts]
    positions: Positions = {}
    x = y = row_height = 0.0
    for part, side in zip(parts, sides, strict=True):
        if x and x + side > sides[0]:
            x, y, row_height = 0.0, y + row_height + 0.8, 0.0
        springs = _springs(network.subgraph(sorted(part)))
        for node, (across, down) in springs.items():
            positions[node] = (x + (across + 1) * side / 2, -y - (down + 1) * side / 2)
        x, row_height = x + side + 0.8, max(row_height, side)
    return positions


def _springs(part: Graph) -> Positions:
    """Positions in -1 to 1: springs, then half way to equal spacing on each axis, so that no corner is crowded."""
    from networkx import spring_layout

    springs = spring_layout(
        part, weight=None, k=2 / np.sqrt(len(part)), iterations=150, seed=0, method="force"
    )
    found = np.array([springs[node] for node in part])
    spread = 2 * found.argsort(axis=0).argsort(axis=0) / max(len(part) - 1, 1) - 1
    return dict(zip(part, map(tuple, (found + spread) / 2), strict=True))


def _node_rows(network: Graph, positions: Positions) -> Iterator[Row]:
    wide, narrow = (_labelled(network, positions, pixels=pixels) for pixels in (850, 300))
    names = _group_names(network)
    for node, data in network.nodes(data=True):
        yield {
            "id": node,
            "x": positions[node][0],
            "y": positions[node][1],
            "label": data["label"],
            "short": _short(data["label"]),
            "found": f"{data['label']} {data['names']}".casefold(),
            "definition": shorten(data["definition"], _TEXT_COLUMNS),
            "group": names.get(data["group"], tr("other groups")),
            "degree": network.degree(node),
            "near": "".join(f"|{other}" for other in network[node]) + "|",
            "named": node in wide,
            "named_narrow": node in narrow,
        }


def _labelled(network: Graph, positions: Positions, *, pixels: int) -> set[int]:
    """The best linked concepts whose names fit a chart of this width without covering one another."""
    places = np.array([positions[node] for node in network])
    low, high = places.min(axis=0), places.max(axis=0)
    scaled = (places - low) / np.maximum(high - low, 1e-9) * (pixels, _HEIGHT_PIXELS)
    at = dict(zip(network, scaled.tolist(), strict=True))
    taken: list[tuple[float, float, float]] = []
    labelled: set[int] = set()
    for node, _ in sorted(network.degree(), key=lambda pair: (-pair[1], pair[0])):
        (x, y), half = at[node], 3.2 * width(_short(network.nodes[node]["label"]))
        if all(abs(x - x2) > half + half2 or abs(y - y2) > _LINE_PIXELS for x2, y2, half2 in taken):
            taken.append((x, y, half))
            labelled.add(node)
    return labelled


def _short(label: str) -> str:
    """The first of a concept's terms."""
    return shorten(label.split(" · ")[0], _LABEL_COLUMNS)


def _group_names(network: Graph) -> dict[int, str]:
    """The largest groups, each called by its best linked concept; two groups never share a name."""
    names: dict[int, str] = {}
    for node, degree in sorted(network.degree(), key=lambda pair: (-pair[1], pair[0])):
        group = network.nodes[node]["group"]
        if group < len(_COLOURS) and degree:
            names.setdefault(group, _short(network.nodes[node]["label"]))
    return dict(sorted(names.items()))


def _link_rows(network: Graph, positions: Positions) -> Iterator[Row]:
    for first, second, similarity in network.edges(data="similarity"):
        (x, y), (x2, y2) = positions[first], positions[second]
        names = [network.nodes[node]["label"] for node in (first, second)]
        yield {
            "x": x, "y": y, "x2": x2, "y2": y2, "first": first, "second": second, "similarity": similarity,
            "from": names[0], "to": names[1], "apart": _languages_apart(network, first, second),
        }  # fmt: skip


def _languages_apart(network: Graph, first: int, second: int) -> str:
    """The languages of two concepts that share none, as `en, ko`: one may be the other's translation. Else nothing."""
    left, right = (set(network.nodes[node]["langs"].split()) for node in (first, second))
    return ", ".join(sorted(left | right)) if left and right and not left & right else ""


def _details(network: Graph) -> list[Row]:
    """What the panel shows of each concept."""
    return [
        {
            "id": node,
            "label": data["label"],
            "names": data["names"],
            "definition": data["definition"],
            "near": sorted(([other, network[node][other]["similarity"]] for other in network[node]),
                           key=lambda pair: -pair[1]),
        }
        for node, data in network.nodes(data=True)
    ]  # fmt: skip


def _chart(nodes: list[Row], links: list[Row]) -> alt.LayerChart:
    """Links under circles under names; hovering a concept leaves it and its neighbours in colour."""
    hover = alt.selection_point(
        name="hover", fields=["id"], on="pointerover", clear="pointerout", empty=False
    )
    find = alt.param(
        name="find", value="", bind=alt.BindInput(input="search", name=tr("find"), placeholder="PWM")
    )
    hovered = "length(data('hover_store'))"
    found = "(find == '' || indexof(datum.found, lower(find)) >= 0)"
    near = f"(!{hovered} || hover.id[0] == datum.id || indexof(datum.near, '|' + hover.id[0] + '|') >= 0)"
    touched = f"(!{hovered} || hover.id[0] == datum.first || hover.id[0] == datum.second)"
    across = alt.X("x:Q", axis=None, scale=alt.Scale(zero=False, nice=False, padding=64))
    down = alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False, nice=False, padding=24))
    rules = (
        alt.Chart(alt.InlineData(values=links))
        .mark_rule(color="var(--soft)")
        .encode(
            x=across,
            y=down,
            x2="x2",
            y2="y2",
            strokeWidth=alt.StrokeWidth("similarity:Q", scale=alt.Scale(range=[0.5, 3]), legend=None),
            opacity=alt.condition(f"{touched} && find == ''", alt.value(0.45), alt.value(0.06)),
            tooltip=[
                alt.Tooltip("from:N", title=tr("term")),
                alt.Tooltip("to:N", title=tr("near")),
                alt.Tooltip("similarity:Q", format=".3f", title=tr("similarity")),
            ],
        )
    )
    base = alt.Chart(alt.InlineData(values=nodes)).encode(x=across, y=down)
    circles = (
        base.mark_circle(stroke="var(--paper)", strokeWidth=1, cursor="pointer")
        .encode(
            size=alt.Size("degree:Q", scale=alt.Scale(range=[45, 420]), legend=None),
            color=alt.Color("group:N", scale=_colours(nodes), legend=_legend()),
            opacity=alt.condition(f"{near} && {found}", alt.value(0.95), alt.value(0.12)),
            tooltip=[
                alt.Tooltip("label:N", title=tr("term")),
                alt.Tooltip("definition:N", title=tr("text")),
                alt.Tooltip("degree:Q", title=tr("links")),
            ],
        )
        .add_params(hover)
    )
    shown = f"({hovered} ? {near} : find != '' ? {found} : width < 600 ? datum.named_narrow : datum.named)"
    texts = base.mark_text(dy=-11, fontSize=11, color="var(--ink)").encode(
        text="short:N", opacity=alt.condition(shown, alt.value(1), alt.value(0))
    )
    drag = alt.selection_interval(bind="scales", name="drag")
    return (
        alt.layer(rules.add_params(drag), circles, texts)
        .add_params(find)
        .properties(width="container", height=680)
    )


def _legend() -> alt.Legend:
    """Narrower on a phone."""
    return alt.Legend(
        columns=alt.ExprRef("width < 500 ? 2 : 4"), labelLimit=alt.ExprRef("width < 500 ? 130 : 200")
    )


def _colours(nodes: list[Row]) -> alt.Scale:
    names = list(dict.fromkeys(row["group"] for row in nodes))
    other = tr("other groups")
    domain = [name for name in names if name != other]
    colours = _COLOURS[: len(domain)]
    if other in names:
        domain, colours = [*domain, other], [*colours, "var(--before)"]
    return alt.Scale(domain=domain, range=colours)
