"""What a record looks like in a notebook: a table, a curve. HTML without scripts, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from embedkit.models.run_folder import Series

WIDTH, HEIGHT, EDGE = 480, 160, 8
# One colour that is readable on light and dark paper alike.
_LINE = "#3b82f6"


def heading(text: str) -> str:
    """A line in bold."""
    return f"<p><strong>{escape(text)}</strong></p>"


def paragraph(text: str) -> str:
    """A line of text; nothing where there is none."""
    return f"<p>{escape(text)}</p>" if text else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers stand right, floats with three decimals."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, float):
        return f'<td style="text-align:right">{value:.3f}</td>'
    if isinstance(value, int):
        return f'<td style="text-align:right">{value:,}</td>'
    return f'<td style="text-align:left">{escape(str(value))}</td>'


def curve(series: Series) -> str:
    """A line of the values over the steps, with the first and the last value; nothing for fewer than two points."""
    steps, values = series.steps, series.values
    if len(values) < 2 or steps[0] == steps[-1]:
        return ""
    low, high = min(values), max(values)
    across, up = (WIDTH - 2 * EDGE) / (steps[-1] - steps[0]), (HEIGHT - 2 * EDGE) / ((high - low) or 1)
    points = " ".join(
        f"{EDGE + (step - steps[0]) * across:.1f},{HEIGHT - EDGE - (value - low) * up:.1f}"
        for step, value in zip(steps, values, strict=True)
    )
    label = escape(
        f"{series.name}: {values[0]:.3f} → {values[-1]:.3f}, steps {steps[0]:g} to {steps[-1]:g}", quote=True
    )
    return (
        f'<figure style="margin:0"><figcaption>{label}</figcaption>'
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" style="max-width:100%">'
        f'<polyline points="{points}" fill="none" stroke="{_LINE}" stroke-width="2"/></svg></figure>'
    )
